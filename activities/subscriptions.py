"""Which journal events any webhook of a tenant wants, kept in memory so that record asks no database for it.

Refreshed every second: a webhook hears of what is recorded a moment after it was made, changed or switched off, and
the hot path pays nothing. What a webhook missed in that moment is in the journal and the audit trail all the same.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import system_session
from models.notices.event_types import event_kinds

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0

_WANTED = text(
    """
    SELECT w.tenant_id, array_agg(DISTINCT kind) AS kinds
    FROM webhook w, jsonb_array_elements_text(w.kinds) AS kind
    WHERE w.is_active AND w.deleted_at IS NULL GROUP BY w.tenant_id
    """
)


class Subscriptions:
    """What is wanted, per tenant; empty until the first look."""

    def __init__(self) -> None:
        """Nobody wants anything yet."""
        self._wanted: Mapping[UUID, frozenset[str]] = {}

    def of(self, tenant_id: UUID) -> frozenset[str]:
        """Kinds of journal events that some webhook of the tenant wants."""
        return self._wanted.get(tenant_id, frozenset())

    async def look(self, system: AsyncEngine) -> None:
        """Read what is wanted now."""
        async with system_session(system) as session:
            rows = (await (await session.connection()).execute(_WANTED)).all()
        self._wanted = {row.tenant_id: event_kinds(row.kinds) for row in rows}

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
            log.exception("what webhooks want could not be read; trying again")
            return False
        return True


async def _pause(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(EVERY_SECONDS):
            await stop.wait()
