"""What people and other systems are told: notices, their way out, and who wants which of them how."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, Time
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from models.enums import ChannelKind, DeliveryChannel, DeliveryState
from models.tables.base import (
    TenantRow,
    check,
    flag,
    free_text,
    json_list,
    json_object,
    one_of,
    optional_json,
    since,
    tenant_fk,
    to_tenant,
    word,
)

IS_DUE = sql("state IN ('pending', 'failed')")


class Notification(TenantRow, table=True):
    """One notice to one person, as it was worded then; `in_app` where they want to see it in the app.

    `link` is the path of what it is about, below the app's own address.
    """

    __tablename__ = "notification"
    __table_args__ = (
        tenant_fk("user_id", "user_account"),
        tenant_fk("instance_id", "workflow_instance"),
        Index("ix_notification_mine", "tenant_id", "user_id", "created_at", "id"),
        Index(
            "ix_notification_unread", "tenant_id", "user_id", "created_at", "id",
            postgresql_where=sql("in_app AND read_at IS NULL"),
        ),
        check("kind", "kind <> ''"),
    )  # fmt: skip

    user_id: UUID
    kind: str
    title: str
    body: str = free_text()
    link: str = free_text()
    instance_id: UUID | None = None
    object_type: str = free_text()
    object_id: str = free_text()
    count: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    in_app: bool = flag(default=True)
    created_at: datetime = since()
    read_at: datetime | None = None


class NotificationPreference(SQLModel, table=True):
    """How a person wants to be told; `choices` holds only the kinds for which they chose, see `notices.schedule`."""

    __tablename__ = "notification_preference"
    __table_args__ = (
        tenant_fk("user_id", "user_account"),
        check("quiet", "(quiet_from IS NULL) = (quiet_until IS NULL)"),
    )

    tenant_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    choices: dict[str, Any] = json_object()
    quiet_from: time | None = Field(default=None, sa_type=Time)
    quiet_until: time | None = Field(default=None, sa_type=Time)
    time_zone: str = Field(default="UTC", sa_column_kwargs={"server_default": "UTC"})
    daily_at: time = Field(default=time(7), sa_type=Time, sa_column_kwargs={"server_default": "07:00:00"})
    updated_at: datetime = since()


class NotificationTemplate(SQLModel, table=True):
    """A tenant's own wording of one kind; an empty part means the shipped one.

    `last_error` is why it could not be rendered the last time that it was tried; the shipped wording went out instead.
    """

    __tablename__ = "notification_template"
    __table_args__ = (to_tenant(), tenant_fk("updated_by", "user_account"), check("kind", "kind <> ''"))

    tenant_id: UUID = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    subject: str = free_text()
    body: str = free_text()
    body_html: str = free_text()
    updated_at: datetime = since()
    updated_by: UUID | None = None
    last_error: str = free_text()
    last_error_at: datetime | None = None


class InstanceWatch(SQLModel, table=True):
    """Who wants to hear of an instance besides those who work on it."""

    __tablename__ = "instance_watch"
    __table_args__ = (tenant_fk("instance_id", "workflow_instance"), tenant_fk("user_id", "user_account"))

    tenant_id: UUID = Field(primary_key=True)
    instance_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    created_at: datetime = since()


class Webhook(TenantRow, table=True):
    """Where events go by HTTP; `secret` is encrypted, the one before it stays valid until `previous_until`.

    Nothing is deleted: `deleted_at` hides it, and its secrets are emptied then.
    """

    __tablename__ = "webhook"
    __table_args__ = (to_tenant(), tenant_fk("created_by", "user_account"), check("url", "url <> ''"))

    name: str
    url: str
    kinds: list[str] = json_list()
    secret: bytes = Field(sa_type=LargeBinary)
    previous_secret: bytes | None = Field(default=None, sa_type=LargeBinary)
    previous_until: datetime | None = None
    is_active: bool = flag(default=True)
    disabled_reason: str = free_text()
    created_at: datetime = since()
    created_by: UUID | None = None
    deleted_at: datetime | None = None


class NotificationChannel(TenantRow, table=True):
    """A room or mailbox that a whole team reads; `target` (an Apprise URL or an address) is encrypted."""

    __tablename__ = "notification_channel"
    __table_args__ = (
        to_tenant(),
        tenant_fk("created_by", "user_account"),
        one_of("channel_kind", ChannelKind),
    )

    name: str
    channel_kind: ChannelKind = word(ChannelKind)
    target: bytes = Field(sa_type=LargeBinary)
    shown: str = free_text()
    kinds: list[str] = json_list()
    is_active: bool = flag(default=True)
    created_at: datetime = since()
    created_by: UUID | None = None
    deleted_at: datetime | None = None


class NotificationDelivery(TenantRow, table=True):
    """One message on its way out; tried until it was sent or is dead. The id is also the receiver's key to repeats.

    `digest` is what it waits to be sent together with: `hourly`, `daily`, `quiet` (the end of quiet hours), or nothing.
    """

    __tablename__ = "notification_delivery"
    __table_args__ = (
        to_tenant(),
        tenant_fk("notification_id", "notification"),
        tenant_fk("user_id", "user_account"),
        tenant_fk("webhook_id", "webhook"),
        tenant_fk("channel_id", "notification_channel"),
        Index("ix_notification_delivery_due", "next_attempt_at", "id", postgresql_where=IS_DUE),
        Index("ix_notification_delivery_dead", "channel", postgresql_where=sql("state = 'dead'")),
        Index("ix_notification_delivery_recent", "tenant_id", "created_at", "id"),
        Index(
            "ix_notification_delivery_of_webhook", "tenant_id", "webhook_id", "created_at", "id",
            postgresql_where=sql("webhook_id IS NOT NULL"),
        ),
        one_of("channel", DeliveryChannel),
        one_of("state", DeliveryState),
        check("attempts", "attempts >= 0"),
        check("sent_has_moment", "(state = 'sent') = (sent_at IS NOT NULL)"),
        check(
            "has_receiver",
            "(channel = 'email') = (user_id IS NOT NULL AND notification_id IS NOT NULL)"
            " AND (channel = 'webhook') = (webhook_id IS NOT NULL)"
            " AND (channel = 'room') = (channel_id IS NOT NULL)",
        ),
    )  # fmt: skip

    channel: DeliveryChannel = word(DeliveryChannel)
    kind: str
    notification_id: UUID | None = None
    user_id: UUID | None = None
    webhook_id: UUID | None = None
    channel_id: UUID | None = None
    payload: dict[str, Any] | None = optional_json()
    digest: str = free_text()
    state: DeliveryState = word(DeliveryState, DeliveryState.PENDING)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    next_attempt_at: datetime = since()
    last_error: str = free_text()
    answer_status: int | None = None
    created_at: datetime = since()
    sent_at: datetime | None = None
