"""Executions, and what of their requirements is complete. Rows are the fold of the journal, but for `evidence_rev`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from models.flow.status import ExecutionStatus
from models.tables.base import (
    TenantRow,
    chain_head,
    check,
    counter,
    flag,
    free_text,
    json_object,
    one_of,
    since,
    tenant_fk,
    word,
)

IS_OPEN = sql("exited_at IS NULL")


class StepExecution(TenantRow, table=True):
    """One subject at one step on one visit; evidence belongs to exactly one of these.

    `ready_at` is when it began to wait for its batch, `ready_rev` the `evidence_rev` it had then; `evidence_rev` counts
    every change of its evidence. `lot` is the part of a split batch it belongs to, `counts` whether the visit counts to
    `max_visits`; `awaited_event` and `awaited_key` say what a message step waits for.
    `kept_gates` is for executions that were migrated: requirement key → the id, of an earlier version, under which its
    evidence goes on.

    Every completion writes an insert and an update into each index, so there are few: an instance's executions are
    found by their visit, all open ones of a tenant by `uq_step_execution_one_open`.
    """

    __tablename__ = "step_execution"
    __table_args__ = (
        tenant_fk("workflow_instance_id", "workflow_instance"),
        tenant_fk("step_id", "step"),
        tenant_fk("next_step_id", "step"),
        tenant_fk("assigned_to", "user_account"),
        tenant_fk("completed_by", "user_account"),
        tenant_fk("delegated_by", "user_account"),
        ForeignKeyConstraint(
            ["tenant_id", "workflow_instance_id", "subject_no"],
            ["workflow_subject.tenant_id", "workflow_subject.instance_id", "workflow_subject.subject_no"],
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "subject_id", "subject_type_id"],
            ["subject.tenant_id", "subject.id", "subject.subject_type_id"],
            ondelete="RESTRICT",
        ),
        # Two indexes end with the tenant that they could begin with: while the planner takes the table for empty, every
        # index that begins with it looks as good as the primary key, and an execution would be found by reading all.
        UniqueConstraint(
            "workflow_instance_id", "subject_no", "step_key", "branch", "visit_number", "tenant_id",
            name="uq_step_execution_visit",
        ),
        Index(
            "uq_step_execution_one_open", "tenant_id", "workflow_instance_id", "subject_no", "branch",
            unique=True, postgresql_where=IS_OPEN,
        ),
        Index("ix_step_execution_subject", "subject_id", "subject_type_id", "tenant_id"),
        Index("ix_step_execution_open_assigned_to", "tenant_id", "assigned_to", postgresql_where=IS_OPEN),
        Index("ix_step_execution_open_step", "tenant_id", "step_id", postgresql_where=IS_OPEN),
        Index(
            "ix_step_execution_awaited", "tenant_id", "awaited_event", "awaited_key",
            postgresql_where=sql("awaited_event IS NOT NULL"),
        ),
        one_of("status", ExecutionStatus),
        check("visit_number", "visit_number >= 1"),
        check("escalation_level", "escalation_level >= 0"),
        check(
            "closed_has_exit",
            "(status IN ('completed', 'skipped', 'cancelled', 'rolled_back')) = (exited_at IS NOT NULL)",
        ),
        check("claimed_by_somebody", "status <> 'claimed' OR assigned_to IS NOT NULL"),
        check("waiting_is_ready", "status <> 'waiting' OR ready_at IS NOT NULL"),
    )  # fmt: skip

    workflow_instance_id: UUID
    step_id: UUID
    step_key: str
    subject_type_id: UUID
    subject_id: UUID
    subject_no: int
    branch: str = free_text()
    visit_number: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    entered_at: datetime = since()
    started_at: datetime | None = None
    ready_at: datetime | None = None
    exited_at: datetime | None = None
    status: ExecutionStatus = word(ExecutionStatus, ExecutionStatus.PENDING)
    assigned_to: UUID | None = None
    completed_by: UUID | None = None
    decision_result: str = free_text()
    next_step_id: UUID | None = None
    notes: str = free_text()
    due_at: datetime | None = None
    limit_at: datetime | None = None
    overdue: bool = flag()
    escalation_level: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    evidence_rev: int = counter()
    ready_rev: int | None = Field(default=None, sa_type=BigInteger)
    kept_gates: dict[str, str] = json_object()
    priority: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    lot: str = free_text()
    counts: bool = flag(default=True)
    delegated_by: UUID | None = None
    wake_at: datetime | None = None
    awaited_event: str | None = None
    awaited_key: str | None = None
    chain_n: int = counter()
    chain_hash: bytes = chain_head()


class StepRequirementCompletion(TenantRow, table=True):
    """Where a requirement of an execution stands now: a projection of its `evidence_record` rows."""

    __tablename__ = "step_requirement_completion"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("requirement_id", "step_requirement"),
        tenant_fk("completed_by", "user_account"),
        UniqueConstraint("tenant_id", "execution_id", "requirement_id"),
        check("complete_has_moment", "NOT is_complete OR completed_at IS NOT NULL"),
    )

    execution_id: UUID
    requirement_id: UUID
    is_complete: bool = flag()
    completed_at: datetime | None = None
    completed_by: UUID | None = None
    evidence: dict[str, Any] = json_object()
