"""Notices: how something that people should hear of is put down, in the transaction of what it tells of.

A notice is an outbox row of record (DESIGN §2). Who gets it, by which channel and when is worked out after the commit,
by the consumer in the core workers: nothing here reads preferences or talks to anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from models.notices.kinds import NoticeKind
from models.store.instances import put_in_outbox

NOTICE_TOPIC: Final = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Who is meant; each person gets a notice once, however often they are named.

    Attributes:
        users: ids or usernames; an inactive or unknown one is left out.
        roles: everybody active who holds one of them; for holders of a permission see `permissions.roles_with`.
        assignees: who holds the executions that the notice is about.
        owner: the instance's owner, or whoever created it where it has none.
        watchers: who watches the instance.
        but: ids of people who need not be told, above all whoever did it.
    """

    users: Sequence[UUID | str] = ()
    roles: Sequence[str] = ()
    assignees: bool = False
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


async def put_notice(
    session: AsyncSession,
    tenant_id: UUID,
    kind: NoticeKind,
    recipients: Recipients,
    about: About,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Leave a notice, to go out after the commit.

    Args:
        session: The transaction of what the notice tells of; not committed here.
        tenant_id: The tenant of everything named.
        kind: What it is.
        recipients: Who is meant.
        about: What it is about; names of instance, step and subject are read from there.
        params: What only the cause knows (reason, level, due_at, …), JSON-ready; templates may use them.
    """
    payload = {
        "kind": kind.value,
        "recipients": {
            "users": [str(one) for one in recipients.users],
            "roles": list(recipients.roles),
            "assignees": recipients.assignees,
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
        "params": dict(params or {}),
    }
    await put_in_outbox(session, tenant_id, NOTICE_TOPIC, about.key, payload)
