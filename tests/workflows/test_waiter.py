"""Whoever waits for an outcome hears of it, whatever else happens meanwhile; on a real database, no HTTP between."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from api import waiter
from api.waiter import Waiter
from models.db import tenant_session
from tests.support.plant import Plant, end, line, step

SETTLE = text("UPDATE command SET outcome = 'refused', settled_at = now(), settled_seq = 0 WHERE id = :id")


async def test_a_lost_notice_is_made_up_for_however_many_notices_of_others_come(
    idle_plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiter, "POLL_SECONDS", 0.1)
    plant = idle_plant
    instance = await plant.start(await plant.approve(line(step("one"), end())), signal=False)
    command = await plant.accept(instance, "hold", reason="the customer called")

    async def others(waiting: Waiter) -> None:
        while True:
            waiting.look(uuid4())
            await asyncio.sleep(0)

    async with Waiter(None, plant.system) as waiting:
        with waiting.commands(plant.tenant, {command: instance}) as ticket:
            noise = asyncio.create_task(others(waiting))
            async with tenant_session(plant.app, plant.tenant) as session:
                await (await session.connection()).execute(SETTLE, {"id": command})
            assert await ticket.wait(10)
            noise.cancel()
