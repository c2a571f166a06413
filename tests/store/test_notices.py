"""A notice is put down in the transaction of what it tells of, and only there."""

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from models.db import system_session, tenant_session
from models.notices.kinds import NoticeKind
from models.store.notices import NOTICE_TOPIC, About, Recipients, put_notice
from models.tables import Outbox
from tests.store.scene import Scene


async def put(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        await put_notice(
            session,
            scene.tenant,
            NoticeKind.APPROVAL_REQUESTED,
            Recipients(users=[scene.user, "bob"], roles=["approver"], but=[scene.user]),
            About(instance=scene.instance, executions=[scene.execution]),
            {"requirement": "Look"},
        )


async def outbox(system: AsyncEngine) -> list[Outbox]:
    async with system_session(system) as session:
        return list((await session.exec(select(Outbox))).all())


async def test_a_notice_waits_in_the_outbox_under_its_instance(
    app: AsyncEngine, system: AsyncEngine, scene: Scene
) -> None:
    await put(app, scene)
    (row,) = await outbox(system)
    assert (row.topic, row.key) == (NOTICE_TOPIC, str(scene.instance))
    assert row.payload["kind"] == "approval_requested"
    assert row.payload["recipients"]["users"] == [str(scene.user), "bob"]
    assert row.payload["about"]["executions"] == [str(scene.execution)]
    assert row.payload["params"] == {"requirement": "Look"}


async def test_what_is_rolled_back_is_told_to_nobody(app: AsyncEngine, system: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        about = About(object_type="process", object_id=scene.process)
        await put_notice(session, scene.tenant, NoticeKind.PROCESS_APPROVED, Recipients(), about)
        await session.rollback()
    assert await outbox(system) == []
