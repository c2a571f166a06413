"""Notices: how something that people should hear of is put down, in the transaction of what it tells of.

A notice is an outbox row of record (DESIGN §2). Who gets it, by which channel and when is worked out after the commit,
by the consumer in the core workers: nothing here reads preferences or talks to anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from models.notices.kinds import NoticeKind

NOTICE_TOPIC: Final = "notice"
EVENTS_TOPIC: Final = "webhook_events"
"""Journal events that a webhook of the tenant wants; the payload names instance and positions."""
NOTICES_CHANNEL: Final = "gatework_notices"
"""Notified, without content, when there is something for the consumer of notices or for the courier."""

_PUT = text(
    """
    WITH put AS (
        INSERT INTO outbox (tenant_id, topic, key, payload)
        SELECT :tenant, given.topic, given.key, given.payload
        FROM ROWS FROM (jsonb_to_recordset(:rows) AS (topic text, key text, payload jsonb))
             WITH ORDINALITY AS given (topic, key, payload, n)
        ORDER BY given.n RETURNING 1
    )
    SELECT pg_notify(:channel, '') FROM put LIMIT 1
    """
).bindparams(bindparam("rows", type_=JSONB))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Who is meant; each person gets a notice once, however often they are named.

    Attributes:
        users: ids or usernames; an inactive or unknown one is left out.
        roles: everybody active who holds one of them; for holders of a permission see `permissions.roles_with`.
        assignees: who holds the executions that the notice is about; without executions, any open one of the instance.
        candidates: who may take those executions that nobody holds, where the step's assignment names somebody.
        owner: the instance's owner, or whoever created it where it has none.
        watchers: who watches the instance.
        but: ids of people who need not be told, above all whoever did it.
    """

    users: Sequence[UUID | str] = ()
    roles: Sequence[str] = ()
    assignees: bool = False
    candidates: bool = False
    owner: bool = False
    watchers: bool = False
    but: Sequence[UUID | str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a notice is about; the link in it leads there.

    Attributes:
        instance: the instance, where there is one.
        executions: at one step; a person who holds several of them gets one notice.
        object_type: `approval_request`, `process`, … where it is about something else.
        object_id: its id.
    """

    instance: UUID | None = None
    executions: Sequence[UUID] = ()
    object_type: str = ""
    object_id: UUID | str = ""

    @property
    def key(self) -> str:
        """The outbox key: what concerns the same thing goes out in order."""
        return str(self.instance or self.object_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that people should hear of.

    Attributes:
        params: what only the cause knows (reason, level, due_at, …), JSON-ready; templates may use them.
    """

    kind: NoticeKind
    recipients: Recipients
    about: About
    params: Mapping[str, Any] = field(default_factory=dict)


async def put_notice(
    session: AsyncSession,
    tenant_id: UUID,
    kind: NoticeKind,
    recipients: Recipients,
    about: About,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Leave one notice, to go out after the commit of the transaction of what it tells of."""
    notice = Notice(kind=kind, recipients=recipients, about=about, params=params or {})
    await put_notices(session, tenant_id, [notice])


async def put_notices(
    session: AsyncSession, tenant_id: UUID, notices: Sequence[Notice], events: Mapping[str, Any] | None = None
) -> None:
    """Leave n notices in one statement, and with them the journal's `events` that webhooks want; none: no statement."""
    rows = [{"topic": NOTICE_TOPIC, "key": one.about.key, "payload": _payload(one)} for one in notices]
    if events is not None:
        rows.append({"topic": EVENTS_TOPIC, "key": str(events["instance"]), "payload": dict(events)})
    if rows:
        connection = await session.connection()
        await connection.execute(_PUT, {"tenant": tenant_id, "rows": rows, "channel": NOTICES_CHANNEL})


def _payload(notice: Notice) -> dict[str, Any]:
    recipients, about = notice.recipients, notice.about
    return {
        "kind": notice.kind.value,
        "recipients": {
            "users": [str(one) for one in recipients.users],
            "roles": list(recipients.roles),
            "assignees": recipients.assignees,
            "candidates": recipients.candidates,
            "owner": recipients.owner,
            "watchers": recipients.watchers,
            "but": [str(one) for one in recipients.but],
        },
        "about": {
            "instance": None if about.instance is None else str(about.instance),
            "executions": [str(one) for one in about.executions],
            "object_type": about.object_type,
            "object_id": str(about.object_id),
        },
        "params": dict(notice.params),
    }
