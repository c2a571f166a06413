"""What people and systems asked for: commands (one per instance or slice of it) and the requests they came with."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, Uuid
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from models.enums import CommandOutcome
from models.tables.base import (
    TenantRow,
    check,
    free_text,
    json_object,
    one_of,
    optional_json,
    since,
    tenant_fk,
    word,
)

UNSETTLED = sql("outcome IS NULL")
PROPOSED = sql("outcome = 'proposed'")


class Command(TenantRow, table=True):
    """One command to one instance; `outcome`, the answer and the journal position are set once, by record."""

    __tablename__ = "command"
    __table_args__ = (
        tenant_fk("actor_id", "user_account"),
        tenant_fk("workflow_instance_id", "workflow_instance"),
        Index("ix_command_unsettled", "accepted_at", postgresql_where=UNSETTLED),
        Index("ix_command_unsettled_instance", "tenant_id", "workflow_instance_id", postgresql_where=UNSETTLED),
        Index("ix_command_proposed", "tenant_id", "accepted_at", postgresql_where=PROPOSED),
        tenant_fk("confirmed_by", "user_account"),
        one_of("outcome", CommandOutcome),
        check("confirmed", "(confirmed_by IS NULL) = (confirmed_at IS NULL) AND confirmed_by <> actor_id"),
        check("settled_once", "(outcome IS NULL) = (settled_at IS NULL)"),
    )  # fmt: skip

    request_key: str | None = None
    actor_id: UUID
    on_behalf_of: str | None = None
    kind: str
    workflow_instance_id: UUID | None = None
    body: dict[str, Any] = json_object()
    body_hash: str
    source: str = free_text()
    accepted_at: datetime = since()
    signalled_at: datetime | None = None
    outcome: CommandOutcome | None = word(CommandOutcome, optional=True)
    settled_at: datetime | None = None
    settled_seq: int | None = Field(default=None, sa_type=BigInteger)
    response_status: int | None = None
    response: dict[str, Any] | None = optional_json()
    confirmed_by: UUID | None = None
    confirmed_at: datetime | None = None


class Request(SQLModel, table=True):
    """An `Idempotency-Key` of one actor: the same body gets the same answer, another body a refusal."""

    __tablename__ = "request"
    __table_args__ = (tenant_fk("actor_id", "user_account"), check("key", "key <> ''"))

    tenant_id: UUID = Field(primary_key=True)
    actor_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    body_hash: str
    created_at: datetime = since()
    command_ids: list[UUID] = Field(
        default_factory=list, sa_type=ARRAY(Uuid()), sa_column_kwargs={"server_default": sql("'{}'")}
    )
    response_status: int | None = None
    response: dict[str, Any] | None = optional_json()
