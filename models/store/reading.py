"""Plain SQL on a session: rows out, changes in. Pending changes of the session are flushed first."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession


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
