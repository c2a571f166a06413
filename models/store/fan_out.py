"""From one outbox row to what goes out: rows in people's lists, e-mails, messages to rooms and webhooks.

Every id is made from the outbox row's, so a row that is taken twice (a worker died in between) tells nobody twice.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DeliveryChannel
from models.notices.event_types import NOTICE_TYPES, wants
from models.notices.kinds import NoticeKind
from models.notices.render import Rendered, TemplateRefusedError, render
from models.notices.schedule import Digest, Pace, email_slot
from models.notices.shipped import SHIPPED, Wording
from models.store.bulk import insert_rows
from models.store.journal_events import event_of_notice, events_of_journal
from models.store.notice_facts import NoticeFacts, Reader, notice_facts
from models.store.notice_templates import filled
from models.store.reading import fetch, fetch_one, run
from models.tables import Notification, NotificationDelivery

log = logging.getLogger(__name__)

NOTHING_TWICE: Final = UUID("6f1f0a52-6a3c-4d7e-9d64-0d1f6f3f6c55")
"""Namespace of the ids made from outbox rows."""

_OWN_WORDING = text(
    "SELECT subject, body, body_html FROM notification_template WHERE tenant_id = :tenant AND kind = :kind"
)
_NOTE_ERROR = text(
    "UPDATE notification_template SET last_error = :error, last_error_at = :at"
    " WHERE tenant_id = :tenant AND kind = :kind"
)
_ROOMS = text(
    "SELECT id FROM notification_channel"
    " WHERE tenant_id = :tenant AND is_active AND deleted_at IS NULL AND kinds @> :kind ORDER BY id"
).bindparams(bindparam("kind", type_=JSONB))
_WEBHOOKS = text(
    "SELECT id, kinds FROM webhook WHERE tenant_id = :tenant AND is_active AND deleted_at IS NULL ORDER BY id"
)
_KNOWN = text("SELECT id FROM notification WHERE tenant_id = :tenant AND id = ANY(:ids)")
_KNOWN_DELIVERIES = text("SELECT id FROM notification_delivery WHERE tenant_id = :tenant AND id = ANY(:ids)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An outbox row that is being fanned out."""

    tenant_id: UUID
    id: int
    payload: Mapping[str, Any]
    now: datetime

    def name(self, *parts: object) -> UUID:
        """The id of something that comes of this row."""
        return uuid5(NOTHING_TWICE, "/".join(map(str, (self.tenant_id, self.id, *parts))))


async def fan_out_notice(session: AsyncSession, taken: Taken, *, base_url: str, with_email: bool = True) -> None:
    """Write what one notice comes to, in a transaction of its tenant; e-mails only where there is a server for them."""
    facts = await notice_facts(session, taken.tenant_id, taken.payload)
    words = await _words(session, taken, facts.kind)
    told = [
        (reader, await words.of(session, facts, reader, base_url)) for reader in facts.readers if _wants(reader, facts)
    ]
    notifications = [_notification(taken, facts, reader, said) for reader, said in told]
    deliveries = [
        *(_emails(taken, facts, told) if with_email else ()),
        *await _to_rooms(session, taken, facts, words, base_url),
        *await _to_webhooks(session, taken, facts, base_url),
    ]
    await _insert_new(session, taken.tenant_id, Notification, _KNOWN, notifications)
    await _insert_new(session, taken.tenant_id, NotificationDelivery, _KNOWN_DELIVERIES, deliveries)


async def fan_out_events(session: AsyncSession, taken: Taken, *, base_url: str) -> None:
    """Write a delivery for each event of the journal and each webhook that wants it."""
    hooks = await fetch(session, _WEBHOOKS, tenant=taken.tenant_id)
    if not hooks:
        return
    instance, seqs = UUID(taken.payload["instance"]), taken.payload["seqs"]
    events = await events_of_journal(session, taken.tenant_id, instance, seqs, base_url)
    rows = [
        _delivery(taken, DeliveryChannel.WEBHOOK, one["type"], name=(one["id"], hook["id"]))
        | {"webhook_id": hook["id"], "payload": one}
        for one in events
        for hook in hooks
        if wants(hook["kinds"], one["type"])
    ]
    await _insert_new(session, taken.tenant_id, NotificationDelivery, _KNOWN_DELIVERIES, rows)


def _wants(reader: Reader, facts: NoticeFacts) -> bool:
    """Whether somebody who is meant wants to hear of it at all."""
    choice = reader.wanted.choice(facts.kind)
    return choice.in_app or choice.email is not Pace.OFF


@dataclass(slots=True)
class _Words:
    """The wording of one kind: the tenant's own while it can be rendered, else the shipped one."""

    taken: Taken
    kind: NoticeKind
    own: Wording | None

    async def of(self, session: AsyncSession, facts: NoticeFacts, reader: Reader | None, base_url: str) -> Rendered:
        values = {**facts.values_for(reader), "link": base_url + facts.link if facts.link else ""}
        if self.own is not None:
            try:
                return render(self.own, values)
            except TemplateRefusedError as error:
                await self._fall_back(session, str(error))
        return render(SHIPPED[self.kind], values)

    async def _fall_back(self, session: AsyncSession, error: str) -> None:
        """Say where an administrator sees it, on the template, and go on with the shipped wording."""
        self.own = None
        log.warning("the template of %s cannot be rendered, the shipped one goes out: %s", self.kind, error)
        note = {"tenant": self.taken.tenant_id, "kind": self.kind.value, "error": error, "at": self.taken.now}
        await run(session, _NOTE_ERROR, note)


async def _words(session: AsyncSession, taken: Taken, kind: NoticeKind) -> _Words:
    row = await fetch_one(session, _OWN_WORDING, tenant=taken.tenant_id, kind=kind.value)
    return _Words(taken=taken, kind=kind, own=None if row is None else filled(kind, Wording(**row)))


def _notification(taken: Taken, facts: NoticeFacts, reader: Reader, said: Rendered) -> dict[str, Any]:
    return {
        "tenant_id": taken.tenant_id,
        "id": taken.name("to", reader.id),
        "user_id": reader.id,
        "kind": facts.kind.value,
        "title": said.subject,
        "body": said.text,
        "link": facts.link,
        "instance_id": facts.instance,
        "object_type": facts.object_type,
        "object_id": facts.object_id,
        "count": max(1, len(reader.executions) or len(facts.executions)),
        "in_app": reader.wanted.choice(facts.kind).in_app,
        "created_at": taken.now,
    }


def _emails(taken: Taken, facts: NoticeFacts, told: Sequence[tuple[Reader, Rendered]]) -> list[dict[str, Any]]:
    rows = []
    for reader, said in told:
        slot = email_slot(reader.wanted, facts.kind, taken.now) if reader.email else None
        if slot is None:
            continue
        rows.append(
            _delivery(taken, DeliveryChannel.EMAIL, facts.kind, name=("mail", reader.id), digest=slot.digest)
            | {
                "notification_id": taken.name("to", reader.id),
                "user_id": reader.id,
                "payload": {"html": said.html},
                "next_attempt_at": slot.at,
            }
        )
    return rows


async def _to_rooms(
    session: AsyncSession, taken: Taken, facts: NoticeFacts, words: _Words, base_url: str
) -> list[dict[str, Any]]:
    rooms = await fetch(session, _ROOMS, tenant=taken.tenant_id, kind=[facts.kind.value])
    if not rooms:
        return []
    said = await words.of(session, facts, None, base_url)
    message = {"title": said.subject, "text": said.text, "html": said.html, "link": facts.link}
    return [
        _delivery(taken, DeliveryChannel.ROOM, facts.kind, name=("room", one["id"]))
        | {"channel_id": one["id"], "payload": message}
        for one in rooms
    ]


async def _to_webhooks(session: AsyncSession, taken: Taken, facts: NoticeFacts, base_url: str) -> list[dict[str, Any]]:
    """Notices that no event of the journal stands behind; the others go out as events."""
    wanted = next((name for name, kind in NOTICE_TYPES.items() if kind is facts.kind), None)
    if wanted is None:
        return []
    hooks = [
        one for one in await fetch(session, _WEBHOOKS, tenant=taken.tenant_id) if wants(one["kinds"], wanted)
    ]  # fmt: skip
    event = event_of_notice(str(taken.name("event")), wanted, facts, base_url, taken.now)
    return [
        _delivery(taken, DeliveryChannel.WEBHOOK, wanted, name=("hook", one["id"]))
        | {"webhook_id": one["id"], "payload": event}
        for one in hooks
    ]


def _delivery(
    taken: Taken, channel: DeliveryChannel, kind: str, *, name: tuple[object, ...], digest: Digest = Digest.NONE
) -> dict[str, Any]:
    return {
        "tenant_id": taken.tenant_id,
        "id": taken.name(*name),
        "channel": channel.value,
        "kind": str(kind),
        "digest": digest.value,
        "created_at": taken.now,
        "next_attempt_at": taken.now,
    }


async def _insert_new(
    session: AsyncSession, tenant_id: UUID, table: type[Notification | NotificationDelivery], known: Any, rows: Any
) -> None:
    """Insert what is not there yet; the outbox row is locked, so nobody else inserts the same meanwhile."""
    if not rows:
        return
    found = await fetch(session, known, tenant=tenant_id, ids=[row["id"] for row in rows])
    there = {one["id"] for one in found}
    new = [row for row in rows if row["id"] not in there]
    for columns in {tuple(sorted(row)) for row in new}:
        await insert_rows(session, table, [row for row in new if tuple(sorted(row)) == columns])
