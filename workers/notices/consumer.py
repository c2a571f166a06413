"""Takes notices and events from the outbox and writes what they come to, at least once and without telling twice.

Several workers may consume side by side (SKIP LOCKED). Each row is written in a transaction of its own tenant while
the row is locked; nothing here talks to anybody outside, that is the courier's work.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from models.db import system_session, tenant_session
from models.notices.kinds import NoticeKind
from models.permissions import roles_with
from models.store.fan_out import Taken, fan_out_events, fan_out_notice
from models.store.notices import EVENTS_TOPIC, NOTICE_TOPIC, NOTICES_CHANNEL
from models.store.reading import RING
from models.store.sessions import SECURITY_TOPIC
from workers.listening import Listener

log = logging.getLogger(__name__)

BATCH: Final = 100
POLL_SECONDS: Final = 1.0
LONGEST_BACKOFF: Final = timedelta(minutes=10)
TOPICS: Final = (NOTICE_TOPIC, EVENTS_TOPIC, SECURITY_TOPIC)

_TAKE = text(
    """
    SELECT tenant_id, id, topic, payload, attempts FROM outbox
    WHERE topic = ANY(:topics) AND next_attempt_at <= now() ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)
_DELETE = text("DELETE FROM outbox WHERE id = ANY(:ids)")
_POSTPONE = text(
    "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = now() + :backoff, last_error = :error WHERE id = :id"
)


def utc_now() -> datetime:
    """The clock; tests bring their own."""
    return datetime.now(UTC)


class NoticeConsumer:
    """Empties the outbox of notices until it is told to stop."""

    def __init__(
        self,
        *,
        system: AsyncEngine,
        app: AsyncEngine,
        base_url: str,
        with_email: bool,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Take what the composition root wired; `with_email` where there is an SMTP server."""
        self._system = system
        self._app = app
        self._base_url = base_url
        self._with_email = with_email
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Consume whenever something is put in, and look once a second in case a wake-up was lost."""
        async with Listener(self._system, NOTICES_CHANNEL) as listener:
            while not stop.is_set():
                try:
                    while await self.consume_once() == BATCH:
                        pass
                except Exception:
                    log.exception("notices could not be read; trying again")
                await listener.wait(POLL_SECONDS, stop)

    async def consume_once(self) -> int:
        """Fan out one batch.

        Returns:
            How many rows were taken.
        """
        async with system_session(self._system) as session:
            connection = await session.connection()
            taken = await connection.execute(_TAKE, {"topics": list(TOPICS), "limit": BATCH})
            rows = [dict(row) for row in taken.mappings()]
            done = [row["id"] for row in rows if await self._fan_out(connection, row)]
            if done:
                await connection.execute(_DELETE, {"ids": done})
                await connection.execute(RING, {"channel": NOTICES_CHANNEL})
            return len(rows)

    async def _fan_out(self, connection: AsyncConnection, row: Mapping[str, Any]) -> bool:
        """Whether the row is done; one that fails is kept with its reason and tried again later."""
        tenant: UUID = row["tenant_id"]
        try:
            async with tenant_session(self._app, tenant) as session:
                payload = row["payload"]
                if row["topic"] == SECURITY_TOPIC:
                    payload = security_notice(payload)
                taken = Taken(tenant_id=tenant, id=row["id"], payload=payload, now=self._clock())
                if row["topic"] == EVENTS_TOPIC:
                    await fan_out_events(session, taken, base_url=self._base_url)
                else:
                    await fan_out_notice(session, taken, base_url=self._base_url, with_email=self._with_email)
        except Exception as error:
            log.exception("the notice %s of tenant %s could not be fanned out", row["id"], tenant)
            backoff = min(timedelta(seconds=2 ** min(row["attempts"], 20)), LONGEST_BACKOFF)
            reason = str(error)[:500] or type(error).__name__
            await connection.execute(_POSTPONE, {"id": row["id"], "backoff": backoff, "error": reason})
            return False
        return True


_SECURITY_WORDS: Final[Mapping[str, str]] = {
    "account_locked": "The account {username} was locked after too many failed logins.",
}


def security_notice(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A row of topic `security_notice` as a notice: to the person concerned, and to whoever manages users."""
    said = _SECURITY_WORDS.get(
        payload["code"], "Something happened to the account {username}: " + payload["code"] + "."
    )
    return {
        "kind": NoticeKind.SECURITY_NOTICE.value,
        "recipients": {
            "users": [payload["user_id"]], "roles": list(roles_with("user.manage")), "but": [], "assignees": False,
            "candidates": False, "owner": False, "watchers": False,
        },
        "about": {"instance": None, "executions": [], "object_type": "user", "object_id": payload["user_id"]},
        "params": {"message": said.replace("{username}", payload["username"]), "source": payload.get("source", "")},
    }  # fmt: skip
