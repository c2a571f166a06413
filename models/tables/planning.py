"""When a site works, and who is away: what due times and assignments are computed with."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint

from models.tables.base import (
    TenantRow,
    check,
    free_text,
    json_list,
    json_object,
    since,
    tenant_fk,
    to_tenant,
)


class Calendar(TenantRow, table=True):
    """The working calendar of the site whose key it has; `default` is that of all other sites.

    Attributes:
        week: weekday → shifts `{"start": "08:00", "end": "16:30"}`.
        exceptions: `{"date": …, "shifts": […], "name": …}`; no shifts is closed.
    """

    __tablename__ = "calendar"
    __table_args__ = (
        to_tenant(),
        UniqueConstraint("tenant_id", "key"),
        check("key", "key <> ''"),
    )

    key: str
    name: str
    time_zone: str
    week: dict[str, Any] = json_object()
    country: str = free_text()
    subdivision: str = free_text()
    exceptions: list[dict[str, Any]] = json_list()
    created_at: datetime = since()


class Absence(TenantRow, table=True):
    """Somebody is away from `starts_at` until `ends_at`, and `delegate_id` stands in; an ended one stays."""

    __tablename__ = "absence"
    __table_args__ = (
        tenant_fk("user_id", "user_account"),
        tenant_fk("delegate_id", "user_account"),
        tenant_fk("created_by", "user_account"),
        Index("ix_absence_user", "tenant_id", "user_id", "ends_at"),
        Index("ix_absence_delegate", "tenant_id", "delegate_id", "ends_at"),
        check("ends_later", "ends_at > starts_at"),
        check("another_person", "delegate_id IS NULL OR delegate_id <> user_id"),
    )

    user_id: UUID
    delegate_id: UUID | None = None
    starts_at: datetime
    ends_at: datetime
    reason: str = free_text()
    created_by: UUID
    created_at: datetime = since()
