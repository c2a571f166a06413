"""What anybody of a tenant wants to hear of, kept in memory so that record asks no database for it.

Journal events that a webhook wants, and kinds of notices that are off unless somebody wants them. Refreshed every
second: whoever chose hears of what is recorded a moment later, and the hot path pays nothing. What was missed in that
moment is in the journal and the audit trail all the same.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import system_session
from models.notices.event_types import event_kinds
from models.notices.kinds import NoticeKind
from models.notices.schedule import OPT_IN

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0

_WANTED = text(
    """
    SELECT w.tenant_id, array_agg(DISTINCT kind) AS kinds
    FROM webhook w, jsonb_array_elements_text(w.kinds) AS kind
    WHERE w.is_active AND w.deleted_at IS NULL GROUP BY w.tenant_id
    """
)
_CHOSEN = text(
    """
    SELECT tenant_id, array_agg(kind) AS kinds FROM (
        SELECT p.tenant_id, c.key AS kind FROM notification_preference p, jsonb_each(p.choices) AS c
        WHERE CAST(c.value ->> 'in_app' AS boolean) OR c.value ->> 'email' <> 'off'
        UNION
        SELECT r.tenant_id, kind FROM notification_channel r, jsonb_array_elements_text(r.kinds) AS kind
        WHERE r.is_active AND r.deleted_at IS NULL
    ) AS chosen
    WHERE kind = ANY(:opt_in) GROUP BY tenant_id
    """
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a record: kinds of journal events by webhooks, kinds of notices that are off as shipped."""

    events: frozenset[str] = frozenset()
    notices: frozenset[NoticeKind] = frozenset()


NOTHING: Final = Wanted()


class Subscriptions:
    """What is wanted, per tenant; empty until the first look."""

    def __init__(self) -> None:
        """Nobody wants anything yet."""
        self._wanted: Mapping[UUID, Wanted] = {}

    def of(self, tenant_id: UUID) -> Wanted:
        """What anybody of the tenant wants."""
        return self._wanted.get(tenant_id, NOTHING)

    async def look(self, system: AsyncEngine) -> None:
        """Read what is wanted now."""
        async with system_session(system) as session:
            connection = await session.connection()
            hooks = {row.tenant_id: event_kinds(row.kinds) for row in await connection.execute(_WANTED)}
            chosen = {
                row.tenant_id: frozenset(map(NoticeKind, row.kinds))
                for row in await connection.execute(_CHOSEN, {"opt_in": sorted(OPT_IN)})
            }
        self._wanted = {
            tenant: Wanted(hooks.get(tenant, frozenset()), chosen.get(tenant, frozenset()))
            for tenant in hooks.keys() | chosen.keys()
        }

    async def begin(self, system: AsyncEngine, stop: asyncio.Event) -> None:
        """Have looked once, however long the database takes: what is recorded before would reach no webhook."""
        while not stop.is_set() and not await self._tried(system):
            await _pause(stop)

    async def run(self, system: AsyncEngine, stop: asyncio.Event) -> None:
        """Look again and again; while the database does not answer, what was wanted before holds."""
        while not stop.is_set():
            await _pause(stop)
            await self._tried(system)

    async def _tried(self, system: AsyncEngine) -> bool:
        try:
            await self.look(system)
        except Exception:
            log.exception("what is wanted could not be read; trying again")
            return False
        return True


async def _pause(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(EVERY_SECONDS):
            await stop.wait()
