"""What is still to be done or to be looked at: outbox, incidents, and the counters behind identifiers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from models.tables.base import (
    TenantRow,
    check,
    free_text,
    json_object,
    since,
    tenant_fk,
    to_tenant,
)


class Outbox(SQLModel, table=True):
    """Something that must leave the database after the commit; the dispatcher deletes what it delivered.

    Always inserted, never merged: rows of the same topic and key are coalesced when they are sent.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_next_attempt_at", "next_attempt_at", "id"),
        Index("ix_outbox_topic_key", "tenant_id", "topic", "key"),
        check("attempts", "attempts >= 0"),
    )

    tenant_id: UUID = Field(primary_key=True)
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    topic: str
    key: str = free_text()
    payload: dict[str, Any] = json_object()
    created_at: datetime = since()
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    next_attempt_at: datetime = since()
    last_error: str = free_text()


class Incident(TenantRow, table=True):
    """Something stopped and needs a person: visible with its reason, resolved with one."""

    __tablename__ = "incident"
    __table_args__ = (
        tenant_fk("instance_id", "workflow_instance"),
        tenant_fk("execution_id", "step_execution"),
        tenant_fk("resolved_by", "user_account"),
        Index("ix_incident_open", "tenant_id", "instance_id", postgresql_where=sql("resolved_at IS NULL")),
        check("code", "code <> ''"),
        check("resolution", "resolved_at IS NOT NULL OR resolution = ''"),
    )  # fmt: skip

    instance_id: UUID
    execution_id: UUID | None = None
    code: str
    message: str = free_text()
    params: dict[str, Any] = json_object()
    opened_at: datetime = since()
    resolved_at: datetime | None = None
    resolved_by: UUID | None = None
    resolution: str = free_text()


class IdentifierCounter(SQLModel, table=True):
    """The last number given per prefix and year; counted up under its lock, never `max + 1`."""

    __tablename__ = "identifier_counter"
    __table_args__ = (to_tenant(), check("last", "last >= 0"))

    tenant_id: UUID = Field(primary_key=True)
    prefix: str = Field(primary_key=True)
    year: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    last: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
