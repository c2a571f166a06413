"""Controlled documents. The content lies in the file store under its SHA-256; a row never changes what it names."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from models.enums import DocumentState
from models.tables.base import (
    TenantRow,
    check,
    free_text,
    one_of,
    since,
    tenant_fk,
    to_tenant,
    word,
)


class DocumentType(TenantRow, table=True):
    """A kind of document that requirements ask for."""

    __tablename__ = "document_type"
    __table_args__ = (to_tenant(), UniqueConstraint("tenant_id", "key"), check("key", "key <> ''"))

    key: str
    name: str
    created_at: datetime = since()


class Document(TenantRow, table=True):
    """One revision of a document; `effective_at` is the moment it was released for, or came into effect."""

    __tablename__ = "document"
    __table_args__ = (
        tenant_fk("document_type_id", "document_type"),
        tenant_fk("subject_id", "subject"),
        tenant_fk("uploaded_by", "user_account"),
        tenant_fk("released_by", "user_account"),
        UniqueConstraint("tenant_id", "number", "revision"),
        Index("ix_document_tenant_id_type_state", "tenant_id", "document_type_id", "state"),
        Index("ix_document_tenant_id_sha256", "tenant_id", "sha256"),
        Index("ix_document_due", "tenant_id", "effective_at", postgresql_where=sql("state = 'released'")),
        one_of("state", DocumentState),
        check("sha256", "sha256 ~ '^[0-9a-f]{64}$'"),
        check("size_bytes", "size_bytes >= 0"),
        check("released_has_moment", "state NOT IN ('released', 'effective') OR released_at IS NOT NULL"),
        check("obsolete_has_moment", "state <> 'obsolete' OR obsoleted_at IS NOT NULL"),
    )

    document_type_id: UUID
    subject_id: UUID | None = None
    number: str
    title: str = free_text()
    revision: str = free_text()
    state: DocumentState = word(DocumentState, DocumentState.DRAFT)
    sha256: str
    size_bytes: int = Field(sa_type=BigInteger)
    media_type: str
    filename: str
    uploaded_by: UUID
    created_at: datetime = since()
    released_by: UUID | None = None
    released_at: datetime | None = None
    effective_at: datetime | None = None
    obsoleted_at: datetime | None = None


class DocumentLink(TenantRow, table=True):
    """An execution cites a document for a requirement; the evidence record is the proof, this finds the executions."""

    __tablename__ = "document_link"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("requirement_id", "step_requirement"),
        tenant_fk("document_id", "document"),
        UniqueConstraint("tenant_id", "execution_id", "requirement_id", "document_id"),
        Index("ix_document_link_tenant_id_document_id", "tenant_id", "document_id"),
    )

    execution_id: UUID
    requirement_id: UUID
    document_id: UUID
    created_at: datetime = since()
