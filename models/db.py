"""Engines and sessions. Every transaction of a tenant begins by naming it, which row-level security then enforces.

Three ways in: as the application (`gatework_app`, one tenant at a time), as the system (`gatework_system`, across
tenants, only what `models.store.tenancy` lists), as the owner (migrations, bootstrap). Only edges open sessions, and
the end of a session's block is its commit; functions of the store never commit.
"""

import select as descriptors
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from psycopg.pq import TransactionStatus
from pydantic import SecretStr
from sqlalchemy import URL, Connection, bindparam, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from models.settings import Settings

APP_ROLE: Final = "gatework_app"
SYSTEM_ROLE: Final = "gatework_system"
TENANT_SETTING: Final = "app.tenant"

_NAME_TENANT = select(func.set_config(TENANT_SETTING, bindparam("tenant"), True))


class DatabaseNotConfiguredError(RuntimeError):
    """No database is configured: set DATABASE_URL, or start everything with `gatework dev`."""

    def __str__(self) -> str:
        """The docstring is the message."""
        return str(self.__doc__)


class FailedTransactionError(RuntimeError):
    """A statement failed and its error was swallowed: use a savepoint (`session.begin_nested()`), or let it rise."""

    def __str__(self) -> str:
        """The docstring is the message."""
        return str(self.__doc__)


def app_engine(settings: Settings) -> AsyncEngine:
    """Engine of the application role: sees one tenant per transaction, changes no record that is append-only."""
    return _engine(settings, settings.app_database_url, APP_ROLE)


def system_engine(settings: Settings) -> AsyncEngine:
    """Engine of the role for work across tenants: dispatcher, sweep, login."""
    return _engine(settings, settings.system_database_url, SYSTEM_ROLE)


def owner_engine(settings: Settings) -> AsyncEngine:
    """Engine of the schema's owner, for bootstrap and operations by hand. Row-level security binds it too."""
    if settings.database_url is None:
        raise DatabaseNotConfiguredError
    return engine_for(settings.database_url.get_secret_value(), pool_size=2)


def _engine(settings: Settings, own: SecretStr | None, role: str) -> AsyncEngine:
    if own is not None:
        return engine_for(own.get_secret_value(), pool_size=settings.database_pool_size)
    if settings.database_url is None:
        raise DatabaseNotConfiguredError
    return engine_for(settings.database_url.get_secret_value(), role=role, pool_size=settings.database_pool_size)


def engine_for(url: str, *, role: str | None = None, pool_size: int = 10) -> AsyncEngine:
    """An engine on `url`.

    Args:
        url: `postgresql://…` or `postgresql+psycopg://…`.
        role: Role to become on connecting; the user of the URL must be a member of it.
        pool_size: Connections held at most.
    """
    address = normalised(url)
    engine = create_async_engine(
        address,
        pool_size=pool_size,
        max_overflow=0,
        # The connection used last is the warmest: its statements are prepared, its backend's caches are full.
        pool_use_lifo=True,
        connect_args={"options": _options(address, role)},
    )
    event.listen(engine.sync_engine, "commit", _refuse_to_commit_what_failed)
    event.listen(engine.sync_engine, "checkout", _refuse_what_was_hung_up)
    return engine


def _refuse_what_was_hung_up(connection: DBAPIConnection, *_: object) -> None:
    """A pooled connection whose server went away; the pool then opens another.

    The server says nothing on an idle connection, except that it hangs up: so a look at the socket tells what a
    `SELECT 1` would, without a round trip for every transaction.
    """
    driver = connection.driver_connection
    if driver.closed:
        raise DisconnectionError
    poll = descriptors.poll()
    poll.register(driver.fileno(), descriptors.POLLIN)
    if poll.poll(0):
        raise DisconnectionError


def _refuse_to_commit_what_failed(connection: Connection) -> None:
    """PostgreSQL answers COMMIT of a failed transaction with a silent ROLLBACK; nobody may take that for success."""
    driver = connection.connection.driver_connection
    if driver is not None and driver.info.transaction_status is TransactionStatus.INERROR:
        raise FailedTransactionError


def normalised(url: str) -> URL:
    """The address with the driver that this product uses."""
    return make_url(url).set(drivername="postgresql+psycopg")


def _options(address: URL, role: str | None) -> str:
    """What libpq hands to the server; keeps what the URL asked for."""
    given = address.query.get("options", "")
    wanted: Mapping[str, str] = {"timezone": "UTC", **({"role": role} if role else {})}
    parts = [given if isinstance(given, str) else " ".join(given)]
    return " ".join([*parts, *(f"-c {name}={value}" for name, value in wanted.items())]).strip()


@asynccontextmanager
async def tenant_session(engine: AsyncEngine, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
    """One transaction of one tenant: commits when the block ends, rolls back when it raises."""
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        await enter_tenant(session, tenant_id)
        yield session


@asynccontextmanager
async def snapshot_session(engine: AsyncEngine, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
    """One transaction of one tenant in which all statements see the same moment, whoever writes meanwhile."""
    async with tenant_session(engine.execution_options(isolation_level="REPEATABLE READ"), tenant_id) as session:
        yield session


@asynccontextmanager
async def system_session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """One transaction that belongs to no tenant: commits when the block ends, rolls back when it raises."""
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        yield session


async def enter_tenant(session: AsyncSession, tenant_id: UUID) -> None:
    """Bind the session's current transaction to a tenant."""
    connection = await session.connection()
    await connection.execute(_NAME_TENANT, {"tenant": str(tenant_id)})
