"""Facts: what the core needs to know of the outside to decide one batch, read in one transaction.

First the batch is cut (which of the commands may go together), then everything is read in bulk: a handful of queries
for one command as for a thousand executions. Only what deviates is returned: unmet requirements, earlier visits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.children import ENGINE_SOURCE
from activities.contract import (
    BATCH_EXECUTIONS,
    INSTANCE_KINDS,
    READ_FACTS,
    BatchFacts,
    CommandRow,
    FactsRequest,
)
from activities.definitions import Definition, Definitions
from activities.guard import retried_where_it_helps
from models.db import tenant_session
from models.flow.facts import Deadlines, Unmet
from models.flow.graph import Graph
from models.flow.routing import possible_targets
from models.flow.state import Ref, execution_id
from models.flow.status import OPEN, ExecutionStatus
from models.permissions import permissions_of
from models.requirements.registry import unmet_of, workers_of
from models.tables import StepExecution

GATED = frozenset({"complete", "signoff"})
"""Commands that look at evidence."""
NOWHERE = Ref(-1, "")
"""Stands for an execution that this instance does not have."""

_COMMANDS = text(
    """
    SELECT i.seq, c.id, c.kind, c.actor_id, c.body, c.source, u.username, u.is_active,
           ARRAY(SELECT r.role FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id)) AS roles
    FROM workflow_instance i
    LEFT JOIN command c ON c.tenant_id = i.tenant_id AND c.workflow_instance_id = i.id
                       AND c.id = ANY(:ids) AND c.outcome IS NULL
    LEFT JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.actor_id)
    WHERE i.tenant_id = :tenant AND i.id = :instance
    """
)
_NAMES = text("SELECT id, username FROM user_account WHERE tenant_id = :tenant AND id = ANY(:ids)")
_OTHERS_WORK = text(
    """
    SELECT EXISTS (SELECT FROM step_execution
                   WHERE tenant_id = :tenant AND workflow_instance_id = :instance AND step_key = :step
                     AND exited_at IS NULL AND status <> 'waiting' AND id <> ALL(:ids))
    """
)
_VISITS = text(
    """
    SELECT subject_no, step_key, max(visit_number) AS last, count(*) FILTER (WHERE status <> 'rolled_back') AS counted
    FROM step_execution
    WHERE tenant_id = :tenant AND workflow_instance_id = :instance
      AND subject_no = ANY(:subjects) AND step_key = ANY(:steps)
    GROUP BY subject_no, step_key
    """
)


class Stored(NamedTuple):
    """A command's row, as far as it matters here."""

    id: UUID
    kind: str
    actor_id: UUID
    body: dict[str, Any]
    source: str
    actor_name: str
    roles: tuple[str, ...]
    """Of the actor, now; none where the account was shut."""


@dataclass(slots=True)
class Batch:
    """The commands that go together, and the executions they concern; `seq` is where the journal stood."""

    seq: int = 0
    rows: list[CommandRow] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    permissions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    deferred: list[str] = field(default_factory=list)
    executions: dict[Ref, StepExecution] = field(default_factory=dict)
    gated: dict[Ref, StepExecution] = field(default_factory=dict)
    signed: dict[Ref, StepExecution] = field(default_factory=dict)

    def add(self, row: Stored, refs: tuple[Ref, ...]) -> None:
        """Take a command, and what its actor may do now.

        One that the engine itself gave (a cascade, a cancel in Temporal's Web UI) may control the instance.
        """
        self.rows.append(_row(row, refs))
        actor = str(row.actor_id)
        by_engine = row.source == ENGINE_SOURCE and row.kind in INSTANCE_KINDS
        held = permissions_of(row.roles) | ({"instance.control"} if by_engine else frozenset())
        self.names[actor] = row.actor_name
        self.permissions[actor] = tuple(sorted(held))


class FactsReader:
    """Reads with the application role; knows no decision."""

    def __init__(self, engine: AsyncEngine, definitions: Definitions) -> None:
        """Take what the composition root wired."""
        self._engine = engine
        self._definitions = definitions

    @activity.defn(name=READ_FACTS)
    @retried_where_it_helps
    async def read_facts(self, request: FactsRequest) -> BatchFacts:
        """Commands that may be decided together and the facts for them; settled commands are dropped."""
        tenant, instance = UUID(request.key.tenant_id), UUID(request.key.instance_id)
        async with tenant_session(self._engine, tenant) as session:
            definition = await self._definitions.of(await session.connection(), tenant, instance)
            reading = _Reading(session, tenant, instance, definition)
            batch = await reading.cut(request.command_ids)
            await reading.add_rechecks(batch, request.rechecks)
            await reading.add_siblings(batch)
            return await reading.facts(batch, request)


@dataclass(slots=True)
class _Reading:
    """One transaction's worth of reading."""

    session: AsyncSession
    tenant: UUID
    instance: UUID
    definition: Definition

    @property
    def graph(self) -> Graph:
        return self.definition.graph

    async def cut(self, command_ids: Sequence[str]) -> Batch:
        """Take commands in order: one per subject, instance commands alone, at most `BATCH_EXECUTIONS` executions."""
        seq, commands = await self._commands(command_ids)
        batch = Batch(seq=seq)
        stored, beyond = _fitting(commands)
        by_id = await self._executions(execution for row in stored for execution in _execution_ids(row))
        taken: set[int] = set()
        for number, row in enumerate(stored):
            if row.kind in INSTANCE_KINDS:
                if not batch.rows and not batch.deferred:
                    batch.add(row, ())
                    number += 1  # noqa: PLW2901 - what follows it waits
                batch.deferred += [str(later.id) for later in stored[number:]]
                break
            found = [by_id.get(one) for one in _execution_ids(row)]
            subjects = {execution.subject_no for execution in found if execution is not None}
            may_come_yet = None in found and any(earlier.kind in GATED for earlier in stored[:number])
            if taken & subjects or may_come_yet:
                batch.deferred.append(str(row.id))
            else:
                self._take(batch, row, found)
            taken |= subjects
        batch.deferred += [str(later.id) for later in beyond]
        return batch

    def _take(self, batch: Batch, row: Stored, found: Sequence[StepExecution | None]) -> None:
        refs: list[Ref] = []
        for execution in found:
            if execution is None:
                refs.append(NOWHERE)
                continue
            ref = ref_of(execution)
            refs.append(ref)
            batch.executions[ref] = execution
            if row.kind in GATED:
                batch.gated[ref] = execution
            if row.kind == "signoff":
                batch.signed[ref] = execution
        batch.add(row, tuple(refs))

    async def add_rechecks(self, batch: Batch, rechecks: Sequence[Ref]) -> None:
        """Executions that the engine looks at by itself."""
        found = await self._executions(execution_id(self.instance, ref) for ref in rechecks)
        for execution in found.values():
            ref = ref_of(execution)
            batch.executions[ref] = execution
            batch.gated[ref] = execution

    async def add_siblings(self, batch: Batch) -> None:
        """Those that a batch release or a batch sign-off would carry along; none while others still work there."""
        steps = {ref.step for ref in batch.gated if self.graph.steps[ref.step].requires_batch_completion}
        for step in sorted(steps):
            here = {ref: execution for ref, execution in batch.gated.items() if ref.step == step}
            signed_here = any(ref in batch.signed for ref in here)
            if signed_here:
                # One record may give work and sign it off: whoever worked on any of it must be known.
                batch.signed.update(here)
            elif await self._others_work(step, here.values()):
                continue
            for execution in await self._given(step):
                ref = ref_of(execution)
                batch.executions.setdefault(ref, execution)
                if execution.status == ExecutionStatus.AWAITING_SIGNOFF and signed_here:
                    batch.gated[ref] = execution
                    batch.signed[ref] = execution
                elif execution.status == ExecutionStatus.WAITING and execution.evidence_rev != execution.ready_rev:
                    batch.gated[ref] = execution

    async def _others_work(self, step: str, here: Iterable[StepExecution]) -> bool:
        """Whether the step has open work besides this batch's, so that nothing can be released."""
        connection = await self.session.connection()
        parameters = {
            "tenant": self.tenant,
            "instance": self.instance,
            "step": step,
            "ids": [execution.id for execution in here],
        }
        return bool((await connection.execute(_OTHERS_WORK, parameters)).scalar())

    async def _given(self, step: str) -> Sequence[StepExecution]:
        """Executions at a step whose work is given and which wait for a sign-off or for their batch."""
        query = select(StepExecution).where(
            StepExecution.tenant_id == self.tenant,
            StepExecution.workflow_instance_id == self.instance,
            StepExecution.step_key == step,
            col(StepExecution.status).in_((ExecutionStatus.WAITING, ExecutionStatus.AWAITING_SIGNOFF)),
            col(StepExecution.exited_at).is_(None),
        )
        return (await self.session.exec(query)).all()

    async def facts(self, batch: Batch, request: FactsRequest) -> BatchFacts:
        """Everything else, in bulk."""
        targets = sorted({key for ref in batch.executions for key in possible_targets(self.graph, ref.step)})
        leaving = [ref.subject for ref in batch.executions] if batch.gated else []
        return BatchFacts(
            seq=batch.seq,
            commands=tuple(batch.rows),
            deferred=tuple(batch.deferred),
            permissions=batch.permissions,
            names=await self._names(batch),
            unmet=await self._unmet(batch),
            workers=await self._workers(batch),
            visits=await self._visits(leaving, targets),
            deadlines=self._deadlines([*targets, *request.entering], request.now),
            closed=tuple((ref, str(e.status)) for ref, e in batch.executions.items() if e.status not in OPEN),
            revisions=tuple((ref, e.evidence_rev) for ref, e in batch.gated.items() if e.status in OPEN),
        )

    async def _commands(self, ids: Sequence[str]) -> tuple[int, list[Stored]]:
        """Where the journal stands, and those of the commands that have no outcome yet, in the order of `ids`."""
        wanted = [UUID(one) for one in ids]
        connection = await self.session.connection()
        keys = {"tenant": self.tenant, "instance": self.instance, "ids": wanted}
        rows = (await connection.execute(_COMMANDS, keys)).all()
        found = {
            row.id: Stored(
                row.id, row.kind, row.actor_id, row.body, row.source, row.username, tuple(row.roles) * row.is_active
            )
            for row in rows
            if row.id
        }
        return rows[0].seq, [found[one] for one in wanted if one in found]

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
        return batch.names | {str(row.id): row.username for row in found}

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

    async def _visits(self, subjects: Sequence[int], steps: Sequence[str]) -> tuple[tuple[int, str, int, int], ...]:
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


def ref_of(execution: StepExecution) -> Ref:
    """The token of an execution's row."""
    return Ref(execution.subject_no, execution.step_key, execution.visit_number, execution.branch)


def _fitting(stored: Sequence[Stored]) -> tuple[Sequence[Stored], Sequence[Stored]]:
    """As many commands from the front as one batch may carry executions, at least one; and the rest."""
    count = 0
    for number, row in enumerate(stored):
        count += len(_execution_ids(row))
        if number and count > BATCH_EXECUTIONS:
            return stored[:number], stored[number:]
    return stored, ()


def _execution_ids(row: Stored) -> list[UUID]:
    return [UUID(one) for one in row.body.get("execution_ids", ())]


def _row(row: Stored, refs: tuple[Ref, ...]) -> CommandRow:
    args: dict[str, Any] = row.body.get("args", {})
    return CommandRow(id=str(row.id), kind=row.kind, actor=str(row.actor_id), refs=refs, args=args)
