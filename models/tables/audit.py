"""The audit trail (21 CFR 11.10(e)) and the hash chains that seal it and every other append-only table.

No foreign keys here: an entry stands on its own, also about something that was refused or never existed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from models.enums import Chain
from models.tables.base import (
    ChainedRow,
    TenantRow,
    Word,
    check,
    free_text,
    json_list,
    one_of,
    optional_json,
    since,
    word,
)

OF_INSTANCE = sql("instance_id IS NOT NULL")


class AuditEntry(ChainedRow, table=True):
    """Who did what to which object, when (server UTC), from what to what, why, and from where.

    `digest` covers the entry with `content_digest` in place of `old` and `new`, so that these two can be
    erased (`erased_at`) without breaking the proof of who did what and when.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_tenant_id_at", "tenant_id", "at", "id"),
        Index("ix_audit_entry_object", "tenant_id", "object_type", "object_id"),
        Index("ix_audit_entry_instance", "tenant_id", "instance_id", "at", postgresql_where=OF_INSTANCE),
        Index("ix_audit_entry_chain", "tenant_id", "chain", "chain_id", "chain_n"),
        one_of("chain", Chain),
        check("chain_n", "chain_n >= 1"),
        check("action", "action <> ''"),
        check("erased", "erased_at IS NULL OR (old IS NULL AND new IS NULL)"),
    )  # fmt: skip

    at: datetime
    actor_id: UUID | None = None
    actor_name: str = free_text()
    on_behalf_of: str = free_text()
    source: str = free_text()
    action: str
    object_type: str
    object_id: str = free_text()
    instance_id: UUID | None = None
    execution_id: UUID | None = None
    old: dict[str, Any] | None = optional_json()
    new: dict[str, Any] | None = optional_json()
    reason: str = free_text()
    chain: Chain = word(Chain)
    chain_id: UUID
    content_digest: bytes
    erased_at: datetime | None = None


class ChainLink(SQLModel, table=True):
    """Link `n` of a chain: hash of the one before, the chain's name, `n`, the moment, the digest of what it seals."""

    __tablename__ = "chain_link"
    __table_args__ = (
        Index("ix_chain_link_tenant_id_at", "tenant_id", "at"),
        one_of("chain", Chain),
        check("n", "n >= 1"),
        check("hash", "octet_length(hash) = 32"),
    )

    tenant_id: UUID = Field(primary_key=True)
    chain: Chain = Field(primary_key=True, sa_type=Word(Chain))
    chain_id: UUID = Field(primary_key=True)
    n: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime
    payload_digest: bytes
    prev_hash: bytes
    hash: bytes


class ChainCheckpoint(TenantRow, table=True):
    """Seals the heads `[[chain, id, n, hash], …]` of the chains that grew since the checkpoint before."""

    __tablename__ = "chain_checkpoint"
    __table_args__ = (Index("ix_chain_checkpoint_tenant_id_at", "tenant_id", "at"),)

    at: datetime = since()
    heads: list[list[Any]] = json_list()
    prev_digest: bytes
    digest: bytes
