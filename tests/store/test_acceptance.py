"""Laws of accepting many requests at once: each is written once or goes the long way, and none harms another."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.acceptance import Acceptance
from models.db import tenant_session
from models.store.acceptance import Lone, lone
from models.store.commands import Wanted, accept
from models.store.people import Person
from models.store.reading import fetch
from models.store.refusals import IdempotencyConflictError
from tests.store.scene import Scene, as_superuser

MARK = "0" * 64


def person(scene: Scene, **other: Any) -> Person:
    return Person(**{"tenant_id": scene.tenant, "id": scene.user, "username": "ann", "source": "bench", **other})


def claim(
    scene: Scene, *, key: str | None = None, mark: str = MARK, execution: UUID | None = None, **args: Any
) -> Lone:
    made = lone(person(scene), "claim", execution or scene.execution, args, key=key, fingerprint=mark)
    assert made is not None
    return made


async def take(app: AsyncEngine, *group: Lone) -> list[UUID | None]:
    """Requests of the same moment."""
    acceptance = Acceptance(app)
    return await asyncio.gather(*(acceptance.take(one) for one in group))


async def rows(app: AsyncEngine, tenant: UUID, query: str) -> list[dict[str, Any]]:
    async with tenant_session(app, tenant) as session:
        return [dict(row) for row in await fetch(session, text(query))]


async def commands(app: AsyncEngine, scene: Scene) -> set[UUID]:
    return {row["id"] for row in await rows(app, scene.tenant, "SELECT id FROM command")}


async def test_requests_of_the_same_moment_share_one_transaction(app: AsyncEngine, scene: Scene) -> None:
    group = [claim(scene, key=None if number % 2 else f"k{number}") for number in range(20)]
    assert await take(app, *group) == [scene.instance] * 20
    written = await rows(app, scene.tenant, "SELECT id, xmin::text AS by FROM command")
    assert {row["id"] for row in written} == {one.id for one in group}
    assert len({row["by"] for row in written}) == 1


async def test_what_is_written_is_what_the_long_way_writes(app: AsyncEngine, scene: Scene) -> None:
    who = person(scene, on_behalf_of="Olga")
    args = {"notes": "Größe 3 → gut", "decision_result": None}
    short = lone(who, "complete", scene.execution, args, key="short", fingerprint=MARK)
    assert short is not None
    assert await take(app, short) == [scene.instance]
    wanted = Wanted(kind="complete", instance_id=scene.instance, executions=(scene.execution,), args=args)
    async with tenant_session(app, scene.tenant) as session:
        await accept(session, who, [wanted], key="long", fingerprint=MARK)
    for table, own in (("command", {"id", "request_key", "accepted_at"}), ("request", {"key", "created_at"})):
        first, second = await rows(app, scene.tenant, f"SELECT * FROM {table}")  # noqa: S608
        assert {name for name in first if first[name] != second[name]} == own | (
            {"command_ids"} if table == "request" else set()
        )


async def test_what_cannot_be_taken_changes_nothing_and_harms_nobody(app: AsyncEngine, scene: Scene) -> None:
    stranger = lone(person(scene, id=uuid4()), "claim", scene.execution, {}, key=None, fingerprint=MARK)
    assert stranger is not None
    unstorable, unknown = claim(scene, key="nul", notes="\0"), claim(scene, key="unknown", execution=uuid4())
    good = [claim(scene, key=f"k{number}") for number in range(5)]
    found = await take(app, good[0], unstorable, good[1], unknown, stranger, *good[2:])
    assert found == [scene.instance, None, scene.instance, None, None, *[scene.instance] * 3]
    assert await commands(app, scene) == {one.id for one in good}
    keys = await rows(app, scene.tenant, "SELECT key FROM request")
    assert {row["key"] for row in keys} == {one.key for one in good}


async def test_a_closed_instance_takes_nothing(app: AsyncEngine, scene: Scene, database: str) -> None:
    as_superuser(
        database,
        "UPDATE workflow_instance SET status = 'cancelled', completed_at = now() WHERE id = %s",
        scene.instance,
    )
    assert await take(app, claim(scene, key="late"), claim(scene)) == [None, None]
    assert await commands(app, scene) == set()
    assert await rows(app, scene.tenant, "SELECT * FROM request") == []


async def test_a_repetition_in_the_same_moment_is_accepted_once(app: AsyncEngine, scene: Scene) -> None:
    first, again, other = claim(scene, key="k"), claim(scene, key="k"), claim(scene, key="k", mark="1" * 64)
    assert await take(app, first, again, other) == [scene.instance, None, None]
    assert await take(app, claim(scene, key="k")) == [None]
    assert await commands(app, scene) == {first.id}
    wanted = Wanted(kind="claim", instance_id=scene.instance, executions=(scene.execution,), args={})
    async with tenant_session(app, scene.tenant) as session:
        repeated = await accept(session, person(scene), [wanted], key="k", fingerprint=MARK)
    assert (repeated.ids, repeated.repeated) == ((first.id,), True)
    with pytest.raises(IdempotencyConflictError):
        async with tenant_session(app, scene.tenant) as session:
            await accept(session, person(scene), [wanted], key="k", fingerprint="1" * 64)


async def test_two_processes_with_the_same_keys_accept_each_once(app: AsyncEngine, scene: Scene) -> None:
    keys = [f"k{number}" for number in range(10)]
    groups = [[claim(scene, key=key) for key in order] for order in (keys, keys[::-1])]
    one, other = await asyncio.gather(*(take(app, *group) for group in groups))
    both = list(zip(one, other[::-1], strict=True))
    assert all(sorted(map(str, pair)) == sorted([str(scene.instance), "None"]) for pair in both)
    assert len(await commands(app, scene)) == 10


async def test_the_same_key_of_two_people_is_two_keys(app: AsyncEngine, scene: Scene, database: str) -> None:
    second = uuid4()
    as_superuser(
        database,
        "INSERT INTO user_account (tenant_id, id, username) VALUES (%s, %s, 'ben')",
        scene.tenant,
        second,
    )
    theirs = lone(person(scene, id=second), "claim", scene.execution, {}, key="k", fingerprint=MARK)
    assert theirs is not None
    assert await take(app, claim(scene, key="k"), theirs) == [scene.instance] * 2


async def test_two_tenants_at_once_stay_apart(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    foreign = claim(scene, execution=elsewhere.execution)
    here, there = claim(scene, key="k"), claim(elsewhere, key="k")
    assert await take(app, here, there, foreign) == [scene.instance, elsewhere.instance, None]
    assert await commands(app, scene) == {here.id}
    assert await commands(app, elsewhere) == {there.id}


async def test_where_the_database_goes_away_nobody_is_told_that_it_was_accepted(
    app: AsyncEngine, scene: Scene, database: str
) -> None:
    address = database.replace("+psycopg", "")
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as meddling, meddling.transaction():
        await meddling.execute("LOCK TABLE command IN ACCESS EXCLUSIVE MODE")
        taking = asyncio.create_task(take(app, claim(scene), claim(scene)))
        killed = None
        while killed is None:
            found = await meddling.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'command'::regclass"
            )
            killed = await found.fetchone()
        with pytest.raises(psycopg.OperationalError):
            await taking
    assert await commands(app, scene) == set()
    assert await take(app, claim(scene)) == [scene.instance]


def test_a_deviation_goes_the_long_way(scene: Scene) -> None:
    forced = {"force": "The gauge is away, measured by hand."}
    assert lone(person(scene), "complete", scene.execution, forced, key=None, fingerprint=MARK) is None
    assert lone(person(scene), "complete", scene.execution, {"force": None}, key=None, fingerprint=MARK) is not None
    assert lone(person(scene), "skip", scene.execution, {"reason": "x"}, key=None, fingerprint=MARK) is None


async def test_a_command_is_on_the_disk_once_it_is_to_be_kept(app: AsyncEngine, scene: Scene) -> None:
    acceptance, one = Acceptance(app), claim(scene)
    await acceptance.take(one)
    (written,) = await rows(app, scene.tenant, "SELECT pg_current_wal_insert_lsn()::text AS at")
    assert await acceptance.keep(scene.tenant, [one.id])
    (kept,) = await rows(app, scene.tenant, f"SELECT pg_current_wal_flush_lsn() >= '{written['at']}' AS so")
    assert kept["so"]


async def test_what_a_database_has_forgotten_is_not_kept(app: AsyncEngine, scene: Scene) -> None:
    assert not await Acceptance(app).keep(scene.tenant, [uuid4()])
