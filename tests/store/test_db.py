"""Ways into the database: roles, addresses, and what ends a transaction."""

from contextlib import suppress

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import (
    APP_ROLE,
    SYSTEM_ROLE,
    DatabaseNotConfiguredError,
    FailedTransactionError,
    app_engine,
    engine_for,
    normalised,
    owner_engine,
    system_session,
    tenant_session,
)
from models.settings import Settings
from tests.store.scene import Scene


async def role_of(engine: AsyncEngine) -> tuple[str, str]:
    async with system_session(engine) as session:
        connection = await session.connection()
        row = (await connection.execute(text("SELECT current_user, current_setting('timezone')"))).one()
        return row[0], row[1]


async def test_one_address_serves_all_roles(app: AsyncEngine, system: AsyncEngine, owner: AsyncEngine) -> None:
    assert [await role_of(engine) for engine in (app, system, owner)] == [
        (APP_ROLE, "UTC"),
        (SYSTEM_ROLE, "UTC"),
        ("postgres", "UTC"),
    ]


async def test_an_address_of_its_own_comes_first(database: str, owner: AsyncEngine) -> None:
    settings = Settings(database_url=SecretStr("postgresql://nowhere.invalid/x"), app_database_url=SecretStr(database))
    engine = app_engine(settings)
    assert (await role_of(engine))[0] == "postgres"
    await engine.dispose()


async def test_options_of_the_address_are_kept(database: str) -> None:
    url = normalised(database).update_query_dict({"options": "-c application_name=plant-7"})
    engine = engine_for(url.render_as_string(hide_password=False), role=APP_ROLE)
    async with system_session(engine) as session:
        connection = await session.connection()
        found = await connection.execute(text("SELECT current_setting('application_name'), current_user"))
        assert found.one() == ("plant-7", APP_ROLE)
    await engine.dispose()


def test_without_an_address_the_error_says_what_to_do() -> None:
    for engine in (app_engine, owner_engine):
        with pytest.raises(DatabaseNotConfiguredError, match="DATABASE_URL"):
            engine(Settings())


async def fail_after_a_change(app: AsyncEngine, scene: Scene, *, swallow: bool) -> None:
    async with tenant_session(app, scene.tenant) as session:
        connection = await session.connection()
        await connection.execute(text("UPDATE subject SET title = 'changed'"))
        with suppress(*([DBAPIError] if swallow else [])):
            await connection.execute(text("SELECT 1/0"))


async def test_an_error_rolls_everything_back(app: AsyncEngine, scene: Scene) -> None:
    with pytest.raises(DBAPIError):
        await fail_after_a_change(app, scene, swallow=False)
    assert await title(app, scene) == "Rod"


async def test_a_swallowed_error_is_no_success(app: AsyncEngine, scene: Scene) -> None:
    """PostgreSQL would answer COMMIT with ROLLBACK, and nobody would notice."""
    with pytest.raises(FailedTransactionError):
        await fail_after_a_change(app, scene, swallow=True)
    assert await title(app, scene) == "Rod"


async def title(app: AsyncEngine, scene: Scene) -> str:
    async with tenant_session(app, scene.tenant) as session:
        found = await (await session.connection()).execute(text("SELECT title FROM subject"))
        return str(found.scalar_one())


async def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(
    database: str, owner: AsyncEngine
) -> None:
    engine = engine_for(database, role=APP_ROLE, pool_size=1)
    first = await process_of(engine)
    assert await process_of(engine) == first, "the pool keeps its connection"
    async with system_session(owner) as session:
        closing = text("SELECT pg_terminate_backend(:pid, 10000)")
        await (await session.connection()).execute(closing, {"pid": first})
    assert await process_of(engine) != first
    await engine.dispose()


async def process_of(engine: AsyncEngine) -> int:
    """The server process that answers."""
    async with system_session(engine) as session:
        return int((await (await session.connection()).execute(text("SELECT pg_backend_pid()"))).scalar_one())
