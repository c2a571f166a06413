"""Record: what was decided becomes rows, journal, audit entries, outcomes and outbox rows, in one transaction.

Optimistic and idempotent (DESIGN §2.3): the instance row is locked, and if the journal is ahead of what the decision
saw, or one of its commands is settled, nothing is written and the missing events go back. A worker that was killed
after its commit, a zombie, a Reset in Temporal's Web UI: all come out here as `behind`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.answers import settle
from activities.children import cascade, create_child, tell_parent
from activities.contract import RECORD, Cohort, Recorded, RecordRequest
from activities.definitions import Definition, Definitions
from activities.gates import close_gates_of, open_gates_of
from activities.guard import is_rejected_data, retried_where_it_helps
from activities.journal import event_data, fold_journal, read_after
from activities.projection import Place, project
from activities.rebuild import origin_of, with_origin
from activities.trail import Asked, Before, Trail, look_before
from models.db import tenant_session
from models.enums import Chain
from models.flow import events as ev
from models.flow.carry import carry
from models.flow.state import Ref
from models.store.audit import engine_actor, write_audit
from models.store.chain import Head
from models.store.chained import add_chained
from models.store.instances import RECORD_CHANNEL
from models.tables import Journal

LARGE_GAP = 500
"""Missing journal rows beyond which the fold is returned instead of the events."""

_LOCK = text(
    """
    SELECT seq, record_no, chain_n, chain_hash, parent_instance_id FROM workflow_instance
    WHERE tenant_id = :tenant AND id = :instance FOR NO KEY UPDATE
    """
)
_ASKED = text(
    """
    SELECT c.id, c.kind, c.on_behalf_of, c.source, c.body, c.outcome, u.id AS actor_id, u.username
    FROM command c JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.actor_id)
    WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) FOR NO KEY UPDATE OF c
    """
)
_ORIGIN = text(
    "SELECT process_id, name, owner_id, due_date, context FROM workflow_instance"
    " WHERE tenant_id = :tenant AND id = :instance"
)
_ADVANCE_AND_TELL = text(
    """
    WITH advanced AS (UPDATE workflow_instance SET seq = :seq, record_no = :record_no
                      WHERE tenant_id = :tenant AND id = :instance RETURNING 1)
    SELECT pg_notify(:channel, :payload) FROM advanced
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Locked:
    """The instance as this transaction holds it."""

    seq: int
    record_no: int
    head: Head
    parent: UUID | None


class Recorder:
    """Writes with the application role; one transaction per call.

    A child's identifier takes a connection of its own, so records with children go one at a time: many at once would
    wait for each other's connections for ever.
    """

    def __init__(self, engine: AsyncEngine, definitions: Definitions) -> None:
        """Take what the composition root wired."""
        self._engine = engine
        self._definitions = definitions
        self._with_children = asyncio.Semaphore(1)

    @activity.defn(name=RECORD)
    @retried_where_it_helps
    async def record(self, request: RecordRequest) -> Recorded:
        """Write the decision, or say why nothing was written."""
        tenant, instance = UUID(request.key.tenant_id), UUID(request.key.instance_id)
        has_children = any(isinstance(cohort.event, ev.ChildRequested) for cohort in request.cohorts)
        try:
            async with (
                self._with_children if has_children else nullcontext(),
                tenant_session(self._engine, tenant) as session,
            ):
                definition = await self._definitions.of(await session.connection(), tenant, instance)
                place = Place(tenant, instance, definition.process_id)
                return await _Writing(session, place, definition, self._engine).record(request)
        except DBAPIError as error:
            if is_rejected_data(error):
                return Recorded(status="rejected", seq=request.expected_seq, error=str(error.orig)[:1_000])
            raise


@dataclass(slots=True)
class _Writing:
    """One record call."""

    session: AsyncSession
    place: Place
    definition: Definition
    engine: AsyncEngine

    async def record(self, request: RecordRequest) -> Recorded:
        connection = await self.session.connection()
        locked = await self._lock(connection)
        asked = await self._asked(connection, request)
        settled = tuple(identity for identity, one in asked.items() if one.settled)
        if locked.seq != request.expected_seq or settled or not request.cohorts:
            behind = await self._behind(connection, request.expected_seq, locked.seq)
            return replace(behind, settled=settled)
        before = await look_before(connection, self.place, request)
        changed = self._changed(request, before)
        if changed:
            return Recorded(status="changed", seq=locked.seq, changed=changed)
        trail = Trail(self.place, self.definition.graph, asked, before)
        return await self._write(connection, request, locked, trail)

    async def _lock(self, connection: AsyncConnection) -> _Locked:
        keys = {"tenant": self.place.tenant, "instance": self.place.instance}
        row = (await connection.execute(_LOCK, keys)).mappings().one()
        head = Head(
            tenant_id=self.place.tenant,
            chain=Chain.INSTANCE,
            chain_id=self.place.instance,
            n=row["chain_n"],
            hash=row["chain_hash"],
        )
        return _Locked(seq=row["seq"], record_no=row["record_no"], head=head, parent=row["parent_instance_id"])

    async def _asked(self, connection: AsyncConnection, request: RecordRequest) -> dict[str, Asked]:
        ids = sorted({UUID(one.command_id) for one in request.outcomes})
        if not ids:
            return {}
        rows = (await connection.execute(_ASKED, {"tenant": self.place.tenant, "ids": ids})).mappings()
        return {str(row["id"]): Asked.of(self.place.tenant, dict(row)) for row in rows}

    async def _behind(self, connection: AsyncConnection, expected: int, seq: int) -> Recorded:
        tenant, instance = self.place.tenant, self.place.instance
        if seq - expected > LARGE_GAP or seq < expected:
            state = await fold_journal(connection, tenant, instance)
            return Recorded(status="behind", seq=state.seq, state=carry(state))
        missing = await read_after(connection, tenant, instance, expected, LARGE_GAP)
        return Recorded(status="behind", seq=seq, cohorts=tuple(cohort for _, cohort in missing))

    def _changed(self, request: RecordRequest, before: Mapping[Ref, Before]) -> tuple[Ref, ...]:
        """Executions whose evidence is not what the decision saw. Evidence writes wait for our lock on the instance."""
        seen = dict(request.revisions)
        changed = [ref for ref, revision in seen.items() if ref in before and before[ref].evidence_rev != revision]
        for ref in _leaving_batches(request.cohorts, self.definition):
            carried = before.get(ref)
            if ref not in seen and carried is not None and carried.is_stale:
                changed.append(ref)
        return tuple(sorted(changed))

    async def _write(
        self, connection: AsyncConnection, request: RecordRequest, locked: _Locked, trail: Trail
    ) -> Recorded:
        if locked.seq == 0:
            request = await self._with_origin(connection, request)
        for number, cohort in enumerate(request.cohorts, start=locked.seq + 1):
            await project(connection, self.place, cohort)
            await self._follow(cohort, locked, number)
            trail.note(cohort)
        seq = locked.seq + len(request.cohorts)
        digests = await add_chained(self.session, locked.head, Journal, self._journal_rows(request.cohorts, locked))
        await settle(self.session, self.place, request, seq)
        await write_audit(
            self.session, engine_actor(self.place.tenant), trail.drafts, head=locked.head, covering=digests
        )
        keys = {"tenant": self.place.tenant, "instance": self.place.instance}
        position = {"seq": seq, "record_no": locked.record_no + 1}
        notice = {"channel": RECORD_CHANNEL, "payload": f"{self.place.instance} {seq}"}
        await connection.execute(_ADVANCE_AND_TELL, {**keys, **position, **notice})
        return Recorded(status="recorded", seq=seq, cohorts=request.cohorts)

    async def _with_origin(self, connection: AsyncConnection, request: RecordRequest) -> RecordRequest:
        """The first record says what the instance began as, so that its past can be told from the journal alone."""
        keys = {"tenant": self.place.tenant, "instance": self.place.instance}
        origin = origin_of(dict((await connection.execute(_ORIGIN, keys)).mappings().one()))
        return replace(request, cohorts=tuple(with_origin(cohort, origin) for cohort in request.cohorts))

    def _journal_rows(self, cohorts: Sequence[Cohort], locked: _Locked) -> list[dict[str, Any]]:
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

    async def _follow(self, cohort: Cohort, locked: _Locked, seq: int) -> None:
        """What an event entails beside its own rows: gates, children, the parent."""
        match cohort.event:
            case ev.ExecutionEntered(ref=ref):
                ids = self.place.ids(ref, cohort.subjects)
                await open_gates_of(self.session, self.place, self.definition.graph, ref.step, ids, cohort.event.at)
            case ev.ExecutionCompleted(ref=ref) | ev.ExecutionCancelled(ref=ref):
                ids = self.place.ids(ref, cohort.subjects)
                await close_gates_of(self.session, self.place, self.definition.graph, ref.step, ids, cohort.event.at)
            case ev.ChildRequested(ref=ref):
                asked = replace(cohort.event, ref=ref._replace(subject=cohort.subjects[0]))
                await create_child(self.session, self.engine, self.place, self.definition.graph, asked)
            case ev.InstanceHeld(by=by, reason=reason):
                await cascade(self.session, self.place, "hold", by, reason, seq)
            case ev.InstanceResumed(by=by, reason=reason):
                await cascade(self.session, self.place, "resume", by, reason, seq)
            case ev.InstanceCancelled(by=by, reason=reason):
                await cascade(self.session, self.place, "cancel", by, reason, seq)
                await tell_parent(self.session, self.place, locked.parent, "cancelled")
            case ev.InstanceCompleted():
                await tell_parent(self.session, self.place, locked.parent, "completed")
            case _:
                pass


def _leaving_batches(cohorts: Sequence[Cohort], definition: Definition) -> list[Ref]:
    """Executions that complete here at a step that batches: among them the siblings a release carries along."""
    return [
        cohort.event.ref._replace(subject=subject)
        for cohort in cohorts
        if isinstance(cohort.event, ev.ExecutionCompleted)
        and definition.graph.steps[cohort.event.ref.step].requires_batch_completion
        for subject in cohort.subjects
    ]
