"""What moves through processes: kinds of subject, subjects, and the domain rows that share a subject's id."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint

from models.enums import CapaSeverity, PartStatus
from models.tables.base import (
    TenantRow,
    check,
    flag,
    free_text,
    json_object,
    one_of,
    since,
    tenant_fk,
    to_tenant,
    word,
)


class SubjectType(TenantRow, table=True):
    """A kind of subject: the JSON Schema of its attributes, and a regex for its identifiers."""

    __tablename__ = "subject_type"
    __table_args__ = (to_tenant(), UniqueConstraint("tenant_id", "key"), check("key", "key <> ''"))

    key: str
    name: str
    attributes_schema: dict[str, Any] = json_object()
    identifier_pattern: str = free_text()
    created_at: datetime = since()


class Subject(TenantRow, table=True):
    """One thing that moves: a part, a CAPA, a document, whatever a type describes."""

    __tablename__ = "subject"
    __table_args__ = (
        tenant_fk("subject_type_id", "subject_type"),
        tenant_fk("created_by", "user_account"),
        UniqueConstraint("subject_type_id", "identifier", "tenant_id", name="uq_subject_identifier"),
        UniqueConstraint("tenant_id", "id", "subject_type_id"),
        Index("ix_subject_tenant_id_identifier", "tenant_id", "identifier"),
        check("identifier", "identifier <> ''"),
    )

    subject_type_id: UUID
    identifier: str
    title: str = free_text()
    attributes: dict[str, Any] = json_object()
    created_at: datetime = since()
    created_by: UUID | None = None


class Part(TenantRow, table=True):
    """Shop-floor facts of a subject of type Part; its id is the subject's."""

    __tablename__ = "part"
    __table_args__ = (tenant_fk("id", "subject"), one_of("part_status", PartStatus))

    part_status: PartStatus = word(PartStatus, PartStatus.PENDING)
    requires_sampling: bool = flag()


class Capa(TenantRow, table=True):
    """Quality facts of a subject of type CAPA; its id is the subject's."""

    __tablename__ = "capa"
    __table_args__ = (
        tenant_fk("id", "subject"),
        tenant_fk("workflow_instance_id", "workflow_instance"),
        UniqueConstraint("tenant_id", "capa_number"),
        one_of("severity", CapaSeverity),
    )

    capa_number: str
    severity: CapaSeverity = word(CapaSeverity, CapaSeverity.MINOR)
    workflow_instance_id: UUID | None = None
