"""Messages from outside: taken in once, kept, and handed to the subjects that wait for them by name and key.

A message may come before a subject waits for it or after. That neither misses the other is held by locks on its name
and key (`locks_of`): whoever looks whether a message is there and then begins to wait, and whoever posts one and looks
who waits, hold the same lock to the end of their transaction.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.audit import AuditDraft, audit_tenant
from models.store.canonical import content_hash
from models.store.errors import NotFoundError
from models.store.evidence import CHANGED_TOPIC
from models.store.instances import OUTBOX_CHANNEL
from models.store.people import Person
from models.store.reading import fetch, fetch_one
from models.store.refusals import EventChangedError
from models.store.views import moment

Json = dict[str, Any]

LONGEST_KEY: Final = 500
LOCKS: Final = 64
"""Per name: so many subjects may begin to wait in one transaction that one lock for each key would be too many."""

_LOCK = text("SELECT pg_advisory_xact_lock(given.lock) FROM unnest(CAST(:locks AS bigint[])) AS given (lock)")
_FITTING = text(
    """
    SELECT m.id, m.name, m.key, m.data,
           ARRAY(SELECT d.subject_no FROM message_delivery d
                 WHERE (d.tenant_id, d.message_id, d.instance_id) = (m.tenant_id, m.id, i.id)
                   AND d.subject_no = ANY(:subjects)) AS had
    FROM workflow_instance i
    JOIN message m ON m.tenant_id = i.tenant_id AND (m.received_at >= i.created_at OR m.expires_at > now())
    JOIN (SELECT DISTINCT name, key FROM unnest(CAST(:names AS text[]), CAST(:keys AS text[])) AS given (name, key))
         AS wanted ON (wanted.name, wanted.key) = (m.name, m.key)
    WHERE i.tenant_id = :tenant AND i.id = :instance
    ORDER BY m.received_at, m.id
    """
)
_TELL = text(
    """
    WITH told AS (
        INSERT INTO outbox (tenant_id, topic, key, payload)
        SELECT e.tenant_id, :topic, CAST(e.workflow_instance_id AS text),
               jsonb_build_object('instance_id', e.workflow_instance_id, 'ref',
                                  jsonb_build_array(e.subject_no, e.step_key, e.visit_number, e.branch))
        FROM step_execution e
        WHERE e.tenant_id = :tenant AND e.awaited_event = :name AND e.awaited_key = :key AND e.exited_at IS NULL
        ORDER BY e.workflow_instance_id, e.subject_no
        RETURNING 1)
    SELECT count(*) AS reached, pg_notify(:channel, '') FROM told
    """
)
_INSERT = text(
    """
    INSERT INTO message (tenant_id, id, name, key, data, external_id, body_hash, reached, posted_by, source,
                         received_at, expires_at)
    VALUES (:tenant, :id, :name, :key, CAST(:data AS jsonb), :external_id, :body_hash, :reached, :by, :source,
            clock_timestamp(), clock_timestamp() + CAST(:kept AS interval))
    """
)
_COLUMNS = """
    m.id, m.external_id, m.name, m.key, m.data, m.reached, m.source, m.received_at, m.expires_at, m.body_hash,
    u.id AS poster, u.username
    FROM message m JOIN user_account u ON (u.tenant_id, u.id) = (m.tenant_id, m.posted_by)
"""
_KNOWN = text(f"SELECT {_COLUMNS} WHERE m.tenant_id = :tenant AND m.external_id = :external_id")
_ONE = text(f"SELECT {_COLUMNS} WHERE m.tenant_id = :tenant AND m.id = :id")
_LIST = text(
    f"""
    SELECT {_COLUMNS}
    WHERE m.tenant_id = :tenant
      AND (CAST(:name AS text) IS NULL OR m.name = :name)
      AND (CAST(:key AS text) IS NULL OR m.key = :key)
      AND (CAST(:at AS timestamptz) IS NULL OR (m.received_at, m.id) < (:at, :after))
    ORDER BY m.received_at DESC, m.id DESC LIMIT :limit
    """
)
_DELIVERIES = text(
    """
    SELECT d.execution_id, d.instance_id, d.subject_no, d.at FROM message_delivery d
    WHERE d.tenant_id = :tenant AND d.message_id = :id ORDER BY d.at, d.instance_id, d.subject_no LIMIT 1000
    """
)
_FORGET = text(
    """
    DELETE FROM message m
    WHERE m.expires_at < now() - interval '1 hour'
      AND NOT EXISTS (SELECT FROM message_delivery d WHERE (d.tenant_id, d.message_id) = (m.tenant_id, m.id))
      AND NOT EXISTS (SELECT FROM workflow_instance i
                      WHERE i.tenant_id = m.tenant_id AND i.completed_at IS NULL AND i.created_at <= m.received_at)
    """
)
"""An hour later than anybody may still take them, so that nobody has just found what is deleted here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """What is posted; `id` is the sender's own name for it."""

    name: str
    key: str
    data: Mapping[str, Any]
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A subject that waits for a message, or is about to."""

    subject: int
    name: str
    key: str


def locks_of(tenant_id: UUID, wanted: Iterable[tuple[str, str]]) -> list[int]:
    """Keys of advisory locks for names and keys of messages, in the one order in which they are taken."""
    found = set()
    for name, key in wanted:
        number = sha256(key.encode()).digest()[0] % LOCKS
        digest = sha256(f"message|{tenant_id}|{name}|{number}".encode()).digest()
        found.add(int.from_bytes(digest[:8], signed=True))
    return sorted(found)


async def lock_messages(session: AsyncSession, tenant_id: UUID, wanted: Iterable[tuple[str, str]]) -> None:
    """Let nobody post such messages, or begin to wait for them, until this transaction ends."""
    await fetch(session, _LOCK, locks=locks_of(tenant_id, wanted))


async def messages_for(
    session: AsyncSession, tenant_id: UUID, instance_id: UUID, waiting: Sequence[Waiting]
) -> list[RowMapping | None]:
    """The oldest message for each that its subject has not had yet; None where there is none.

    Counts what came since the instance was created, and what is kept from before. `waiting` has to be locked
    (`lock_messages`).
    """
    rows = await fetch(
        session, _FITTING, tenant=tenant_id, instance=instance_id, subjects=sorted({one.subject for one in waiting}),
        names=[one.name for one in waiting], keys=[one.key for one in waiting],
    )  # fmt: skip
    by_name: dict[tuple[str, str], list[tuple[RowMapping, set[int]]]] = {}
    for row in rows:
        by_name.setdefault((row["name"], row["key"]), []).append((row, set(row["had"])))
    return [_taken(one.subject, by_name.get((one.name, one.key), ())) for one in waiting]


def _taken(subject: int, messages: Collection[tuple[RowMapping, set[int]]]) -> RowMapping | None:
    for row, had in messages:
        if subject not in had:
            had.add(subject)
            return row
    return None


async def post_message(session: AsyncSession, person: Person, new: NewMessage, kept: timedelta) -> Json:
    """Take a message in, and have the engine look at every execution that waits for it.

    The same id with the same content is the same message: it is answered as it was, and nothing happens.

    Args:
        session: The transaction of it all.
        person: Who posts it.
        new: The message.
        kept: How long it waits for instances that come later.

    Raises:
        StoreError: event_changed.
        FlowError: forbidden.
    """
    person.must("event.post")
    told = {"name": new.name, "key": new.key, "data": dict(new.data)}
    hashed = content_hash(told)
    if new.id is not None:
        # Its id first: one that is posted twice at once may name two keys, and is one message all the same.
        await fetch(session, _LOCK, locks=locks_of(person.tenant_id, [("", new.id)]))
        known = await fetch_one(session, _KNOWN, tenant=person.tenant_id, external_id=new.id)
        if known is not None and known["body_hash"] != hashed:
            raise EventChangedError(id=new.id)
        if known is not None:
            return message_json(known)
    await lock_messages(session, person.tenant_id, [(new.name, new.key)])
    keys = {"tenant": person.tenant_id, "name": new.name, "key": new.key}
    told_to = await fetch_one(session, _TELL, **keys, topic=CHANGED_TOPIC, channel=OUTBOX_CHANNEL)
    reached = 0 if told_to is None else told_to["reached"]
    identity = uuid4()
    await (await session.connection()).execute(
        _INSERT,
        {
            **keys, "id": identity, "data": json.dumps(dict(new.data)), "external_id": new.id, "body_hash": hashed,
            "reached": reached, "by": person.id, "source": person.source, "kept": kept,
        },
    )  # fmt: skip
    draft = AuditDraft(
        action="event.posted", object_type="message", object_id=identity, new={**told, "id": new.id, "reached": reached}
    )
    await audit_tenant(session, person.actor, draft)
    posted = await fetch_one(session, _ONE, tenant=person.tenant_id, id=identity)
    if posted is None:
        raise NotFoundError(what="event", id=str(identity))
    return message_json(posted)


async def message(session: AsyncSession, tenant_id: UUID, message_id: UUID) -> Json:
    """One message, with up to 1,000 executions that it let go on.

    Raises:
        StoreError: not_found.
    """
    row = await fetch_one(session, _ONE, tenant=tenant_id, id=message_id)
    if row is None:
        raise NotFoundError(what="event", id=str(message_id))
    deliveries = await fetch(session, _DELIVERIES, tenant=tenant_id, id=message_id)
    return {**message_json(row), "deliveries": [_delivery_json(one) for one in deliveries]}


async def list_messages(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    name: str | None,
    key: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Messages, newest first."""
    at, last = after or (None, None)
    return await fetch(session, _LIST, tenant=tenant_id, name=name, key=key, at=at, after=last, limit=limit)


async def forget_expired(connection: AsyncConnection) -> int:
    """Delete what nobody can take any more, in all tenants; what let a subject go on is part of the record and stays.

    Returns:
        How many there were.
    """
    return (await connection.execute(_FORGET)).rowcount


def message_json(row: RowMapping) -> Json:
    """A message as people see it."""
    return {
        "id": str(row["id"]),
        "event_id": row["external_id"],
        "name": row["name"],
        "key": row["key"],
        "data": row["data"],
        "reached": row["reached"],
        "posted_by": {"id": str(row["poster"]), "username": row["username"]},
        "source": row["source"],
        "received_at": moment(row["received_at"]),
        "expires_at": moment(row["expires_at"]),
    }


def _delivery_json(row: RowMapping) -> Json:
    return {
        "execution": str(row["execution_id"]),
        "workflow": str(row["instance_id"]),
        "subject_no": row["subject_no"],
        "at": moment(row["at"]),
    }
