"""Process versions and their steps. The rows serve reports and foreign keys; `process.graph` is what an instance loads.

Step rows are written once, when a version is approved; a draft is its `graph` alone.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Index, Interval, Text, UniqueConstraint, Uuid
from sqlalchemy import text as sql
from sqlmodel import Field

from models.enums import ProcessStatus
from models.flow.graph import EdgeType, ProcessCategory, StepType
from models.tables.base import (
    TenantRow,
    check,
    flag,
    free_text,
    json_list,
    json_object,
    one_of,
    since,
    tenant_fk,
    word,
)


class Process(TenantRow, table=True):
    """One version of a process; `key` names it across versions, `revision` counts edits of a draft.

    `based_on` is the version it was copied from, `editors` is everybody who changed it while it was a draft.
    """

    __tablename__ = "process"
    __table_args__ = (
        tenant_fk("subject_type_id", "subject_type"),
        tenant_fk("created_by", "user_account"),
        tenant_fk("approved_by", "user_account"),
        tenant_fk("submitted_by", "user_account"),
        tenant_fk("based_on", "process"),
        UniqueConstraint("tenant_id", "key", "version_no"),
        UniqueConstraint("tenant_id", "key", "version"),
        Index("ix_process_tenant_id_category_status", "tenant_id", "category", "status"),
        Index("ix_process_tenant_id_subject_type_id", "tenant_id", "subject_type_id"),
        Index("ix_process_tenant_id_template_source", "tenant_id", "template_source"),
        one_of("category", ProcessCategory),
        one_of("status", ProcessStatus),
        check("key", "key <> ''"),
        check("version_no", "version_no >= 1"),
        check(
            "approved_is_sealed",
            "status NOT IN ('approved', 'deprecated') OR (graph_hash IS NOT NULL AND approved_at IS NOT NULL)",
        ),
        check("approved_is_effective", "approved_at IS NULL OR effective_from IS NOT NULL"),
        check("effective_order", "effective_until IS NULL OR effective_until > effective_from"),
        check("submitted_in_review", "status <> 'in_review' OR submitted_at IS NOT NULL"),
    )

    key: str
    name: str
    description: str = free_text()
    category: ProcessCategory = word(ProcessCategory, ProcessCategory.MANUFACTURING)
    subject_type_id: UUID
    version: str = Field(default="1.0", sa_type=Text, sa_column_kwargs={"server_default": "1.0"})
    version_no: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    status: ProcessStatus = word(ProcessStatus, ProcessStatus.DRAFT)
    template_source: str = free_text()
    graph: dict[str, Any] = json_object()
    graph_hash: str | None = None
    revision: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    created_at: datetime = since()
    created_by: UUID | None = None
    approved_at: datetime | None = None
    approved_by: UUID | None = None
    based_on: UUID | None = None
    change_note: str = free_text()
    editors: list[UUID] = Field(
        default_factory=list, sa_type=ARRAY(Uuid), sa_column_kwargs={"server_default": sql("'{}'::uuid[]")}
    )
    submitted_at: datetime | None = None
    submitted_by: UUID | None = None
    effective_from: datetime | None = None
    effective_until: datetime | None = None


class Step(TenantRow, table=True):
    """One stage of an approved version. Durations are working time of the site's calendar."""

    __tablename__ = "step"
    __table_args__ = (
        tenant_fk("process_id", "process"),
        UniqueConstraint("tenant_id", "process_id", "key"),
        one_of("step_type", StepType),
        check("max_visits", "max_visits IS NULL OR max_visits >= 1"),
        check("expected_duration", "expected_duration IS NULL OR expected_duration > INTERVAL '0'"),
        check("max_duration", "max_duration IS NULL OR max_duration > INTERVAL '0'"),
    )

    process_id: UUID
    key: str
    name: str
    description: str = free_text()
    step_type: StepType = word(StepType, StepType.TASK)
    is_decision_point: bool = flag()
    decision_type: str = free_text()
    is_terminal: bool = flag()
    terminal_status: str = free_text()
    requires_explicit_start: bool = flag()
    requires_operator_completion: bool = flag(default=True)
    requires_batch_completion: bool = flag()
    requires_qa_signoff: bool = flag()
    max_visits: int | None = None
    expected_duration: timedelta | None = Field(default=None, sa_type=Interval)
    max_duration: timedelta | None = Field(default=None, sa_type=Interval)
    escalate_on_overdue: bool = flag()
    ordered: bool = flag()
    config: dict[str, Any] = json_object()


class ProcessStep(TenantRow, table=True):
    """The place of a step in its process."""

    __tablename__ = "process_step"
    __table_args__ = (
        tenant_fk("process_id", "process"),
        tenant_fk("step_id", "step"),
        UniqueConstraint("tenant_id", "process_id", "step_id"),
    )

    process_id: UUID
    step_id: UUID
    order: int


class StepEdge(TenantRow, table=True):
    """A way from one step to another; `drawn` is its number in the order of drawing, in which edges are tried."""

    __tablename__ = "step_edge"
    __table_args__ = (
        tenant_fk("process_id", "process"),
        tenant_fk("from_step_id", "step"),
        tenant_fk("to_step_id", "step"),
        UniqueConstraint("process_id", "drawn", "tenant_id", name="uq_step_edge_drawn"),
        one_of("edge_type", EdgeType),
    )

    process_id: UUID
    from_step_id: UUID
    to_step_id: UUID
    edge_type: EdgeType = word(EdgeType, EdgeType.DEFAULT)
    condition: str = free_text()
    results: list[Any] = json_list()
    config: dict[str, Any] = json_object()
    drawn: int


class StepRequirement(TenantRow, table=True):
    """A gate of a step. No CHECK on the type: plug-ins register types of their own."""

    __tablename__ = "step_requirement"
    __table_args__ = (
        tenant_fk("step_id", "step"),
        UniqueConstraint("tenant_id", "step_id", "key"),
        Index("ix_step_requirement_tenant_id_step_id_type", "tenant_id", "step_id", "requirement_type"),
        check("requirement_type", "requirement_type <> ''"),
    )

    step_id: UUID
    key: str
    requirement_type: str
    name: str
    description: str = free_text()
    is_mandatory: bool = flag(default=True)
    order: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    config: dict[str, Any] = json_object()
