"""What a new or updated installation needs before its processes start; repeatable at will."""

import asyncio
from collections.abc import Mapping

from models.db import DatabaseNotConfiguredError
from models.settings import Settings
from models.store.bootstrap import NewLogin, bootstrap
from workers import migrate
from workers.search_attributes import ensure_search_attributes
from workers.temporal_client import connect
from workflows.contract import SEARCH_ATTRIBUTES


def prepare(settings: Settings, variables: Mapping[str, str]) -> tuple[NewLogin, ...]:
    """Migrate, make search attributes, tenants, shipped subject types and the first administrators.

    Args:
        settings: With the owner's address of the database.
        variables: Environment that names Temporal.

    Returns:
        The administrators that were made now.

    Raises:
        DatabaseNotConfiguredError: No database is named.
    """
    if settings.database_url is None:
        raise DatabaseNotConfiguredError
    migrate.upgrade(settings.database_url.get_secret_value())
    return asyncio.run(_fill(settings, variables))


def describe(settings: Settings, logins: tuple[NewLogin, ...]) -> list[str]:
    """A line for each new login; a password that somebody chose is not repeated."""
    chosen = settings.admin_password is not None
    return [
        f"{login.username} / {'the password you set' if chosen else login.password}   (tenant {login.tenant})"
        for login in logins
    ]


async def _fill(settings: Settings, variables: Mapping[str, str]) -> tuple[NewLogin, ...]:
    client = await connect(variables)
    await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    return (await bootstrap(settings)).logins
