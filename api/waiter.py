"""Waits for outcomes: one connection listens for what record notifies, one query reads for all who wait.

A notice can be lost (reconnect, restart), so whoever waits is also looked up every second. Waiting writes nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import normalised
from models.store.instances import RECORD_CHANNEL
from models.wire import Statement, system_wire

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RECONNECT_SECONDS = 1.0

Key = tuple[UUID, UUID]
"""Tenant and id; rows are keyed by both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The outcome of a command, as record stored it."""

    command_id: UUID
    outcome: str
    status: int | None
    response: Mapping[str, Any]


_SETTLED = text(
    "SELECT c.tenant_id, c.id, c.outcome, c.response_status, c.response"
    " FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)"
    " JOIN command c USING (tenant_id, id) WHERE c.outcome IS NOT NULL"
)
_BEGUN = text(
    "SELECT i.tenant_id, i.id"
    " FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)"
    " JOIN workflow_instance i USING (tenant_id, id) WHERE i.status <> 'pending'"
)


class Ticket:
    """What one request waits for: commands to be settled, or an instance to have begun."""

    def __init__(self, board: "_Board", keys: Iterable[Key]) -> None:
        self._board = board
        self._missing = set(keys)
        self._done = asyncio.Event()
        self.found: dict[UUID, Settled | None] = {}

    def give(self, key: Key, value: Settled | None) -> None:
        """One of them is there."""
        self._missing.discard(key)
        self.found[key[1]] = value
        if not self._missing:
            self._done.set()

    async def wait(self, seconds: float) -> bool:
        """Whether all came within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._missing:
                    await self._done.wait()
        return not self._missing

    def __enter__(self) -> Self:
        """Register before signalling, so that no outcome is missed."""
        self._board.add(self, self._missing)
        return self

    def __exit__(self, *_: object) -> None:
        """Wait no longer."""
        self._board.remove(self, self._missing)


class _Board:
    """Who waits for which key; several requests may wait for the same one."""

    def __init__(self) -> None:
        self.waiting: dict[Key, set[Ticket]] = {}

    def add(self, ticket: Ticket, keys: Iterable[Key]) -> None:
        for key in keys:
            self.waiting.setdefault(key, set()).add(ticket)

    def remove(self, ticket: Ticket, keys: Iterable[Key]) -> None:
        for key in keys:
            tickets = self.waiting.get(key, set())
            tickets.discard(ticket)
            if not tickets:
                self.waiting.pop(key, None)

    def settle(self, key: Key, value: Settled | None) -> None:
        for ticket in self.waiting.pop(key, ()):
            ticket.give(key, value)

    def arguments(self) -> dict[str, list[UUID]]:
        return {"tenants": [tenant for tenant, _ in self.waiting], "ids": [one for _, one in self.waiting]}


class Waiter:
    """One per process. Enter it once, in the app's lifespan.

    Args:
        url: Direct address of the database (no transaction pooler); None: poll only.
        engine: System engine; reads outcomes of all tenants at once.
    """

    def __init__(self, url: str | None, engine: AsyncEngine) -> None:
        self._url = url
        self._engine = engine
        self._commands = _Board()
        self._instances = _Board()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._tasks = [asyncio.create_task(self._read(), name="waiter-read")]
        if self._url is not None:
            self._tasks.append(asyncio.create_task(self._listen(self._url), name="waiter-listen"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; whoever still waits times out."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def commands(self, tenant_id: UUID, ids: Iterable[UUID]) -> Ticket:
        """A ticket for these commands to be settled; waits once it is entered."""
        return Ticket(self._commands, [(tenant_id, one) for one in ids])

    def instance(self, tenant_id: UUID, instance_id: UUID) -> Ticket:
        """A ticket for this instance to be past `pending`."""
        return Ticket(self._instances, [(tenant_id, instance_id)])

    def look(self) -> None:
        """Read soon; something may have happened."""
        self._wake.set()

    async def _read(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            if self._commands.waiting or self._instances.waiting:
                try:
                    await self._read_once()
                except (SQLAlchemyError, psycopg.Error, OSError):
                    log.exception("outcomes could not be read; trying again")

    async def _read_once(self) -> None:
        boards = [(_SETTLED, self._commands, settled), (_BEGUN, self._instances, None)]
        asked = [(clause, board, read) for clause, board, read in boards if board.waiting]
        async with system_wire(self._engine) as wire:
            found = await wire.finish(*(Statement(clause, board.arguments()) for clause, board, _ in asked))
        for (_, board, read), rows in zip(asked, found, strict=True):
            for row in rows:
                board.settle((row.tenant_id, row.id), None if read is None else read(row))

    async def _listen(self, url: str) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {RECORD_CHANNEL}")
                    self.look()
                    async for _ in connection.notifies():
                        self.look()
            except psycopg.Error as error:
                log.warning("listening for outcomes was interrupted: %s", error)
            await asyncio.sleep(RECONNECT_SECONDS)


def settled(row: Any) -> Settled:
    """From a row of the command table."""
    return Settled(command_id=row.id, outcome=row.outcome, status=row.response_status, response=row.response or {})


def listen_url(url: str) -> str:
    """The address as psycopg itself takes it, from one that SQLAlchemy takes."""
    return normalised(url).set(drivername="postgresql").render_as_string(hide_password=False)
