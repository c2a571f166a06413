"""Evidence and signatures: rows that are only ever added, each sealed by a link of its execution's hash chain."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint

from models.enums import EvidenceAction
from models.tables.base import (
    ChainedRow,
    check,
    free_text,
    json_object,
    one_of,
    since,
    tenant_fk,
    word,
)


class EvidenceRecord(ChainedRow, table=True):
    """One revision of what was given for a requirement of an execution."""

    __tablename__ = "evidence_record"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("requirement_id", "step_requirement"),
        tenant_fk("given_by", "user_account"),
        UniqueConstraint("tenant_id", "execution_id", "requirement_id", "revision"),
        one_of("action", EvidenceAction),
        check("revision", "revision >= 1"),
        check("chain_n", "chain_n >= 1"),
    )

    execution_id: UUID
    requirement_id: UUID
    revision: int
    action: EvidenceAction = word(EvidenceAction)
    data: dict[str, Any] = json_object()
    given_by: UUID | None = None
    given_at: datetime = since()
    source: str = free_text()
    reason: str = free_text()


class Signature(ChainedRow, table=True):
    """An electronic signature (21 CFR 11.50, 11.70): who, printed name, meaning, and the hash of what was shown."""

    __tablename__ = "signature"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("requirement_id", "step_requirement"),
        tenant_fk("signer_id", "user_account"),
        Index("ix_signature_tenant_id_execution_id", "tenant_id", "execution_id"),
        check("meaning", "meaning <> ''"),
        check("printed_name", "printed_name <> ''"),
        check("chain_n", "chain_n >= 1"),
    )

    execution_id: UUID
    requirement_id: UUID | None = None
    signer_id: UUID
    printed_name: str
    meaning: str
    content_hash: str
    signed_at: datetime = since()
    source: str = free_text()


class SignatureVoid(ChainedRow, table=True):
    """A signature counts no longer, because what it covered changed. At most once per signature."""

    __tablename__ = "signature_void"
    __table_args__ = (
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("signature_id", "signature"),
        UniqueConstraint("tenant_id", "signature_id"),
        check("chain_n", "chain_n >= 1"),
    )

    execution_id: UUID
    signature_id: UUID
    at: datetime = since()
    reason: str = free_text()
