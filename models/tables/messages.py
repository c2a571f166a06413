"""Messages from outside, and which subjects they let go on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint

from models.tables.base import TenantRow, check, counter, free_text, json_object, since, tenant_fk


class Message(TenantRow, table=True):
    """An event from outside, kept until `expires_at` for subjects that come to wait for it.

    `external_id` is the sender's own name for it: the same one is taken once, and `body_hash` tells whether it is the
    same. `reached` is how many executions waited for it when it came.
    """

    __tablename__ = "message"
    __table_args__ = (
        tenant_fk("posted_by", "user_account"),
        UniqueConstraint("tenant_id", "external_id"),
        Index("ix_message_name_key", "tenant_id", "name", "key", "received_at"),
        Index("ix_message_expires_at", "expires_at"),
        check("name", "name <> ''"),
        check("key", "key <> ''"),
    )

    name: str
    key: str
    data: dict[str, Any] = json_object()
    external_id: str | None = None
    body_hash: str = free_text()
    reached: int = counter()
    posted_by: UUID
    source: str = free_text()
    received_at: datetime = since()
    expires_at: datetime = since()


class MessageDelivery(TenantRow, table=True):
    """A message let a subject of an instance go on; each message does so once for each."""

    __tablename__ = "message_delivery"
    __table_args__ = (
        tenant_fk("message_id", "message"),
        tenant_fk("execution_id", "step_execution"),
        ForeignKeyConstraint(
            ["tenant_id", "instance_id", "subject_no"],
            ["workflow_subject.tenant_id", "workflow_subject.instance_id", "workflow_subject.subject_no"],
            ondelete="RESTRICT",
        ),
        UniqueConstraint("message_id", "instance_id", "subject_no", "tenant_id", name="uq_message_delivery_once"),
        Index("ix_message_delivery_execution", "execution_id", "tenant_id"),
    )

    message_id: UUID
    instance_id: UUID
    subject_no: int
    execution_id: UUID
    at: datetime = since()
