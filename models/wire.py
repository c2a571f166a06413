"""The quick way to the database for what runs all the time: few round trips, and nothing in between but the driver.

A `Wire` is one transaction, as `models.db.tenant_session` or `system_session` is one, on the same pool and under the
same rules. Statements are the same `text()` clauses. What needs no answer waits (`later`) and travels with the next
question (`fetch`) or with the commit; PostgreSQL runs all of it in order. Code that wants a session gets one
(`session`) on the same transaction, after everything that waits was sent.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline, OperationalError
from psycopg.abc import PQGen
from psycopg.generators import send
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect, TextClause
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect
from sqlalchemy.ext.asyncio import AsyncConnection as SqlConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import TENANT_SETTING, FailedTransactionError

_DIALECT: Dialect = psycopg_dialect()  # type: ignore[no-untyped-call]
_NAME_TENANT = f"SELECT set_config('{TENANT_SETTING}', %(tenant)s, true) AS tenant"
_WAIT_FOR_NO_DISK = ", set_config('synchronous_commit', 'off', true) AS disk"

Row = Any
"""A named tuple of the columns."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its parameters."""

    clause: TextClause
    parameters: Mapping[str, Any]


@lru_cache(maxsize=1024)
def _compiled(clause: TextClause) -> tuple[str, Mapping[str, Any]]:
    """The clause as the driver takes it, and what turns values of typed parameters into what it can send."""
    compiled = clause.compile(dialect=_DIALECT)
    return str(compiled), compiled._bind_processors  # noqa: SLF001 - the only way to the types of parameters


class Wire:
    """One transaction; see the module."""

    def __init__(
        self, connection: SqlConnection, driver: AsyncConnection[Any], tenant: UUID | None, *, kept: bool
    ) -> None:
        """Begin with naming the tenant, where there is one; that travels with the first statement."""
        self._connection = connection
        self._driver = driver
        self._session: AsyncSession | None = None
        self._finished = False
        self._waiting: list[tuple[str, Mapping[str, Any]]] = []
        if tenant is not None:
            naming = _NAME_TENANT if kept else _NAME_TENANT + _WAIT_FOR_NO_DISK
            self._waiting.append((naming, {"tenant": str(tenant)}))

    def later(self, *statements: Statement) -> None:
        """Send these with the next round trip; nobody waits for an answer."""
        self._waiting += map(_sendable, statements)

    async def fetch(self, *statements: Statement) -> list[list[Row]]:
        """Send what waits and these, in order and in one round trip; the rows of these."""
        return await self._send(statements)

    async def finish(self, *statements: Statement) -> list[list[Row]]:
        """Send what waits and these, and make all of it last, in one round trip; the rows of these."""
        answers = await self._send(statements, commit=True)
        self._finished = True
        return answers

    async def session(self) -> AsyncSession:
        """A session on this transaction; everything that waited has been sent."""
        if self._waiting:
            await self._send()
        if self._session is None:
            self._session = AsyncSession(self._connection, expire_on_commit=False)
        return self._session

    async def commit(self) -> None:
        """Send what waits and make it last, in one round trip; nothing is left to do after `finish`."""
        if self._finished:
            return
        if self._session is not None:
            await self._session.flush()
        if self._driver.info.transaction_status is TransactionStatus.INERROR:
            raise FailedTransactionError
        await self._send(commit=True)

    async def close(self) -> None:
        """Let the session go; what was not committed is rolled back with the connection."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, asked: Sequence[Statement] = (), *, commit: bool = False) -> list[list[Row]]:
        """Send what waits and what is asked; the rows of the latter."""
        waiting, self._waiting = self._waiting, []
        silent = self._driver.cursor()
        answering: list[AsyncCursor[Row]] = []
        async with _pipelined(self._driver):
            for sql, parameters in waiting:
                await silent.execute(sql, parameters)
            for sql, parameters in map(_sendable, asked):
                answering.append(self._driver.cursor(row_factory=namedtuple_row))
                await answering[-1].execute(sql, parameters)
            if commit:
                # Said as a statement: the driver's own `commit` waits for its answer, the pipeline then for another.
                await silent.execute("COMMIT", prepare=False)
        return [await cursor.fetchall() for cursor in answering]


class _Pipeline(AsyncPipeline):
    """psycopg's pipeline, but statements leave together, with the question for their answers.

    psycopg sends each of a dozen by itself: a system call here and a wake-up in PostgreSQL for every one. Should a
    version of psycopg not ask for this, it sends them one by one again, and nothing else changes.
    """

    def _communicate_gen(self) -> PQGen[None]:
        while self.command_queue:
            self.command_queue.popleft()()
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        """Listen once all has left; psycopg leaves what the server has no room for, and both wait for ever (seen)."""
        yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=flush)


@asynccontextmanager
async def _pipelined(driver: AsyncConnection[Any]) -> AsyncIterator[None]:
    """`driver.pipeline()` with `_Pipeline`; the connection is this transaction's alone."""
    driver._pipeline = pipeline = _Pipeline(driver)  # noqa: SLF001 - there is no other way to choose the class
    try:
        async with pipeline:
            yield
    finally:
        driver._pipeline = None  # noqa: SLF001


def _sendable(statement: Statement) -> tuple[str, Mapping[str, Any]]:
    sql, processors = _compiled(statement.clause)
    parameters = statement.parameters
    if processors:
        parameters = {
            name: processors[name](value) if name in processors else value for name, value in parameters.items()
        }
    return sql, parameters


def tenant_wire(engine: AsyncEngine, tenant: UUID, *, kept: bool = True) -> AbstractAsyncContextManager[Wire]:
    """One transaction of one tenant: commits when the block ends, rolls back when it raises.

    Args:
        kept: Wait until the commit is on the disk. Without it a server that dies within the next moment may forget the
            transaction, though never while it remembers one that was committed after it (ADR 9).
    """
    return _wire(engine, tenant, kept=kept)


def system_wire(engine: AsyncEngine) -> AbstractAsyncContextManager[Wire]:
    """One transaction that belongs to no tenant: commits when the block ends, rolls back when it raises."""
    return _wire(engine, None, kept=True)


class Questions:
    """Asks one question at a time, each in a transaction of its own; see `questions`."""

    def __init__(self, driver: AsyncConnection[Any]) -> None:
        """On a connection that commits by itself."""
        self._driver = driver

    async def fetch(self, statement: Statement) -> list[Row]:
        """The rows of a query, in one round trip."""
        cursor = self._driver.cursor(row_factory=namedtuple_row)
        await cursor.execute(*_sendable(statement))
        return await cursor.fetchall()


@asynccontextmanager
async def questions(engine: AsyncEngine) -> AsyncIterator[Questions]:
    """A connection beside the pool, for whoever asks all the time and belongs to no tenant.

    It does not look whether the server is still there: a question then fails, and a new connection is the caller's.
    """
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        driver = _driver_of(connection)
        await connection.run_sync(Connection.detach)
        try:
            yield Questions(driver)
        finally:
            await driver.close()
            await connection.invalidate()


def _driver_of(connection: SqlConnection) -> AsyncConnection[Any]:
    held = connection.sync_connection
    driver = None if held is None else held.connection.driver_connection
    assert isinstance(driver, AsyncConnection)  # noqa: S101 - the driver that this product uses
    return driver


@asynccontextmanager
async def _wire(engine: AsyncEngine, tenant: UUID | None, *, kept: bool) -> AsyncIterator[Wire]:
    async with engine.connect() as connection:
        driver = _driver_of(connection)
        wire = Wire(connection, driver, tenant, kept=kept)
        try:
            yield wire
            await wire.commit()
        except OperationalError:
            if driver.closed:
                # Others of the pool died with it: the server went away.
                await connection.invalidate()
                await engine.dispose()
            raise
        finally:
            await wire.close()
