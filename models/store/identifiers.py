"""Numbers for people: WO-2026-0001 and the like, from a counter that is locked while it counts.

Each number is taken in a short transaction of its own, so that starting an instance never waits for another one; a
number whose instance did not come to be is skipped, never given twice. Past 9999 the number gets longer.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from models.db import tenant_session
from models.flow.graph import ProcessCategory

PREFIXES: Final = {
    ProcessCategory.MANUFACTURING: "WO",
    ProcessCategory.QUALITY: "QA",
    ProcessCategory.NPI: "NPI",
    ProcessCategory.DOCUMENT: "DOC",
    ProcessCategory.EQUIPMENT: "EQ",
    ProcessCategory.SUPPLIER: "SUP",
    ProcessCategory.HR: "HR",
    ProcessCategory.CUSTOMER: "CUS",
}
OTHER_PREFIX: Final = "WF"

_COUNT = text(
    "INSERT INTO identifier_counter (tenant_id, prefix, year, last) VALUES (:tenant, :prefix, :year, :count)"
    " ON CONFLICT (tenant_id, prefix, year) DO UPDATE SET last = identifier_counter.last + EXCLUDED.last"
    " RETURNING last"
)


def prefix_for(category: str) -> str:
    """The prefix of a process category; `WF` for one without its own."""
    return PREFIXES.get(ProcessCategory(category), OTHER_PREFIX) if category in set(ProcessCategory) else OTHER_PREFIX


def written(prefix: str, year: int, number: int) -> str:
    """`WO-2026-0001`; at least four digits."""
    return f"{prefix}-{year}-{number:04d}"


async def next_identifier(engine: AsyncEngine, tenant_id: UUID, category: str, year: int) -> str:
    """The next identifier of an instance of this category, in a transaction of its own."""
    return await next_number(engine, tenant_id, prefix_for(category), year)


async def next_identifiers(
    engine: AsyncEngine, tenant_id: UUID, category: str, year: int, count: int
) -> tuple[str, ...]:
    """As many, one after the other, by one step of the counter."""
    async with tenant_session(engine, tenant_id) as session:
        return await take_numbers(session, tenant_id, prefix_for(category), year, count)


async def next_number(engine: AsyncEngine, tenant_id: UUID, prefix: str, year: int) -> str:
    """The next number with any prefix, such as `CAPA`, in a transaction of its own."""
    async with tenant_session(engine, tenant_id) as session:
        return (await take_numbers(session, tenant_id, prefix, year))[0]


async def take_numbers(
    session: AsyncSession, tenant_id: UUID, prefix: str, year: int, count: int = 1
) -> tuple[str, ...]:
    """Consecutive numbers within the caller's transaction, which holds the counter until it ends.

    For where the number must not be lost, or many are needed at once (subjects, child instances).
    """
    connection = await session.connection()
    last: int = (
        await connection.execute(_COUNT, {"tenant": tenant_id, "prefix": prefix, "year": year, "count": count})
    ).scalar_one()
    return tuple(written(prefix, year, number) for number in range(last - count + 1, last + 1))
