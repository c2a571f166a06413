"""The quick way to the database, where it differs from a session: what waits travels together."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.wire import Statement, system_wire

BUSY = Statement(text("SELECT pg_sleep(0.5)"), {})
"""While the server is at it, it reads nothing of what follows."""
MUCH = 8_000_000
WRITE = Statement(text("INSERT INTO measured VALUES (length(:written))"), {"written": "x" * MUCH})
READ = Statement(text("SELECT n FROM measured"), {})


@pytest.mark.parametrize("asks", [False, True])
async def test_much_at_once_is_committed_by_a_server_that_is_slow_to_read_it(owner: AsyncEngine, asks: bool) -> None:
    async with owner.begin() as connection:
        await connection.execute(text("CREATE TABLE measured (n int)"))
    async with asyncio.timeout(30):
        async with system_wire(owner) as wire:
            wire.later(BUSY, WRITE)
            if asks:
                assert await wire.finish(READ) == [[(MUCH,)]]
        async with system_wire(owner) as wire:
            assert await wire.fetch(READ) == [[(MUCH,)]]
