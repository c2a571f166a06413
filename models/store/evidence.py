"""The protocol by which evidence changes: lock, check, append, project, tell the engine.

Lock order: instance FOR SHARE → executions by id → (tenant's chain). Every change bumps `evidence_rev`, so that a
decision taken on older evidence is not recorded. Nothing here knows the types of requirements.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import RowMapping, text
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import Chain, EvidenceAction
from models.flow.errors import FlowError
from models.flow.status import DONE_BUT_OPEN, INSTANCE_CLOSED, OPEN, WORKABLE, InstanceStatus
from models.store.audit import Actor, AuditDraft, write_audit
from models.store.chain import Head, lock_chain
from models.store.chained import add_chained
from models.store.gate_errors import ExecutionUnknownError
from models.store.instances import put_in_outbox
from models.store.people import Person
from models.store.reading import fetch, fetch_one, run
from models.tables import EvidenceRecord, Step, StepExecution, WorkflowInstance

CHANGED_TOPIC = "evidence_changed"

_INSTANCES_OF = text(
    "SELECT DISTINCT workflow_instance_id AS id FROM step_execution"
    " WHERE tenant_id = :tenant AND id = ANY(:executions) ORDER BY 1"
)
_NAME = text("SELECT username FROM user_account WHERE tenant_id = :tenant AND id = :user")
_LAST = text(
    """
    SELECT revision, action, data FROM evidence_record
    WHERE tenant_id = :tenant AND execution_id = :execution AND requirement_id = :requirement
    ORDER BY revision DESC LIMIT 1
    """
)
_REVISIONS = text(
    """
    SELECT r.revision, r.action, r.data, r.given_at, r.given_by, r.reason, r.source, u.username
    FROM evidence_record r LEFT JOIN user_account u ON (u.tenant_id, u.id) = (r.tenant_id, r.given_by)
    WHERE r.tenant_id = :tenant AND r.execution_id = :execution AND r.requirement_id = :requirement
      AND r.revision > :after
    ORDER BY r.revision LIMIT :limit
    """
)
_BUMP = text(
    "UPDATE step_execution SET evidence_rev = evidence_rev + 1 WHERE tenant_id = :tenant AND id = ANY(:executions)"
)
_PROJECT = text(
    """
    INSERT INTO step_requirement_completion
        (tenant_id, id, execution_id, requirement_id, is_complete, completed_at, completed_by, evidence)
    VALUES (:tenant_id, :id, :execution_id, :requirement_id, :is_complete, :completed_at, :completed_by,
            CAST(:evidence AS jsonb))
    ON CONFLICT (tenant_id, execution_id, requirement_id) DO UPDATE SET
        evidence = excluded.evidence, is_complete = excluded.is_complete,
        completed_at = CASE WHEN step_requirement_completion.is_complete AND excluded.is_complete
                            THEN step_requirement_completion.completed_at ELSE excluded.completed_at END,
        completed_by = CASE WHEN step_requirement_completion.is_complete AND excluded.is_complete
                            THEN step_requirement_completion.completed_by ELSE excluded.completed_by END
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One execution that this transaction has locked, with its instance (shared) and its step."""

    instance: WorkflowInstance
    execution: StepExecution
    step: Step

    @property
    def tells_engine(self) -> bool:
        """Whether the engine has to look by itself once evidence changes: nobody will tell it to."""
        moves_by_itself = not self.step.requires_operator_completion or self.execution.status in DONE_BUT_OPEN
        return self.execution.exited_at is None and moves_by_itself


async def lock_execution(session: AsyncSession, tenant_id: UUID, execution_id: UUID) -> Locked:
    """Lock one execution for a change of its evidence.

    Raises:
        ExecutionUnknownError: execution_unknown.
    """
    found = await lock_executions(session, tenant_id, [execution_id])
    if not found:
        raise ExecutionUnknownError(execution_id=str(execution_id))
    return found[0]


async def lock_executions(session: AsyncSession, tenant_id: UUID, execution_ids: Collection[UUID]) -> list[Locked]:
    """Lock executions in the one order, and read them as locked; unknown ids are left out."""
    if not execution_ids:
        return []
    ids = sorted(set(execution_ids))
    instance_ids = [row["id"] for row in await fetch(session, _INSTANCES_OF, tenant=tenant_id, executions=ids)]
    instances = await session.exec(
        select(WorkflowInstance)
        .where(col(WorkflowInstance.tenant_id) == tenant_id, col(WorkflowInstance.id).in_(instance_ids))
        .order_by(col(WorkflowInstance.id))
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    by_id = {one.id: one for one in instances}
    executions = await session.exec(
        select(StepExecution)
        .where(col(StepExecution.tenant_id) == tenant_id, col(StepExecution.id).in_(ids))
        .order_by(col(StepExecution.id))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    locked = list(executions)
    step_ids = {one.step_id for one in locked}
    steps = await session.exec(select(Step).where(col(Step.tenant_id) == tenant_id, col(Step.id).in_(step_ids)))
    step_by_id = {one.id: one for one in steps}
    return [
        Locked(instance=by_id[one.workflow_instance_id], execution=one, step=step_by_id[one.step_id]) for one in locked
    ]


async def check_workable(
    session: AsyncSession, locked: Locked, person: Person, *, withdrawing: bool = False, only_by_holder: bool = True
) -> None:
    """Whether evidence may change now, and by this person.

    Raises:
        FlowError: instance_closed, on_hold, execution_closed, already_done, already_claimed.
    """
    instance, execution = locked.instance, locked.execution
    if instance.status in INSTANCE_CLOSED:
        raise FlowError("instance_closed", status=instance.status.value)
    if instance.status is InstanceStatus.ON_HOLD:
        raise FlowError("on_hold")
    if execution.status not in OPEN:
        raise FlowError("execution_closed", status=execution.status.value)
    if execution.status not in WORKABLE and not withdrawing:
        raise FlowError("already_done", status=execution.status.value)
    held_by_another = execution.assigned_to not in {None, person.id} and execution.status in WORKABLE
    if only_by_holder and held_by_another:
        holder = await fetch_one(session, _NAME, tenant=execution.tenant_id, user=execution.assigned_to)
        name = "" if holder is None else holder["username"]
        raise FlowError("already_claimed", assignee=str(execution.assigned_to), assignee_name=name)


@dataclass(slots=True)
class Sealing:
    """What one transaction adds to an execution's chain: rows and their digests, audit entries, one link in the end."""

    execution: StepExecution
    head: Head
    digests: list[bytes] = field(default_factory=list)
    drafts: list[AuditDraft] = field(default_factory=list)

    async def add(self, session: AsyncSession, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert append-only rows; tenant, id and execution are filled in."""
        owner = {"tenant_id": self.execution.tenant_id, "execution_id": self.execution.id}
        self.digests += await add_chained(session, self.head, table, [{"id": uuid4(), **row, **owner} for row in rows])

    def tell(
        self,
        action: str,
        object_type: str,
        object_id: UUID,
        *,
        old: Mapping[str, Any] | None = None,
        new: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        """Note an audit entry."""
        self.drafts.append(
            AuditDraft(
                action=action,
                object_type=object_type,
                object_id=object_id,
                old=old,
                new=new,
                reason=reason,
                instance_id=self.execution.workflow_instance_id,
                execution_id=self.execution.id,
            )
        )

    async def finish(self, session: AsyncSession, actor: Actor, now: datetime) -> None:
        """Write the audit entries and seal all by one link."""
        if self.drafts or self.digests:
            await write_audit(session, actor, self.drafts, head=self.head, covering=self.digests, at=now)


async def sealing(session: AsyncSession, locked: Locked) -> Sealing:
    """Begin to add to an execution's chain; its row is locked already."""
    execution = locked.execution
    return Sealing(execution, await lock_chain(session, execution.tenant_id, Chain.EXECUTION, execution.id))


async def last_evidence(
    session: AsyncSession, execution: StepExecution, requirement_id: UUID
) -> tuple[int, dict[str, Any]]:
    """The last revision (0 before the first) and what is given by it; `{}` once it was withdrawn."""
    row = await fetch_one(
        session, _LAST, tenant=execution.tenant_id, execution=execution.id, requirement=requirement_id
    )
    return (0, {}) if row is None else (row["revision"], row["data"])


async def revisions_of(
    session: AsyncSession, tenant_id: UUID, execution_id: UUID, requirement_id: UUID, *, after: int, limit: int
) -> Sequence[RowMapping]:
    """All that was given for a requirement of an execution, the oldest first, from after a revision."""
    keys = {"tenant": tenant_id, "execution": execution_id, "requirement": requirement_id}
    return await fetch(session, _REVISIONS, **keys, after=after, limit=limit)


async def append_evidence(
    session: AsyncSession,
    link: Sealing,
    requirement_id: UUID,
    *,
    revision: int,
    action: EvidenceAction,
    data: Mapping[str, Any],
    now: datetime,
    actor: Actor,
    reason: str = "",
) -> None:
    """Add one revision of a requirement's evidence."""
    row = {
        "requirement_id": requirement_id,
        "revision": revision,
        "action": action,
        "data": data,
        "given_by": actor.user_id,
        "given_at": now,
        "source": actor.source,
        "reason": reason,
    }
    await link.add(session, EvidenceRecord, [row])


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """Where a requirement of an execution stands now."""

    execution_id: UUID
    requirement_id: UUID
    complete: bool
    evidence: Mapping[str, Any]
    at: datetime
    by: UUID | None


async def project(session: AsyncSession, tenant_id: UUID, rows: Sequence[Projected]) -> None:
    """Bring `step_requirement_completion` up to date; the first moment of completion stays."""
    await run(
        session,
        _PROJECT,
        [
            {
                "tenant_id": tenant_id,
                "id": uuid5(row.execution_id, f"completion/{row.requirement_id}"),
                "execution_id": row.execution_id,
                "requirement_id": row.requirement_id,
                "is_complete": row.complete,
                "completed_at": row.at if row.complete else None,
                "completed_by": row.by if row.complete else None,
                "evidence": json.dumps(row.evidence, default=str),
            }
            for row in rows
        ],
    )


async def bump(session: AsyncSession, tenant_id: UUID, locked: Sequence[Locked], *, moves_work: bool = False) -> None:
    """Count a change of evidence, and have the engine look where nobody else will tell it to.

    Args:
        session: The transaction of the change.
        tenant_id: Of the executions.
        locked: Executions whose evidence changed.
        moves_work: The change takes the work elsewhere, also from a step that a person completes.
    """
    if not locked:
        return
    await run(session, _BUMP, {"tenant": tenant_id, "executions": [one.execution.id for one in locked]})
    for one in locked:
        if one.tells_engine or moves_work:
            await put_in_outbox(session, tenant_id, CHANGED_TOPIC, str(one.instance.id), _where(one))


def _where(one: Locked) -> dict[str, Any]:
    execution = one.execution
    place = [execution.subject_no, execution.step_key, execution.visit_number, execution.branch]
    return {"instance_id": str(one.instance.id), "ref": place}
