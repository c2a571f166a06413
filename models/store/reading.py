"""Plain SQL on a session: rows out, changes in. Pending changes of the session are flushed first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

RING: Final = text("SELECT pg_notify(:channel, '')")
"""Wakes whoever listens on `channel`, at the commit."""


def beyond(after: tuple[datetime, UUID] | None) -> dict[str, Any]:
    """The parameters `:after_at` and `:after_id` of a list in order of time, which goes on where a page ended."""
    at, last = (None, None) if after is None else after
    return {"after_at": at, "after_id": last}


async def fetch(session: AsyncSession, statement: Executable, **params: Any) -> Sequence[RowMapping]:
    """All rows of a query."""
    await session.flush()
    connection = await session.connection()
    return (await connection.execute(statement, params)).mappings().all()


async def fetch_one(session: AsyncSession, statement: Executable, **params: Any) -> RowMapping | None:
    """The only row of a query, or None."""
    await session.flush()
    connection = await session.connection()
    return (await connection.execute(statement, params)).mappings().one_or_none()


async def run(session: AsyncSession, statement: Executable, params: Mapping[str, Any] | Sequence[Any]) -> None:
    """A statement without an answer; a sequence of parameters runs it once for each."""
    if isinstance(params, Sequence) and not params:
        return
    await session.flush()
    connection = await session.connection()
    await connection.execute(statement, params)
