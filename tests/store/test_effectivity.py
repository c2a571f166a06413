"""Versions come into force and go out of it by the clock."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import system_session, tenant_session
from models.flow.graph import ProcessCategory
from models.store.audit import Actor
from models.store.definitions import NewProcess, approve_process, create_process
from models.store.effectivity import Effective, supersede_due, tenants_with_versions_over
from models.store.process_life import Level, new_version, next_label
from models.tables import Process
from tests.store.scene import Scene

GRAPH = {"steps": [{"key": "weld", "name": "Weld"}], "edges": []}
HOUR = timedelta(hours=1)


def actor_of(scene: Scene) -> Actor:
    return Actor(tenant_id=scene.tenant, user_id=scene.user, name="ann", source="test")


async def in_force(app: AsyncEngine, scene: Scene, **dates: datetime) -> Process:
    """A first version."""
    async with tenant_session(app, scene.tenant) as session:
        new = NewProcess(name="Weld twice", category=ProcessCategory.QUALITY, subject_type="Part", graph=GRAPH)
        draft = await create_process(session, actor_of(scene), new)
        return await approve_process(session, actor_of(scene), draft.id, effective=Effective(**dates))


async def statuses(app: AsyncEngine, scene: Scene, key: str) -> list[str]:
    async with tenant_session(app, scene.tenant) as session:
        query = text("SELECT status FROM process WHERE key = :key ORDER BY version_no")
        return list((await (await session.connection()).execute(query, {"key": key})).scalars())


async def over(system: AsyncEngine, now: datetime) -> list[UUID]:
    async with system_session(system) as session:
        return list(await tenants_with_versions_over(await session.connection(), now))


async def test_the_version_before_is_deprecated_when_the_next_becomes_effective(
    app: AsyncEngine, system: AsyncEngine, scene: Scene
) -> None:
    now = datetime.now(UTC)
    first = await in_force(app, scene)
    async with tenant_session(app, scene.tenant) as session:
        draft = await new_version(session, actor_of(scene), first.id, Level.MINOR, "why")
        await approve_process(session, actor_of(scene), draft.id, effective=Effective(since=now + HOUR))
    assert await over(system, now + HOUR / 2) == []
    assert await over(system, now + 2 * HOUR) == [scene.tenant]
    async with tenant_session(app, scene.tenant) as session:
        await supersede_due(session, scene.tenant, now + HOUR / 2)
    assert await statuses(app, scene, first.key) == ["approved", "approved"]
    async with tenant_session(app, scene.tenant) as session:
        await supersede_due(session, scene.tenant, now + 2 * HOUR)
    assert await statuses(app, scene, first.key) == ["deprecated", "approved"]
    assert await over(system, now + 2 * HOUR) == []


async def test_a_version_past_its_last_day_is_deprecated_and_the_trail_says_so(
    app: AsyncEngine, system: AsyncEngine, scene: Scene
) -> None:
    now = datetime.now(UTC)
    only = await in_force(app, scene, until=now + HOUR)
    assert await over(system, now) == []
    async with tenant_session(app, scene.tenant) as session:
        await supersede_due(session, scene.tenant, now + HOUR)
        query = text("SELECT old, new, actor_name FROM audit_entry WHERE action = 'process.deprecated'")
        told = (await (await session.connection()).execute(query)).one()
    assert await statuses(app, scene, only.key) == ["deprecated"]
    assert (told.old["status"], told.new["version"], told.actor_name) == ("approved", "1.0", "system")


def test_labels_count_on_from_the_version_that_was_copied() -> None:
    assert next_label("1.0", Level.MINOR, ["1.0"]) == "1.1"
    assert next_label("1.0", Level.MINOR, ["1.0", "1.1", "2.0"]) == "1.2"
    assert next_label("1.9", Level.MINOR, ["1.9"]) == "1.10"
    assert next_label("1.1", Level.MAJOR, ["1.0", "1.1"]) == "2.0"
    assert next_label("1.1", Level.MAJOR, ["1.1", "2.0"]) == "3.0"
