"""A migrated database of its own for each test, with the three ways into it and two tenants."""

from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import app_engine, owner_engine, system_engine
from models.settings import Settings
from models.store import passwords
from tests.store.scene import Scene, build


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 is slow on purpose; here a thousandth of it will do."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def settings(database: str) -> Settings:
    return Settings(database_url=SecretStr(database), database_pool_size=20)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Engine of the application role."""
    engine = app_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Engine of the role across tenants."""
    engine = system_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Engine of the schema's owner."""
    engine = owner_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
async def scene(owner: AsyncEngine) -> Scene:
    """The tenant under test, with one open execution."""
    return await build(owner, "here")


@pytest.fixture
async def elsewhere(owner: AsyncEngine) -> Scene:
    """Another tenant with the same things."""
    return await build(owner, "elsewhere")
