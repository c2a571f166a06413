"""The quick way to the database, where it differs from a session: what waits travels together."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from psycopg import OperationalError, ProgrammingError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import SYSTEM_ROLE
from models.wire import Statement, questions, system_wire

BUSY = Statement(text("SELECT pg_sleep(0.5)"), {})
"""While the server is at it, it reads nothing of what follows."""
MUCH = 8_000_000
WRITE = Statement(text("INSERT INTO measured VALUES (length(:written))"), {"written": "x" * MUCH})
READ = Statement(text("SELECT n FROM measured"), {})
READ_ONE = Statement(text("SELECT 1 AS n"), {})
CONNECTIONS = Statement(
    text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename IS NOT NULL"),
    {},
)


async def polling() -> AsyncIterator[None]:
    """Again and again, for at most half a minute."""
    async with asyncio.timeout(30):
        while True:
            yield
            await asyncio.sleep(0.01)


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


async def test_questions_are_asked_beside_the_pool_and_as_its_role(system: AsyncEngine) -> None:
    who = Statement(text("SELECT current_user AS role, :given AS given, pg_backend_pid() AS pid"), {"given": "x"})
    async with questions(system) as asking:
        (first,), (second,) = await asking.fetch(who), await asking.fetch(who)
        assert (first.role, first.given) == (SYSTEM_ROLE, "x")
        assert first.pid == second.pid
        assert system.pool.status().endswith("Current Checked out connections: 0")
        with pytest.raises(ProgrammingError):
            await asking.fetch(Statement(text("SELECT nonsense"), {}))
        assert await asking.fetch(who), "a question that fails leaves no transaction behind"


async def test_whoever_asked_leaves_no_connection_behind(system: AsyncEngine) -> None:
    async with questions(system) as asking:
        ((before,),) = await asking.fetch(CONNECTIONS)
        async with questions(system) as another:
            assert await another.fetch(CONNECTIONS) == [(before + 1,)]
        async for _ in polling():
            if await asking.fetch(CONNECTIONS) == [(before,)]:
                break


async def test_a_server_that_went_away_ends_the_questions_and_new_ones_can_be_asked(system: AsyncEngine) -> None:
    async with questions(system) as asking:
        await asking.fetch(Statement(text("SELECT set_config('idle_session_timeout', '1', false)"), {}))
        await asyncio.sleep(0.5)
        with pytest.raises(OperationalError):
            await asking.fetch(READ_ONE)
    async with questions(system) as asking:
        assert await asking.fetch(READ_ONE) == [(1,)]
