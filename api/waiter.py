"""Waits for outcomes: one connection listens for what record notifies, one query reads for all who wait.

A notice names its instance, so only what is awaited of that one is read. It can be lost (reconnect, restart), so
whoever waits is also looked up every second. Waiting writes nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import normalised
from models.store.instances import RECORD_CHANNEL
from models.wire import Questions, Statement, questions

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RECONNECT_SECONDS = 1.0

Key = tuple[UUID, UUID]
"""Tenant and id; rows are keyed by both."""
Places = Mapping[Key, UUID | None]
"""Keys, each with the instance whose notices are about it; None where that is not known."""


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

    def __init__(self, board: "_Board", places: Places) -> None:
        self._board = board
        self._places = places
        self._missing = set(places)
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
        self._board.add(self, self._places)
        return self

    def __exit__(self, *_: object) -> None:
        """Wait no longer."""
        self._board.remove(self, self._missing)


class _Board:
    """Who waits for which key; several requests may wait for the same one."""

    def __init__(self) -> None:
        self.waiting: dict[Key, set[Ticket]] = {}
        self._of: dict[UUID | None, set[Key]] = {}
        self._places: dict[Key, UUID | None] = {}

    def add(self, ticket: Ticket, places: Places) -> None:
        for key, instance in places.items():
            self.waiting.setdefault(key, set()).add(ticket)
            self._of.setdefault(self._places.setdefault(key, instance), set()).add(key)

    def remove(self, ticket: Ticket, keys: Iterable[Key]) -> None:
        for key in keys:
            tickets = self.waiting.get(key, set())
            tickets.discard(ticket)
            if not tickets:
                self._forget(key)

    def settle(self, key: Key, value: Settled | None) -> None:
        for ticket in self._forget(key):
            ticket.give(key, value)

    def awaited(self, heard: Iterable[UUID] | None) -> list[Key]:
        """What may be there after notices of these instances; None: anything."""
        if heard is None:
            return list(self.waiting)
        return [key for instance in (None, *heard) for key in self._of.get(instance, ())]

    def _forget(self, key: Key) -> set[Ticket]:
        if key in self._places:
            instance = self._places.pop(key)
            self._of[instance].discard(key)
            if not self._of[instance]:
                del self._of[instance]
        return self.waiting.pop(key, set())


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
        self._heard: set[UUID] | None = set()
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

    def commands(self, tenant_id: UUID, instances: Mapping[UUID, UUID | None]) -> Ticket:
        """A ticket for commands to be settled, each with its instance where that is known; waits once it is entered."""
        return Ticket(self._commands, {(tenant_id, one): instance for one, instance in instances.items()})

    def instance(self, tenant_id: UUID, instance_id: UUID) -> Ticket:
        """A ticket for this instance to be past `pending`."""
        return Ticket(self._instances, {(tenant_id, instance_id): instance_id})

    def look(self, instance: UUID | None = None) -> None:
        """Read soon; something may have happened: at this instance, or anywhere."""
        if instance is None:
            self._heard = None
        elif self._heard is not None:
            self._heard.add(instance)
        self._wake.set()

    async def _read(self) -> None:
        """On a connection of its own: taking one from the pool for every outcome took as long as reading it."""
        while True:
            try:
                async with questions(self._engine) as asking:
                    await self._read_on(asking)
            except Exception:  # whatever it is: nobody would be answered any more
                log.exception("outcomes could not be read; trying again")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _read_on(self, asking: Questions) -> None:
        """Read what notices are about; and everything when it is time, however many notices of others come."""
        clock = asyncio.get_running_loop().time
        everything_at = clock()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(everything_at):
                    await self._wake.wait()
            heard = None if clock() >= everything_at else self._heard
            if heard is None:
                everything_at = clock() + POLL_SECONDS
            self._heard = set()
            self._wake.clear()
            await self._read_once(asking, heard)

    async def _read_once(self, asking: Questions, heard: Iterable[UUID] | None) -> None:
        for clause, board, read in ((_SETTLED, self._commands, settled), (_BEGUN, self._instances, None)):
            if keys := board.awaited(heard):
                for row in await asking.fetch(Statement(clause, _arguments(keys))):
                    board.settle((row.tenant_id, row.id), None if read is None else read(row))

    async def _listen(self, url: str) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {RECORD_CHANNEL}")
                    self.look()
                    async for notice in connection.notifies():
                        self.look(UUID(notice.payload.partition(" ")[0]))
            except psycopg.Error as error:
                log.warning("listening for outcomes was interrupted: %s", error)
            await asyncio.sleep(RECONNECT_SECONDS)


def _arguments(keys: Sequence[Key]) -> dict[str, list[UUID]]:
    return {"tenants": [tenant for tenant, _ in keys], "ids": [one for _, one in keys]}


def settled(row: Any) -> Settled:
    """From a row of the command table."""
    return Settled(command_id=row.id, outcome=row.outcome, status=row.response_status, response=row.response or {})


def listen_url(url: str) -> str:
    """The address as psycopg itself takes it, from one that SQLAlchemy takes."""
    return normalised(url).set(drivername="postgresql").render_as_string(hide_password=False)
