"""Record: what was decided becomes rows, journal, audit entries, outcomes and outbox rows, in one transaction.

`Writing` does it for whoever holds the lock on the instance. The activity of this name is for what a run itself has to
say. It is optimistic and idempotent (DESIGN §2.3): if the journal is ahead of what the run knows, or one of the
commands is settled, nothing is written and the missing events go back. A worker that was killed after its commit, a
zombie, a Reset in Temporal's Web UI: all come out here as `behind`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from psycopg import Error as PsycopgError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.answers import settle
from activities.children import cascade, tell_parent
from activities.contract import RECORD, Cohort, Recorded, RecordRequest
from activities.contract import wire as wire_form
from activities.creating import create_children
from activities.definitions import Definition, Definitions
from activities.escalating import start_escalation, starts_process
from activities.gates import close_gates_of, gates_follow, open_gates_of, reopen_gates_of
from activities.guard import is_rejected_data, retried_where_it_helps
from activities.journal import event_data
from activities.locking import Locked, locked_by, locking, missed
from activities.migrating import change_gates
from activities.notices import tell
from activities.projection import Place, projected, starts_to_join
from activities.rebuild import IDENTITY, SUBJECTS_DIGEST, origin_of, with_origin
from activities.showing import Showing
from activities.subscriptions import NOTHING, Subscriptions, Wanted
from activities.trail import Asked, Before, Trail, look_before
from models.flow import events as ev
from models.flow.batch import Outcome
from models.flow.cohorts import pack, unpack
from models.flow.graph import Graph
from models.flow.nesting import nested
from models.flow.state import Ref
from models.store.audit import AuditDraft, audit_entries, engine_actor
from models.store.bulk import insertion
from models.store.chain import next_link
from models.store.chained import to_be_sealed
from models.store.instances import RECORD_CHANNEL
from models.store.voids import void_all
from models.tables import Journal, MessageDelivery
from models.wire import Statement, Wire, tenant_wire

_ASKED = text(
    """
    SELECT c.id, c.kind, c.on_behalf_of, c.source, c.body, c.outcome, u.id AS actor_id, u.username
    FROM command c JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.actor_id)
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) FOR NO KEY UPDATE OF c
    """
)
_ORIGIN = text(
    f"""
    SELECT process_id, name, owner_id, due_date, context, {IDENTITY} AS identity, {SUBJECTS_DIGEST} AS subjects
    FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance
    """  # noqa: S608 - names from the code
)
_SEAL_AND_TELL = text(
    """
    WITH moved AS (UPDATE workflow_instance SET seq = :seq, record_no = :record_no, chain_n = :n, chain_hash = :hash
                   WHERE tenant_id = :tenant AND id = :id AND chain_n = :n - 1 RETURNING 1),
         link AS (INSERT INTO chain_link (tenant_id, chain, chain_id, n, at, payload_digest, prev_hash, hash)
                  SELECT :tenant, :chain, :id, :n, :at, :payload, :prev, :hash FROM moved)
    SELECT pg_notify(:channel, :notice), 1 / (SELECT count(*) FROM moved)
    """
)
"""The division fails where the chain's head was not where it was locked; then nothing of the record is written."""


class Recorder:
    """Writes with the application role; one transaction per call."""

    def __init__(
        self, engine: AsyncEngine, definitions: Definitions, subscriptions: Subscriptions | None = None
    ) -> None:
        """Take what the composition root wired."""
        self._engine = engine
        self._definitions = definitions
        self._subscriptions = subscriptions or Subscriptions()

    @activity.defn(name=RECORD)
    @retried_where_it_helps
    async def record(self, request: RecordRequest) -> Recorded:
        """Write what the run says, or say why nothing was written."""
        tenant, instance = UUID(request.key.tenant_id), UUID(request.key.instance_id)
        try:
            async with tenant_wire(self._engine, tenant) as wire:
                ((row,),) = await wire.fetch(locking(tenant, instance))
                locked = locked_by(tenant, instance, row)
                place = locked.place
                asked = await _asked(wire, place, request)
                settled = tuple(identity for identity, one in asked.items() if one.settled)
                if locked.seq != request.expected_seq or settled or not request.cohorts:
                    known = await missed(wire, place, request.expected_seq, locked.seq)
                    return replace(known, settled=settled)
                happened = tuple(unpack(cohort.core() for cohort in request.cohorts))
                definition = await self._definitions.version(await wire.session(), tenant, place.process)
                before = await look_before(wire, place, happened)
                wanted = self._subscriptions.of(tenant)
                writing = Writing(wire, place, definition, self._engine, locked, asked, before, wanted)
                return (await writing.write(request.cohorts, request.outcomes)).slim()
        except (DBAPIError, PsycopgError) as error:
            return rejected(error, request.expected_seq)


def rejected(error: DBAPIError | PsycopgError, seq: int) -> Recorded:
    """The answer where the database refuses these values.

    Raises:
        DBAPIError, PsycopgError: it is something else.
    """
    if not is_rejected_data(error):
        raise error
    said = error.orig if isinstance(error, DBAPIError) else error
    return Recorded(status="rejected", seq=seq, error=str(said)[:1_000])


async def _asked(wire: Wire, place: Place, request: RecordRequest) -> dict[str, Asked]:
    ids = sorted({UUID(one.command_id) for one in request.outcomes})
    if not ids:
        return {}
    (rows,) = await wire.fetch(Statement(_ASKED, {"tenant": place.tenant, "ids": ids}))
    return {str(row.id): Asked.of(place.tenant, row._asdict()) for row in rows}


@dataclass(slots=True)
class Writing:
    """One record: what happened, written by the transaction that has locked the instance."""

    wire: Wire
    place: Place
    definition: Definition
    engine: AsyncEngine
    locked: Locked
    asked: Mapping[str, Asked]
    before: Mapping[Ref, Before]
    wanted: Wanted = NOTHING
    target: Definition | None = None
    """The version that a migration in this record leads to."""
    showing: Showing | None = None
    """What the executions concerned show before it."""
    former: Graph | None = None
    """The graph that it led away from, once it happened; what is left then is left there."""

    async def write(self, cohorts: Sequence[Cohort], outcomes: Sequence[Outcome]) -> Recorded:
        """Rows, journal, outcomes, audit entries, one link of the chain, one NOTIFY."""
        locked = self.locked
        for_the_run = tuple(cohorts)
        if locked.seq == 0:
            cohorts = await self._with_origin(cohorts)
        trail = Trail(self.place, self.definition.graph, self.asked, self.before)
        trail.drafts += await self._change_rows(_alike(cohorts, outcomes))
        await tell(self.wire, self.place, cohorts, locked.seq + 1, self.wanted, self.definition.graph)
        for cohort in cohorts:
            if isinstance(cohort.event, ev.InstanceMigrated):
                trail.former, trail.graph = self.former, self.definition.graph
            trail.note(cohort)
        journal = to_be_sealed(locked.head, Journal, self._journal_rows(cohorts, locked))
        self.wire.later(insertion(Journal, journal))
        seq = locked.seq + len(cohorts)
        await settle(self.wire, self.place, cohorts, outcomes, seq, self.showing)
        now = datetime.now(UTC)
        entries = audit_entries(engine_actor(self.place.tenant), trail.drafts, head=locked.head, at=now)
        link = next_link(locked.head, [*(row["digest"] for row in journal), *entries.digests], now)
        position = {"seq": seq, "record_no": locked.record_no + 1}
        notice = {"channel": RECORD_CHANNEL, "notice": f"{self.place.instance} {seq}"}
        self.wire.later(*entries.statements, Statement(_SEAL_AND_TELL, {**link, **position, **notice}))
        return Recorded(status="recorded", seq=seq, cohorts=for_the_run)

    async def _change_rows(self, cohorts: Sequence[Cohort]) -> list[AuditDraft]:
        """Project, and let follow what follows.

        Returns:
            Audit entries of what else came into being.
        """
        drafts: list[AuditDraft] = []
        children: list[ev.ChildRequested] = []
        joined = starts_to_join(cohorts)
        starts = {start: cohorts[start].event for start in joined.values()}
        for number, cohort in enumerate(cohorts):
            if number not in starts:
                self.wire.later(*projected(self.place, cohort, starts.get(joined.get(number, -1))))
            if isinstance(cohort.event, ev.ChildRequested):
                ref = cohort.event.ref._replace(subject=cohort.subjects[0])
                children.append(replace(cohort.event, ref=ref))
                continue
            if self._changes_only_rows(cohort):
                continue
            # Whatever follows from now on may concern them: a step that is left again cancels its children.
            drafts += await self._create(children)
            children.clear()
            session = await self.wire.session()
            if isinstance(cohort.event, ev.InstanceMigrated):
                await self._migrate(session, cohort.event)
            drafts += await self._follow(session, cohort, self.locked.seq + 1 + number)
        return [*drafts, *await self._create(children)]

    async def _create(self, children: Sequence[ev.ChildRequested]) -> Sequence[AuditDraft]:
        """Nested instances that were asked for one after the other, all at once; with the entries of new subjects."""
        if not children:
            return ()
        return await create_children(await self.wire.session(), self.engine, self.place, self.definition, children)

    def _changes_only_rows(self, cohort: Cohort) -> bool:
        """Whether nothing follows, so that nothing has to be sent before the end."""
        match cohort.event:
            case ev.ExecutionEntered(ref=ref):
                return not gates_follow(self.definition.graph, ref.step, entered=True)
            case ev.ExecutionCompleted(ref=ref, forced=str()) if any(nested(self.definition.graph.steps[ref.step])):
                return False
            case ev.ExecutionCompleted(ref=ref) | ev.ExecutionCancelled(ref=ref):
                return not gates_follow(self.definition.graph, ref.step, entered=False)
            case ev.ExecutionClaimed() | ev.ExecutionStarted() | ev.ExecutionReleased() | ev.CommandRefused():
                return True
            case _:
                return False

    async def _migrate(self, session: AsyncSession, event: ev.InstanceMigrated) -> None:
        """From here on this record is about the version that the instance is pinned to now."""
        if self.target is None or str(self.target.process_id) != event.process_id:
            raise LookupError(f"the version {event.process_id} is not at hand")
        self.former = self.definition.graph
        self.definition = self.target
        self.place = replace(self.place, process=self.target.process_id)
        await change_gates(session, self.place, self.former, self.definition.graph, event)

    async def _with_origin(self, cohorts: Sequence[Cohort]) -> list[Cohort]:
        """The first record says what the instance began as, so that its past can be told from the journal alone."""
        keys = {"tenant": self.place.tenant, "instance": self.place.instance}
        ((row,),) = await self.wire.fetch(Statement(_ORIGIN, keys))
        origin = origin_of(row._asdict())
        return [with_origin(cohort, origin) for cohort in cohorts]

    def _journal_rows(self, cohorts: Sequence[Cohort], locked: Locked) -> list[dict[str, Any]]:
        return [
            {
                "tenant_id": self.place.tenant,
                "instance_id": self.place.instance,
                "seq": seq,
                "record_no": locked.record_no + 1,
                "kind": cohort.event.kind,
                "at": cohort.event.at,
                "subjects": list(cohort.subjects),
                "data": event_data(cohort.event),
                "command_id": None if cohort.command_id is None else UUID(cohort.command_id),
            }
            for seq, cohort in enumerate(cohorts, start=locked.seq + 1)
        ]

    async def _follow(self, session: AsyncSession, cohort: Cohort, seq: int) -> Sequence[AuditDraft]:
        """What an event entails beside its own rows: gates, children, the parent; with the entries of what it began."""
        match cohort.event:
            case ev.ExecutionEntered(ref=ref):
                ids = self.place.ids(ref, cohort.subjects)
                await open_gates_of(session, self.place, self.definition.graph, ref.step, ids, cohort.event.at)
            case ev.ExecutionCompleted(ref=ref) | ev.ExecutionCancelled(ref=ref):
                ids = self.place.ids(ref, cohort.subjects)
                await close_gates_of(session, self.place, self.definition.graph, ref.step, ids, cohort.event.at)
                if isinstance(cohort.event, ev.ExecutionCompleted) and cohort.event.forced is not None:
                    await self._abandon(session, self.definition.graph, cohort.event, ids, seq)
            case ev.ExecutionDiverted(ref=ref):
                graph = self.former or self.definition.graph
                ids = self.place.ids(ref, cohort.subjects)
                await close_gates_of(session, self.place, graph, ref.step, ids, cohort.event.at)
                await self._abandon(session, graph, cohort.event, ids, seq)
            case ev.ExecutionRestored(ref=ref, at=at, reason=reason):
                undoing = self.asked.get(cohort.command_id or "")
                actor = engine_actor(self.place.tenant) if undoing is None else undoing.actor
                ids = self.place.ids(ref, cohort.subjects)
                await void_all(session, actor, ids, reason, at)
                await reopen_gates_of(session, self.place, self.definition.graph, cohort.event, ids, actor)
            case ev.MessageReceived():
                self.wire.later(self._deliveries(cohort.event, cohort.subjects))
            case ev.ExecutionEscalated() if starts_process(cohort.event):
                return await start_escalation(session, self.engine, self.place, self.definition, cohort)
            case ev.InstanceHeld(by=by, reason=reason):
                await cascade(session, self.place, "hold", by, reason, seq)
            case ev.InstanceResumed(by=by, reason=reason):
                await cascade(session, self.place, "resume", by, reason, seq)
            case ev.InstanceCancelled(by=by, reason=reason):
                await cascade(session, self.place, "cancel", by, reason, seq)
                await tell_parent(session, self.place, self.locked.parent, "cancelled")
            case ev.InstanceCompleted():
                await tell_parent(session, self.place, self.locked.parent, "completed")
            case _:
                pass
        return ()

    def _deliveries(self, event: ev.MessageReceived, subjects: Sequence[int]) -> Statement:
        """That a message is used up for these subjects; the second time is refused by the table itself."""
        executions = self.place.ids(event.ref, subjects)
        rows = [
            {
                "tenant_id": self.place.tenant,
                "id": uuid5(execution, f"delivery/{event.message_id}"),
                "message_id": UUID(event.message_id),
                "instance_id": self.place.instance,
                "subject_no": subject,
                "execution_id": execution,
                "at": event.at,
            }
            for subject, execution in zip(subjects, executions, strict=True)
        ]
        return insertion(MessageDelivery, rows)

    async def _abandon(
        self,
        session: AsyncSession,
        graph: Graph,
        event: ev.ExecutionDiverted | ev.ExecutionCompleted,
        ids: Sequence[UUID],
        seq: int,
    ) -> None:
        """Children of a step that was left by another way than by being met are not wanted any more."""
        if any(nested(graph.steps[event.ref.step])):
            reason = event.reason if isinstance(event, ev.ExecutionDiverted) else event.forced or ""
            await cascade(session, self.place, "cancel", event.by, reason, seq, of=ids)


def _alike(cohorts: Sequence[Cohort], outcomes: Sequence[Outcome]) -> Sequence[Cohort]:
    """What equal commands of several people did to the rows, as one."""
    if len({one.command_id for one in outcomes}) < MANY:
        return cohorts
    happened = (replace(one, command_id=None) for one in unpack(cohort.core() for cohort in cohorts))
    return wire_form(pack(happened))


MANY = 3
"""Commands from which on it pays."""
