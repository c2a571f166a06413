"""What the clock does outside of instances: approvals fall due, documents come into effect.

Every worker looks; each thing happens once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import system_session, tenant_session
from models.store.document_life import make_due_effective
from models.store.reminding import AT_ONCE, remind_approvers
from models.tables import Tenant

log = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=10)
MOST_ROUNDS: Final = 50
"""Of one tenant at a time, so that the others get their turn."""

Look = Callable[[AsyncSession, UUID, datetime], Awaitable[int]]
LOOKS: Final[tuple[Look, ...]] = (remind_approvers, make_due_effective)


async def watch_the_clock(
    app: AsyncEngine, system: AsyncEngine, stop: asyncio.Event, *, every: timedelta = EVERY
) -> None:
    """Look at once and then every so often, until told to stop; what fails is logged and tried again."""
    while not stop.is_set():
        try:
            await look_once(app, system, datetime.now(UTC))
        except Exception:
            log.exception("what is due could not be looked at; trying again")
        try:
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue


async def look_once(app: AsyncEngine, system: AsyncEngine, now: datetime) -> None:
    """One look at all tenants, in transactions of their own."""
    async with system_session(system) as session:
        tenants = (await session.exec(select(Tenant.id).order_by(col(Tenant.id)))).all()
    for tenant in tenants:
        for look in LOOKS:
            for _ in range(MOST_ROUNDS):
                async with tenant_session(app, tenant) as session:
                    found = await look(session, tenant, now)
                if found < AT_ONCE:
                    break
