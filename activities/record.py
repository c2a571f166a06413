"""Record: what was decided becomes rows, journal, audit entries, outcomes and outbox rows, in one transaction.

`Writing` does it for whoever holds the lock on the instance. The activity of this name is for what a run itself has to
say. It is optimistic and idempotent (DESIGN §2.3): if the journal is ahead of what the run knows, or one of the
commands is settled, nothing is written and the missing events go back. A worker that was killed after its commit, a
zombie, a Reset in Temporal's Web UI: all come out here as `behind`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.answers import settle
from activities.children import cascade, create_child, nests, tell_parent
from activities.contract import RECORD, Cohort, Recorded, RecordRequest
from activities.definitions import Definition, Definitions
from activities.gates import close_gates_of, open_gates_of
from activities.guard import is_rejected_data, retried_where_it_helps
from activities.journal import event_data
from activities.locking import Locked, lock_instance, missed
from activities.migrating import change_gates
from activities.notices import tell
from activities.projection import Place, project, starts_to_join
from activities.rebuild import origin_of, with_origin
from activities.subscriptions import Subscriptions
from activities.trail import Asked, Before, Trail, look_before
from models.db import tenant_session
from models.flow import events as ev
from models.flow.batch import Outcome
from models.flow.cohorts import unpack
from models.flow.graph import Graph
from models.flow.state import Ref
from models.store.audit import engine_actor, write_audit
from models.store.chained import add_chained
from models.store.instances import RECORD_CHANNEL
from models.tables import Journal

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
            async with tenant_session(self._engine, tenant) as session:
                connection = await session.connection()
                locked = await lock_instance(connection, tenant, instance)
                place = locked.place
                asked = await _asked(connection, place, request)
                settled = tuple(identity for identity, one in asked.items() if one.settled)
                if locked.seq != request.expected_seq or settled or not request.cohorts:
                    known = await missed(connection, place, request.expected_seq, locked.seq)
                    return replace(known.slim(), settled=settled)
                happened = tuple(unpack(cohort.core() for cohort in request.cohorts))
                definition = await self._definitions.version(connection, tenant, place.process)
                before = await look_before(connection, place, happened)
                wanted = self._subscriptions.of(tenant)
                writing = Writing(session, place, definition, self._engine, locked, asked, before, wanted)
                return (await writing.write(request.cohorts, request.outcomes)).slim()
        except DBAPIError as error:
            if is_rejected_data(error):
                return Recorded(status="rejected", seq=request.expected_seq, error=str(error.orig)[:1_000])
            raise


async def _asked(connection: AsyncConnection, place: Place, request: RecordRequest) -> dict[str, Asked]:
    ids = sorted({UUID(one.command_id) for one in request.outcomes})
    if not ids:
        return {}
    rows = (await connection.execute(_ASKED, {"tenant": place.tenant, "ids": ids})).mappings()
    return {str(row["id"]): Asked.of(place.tenant, dict(row)) for row in rows}


@dataclass(slots=True)
class Writing:
    """One record: what happened, written by the transaction that has locked the instance."""

    session: AsyncSession
    place: Place
    definition: Definition
    engine: AsyncEngine
    locked: Locked
    asked: Mapping[str, Asked]
    before: Mapping[Ref, Before]
    wanted: frozenset[str] = frozenset()
    """Kinds of events that webhooks of the tenant want."""
    target: Definition | None = None
    """The version that a migration in this record leads to."""
    former: Graph | None = None
    """The graph that it led away from, once it happened; what is left then is left there."""

    async def write(self, cohorts: Sequence[Cohort], outcomes: Sequence[Outcome]) -> Recorded:
        """Rows, journal, outcomes, audit entries, one link of the chain, one NOTIFY."""
        connection = await self.session.connection()
        locked = self.locked
        for_the_run = tuple(cohorts)
        if locked.seq == 0:
            cohorts = await self._with_origin(connection, cohorts)
        trail = Trail(self.place, self.definition.graph, self.asked, self.before)
        joined = starts_to_join(cohorts)
        starts = {start: cohorts[start].event for start in joined.values()}
        for number, cohort in enumerate(cohorts):
            if number not in starts:
                await project(connection, self.place, cohort, starts.get(joined.get(number, -1)))
            if isinstance(cohort.event, ev.InstanceMigrated):
                await self._migrate(cohort.event, trail)
            await self._follow(cohort, locked, locked.seq + 1 + number)
            trail.note(cohort)
        await tell(self.session, self.place, cohorts, locked.seq + 1, self.wanted)
        seq = locked.seq + len(cohorts)
        digests = await add_chained(self.session, locked.head, Journal, self._journal_rows(cohorts, locked))
        await settle(self.session, self.place, cohorts, outcomes, seq)
        await write_audit(
            self.session, engine_actor(self.place.tenant), trail.drafts, head=locked.head, covering=digests
        )
        keys = {"tenant": self.place.tenant, "instance": self.place.instance}
        position = {"seq": seq, "record_no": locked.record_no + 1}
        notice = {"channel": RECORD_CHANNEL, "payload": f"{self.place.instance} {seq}"}
        await connection.execute(_ADVANCE_AND_TELL, {**keys, **position, **notice})
        return Recorded(status="recorded", seq=seq, cohorts=for_the_run)

    async def _migrate(self, event: ev.InstanceMigrated, trail: Trail) -> None:
        """From here on this record is about the version that the instance is pinned to now."""
        if self.target is None or str(self.target.process_id) != event.process_id:
            raise LookupError(f"the version {event.process_id} is not at hand")
        self.former = trail.former = self.definition.graph
        self.definition, trail.graph = self.target, self.target.graph
        self.place = replace(self.place, process=self.target.process_id)
        await change_gates(self.session, self.place, self.former, self.definition.graph, event)

    async def _with_origin(self, connection: AsyncConnection, cohorts: Sequence[Cohort]) -> list[Cohort]:
        """The first record says what the instance began as, so that its past can be told from the journal alone."""
        keys = {"tenant": self.place.tenant, "instance": self.place.instance}
        origin = origin_of(dict((await connection.execute(_ORIGIN, keys)).mappings().one()))
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

    async def _follow(self, cohort: Cohort, locked: Locked, seq: int) -> None:
        """What an event entails beside its own rows: gates, children, the parent."""
        match cohort.event:
            case ev.ExecutionEntered(ref=ref):
                ids = self.place.ids(ref, cohort.subjects)
                await open_gates_of(self.session, self.place, self.definition.graph, ref.step, ids, cohort.event.at)
            case ev.ExecutionCompleted(ref=ref) | ev.ExecutionCancelled(ref=ref):
                ids = self.place.ids(ref, cohort.subjects)
                await close_gates_of(self.session, self.place, self.definition.graph, ref.step, ids, cohort.event.at)
            case ev.ExecutionDiverted(ref=ref, by=by, reason=reason):
                graph = self.former or self.definition.graph
                ids = self.place.ids(ref, cohort.subjects)
                await close_gates_of(self.session, self.place, graph, ref.step, ids, cohort.event.at)
                if nests(graph, ref.step):
                    await cascade(self.session, self.place, "cancel", by, reason, seq, of=ids)
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
