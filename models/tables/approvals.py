"""Approval templates, the requests that executions open from them, and what approvers answered."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Interval, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from models.enums import ApprovalDecision, ApprovalState
from models.tables.base import (
    ChainedRow,
    TenantRow,
    check,
    flag,
    free_text,
    json_list,
    json_object,
    one_of,
    since,
    tenant_fk,
    to_tenant,
    word,
)


class ApprovalTemplate(TenantRow, table=True):
    """Stages in series, each all, any or n of m of users or roles; `escalate_to` hears of what is overdue."""

    __tablename__ = "approval_template"
    __table_args__ = (to_tenant(), UniqueConstraint("tenant_id", "key"), check("key", "key <> ''"))

    key: str
    name: str
    stages: list[dict[str, Any]] = json_list()
    due_in: timedelta | None = Field(default=None, sa_type=Interval)
    remind_before: timedelta | None = Field(default=None, sa_type=Interval)
    escalate_to: dict[str, Any] = json_object()
    allow_self_approval: bool = flag()
    allow_delegation: bool = flag()
    created_at: datetime = since()


class ApprovalRequest(TenantRow, table=True):
    """A request of one execution; what its template said is copied here when it opens.

    `reminded_at` and `overdue_at` say when the approvers were told; `back_to` is the step to which a rejection sends
    the work.
    """

    __tablename__ = "approval_request"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("requirement_id", "step_requirement"),
        tenant_fk("template_id", "approval_template"),
        tenant_fk("requested_by", "user_account"),
        UniqueConstraint("tenant_id", "execution_id", "requirement_id", "round"),
        Index("ix_approval_request_pending", "tenant_id", "requested_at", postgresql_where=sql("state = 'pending'")),
        one_of("state", ApprovalState),
        check("round", "round >= 1"),
        check("stage", "stage >= 0"),
        check("pending_is_undecided", "(state = 'pending') = (decided_at IS NULL)"),
    )  # fmt: skip

    execution_id: UUID
    requirement_id: UUID
    template_id: UUID | None = None
    stages: list[dict[str, Any]] = json_list()
    allow_self_approval: bool = flag()
    allow_delegation: bool = flag()
    escalate_to: dict[str, Any] = json_object()
    back_to: str = free_text()
    round: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    state: ApprovalState = word(ApprovalState, ApprovalState.PENDING)
    stage: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    content_hash: str = free_text()
    requested_by: UUID | None = None
    requested_at: datetime = since()
    remind_at: datetime | None = None
    reminded_at: datetime | None = None
    due_at: datetime | None = None
    overdue_at: datetime | None = None
    decided_at: datetime | None = None


class ApprovalResponse(ChainedRow, table=True):
    """What one approver said in one stage of one round, and the hash of what they were shown."""

    __tablename__ = "approval_response"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("request_id", "approval_request"),
        tenant_fk("user_id", "user_account"),
        tenant_fk("delegated_from", "user_account"),
        Index("ix_approval_response_tenant_id_request_id", "tenant_id", "request_id"),
        one_of("decision", ApprovalDecision),
        check("chain_n", "chain_n >= 1"),
    )

    execution_id: UUID
    request_id: UUID
    round: int
    stage: int
    decision: ApprovalDecision = word(ApprovalDecision)
    user_id: UUID
    delegated_from: UUID | None = None
    comment: str = free_text()
    content_hash: str
    self_approval_reason: str = free_text()
    at: datetime = since()
    source: str = free_text()


class ApprovalDelegation(ChainedRow, table=True):
    """An approver gave their answer in one stage of one request to another person; at most once, and for good."""

    __tablename__ = "approval_delegation"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("request_id", "approval_request"),
        tenant_fk("user_id", "user_account"),
        tenant_fk("delegate_id", "user_account"),
        UniqueConstraint("request_id", "stage", "user_id", "tenant_id"),
        UniqueConstraint("request_id", "stage", "delegate_id", "tenant_id"),
        check("another", "user_id <> delegate_id"),
        check("chain_n", "chain_n >= 1"),
    )

    execution_id: UUID
    request_id: UUID
    stage: int
    user_id: UUID
    delegate_id: UUID
    reason: str = free_text()
    at: datetime = since()
    source: str = free_text()
