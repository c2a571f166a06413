"""A shop floor per test, on a database of its own."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from models.settings import Settings
from tests.requirements.floor import Floor


@pytest.fixture
async def floor(database: str) -> AsyncIterator[Floor]:
    """One tenant with its people."""
    opened = Floor(Settings(database_url=SecretStr(database)))
    await opened.open()
    yield opened
    await opened.close()
