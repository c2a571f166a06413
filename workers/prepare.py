"""What a new or updated installation needs before its processes start; repeatable at will."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from models.db import DatabaseNotConfiguredError, owner_engine, system_session
from models.settings import Settings
from workers import migrate
from workers.search_attributes import ensure_search_attributes
from workers.temporal_client import connect
from workflows.contract import SEARCH_ATTRIBUTES

BOOTSTRAP: Final = "models.store.bootstrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLogin:
    """The administrator that was made at first start; the password is kept nowhere."""

    username: str
    password: str


def prepare(settings: Settings, variables: Mapping[str, str]) -> FirstLogin | None:
    """Migrate, load what ships with the product, make search attributes.

    Args:
        settings: With the owner's address of the database.
        variables: Environment that names Temporal.

    Returns:
        The first administrator if it was made now.

    Raises:
        DatabaseNotConfiguredError: No database is named.
    """
    if settings.database_url is None:
        raise DatabaseNotConfiguredError
    migrate.upgrade(settings.database_url.get_secret_value())
    return asyncio.run(_fill(settings, variables))


async def _fill(settings: Settings, variables: Mapping[str, str]) -> FirstLogin | None:
    client = await connect(variables)
    await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    return await _bootstrap(settings)


async def _bootstrap(settings: Settings) -> FirstLogin | None:
    if find_spec(BOOTSTRAP) is None:
        return None
    bootstrap = import_module(BOOTSTRAP).bootstrap
    engine = owner_engine(settings)
    try:
        async with system_session(engine) as session:
            made = await bootstrap(session, settings)
    finally:
        await engine.dispose()
    if made.admin_password is None:
        return None
    return FirstLogin(username=made.admin_username, password=made.admin_password)
