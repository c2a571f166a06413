"""Advance: one batch from what queued up to what happened, in one transaction (ADR 0007).

The instance is locked first; so the facts that are read then stay true until the commit, and nothing has to be compared
afterwards. Between facts and record stands the pure core: `decide` sees the state of the run, which has to be where the
journal is; otherwise the run is told what it missed and nothing else happens.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from psycopg import Error as PsycopgError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.batching import Batch
from activities.clock import Calendars
from activities.command_rows import CommandRow
from activities.contract import ADVANCE, ActionAnswer, AdvanceRequest, Recorded, Work
from activities.contract import wire as wire_form
from activities.definitions import Definition, Definitions
from activities.escalating import starts_process
from activities.facts import Reading, asking
from activities.guard import retried_where_it_helps
from activities.locking import locked_by, locking, missed
from activities.migrating import migration_facts, migration_of, target_of
from activities.record import Writing, rejected
from activities.showing import Showing
from activities.states import States
from activities.subscriptions import Subscriptions
from activities.trail import Asked, look_before
from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.batch import Decision, decide_all
from models.flow.carry import carry, restore
from models.flow.cohorts import pack
from models.flow.facts import Facts
from models.flow.state import Ref, State
from models.flow.timing import late
from models.store.action_requests import request_hashes
from models.wire import tenant_wire

MANY_COMMANDS, MANY_TOKENS = 200, 2_000
"""From which on a decision may take longer than a moment: a batch release touches every token."""


class Advancer:
    """Decides and writes with the application role; one transaction per call.

    A child's identifier takes a connection of its own, so batches that ask for children go one at a time: many at once
    would wait for each other's connections for ever. Such a batch is found out by deciding it, then begins anew.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        definitions: Definitions,
        states: States,
        calendars: Calendars | None = None,
        subscriptions: Subscriptions | None = None,
    ) -> None:
        """Take what the composition root wired."""
        self._engine = engine
        self._definitions = definitions
        self._states = states
        self._calendars = calendars or Calendars()
        self._subscriptions = subscriptions or Subscriptions()
        self._with_children = asyncio.Semaphore(1)

    @activity.defn(name=ADVANCE)
    @retried_where_it_helps
    async def advance(self, request: AdvanceRequest) -> Recorded:
        """Decide the batch and write it down, or say why nothing was written."""
        try:
            try:
                return await self._advance(request, may_ask_for_children=False)
            except _ChildrenAskedFor:
                async with self._with_children:
                    return await self._advance(request, may_ask_for_children=True)
        except (DBAPIError, PsycopgError) as error:
            return rejected(error, request.expected_seq)

    async def _advance(self, request: AdvanceRequest, *, may_ask_for_children: bool) -> Recorded:
        tenant, instance = UUID(request.key.tenant_id), UUID(request.key.instance_id)
        async with tenant_wire(self._engine, tenant) as wire:
            (row,), *asked = await wire.fetch(
                locking(tenant, instance), *asking(tenant, instance, request.work.commands)
            )
            locked = locked_by(tenant, instance, row)
            place = locked.place
            if locked.seq != request.expected_seq:
                return await missed(wire, place, request.expected_seq, locked.seq)
            state = self._state(instance, request)
            if state is None:
                return Recorded(status="forgotten", seq=locked.seq)
            session = await wire.session()
            definition = await self._definitions.version(session, tenant, place.process)
            beginning = request.work.subjects
            reading = Reading(wire, session, tenant, instance, definition, self._calendars, state, beginning)
            advancing = _Advancing(reading, request, state)
            batch = await reading.cut(request.work.commands, *asked)
            decision = await advancing.decide(batch, self._definitions)
            if not may_ask_for_children and any(_asks_for_instance(one.event) for one in decision.happened):
                self._states.keep(instance, state)
                raise _ChildrenAskedFor
            recorded = Recorded(status="idle", seq=locked.seq)
            if decision.happened:
                # What is read from here on are rows as this record changes them.
                reading.session.expunge_all()
                before = await look_before(wire, place, decision.happened, batch)
                writing = Writing(
                    wire,
                    place,
                    definition,
                    self._engine,
                    locked,
                    _asked(batch, tenant),
                    before,
                    self._subscriptions.of(tenant),
                    advancing.target,
                    Showing(tuple(batch.executions.values()), batch.names, definition.graph, state),
                )
                recorded = await writing.write(wire_form(pack(decision.happened)), decision.outcomes)
        if recorded.status == "recorded" or not request.work.rechecks:
            # A run forgets looks that came to nothing; this state would not.
            decision.state.seq = recorded.seq
            self._states.keep(instance, decision.state)
        told = recorded.slim()
        if not told.fits:
            told = told.as_state(carry(decision.state))
        return replace(told, deferred=tuple(batch.deferred), later=advancing.later(batch))

    def _state(self, instance: UUID, request: AdvanceRequest) -> State | None:
        if request.state is not None:
            return restore(request.state)
        return self._states.take(instance, request.expected_seq)


def _asks_for_instance(event: ev.Event) -> bool:
    return isinstance(event, ev.ChildRequested) or starts_process(event)


class _ChildrenAskedFor(Exception):  # noqa: N818 - a way back, not a fault
    """The decision asks for nested instances; their identifiers need a second connection."""


class _Advancing:
    """One batch in one transaction, up to its decision."""

    def __init__(self, reading: Reading, request: AdvanceRequest, state: State) -> None:
        self._request = request
        self._state = state
        self._reading = reading
        self.target: Definition | None = None
        """The version that a migration leads to."""

    async def decide(self, batch: Batch, definitions: Definitions) -> Decision:
        """What the commands that go together come to.

        A batch release carries siblings along. One whose evidence changed while it waited, and at which nobody looked
        because others still worked there, is looked at before it may go.
        """
        request, reading = self._request, self._reading
        if (asked := migration_of(batch)) is not None:
            self.target = await target_of(reading, definitions, asked)
            return await self._migrated(batch, asked)
        answers = self._answers(batch)
        await reading.add_rechecks(batch, (*self._looks(batch), *(one.ref for one in answers)))
        await reading.add_beside(batch)
        await reading.add_siblings(batch)
        hashes = await request_hashes(reading.session, reading.tenant, [one.call_id for one in answers])
        overdue = late(self._state, request.now) if request.work.deadlines else ()
        while True:
            facts = await reading.facts(batch, request.now, self._entering(), overdue, self._ended())
            looks = replace(request.work, rechecks=self._looks(batch), answers=answers)
            commands = commands_of(looks, batch.rows, overdue, request.now, hashes)
            decision = await self._decide(commands, facts)
            if not await reading.add_stale(batch, self._carried_along(decision)):
                return decision

    async def _decide(self, commands: Sequence[cmd.Command], facts: Facts) -> Decision:
        """In a thread where it may take long: the SDK's watch of activations stands on the worker's event loop."""
        graph, state, now = self._reading.graph, self._state, self._request.now
        if len(commands) < MANY_COMMANDS and len(state.tokens) + self._request.work.subjects < MANY_TOKENS:
            return decide_all(graph, state, commands, facts, now)
        return await asyncio.to_thread(decide_all, graph, state, commands, facts, now)

    async def _migrated(self, batch: Batch, asked: CommandRow) -> Decision:
        """A migration goes alone: whatever is to be looked at comes with the next batch, under the new version."""
        now = self._request.now
        facts = await migration_facts(self._reading, batch, self._state, asked, self.target, now)
        work = replace(self._request.work, rechecks=(), deadlines=False, answers=())
        return await self._decide(commands_of(work, batch.rows, (), now), facts)

    def later(self, batch: Batch) -> tuple[Ref, ...]:
        """What waits until the commands for the same subjects have taken effect."""
        waiting = (*self._request.work.rechecks, *(one.ref for one in self._request.work.answers))
        if migration_of(batch) is not None:
            return waiting
        taken = _subjects(batch.rows)
        return tuple(ref for ref in waiting if ref.subject in taken)

    def _looks(self, batch: Batch) -> tuple[Ref, ...]:
        taken = _subjects(batch.rows)
        return tuple(ref for ref in self._request.work.rechecks if ref.subject not in taken)

    def _answers(self, batch: Batch) -> tuple[ActionAnswer, ...]:
        taken = _subjects(batch.rows)
        return tuple(one for one in self._request.work.answers if one.ref.subject not in taken)

    def _entering(self) -> Sequence[str]:
        """Steps that are entered without any execution leading there."""
        return (self._reading.graph.first.key,) if self._request.work.subjects else ()

    def _ended(self) -> Sequence[str]:
        """Nested instances whose end this batch brings."""
        return [child for child, _ in self._request.work.children]

    def _carried_along(self, decision: Decision) -> list[Ref]:
        steps = self._reading.graph.steps
        return [
            one.event.ref
            for one in decision.happened
            if isinstance(one.event, ev.ExecutionCompleted) and steps[one.event.ref.step].requires_batch_completion
        ]


def _asked(batch: Batch, tenant: UUID) -> dict[str, Asked]:
    return {str(row.id): Asked.by(tenant, row) for row in batch.stored}


def _subjects(rows: Iterable[CommandRow]) -> set[int]:
    return {ref.subject for row in rows for ref in row.refs}


def commands_of(
    work: Work,
    rows: Sequence[CommandRow],
    overdue: Iterable[Ref],
    now: datetime,
    hashes: Mapping[str, str] = MappingProxyType({}),
) -> tuple[cmd.Command, ...]:
    """The core's commands of a batch: what the engine noticed, what people asked for, what is to be looked at.

    `hashes` are of what automatic actions asked, by the id of the call.
    """
    begin: list[cmd.Command] = [cmd.Begin(subjects=work.subjects)] if work.subjects else []
    noticed: list[cmd.Command] = [cmd.NoteChildStarted(child_id=child) for child in work.started]
    noticed += [cmd.NoteChildEnded(child_id=child, status=status) for child, status in work.children]
    noticed += [
        cmd.NoteActionEnded(
            ref=one.ref,
            call_id=one.call_id,
            succeeded=one.succeeded,
            output=one.output,
            error=one.error,
            request_sha256=hashes.get(one.call_id, ""),
        )
        for one in work.answers
    ]
    people = [command for row in rows for command in row.commands()]
    looks: list[cmd.Command] = [cmd.Recheck(ref=ref) for ref in work.rechecks]
    clock: list[cmd.Command] = [cmd.CheckDeadlines(ref=ref, now=now) for ref in overdue]
    return (*begin, *noticed, *people, *looks, *clock)
