"""Identifiers: unique per tenant, prefix and year, however many ask at once."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import tenant_session
from models.store.identifiers import next_identifier, next_number, prefix_for, take_numbers
from tests.store.scene import Scene


async def test_numbers_count_up_per_prefix_and_year(app: AsyncEngine, scene: Scene) -> None:
    asked = [("manufacturing", 2026), ("manufacturing", 2026), ("quality", 2026), ("manufacturing", 2027)]
    given = [await next_identifier(app, scene.tenant, category, year) for category, year in asked]
    assert given == ["WO-2026-0001", "WO-2026-0002", "QA-2026-0001", "WO-2027-0001"]


async def test_tenants_count_apart(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    assert await next_number(app, scene.tenant, "CAPA", 2026) == "CAPA-2026-0001"
    assert await next_number(app, elsewhere.tenant, "CAPA", 2026) == "CAPA-2026-0001"


async def test_fifty_at_once_get_fifty_numbers(app: AsyncEngine, scene: Scene) -> None:
    given = await asyncio.gather(*(next_identifier(app, scene.tenant, "npi", 2026) for _ in range(50)))
    assert sorted(given) == [f"NPI-2026-{number:04d}" for number in range(1, 51)]


async def test_past_9999_the_number_gets_longer(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        connection = await session.connection()
        insert = "INSERT INTO identifier_counter (tenant_id, prefix, year, last) VALUES (:t, 'WO', 2026, 9998)"
        await connection.execute(text(insert), {"t": scene.tenant})
    given = [await next_identifier(app, scene.tenant, "manufacturing", 2026) for _ in range(3)]
    assert given == ["WO-2026-9999", "WO-2026-10000", "WO-2026-10001"]


async def test_a_number_taken_in_a_failed_transaction_is_taken_again(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        taken = await take_numbers(session, scene.tenant, "WO", 2026, 3)
        await session.rollback()
    assert taken == ("WO-2026-0001", "WO-2026-0002", "WO-2026-0003")
    assert await next_number(app, scene.tenant, "WO", 2026) == "WO-2026-0001"


@pytest.mark.parametrize(
    ("category", "prefix"),
    [
        ("manufacturing", "WO"), ("quality", "QA"), ("npi", "NPI"), ("document", "DOC"), ("equipment", "EQ"),
        ("supplier", "SUP"), ("hr", "HR"), ("customer", "CUS"), ("anything else", "WF"),
    ],
)  # fmt: skip
def test_the_prefix_follows_from_the_category(category: str, prefix: str) -> None:
    assert prefix_for(category) == prefix
