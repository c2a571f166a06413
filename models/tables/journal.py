"""The journal: what happened to each instance, in order. The record; rows elsewhere are its fold."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, Integer
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from models.tables.base import check, json_object, tenant_fk


class Journal(SQLModel, table=True):
    """One event for a cohort: the same thing happened to all `subjects` (numbers; empty: to the instance).

    `record_no` groups the events of one transaction, `at` is event time (the workflow's clock, UTC).
    """

    __tablename__ = "journal"
    __table_args__ = (
        tenant_fk("instance_id", "workflow_instance"),
        Index("ix_journal_command_id", "tenant_id", "command_id", postgresql_where=sql("command_id IS NOT NULL")),
        check("seq", "seq >= 1"),
        check("record_no", "record_no >= 1"),
        check("chain_n", "chain_n >= 1"),
    )  # fmt: skip

    tenant_id: UUID = Field(primary_key=True)
    instance_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    record_no: int = Field(sa_type=BigInteger)
    kind: str
    at: datetime
    subjects: list[int] = Field(
        default_factory=list, sa_type=ARRAY(Integer), sa_column_kwargs={"server_default": sql("'{}'")}
    )
    data: dict[str, Any] = json_object()
    command_id: UUID | None = None
    chain_n: int = Field(sa_type=BigInteger)
    digest: bytes
