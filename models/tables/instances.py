"""Instances and the subjects that move through them. Rows are the fold of the journal."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from models.flow.status import InstanceStatus
from models.tables.base import (
    TenantRow,
    chain_head,
    check,
    counter,
    free_text,
    json_object,
    one_of,
    since,
    tenant_fk,
    word,
)


class WorkflowInstance(TenantRow, table=True):
    """One execution of a process version; also the Temporal workflow of the same id.

    `seq` is the last journal event, `record_no` the last record; both move under this row's lock.
    `triggered_by` is the execution whose requirement `triggered_requirement_id` started it as child `child_no`.
    """

    __tablename__ = "workflow_instance"
    __table_args__ = (
        tenant_fk("process_id", "process"),
        tenant_fk("owner_id", "user_account"),
        tenant_fk("created_by", "user_account"),
        tenant_fk("parent_instance_id", "workflow_instance"),
        tenant_fk("triggered_requirement_id", "step_requirement"),
        tenant_fk(
            "triggered_by", "step_execution", deferred=True, name="fk_workflow_instance_triggered_by"
        ),
        UniqueConstraint("tenant_id", "identifier"),
        Index("ix_workflow_instance_tenant_id_process_id_status", "tenant_id", "process_id", "status"),
        Index("ix_workflow_instance_tenant_id_status_due_date", "tenant_id", "status", "due_date"),
        Index("ix_workflow_instance_tenant_id_created_at", "tenant_id", "created_at", "id"),
        Index(
            "ix_workflow_instance_triggered_by", "tenant_id", "triggered_by",
            postgresql_where=sql("triggered_by IS NOT NULL"),
        ),
        Index(
            "ix_workflow_instance_parent", "tenant_id", "parent_instance_id",
            postgresql_where=sql("parent_instance_id IS NOT NULL"),
        ),
        Index(
            "ix_workflow_instance_open", "status", "created_at",
            postgresql_where=sql("completed_at IS NULL"),
        ),
        one_of("status", InstanceStatus),
        check("closed_has_end", "(status IN ('completed', 'cancelled')) = (completed_at IS NOT NULL)"),
        check("held_has_moment", "(status = 'on_hold') = (held_at IS NOT NULL)"),
        check("counters", "seq >= 0 AND record_no >= 0 AND chain_n >= 0"),
        check("child_no", "child_no IS NULL OR child_no >= 1"),
    )  # fmt: skip

    process_id: UUID
    identifier: str
    name: str = free_text()
    status: InstanceStatus = word(InstanceStatus, InstanceStatus.PENDING)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    held_at: datetime | None = None
    due_date: date | None = None
    triggered_by: UUID | None = None
    triggered_requirement_id: UUID | None = None
    child_no: int | None = None
    parent_instance_id: UUID | None = None
    owner_id: UUID | None = None
    context: dict[str, Any] = json_object()
    reason: str = free_text()
    created_at: datetime = since()
    created_by: UUID | None = None
    seq: int = counter()
    record_no: int = counter()
    chain_n: int = counter()
    chain_hash: bytes = chain_head()


class WorkflowSubject(SQLModel, table=True):
    """A subject of an instance, numbered from 0; the number stands for it in the journal and in the state."""

    __tablename__ = "workflow_subject"
    __table_args__ = (
        tenant_fk("instance_id", "workflow_instance"),
        tenant_fk("subject_id", "subject"),
        UniqueConstraint("subject_id", "instance_id", "tenant_id", name="uq_workflow_subject_once"),
        check("subject_no", "subject_no >= 0"),
        check("finished", "(terminal_status IS NULL) = (finished_at IS NULL)"),
    )

    tenant_id: UUID = Field(primary_key=True)
    instance_id: UUID = Field(primary_key=True)
    subject_no: int = Field(primary_key=True)
    subject_id: UUID
    terminal_status: str | None = None
    finished_at: datetime | None = None
