"""What a call asks is kept once: whoever was first decides, and nobody sees it who is not of the tenant."""

import asyncio
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import tenant_session
from models.store.action_requests import Request, keep_request, kept_request, request_hashes
from tests.store.scene import Scene

FIRST = Request(target="orders/1", content=b'{"quantity": 1}')
SECOND = Request(target="orders/2", content=b'{"quantity": 2}')


async def test_a_later_try_gets_what_the_first_kept(app: AsyncEngine, scene: Scene) -> None:
    call = uuid4()
    for offered in (FIRST, SECOND):
        async with tenant_session(app, scene.tenant) as session:
            assert await keep_request(session, scene.tenant, call, scene.execution, offered) == FIRST
    async with tenant_session(app, scene.tenant) as session:
        assert await kept_request(session, scene.tenant, call) == FIRST
        assert await kept_request(session, scene.tenant, uuid4()) is None


async def test_two_that_keep_at_once_agree(app: AsyncEngine, scene: Scene) -> None:
    call = uuid4()

    async def keep(request: Request) -> Request:
        async with tenant_session(app, scene.tenant) as session:
            return await keep_request(session, scene.tenant, call, scene.execution, request)

    async with tenant_session(app, scene.tenant) as session:
        assert await keep_request(session, scene.tenant, call, scene.execution, FIRST) == FIRST
        beside = asyncio.create_task(keep(SECOND))
        async with tenant_session(app, scene.tenant) as outside:
            assert await kept_request(outside, scene.tenant, call) is None, "nobody sees it before it is committed"
    assert await beside == FIRST


async def test_one_that_was_not_committed_decides_nothing(app: AsyncEngine, scene: Scene) -> None:
    call = uuid4()
    async with tenant_session(app, scene.tenant) as session:
        await keep_request(session, scene.tenant, call, scene.execution, FIRST)
        await session.rollback()
    async with tenant_session(app, scene.tenant) as session:
        assert await keep_request(session, scene.tenant, call, scene.execution, SECOND) == SECOND


async def test_its_hash_is_of_the_target_and_the_content(app: AsyncEngine, scene: Scene) -> None:
    call, bare = uuid4(), Request(content=b'{"quantity": 1}')
    async with tenant_session(app, scene.tenant) as session:
        await keep_request(session, scene.tenant, call, scene.execution, FIRST)
        told = await request_hashes(session, scene.tenant, [str(call), str(uuid4())])
    assert told == {str(call): sha256(b'orders/1\n{"quantity": 1}').hexdigest()}
    assert bare.sha256 == sha256(b'{"quantity": 1}').hexdigest()


async def test_another_tenant_neither_sees_it_nor_hangs_one_on_an_execution_of_ours(
    app: AsyncEngine, scene: Scene, elsewhere: Scene
) -> None:
    call = uuid4()
    async with tenant_session(app, scene.tenant) as session:
        await keep_request(session, scene.tenant, call, scene.execution, FIRST)
    async with tenant_session(app, elsewhere.tenant) as session:
        assert await kept_request(session, scene.tenant, call) is None
        assert await request_hashes(session, scene.tenant, [str(call)]) == {}
    with pytest.raises(IntegrityError, match="fk_action_request_execution_id"):
        async with tenant_session(app, elsewhere.tenant) as session:
            await keep_request(session, elsewhere.tenant, call, scene.execution, FIRST)
