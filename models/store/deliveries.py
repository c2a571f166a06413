"""Messages on their way out: claimed for a while, talked about without a transaction, settled; listed and replayed.

A claim is a lease: it moves `next_attempt_at` into the future and commits, so that a worker which dies while it talks
only delays the message. Who settles after its lease ran out finds `attempts` moved on and writes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import system_session
from models.store.audit import AuditDraft, audit_tenant, engine_actor
from models.store.notice_errors import DeliveryPendingError, DeliveryUnknownError
from models.store.notices import NOTICES_CHANNEL
from models.store.people import Person
from models.store.reading import fetch, fetch_one, run
from models.store.views import moment

LEASE: Final = timedelta(minutes=3)
"""Longer than anything takes that a message is talked about."""
MOST_AT_ONCE_TO_ONE: Final = 10
"""So that a receiver that does not answer cannot hold up all others."""

_CLAIM = text(
    """
    WITH due AS (
        SELECT tenant_id, id, digest,
               row_number() OVER (PARTITION BY tenant_id, coalesce(webhook_id, channel_id, user_id), digest
                                  ORDER BY next_attempt_at, id) AS n
        FROM notification_delivery WHERE state IN ('pending', 'failed') AND next_attempt_at <= :now
          AND coalesce(webhook_id, channel_id, user_id) <> ALL(:busy)
    ), picked AS (
        SELECT d.tenant_id, d.id FROM notification_delivery d JOIN due USING (tenant_id, id)
        WHERE (due.n <= :at_once OR due.digest <> '')
          AND d.state IN ('pending', 'failed') AND d.next_attempt_at <= :now
        ORDER BY d.next_attempt_at, d.tenant_id, d.user_id, d.digest, d.id LIMIT :limit
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE notification_delivery d SET next_attempt_at = :until, attempts = d.attempts + 1
    FROM picked WHERE (d.tenant_id, d.id) = (picked.tenant_id, picked.id)
    RETURNING d.tenant_id, d.id, d.channel, coalesce(d.webhook_id, d.channel_id, d.user_id) AS receiver, d.digest,
              d.attempts
    """
)
_EMAILS = text(
    """
    SELECT d.id, d.payload, n.title, n.body, n.link, n.created_at, u.email, u.is_active,
           coalesce(NULLIF(u.full_name, ''), u.username) AS name
    FROM notification_delivery d
    JOIN notification n ON (n.tenant_id, n.id) = (d.tenant_id, d.notification_id)
    JOIN user_account u ON (u.tenant_id, u.id) = (d.tenant_id, d.user_id)
    WHERE d.tenant_id = :tenant AND d.id = ANY(:ids) ORDER BY n.created_at, n.id
    """
)
_TO_WEBHOOK = text(
    """
    SELECT d.id, d.payload, w.id AS webhook_id, w.url, w.secret, w.previous_secret, w.previous_until,
           w.is_active AND w.deleted_at IS NULL AS is_active
    FROM notification_delivery d JOIN webhook w ON (w.tenant_id, w.id) = (d.tenant_id, d.webhook_id)
    WHERE d.tenant_id = :tenant AND d.id = :id
    """
)
_TO_ROOM = text(
    """
    SELECT d.id, d.payload, c.channel_kind, c.target, c.name, c.is_active AND c.deleted_at IS NULL AS is_active
    FROM notification_delivery d JOIN notification_channel c ON (c.tenant_id, c.id) = (d.tenant_id, d.channel_id)
    WHERE d.tenant_id = :tenant AND d.id = :id
    """
)
_SETTLE = text(
    """
    UPDATE notification_delivery
    SET state = :state, sent_at = :sent_at, answer_status = :status, last_error = :error, next_attempt_at = :next
    WHERE tenant_id = :tenant AND id = :id AND attempts = :attempts AND state IN ('pending', 'failed')
    """
)
_SWITCH_OFF = text(
    "UPDATE webhook SET is_active = false, disabled_reason = :reason"
    " WHERE tenant_id = :tenant AND is_active AND id = (SELECT webhook_id FROM notification_delivery"
    " WHERE tenant_id = :tenant AND id = :id) RETURNING id"
)
_COLUMNS = """
    d.id, d.channel, d.kind, d.state, d.attempts, d.next_attempt_at, d.last_error, d.answer_status, d.created_at,
    d.sent_at, d.digest, d.webhook_id, d.channel_id, d.payload, u.username,
    coalesce(n.title, d.payload ->> 'title', d.payload ->> 'subject') AS title
"""
_JOINS = """
    FROM notification_delivery d
    LEFT JOIN user_account u ON (u.tenant_id, u.id) = (d.tenant_id, d.user_id)
    LEFT JOIN notification n ON (n.tenant_id, n.id) = (d.tenant_id, d.notification_id)
    WHERE d.tenant_id = :tenant
"""
_LIST = text(
    f"""
    SELECT {_COLUMNS} {_JOINS}
      AND (CAST(:webhook AS uuid) IS NULL OR d.webhook_id = :webhook)
      AND (CAST(:state AS text) IS NULL OR d.state = :state)
      AND (CAST(:channel AS text) IS NULL OR d.channel = :channel)
      AND (CAST(:before_at AS timestamptz) IS NULL OR (d.created_at, d.id) < (:before_at, CAST(:before_id AS uuid)))
    ORDER BY d.created_at DESC, d.id DESC LIMIT :limit
    """
)
_ONE = text(f"SELECT {_COLUMNS} {_JOINS} AND d.id = :id")
_REPLAY = text(
    """
    WITH again AS (
        UPDATE notification_delivery
        SET state = 'pending', attempts = 0, next_attempt_at = now(), last_error = '', sent_at = NULL, digest = ''
        WHERE tenant_id = :tenant AND id = :id RETURNING 1
    )
    SELECT pg_notify(:channel, '') FROM again
    """
)


FORGOTTEN_AT_ONCE: Final = 1_000
"""Rows of one transaction, so that no lock is held for long."""
_TENANTS = text("SELECT id FROM tenant ORDER BY id")
_FORGET = text(
    """
    DELETE FROM notification_delivery d USING (
        SELECT o.tenant_id, o.id FROM notification_delivery o
        LEFT JOIN webhook w ON (w.tenant_id, w.id) = (o.tenant_id, o.webhook_id)
        LEFT JOIN notification_channel c ON (c.tenant_id, c.id) = (o.tenant_id, o.channel_id)
        WHERE o.tenant_id = :tenant AND o.created_at < :before
          AND (o.state = 'sent' OR (o.state = 'dead' AND (w.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL)))
        ORDER BY o.created_at, o.id LIMIT :limit
    ) AS old
    WHERE (d.tenant_id, d.id) = (old.tenant_id, old.id) AND d.state IN ('sent', 'dead')
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message that is ours to deliver until the lease ends; `attempts` counts this one."""

    tenant_id: UUID
    id: UUID
    channel: str
    receiver: UUID
    """The webhook, the room or the person."""
    digest: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of talking. `error` empty: it was delivered.

    Attributes:
        status: the receiver's HTTP status, where there is one.
        final: trying again is of no use.
        switch_off: the receiver wants nothing more from this webhook (410 Gone).
    """

    error: str = ""
    status: int | None = None
    final: bool = False
    switch_off: bool = False


async def claim_due(session: AsyncSession, now: datetime, limit: int, busy: Collection[UUID] = ()) -> list[Claimed]:
    """Take messages that are due, none for who is `busy`; as the system role, in a transaction of its own."""
    keys = {
        "now": now, "until": now + LEASE, "limit": limit, "at_once": MOST_AT_ONCE_TO_ONE, "busy": list(busy),
    }  # fmt: skip
    return [Claimed(**row) for row in await fetch(session, _CLAIM, **keys)]


async def emails(session: AsyncSession, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """E-mails with what they say and to whom, oldest notice first."""
    return await fetch(session, _EMAILS, tenant=tenant_id, ids=list(ids))


async def to_webhook(session: AsyncSession, tenant_id: UUID, delivery: UUID) -> RowMapping:
    """A message to a webhook, with the webhook."""
    return (await fetch(session, _TO_WEBHOOK, tenant=tenant_id, id=delivery))[0]


async def to_room(session: AsyncSession, tenant_id: UUID, delivery: UUID) -> RowMapping:
    """A message to a room, with the room."""
    return (await fetch(session, _TO_ROOM, tenant=tenant_id, id=delivery))[0]


async def settle_delivery(
    session: AsyncSession, claimed: Claimed, result: Result, *, now: datetime, pause: timedelta | None
) -> None:
    """Write down what came of it.

    Args:
        session: A transaction of the message's tenant.
        claimed: As it was claimed.
        result: What came of talking.
        now: UTC.
        pause: Until the next attempt; None: there is none, so it is dead.
    """
    dead = result.error and (result.final or pause is None)
    state = "sent" if not result.error else "dead" if dead else "failed"
    values = {
        "tenant": claimed.tenant_id, "id": claimed.id, "attempts": claimed.attempts, "state": state,
        "sent_at": now if state == "sent" else None, "status": result.status, "error": result.error[:1_000],
        "next": now + (pause or timedelta()),
    }  # fmt: skip
    await run(session, _SETTLE, values)
    if result.switch_off:
        await _switch_off(session, claimed, result.error)


async def _switch_off(session: AsyncSession, claimed: Claimed, reason: str) -> None:
    row = await fetch_one(session, _SWITCH_OFF, tenant=claimed.tenant_id, id=claimed.id, reason=reason)
    if row is None:
        return
    draft = AuditDraft(
        action="webhook.switched_off", object_type="webhook", object_id=row["id"],
        old={"is_active": True}, new={"is_active": False}, reason=reason,
    )  # fmt: skip
    await audit_tenant(session, engine_actor(claimed.tenant_id), draft)


async def list_deliveries(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    limit: int,
    webhook: UUID | None = None,
    state: str | None = None,
    channel: str | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> Sequence[RowMapping]:
    """Messages, newest first."""
    return await fetch(
        session, _LIST, tenant=tenant_id, webhook=webhook, state=state, channel=channel, limit=limit,
        before_at=before[0] if before else None, before_id=before[1] if before else None,
    )  # fmt: skip


async def forget_delivered(system: AsyncEngine, before: datetime, *, most: int = 10) -> int:
    """Delete what was delivered and put down `before`, in all tenants, slice by slice; the rest comes the next time.

    What is still on its way stays, and so does a dead letter: somebody has to look at it, and may send it again. Where
    the webhook or room that it was for was deleted, there is nothing left to look at.

    Args:
        system: As the system role, each slice in a transaction of its own.
        before: UTC.
        most: Slices of one tenant.

    Returns:
        How many there were.
    """
    async with system_session(system) as session:
        tenants = [row["id"] for row in await fetch(session, _TENANTS)]
    forgotten = 0
    for tenant in tenants:
        for _ in range(most):
            async with system_session(system) as session:
                keys = {"tenant": tenant, "before": before, "limit": FORGOTTEN_AT_ONCE}
                gone = (await (await session.connection()).execute(_FORGET, keys)).rowcount
            forgotten += gone
            if gone < FORGOTTEN_AT_ONCE:
                break
    return forgotten


async def replay(session: AsyncSession, person: Person, delivery: UUID, webhook: UUID | None = None) -> RowMapping:
    """Send a message again that was sent or is dead; a receiver knows it by its unchanged id.

    Raises:
        StoreError: delivery_unknown, delivery_pending.
    """
    row = await fetch_one(session, _ONE, tenant=person.tenant_id, id=delivery)
    if row is None or (webhook is not None and row["webhook_id"] != webhook):
        raise DeliveryUnknownError(id=str(delivery))
    if row["state"] in {"pending", "failed"}:
        raise DeliveryPendingError(id=str(delivery))
    await run(session, _REPLAY, {"tenant": person.tenant_id, "id": delivery, "channel": NOTICES_CHANNEL})
    old = {"state": row["state"], "attempts": row["attempts"]}
    draft = AuditDraft(
        action="delivery.replayed", object_type="notification_delivery", object_id=delivery, old=old
    )  # fmt: skip
    await audit_tenant(session, person.actor, draft)
    again = await fetch_one(session, _ONE, tenant=person.tenant_id, id=delivery)
    assert again is not None  # noqa: S101 - it was there a moment ago
    return again


def delivery_json(row: RowMapping) -> dict[str, Any]:
    """A message as the API shows it; what it says to a webhook is its event."""
    is_event = row["channel"] == "webhook"
    return {
        "id": str(row["id"]),
        "channel": row["channel"],
        "kind": row["kind"],
        "title": row["title"] or "",
        "to": row["username"],
        "webhook": None if row["webhook_id"] is None else str(row["webhook_id"]),
        "notification_channel": None if row["channel_id"] is None else str(row["channel_id"]),
        "state": row["state"],
        "digest": row["digest"],
        "attempts": row["attempts"],
        "next_attempt_at": moment(row["next_attempt_at"]) if row["state"] in {"pending", "failed"} else None,
        "last_error": row["last_error"],
        "answer_status": row["answer_status"],
        "created_at": moment(row["created_at"]),
        "sent_at": moment(row["sent_at"]),
        "event": row["payload"] if is_event else None,
    }
