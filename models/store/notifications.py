"""What one person was told, how they want to be told, and which instances they watch."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from models.notices.kinds import NoticeKind
from models.notices.schedule import ALWAYS, Preferences
from models.store.errors import NotFoundError
from models.store.notice_errors import NotificationUnknownError
from models.store.notice_facts import preferences_of
from models.store.people import Person
from models.store.reading import fetch, fetch_one, run
from models.store.views import moment

_LIST = text(
    """
    SELECT n.*, i.identifier, i.name AS instance_name FROM notification n
    LEFT JOIN workflow_instance i ON (i.tenant_id, i.id) = (n.tenant_id, n.instance_id)
    WHERE n.tenant_id = :tenant AND n.user_id = :me AND n.in_app
      AND (CAST(:unread AS boolean) IS NULL OR (n.read_at IS NULL) = :unread)
      AND (CAST(:kind AS text) IS NULL OR n.kind = :kind)
      AND (CAST(:before_at AS timestamptz) IS NULL OR (n.created_at, n.id) < (:before_at, CAST(:before_id AS uuid)))
    ORDER BY n.created_at DESC, n.id DESC LIMIT :limit
    """
)
_READ = text(
    """
    UPDATE notification n SET read_at = coalesce(read_at, now())
    WHERE tenant_id = :tenant AND user_id = :me AND id = :id AND in_app
    RETURNING n.*, NULL AS identifier, NULL AS instance_name
    """
)
_READ_ALL = text(
    """
    WITH read AS (UPDATE notification SET read_at = now()
                  WHERE tenant_id = :tenant AND user_id = :me AND in_app AND read_at IS NULL RETURNING 1)
    SELECT count(*) AS count FROM read
    """
)
_PREFERENCES = text(
    "SELECT choices, quiet_from, quiet_until, time_zone, daily_at FROM notification_preference"
    " WHERE tenant_id = :tenant AND user_id = :me"
)
_PREFER = text(
    """
    INSERT INTO notification_preference (tenant_id, user_id, choices, quiet_from, quiet_until, time_zone, daily_at)
    VALUES (:tenant, :me, :choices, :quiet_from, :quiet_until, :zone, :daily_at)
    ON CONFLICT (tenant_id, user_id) DO UPDATE
    SET choices = EXCLUDED.choices, quiet_from = EXCLUDED.quiet_from, quiet_until = EXCLUDED.quiet_until,
        time_zone = EXCLUDED.time_zone, daily_at = EXCLUDED.daily_at, updated_at = now()
    """
).bindparams(bindparam("choices", type_=JSONB))
_INSTANCE = text("SELECT id FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance")
_WATCH = text(
    "INSERT INTO instance_watch (tenant_id, instance_id, user_id) VALUES (:tenant, :instance, :me)"
    " ON CONFLICT DO NOTHING"
)
_UNWATCH = text("DELETE FROM instance_watch WHERE tenant_id = :tenant AND instance_id = :instance AND user_id = :me")


async def list_notifications(
    session: AsyncSession,
    person: Person,
    *,
    limit: int,
    unread: bool | None = None,
    kind: NoticeKind | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> Sequence[RowMapping]:
    """What this person was told and wants to see in the app, newest first."""
    return await fetch(
        session, _LIST, tenant=person.tenant_id, me=person.id, unread=unread, limit=limit,
        kind=None if kind is None else kind.value,
        before_at=before[0] if before else None, before_id=before[1] if before else None,
    )  # fmt: skip


async def read_notification(session: AsyncSession, person: Person, notification: UUID) -> RowMapping:
    """Mark one as read; once read it stays so.

    Raises:
        StoreError: notification_unknown.
    """
    row = await fetch_one(session, _READ, tenant=person.tenant_id, me=person.id, id=notification)
    if row is None:
        raise NotificationUnknownError(id=str(notification))
    return row


async def read_all(session: AsyncSession, person: Person) -> int:
    """Mark all as read; how many were not."""
    row = await fetch_one(session, _READ_ALL, tenant=person.tenant_id, me=person.id)
    return 0 if row is None else int(row["count"])


async def my_preferences(session: AsyncSession, person: Person) -> Preferences:
    """How this person wants to be told; as shipped where they never said."""
    row = await fetch_one(session, _PREFERENCES, tenant=person.tenant_id, me=person.id)
    return Preferences() if row is None else preferences_of(dict(row))


async def prefer(session: AsyncSession, person: Person, wanted: Preferences) -> None:
    """Keep how this person wants to be told, instead of what they said before."""
    choices = {
        kind.value: {"in_app": one.in_app, "email": one.email.value} for kind, one in sorted(wanted.choices.items())
    }
    quiet: tuple[time | None, time | None] = wanted.quiet or (None, None)
    values: Mapping[str, Any] = {
        "tenant": person.tenant_id, "me": person.id, "choices": choices, "quiet_from": quiet[0],
        "quiet_until": quiet[1], "zone": wanted.zone, "daily_at": wanted.daily_at,
    }  # fmt: skip
    await run(session, _PREFER, values)


async def watch(session: AsyncSession, person: Person, instance: UUID, *, watching: bool) -> None:
    """Begin or end to hear of an instance; asking twice asks once.

    Raises:
        StoreError: not_found.
    """
    if await fetch_one(session, _INSTANCE, tenant=person.tenant_id, instance=instance) is None:
        raise NotFoundError(what="workflow", id=str(instance))
    keys = {"tenant": person.tenant_id, "instance": instance, "me": person.id}
    await run(session, _WATCH if watching else _UNWATCH, keys)


def notification_json(row: RowMapping, base_url: str) -> dict[str, Any]:
    """A notification as the API shows it."""
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "title": row["title"],
        "body": row["body"],
        "url": base_url + row["link"] if row["link"] else None,
        "workflow": None if row["instance_id"] is None else str(row["instance_id"]),
        "object": None if not row["object_type"] else {"type": row["object_type"], "id": row["object_id"]},
        "count": row["count"],
        "created_at": moment(row["created_at"]),
        "read_at": moment(row["read_at"]),
    }


def preferences_json(wanted: Preferences) -> dict[str, Any]:
    """Preferences as the API shows them: what holds for every kind, and whether the person chose it."""
    return {
        "kinds": {
            kind.value: {
                "in_app": wanted.choice(kind).in_app,
                "email": wanted.choice(kind).email.value,
                "chosen": kind in wanted.choices and kind not in ALWAYS,
            }
            for kind in NoticeKind
        },
        "quiet_hours": None
        if wanted.quiet is None
        else {"from": f"{wanted.quiet[0]:%H:%M}", "until": f"{wanted.quiet[1]:%H:%M}"},
        "time_zone": wanted.zone,
        "daily_at": f"{wanted.daily_at:%H:%M}",
    }
