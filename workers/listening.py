"""One direct connection that listens for notices. A lost notice or connection only means waiting for the next look."""

import asyncio
import contextlib
import logging
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 1.0


class Listener:
    """Wakes whoever waits when PostgreSQL notifies `channel`."""

    def __init__(self, engine: AsyncEngine, channel: str) -> None:
        """Take the address from an engine; the connection is its own, not the pool's."""
        self._engine = engine
        self._channel = channel
        self._rang = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def ring(self) -> None:
        """Wake whoever waits, as a notice would."""
        self._rang.set()

    async def wait(self, seconds: float, stop: asyncio.Event) -> None:
        """Return at a notice, at `stop`, or after `seconds`."""
        waiters = [asyncio.create_task(self._rang.wait()), asyncio.create_task(stop.wait())]
        _, pending = await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiter in pending:
            waiter.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._rang.clear()

    async def _listen(self) -> None:
        address = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
                    await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(self._channel)))
                    self._rang.set()
                    async for _ in connection.notifies():
                        self._rang.set()
            except (psycopg.Error, OSError) as error:
                log.info("not listening on %s: %s", self._channel, error)
                await asyncio.sleep(RECONNECT_SECONDS)
