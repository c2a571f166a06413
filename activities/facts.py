"""Facts: what the core needs to know of the outside to decide one batch, read under the lock on the instance.

First the batch is cut (which of the commands may go together), then everything is read in bulk: a handful of queries
for one command as for a thousand executions. Only what deviates is told: unmet requirements, earlier visits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import DEVIATING, Batch, Stored, cut, execution_ids, fitting, ref_of
from activities.contract import BatchFacts
from activities.definitions import Definition
from activities.deviating import add_beside, past_of, targets_of
from models.flow.facts import Deadlines, Unmet
from models.flow.graph import Graph, RequirementType
from models.flow.routing import possible_targets
from models.flow.state import Ref, execution_id
from models.flow.status import OPEN, ExecutionStatus
from models.requirements.registry import unmet_of, workers_of
from models.store.workers import approvers_of
from models.tables import StepExecution

ATTESTED = frozenset({RequirementType.APPROVAL, RequirementType.SIGNATURE})
"""Requirements that another person than the one who does the work may have to answer."""

_COMMANDS = text(
    """
    SELECT c.id, c.kind, c.actor_id, c.body, c.source, c.on_behalf_of, u.username, u.is_active,
           ARRAY(SELECT r.role FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id)) AS roles
    FROM command c JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.actor_id)
    WHERE c.tenant_id = :tenant AND c.workflow_instance_id = :instance AND c.id = ANY(:ids) AND c.outcome IS NULL
    FOR NO KEY UPDATE OF c
    """
)
_NAMES = text("SELECT id, username FROM user_account WHERE tenant_id = :tenant AND id = ANY(:ids)")
_QUIET_LOTS = text(
    """
    SELECT given.lot FROM unnest(CAST(:lots AS text[])) AS given (lot)
    WHERE NOT EXISTS (SELECT FROM step_execution e
                      WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance AND e.step_key = :step
                        AND e.exited_at IS NULL AND e.status <> 'waiting' AND e.lot = given.lot AND e.id <> ALL(:ids))
    """
)
_VISITS = text(
    """
    SELECT subject_no, step_key, max(visit_number) AS last,
           count(*) FILTER (WHERE counts AND status <> 'rolled_back') AS counted
    FROM step_execution
    WHERE tenant_id = :tenant AND workflow_instance_id = :instance
      AND subject_no = ANY(:subjects) AND step_key = ANY(:steps)
    GROUP BY subject_no, step_key
    """
)


@dataclass(slots=True)
class Reading:
    """What one batch has to know; knows no decision itself."""

    session: AsyncSession
    tenant: UUID
    instance: UUID
    definition: Definition

    @property
    def graph(self) -> Graph:
        """Of the version that the instance is pinned to."""
        return self.definition.graph

    async def cut(self, command_ids: Sequence[str]) -> Batch:
        """The commands that go together, out of those that are not settled yet."""
        stored, beyond = fitting(await self._commands(command_ids) if command_ids else [])
        batch = cut(stored, await self._executions(one for row in stored for one in execution_ids(row)))
        batch.deferred += [str(later.id) for later in beyond]
        return batch

    async def add_rechecks(self, batch: Batch, rechecks: Sequence[Ref]) -> None:
        """Executions that the engine looks at by itself."""
        found = await self._executions(execution_id(self.instance, ref) for ref in rechecks)
        for execution in found.values():
            ref = ref_of(execution)
            batch.executions[ref] = execution
            batch.gated[ref] = execution

    async def add_beside(self, batch: Batch) -> None:
        """What deviations concern besides the executions that they name; nothing where there are none."""
        if any(row.kind in DEVIATING for row in batch.rows):
            await add_beside(self.session, self.tenant, self.instance, batch)

    async def add_siblings(self, batch: Batch) -> None:
        """Those that a batch release or a batch sign-off would carry along; none of lots in which others still work."""
        moving = {**batch.gated, **batch.diverted}
        steps = {ref.step for ref in moving if self.graph.steps[ref.step].requires_batch_completion}
        for step in sorted(steps):
            here = {ref: execution for ref, execution in moving.items() if ref.step == step}
            signed_here = any(ref in batch.signed for ref in here)
            lots = sorted({execution.lot for execution in here.values()})
            if signed_here:
                # One record may give work and sign it off: whoever worked on any of it must be known.
                batch.signed.update(here)
            else:
                lots = await self._quiet_lots(step, lots, here.values())
            for execution in await self._given(step, lots) if lots else ():
                ref = ref_of(execution)
                batch.executions.setdefault(ref, execution)
                if execution.status == ExecutionStatus.AWAITING_SIGNOFF and signed_here:
                    batch.gated[ref] = execution
                    batch.signed[ref] = execution
                elif execution.status == ExecutionStatus.WAITING and execution.evidence_rev != execution.ready_rev:
                    batch.gated[ref] = execution

    async def add_stale(self, batch: Batch, leaving: Sequence[Ref]) -> bool:
        """Of those that are about to leave a batch, the ones nobody looked at although their evidence changed.

        Returns:
            Whether there are any.
        """
        unread = [ref for ref in leaving if ref not in batch.executions]
        found = await self._executions(execution_id(self.instance, ref) for ref in unread)
        for execution in found.values():
            ref = ref_of(execution)
            batch.executions[ref] = execution
            if execution.status == ExecutionStatus.WAITING and execution.evidence_rev != execution.ready_rev:
                batch.gated[ref] = execution
        return any(ref_of(execution) in batch.gated for execution in found.values())

    async def _quiet_lots(self, step: str, lots: Sequence[str], here: Iterable[StepExecution]) -> list[str]:
        """The lots that have no open work at the step besides this batch's, so that they may be released."""
        connection = await self.session.connection()
        parameters = {
            "tenant": self.tenant,
            "instance": self.instance,
            "step": step,
            "lots": list(lots),
            "ids": [execution.id for execution in here],
        }
        return list((await connection.execute(_QUIET_LOTS, parameters)).scalars())

    async def _given(self, step: str, lots: Sequence[str]) -> Sequence[StepExecution]:
        """Executions of these lots whose work is given and which wait for a sign-off or for their batch."""
        query = select(StepExecution).where(
            StepExecution.tenant_id == self.tenant,
            StepExecution.workflow_instance_id == self.instance,
            StepExecution.step_key == step,
            col(StepExecution.lot).in_(lots),
            col(StepExecution.status).in_((ExecutionStatus.WAITING, ExecutionStatus.AWAITING_SIGNOFF)),
            col(StepExecution.exited_at).is_(None),
        )
        return (await self.session.exec(query)).all()

    async def facts(self, batch: Batch, now: datetime, entering: Sequence[str] = ()) -> BatchFacts:
        """Everything else, in bulk; `entering` names steps besides those that the batch leads to."""
        leading = {key for ref in batch.executions for key in possible_targets(self.graph, ref.step)}
        targets = sorted(leading.union(targets_of(self.graph, batch.rows)))
        leaving = [ref.subject for ref in batch.executions] if batch.gated or batch.diverted else []
        return BatchFacts(
            commands=tuple(batch.rows),
            deferred=tuple(batch.deferred),
            permissions=batch.permissions,
            names=await self._names(batch),
            unmet=await self._unmet(batch),
            workers=await self._workers(batch),
            approvers=await self._approvers(batch),
            visits=await self.visits(leaving, targets),
            deadlines=self._deadlines([*targets, *entering], now),
            closed=tuple((ref, str(e.status)) for ref, e in batch.executions.items() if e.status not in OPEN),
            past=await past_of(self.session, self.tenant, self.instance, batch.rows),
            numbers=batch.numbers,
        )

    async def _commands(self, ids: Sequence[str]) -> list[Stored]:
        """Those of the commands that have no outcome yet, in the order of `ids`."""
        wanted = [UUID(one) for one in ids]
        connection = await self.session.connection()
        keys = {"tenant": self.tenant, "instance": self.instance, "ids": wanted}
        found = {row.id: Stored.of(row) for row in await connection.execute(_COMMANDS, keys)}
        return [found[one] for one in wanted if one in found]

    async def _executions(self, ids: Iterable[UUID]) -> dict[UUID, StepExecution]:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        query = select(StepExecution).where(
            StepExecution.tenant_id == self.tenant,
            StepExecution.workflow_instance_id == self.instance,
            col(StepExecution.id).in_(wanted),
        )
        return {row.id: row for row in (await self.session.exec(query)).all()}

    async def _names(self, batch: Batch) -> dict[str, str]:
        """Of the actors and of whoever holds an execution."""
        holders = {e.assigned_to for e in batch.executions.values() if e.assigned_to is not None}
        unknown = [one for one in holders if str(one) not in batch.names]
        if not unknown:
            return batch.names
        connection = await self.session.connection()
        found = await connection.execute(_NAMES, {"tenant": self.tenant, "ids": sorted(unknown)})
        batch.names |= {str(row.id): row.username for row in found}
        return batch.names

    async def _unmet(self, batch: Batch) -> tuple[tuple[Ref, tuple[Unmet, ...]], ...]:
        open_ones = [e for e in batch.gated.values() if e.status in OPEN]
        if not any(self.graph.steps[e.step_key].mandatory for e in open_ones):
            return ()
        found = await unmet_of(self.session, self.tenant, self.definition.process_id, self.graph, open_ones)
        return tuple((ref_of(e), found[e.id]) for e in open_ones if found.get(e.id))

    async def _workers(self, batch: Batch) -> tuple[tuple[Ref, tuple[str, ...]], ...]:
        if not batch.signed:
            return ()
        ids = [e.id for e in batch.signed.values()]
        found = await workers_of(self.session, self.tenant, ids)
        return tuple((ref_of(e), tuple(sorted(found.get(e.id, ())))) for e in batch.signed.values())

    async def _approvers(self, batch: Batch) -> tuple[tuple[Ref, tuple[str, ...]], ...]:
        """Of executions whose step asks for an approval or a signature; the others cost no query."""
        asked = {
            e.id: ref
            for ref, e in batch.gated.items()
            if any(one.requirement_type in ATTESTED for one in self.graph.steps[ref.step].requirements)
        }
        if not asked:
            return ()
        found = await approvers_of(self.session, self.tenant, list(asked))
        return tuple((asked[one], tuple(sorted(users))) for one, users in found.items())

    async def visits(self, subjects: Sequence[int], steps: Sequence[str]) -> tuple[tuple[int, str, int, int], ...]:
        """(subject, step, last visit, visits that count), where there are any."""
        if not subjects or not steps:
            return ()
        connection = await self.session.connection()
        parameters = {
            "tenant": self.tenant,
            "instance": self.instance,
            "subjects": sorted(set(subjects)),
            "steps": list(steps),
        }
        rows = (await connection.execute(_VISITS, parameters)).all()
        return tuple((row.subject_no, row.step_key, row.last, row.counted) for row in rows)

    def _deadlines(self, steps: Sequence[str], now: datetime) -> dict[str, Deadlines]:
        found: dict[str, Deadlines] = {}
        for key in steps:
            step = self.graph.steps[key]
            if step.expected_duration or step.max_duration:
                found[key] = Deadlines(
                    due_at=now + step.expected_duration if step.expected_duration else None,
                    limit_at=now + step.max_duration if step.max_duration else None,
                )
        return found
