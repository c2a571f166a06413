"""Logging in: failures count, accounts lock, tokens end."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from models.db import tenant_session
from models.store.errors import AccountLockedError, InvalidCredentialsError
from models.store.identity import NewUser, User, UserChanges, change_user, create_user
from models.store.passwords import token_digest
from models.store.sessions import (
    FAILURES_ALLOWED,
    Grant,
    Principal,
    log_in,
    principals_of,
    reauthenticate,
    revoke_token,
)
from models.store.verify import verify_tenant
from models.tables import AuditEntry, AuthToken, Outbox
from tests.store.scene import Scene, as_superuser

PASSWORD = "correct horse battery"


@pytest.fixture
async def quinn(app: AsyncEngine, scene: Scene) -> User:
    new = NewUser(username="Quinn", full_name="Quinn Q.", roles=["quality_manager"], password=PASSWORD)
    async with tenant_session(app, scene.tenant) as session:
        return await create_user(session, scene.actor, new)


async def enter(app: AsyncEngine, system: AsyncEngine, password: str = PASSWORD, username: str = "quinn") -> Grant:
    return await log_in(app, system, username, password, ttl=timedelta(hours=1), source="tablet")


async def stands_for(system: AsyncEngine, token: str) -> Principal | None:
    (found,) = await principals_of(system, [token_digest(token)])
    return found


async def who(system: AsyncEngine, token: str) -> Principal:
    found = await stands_for(system, token)
    assert found is not None
    return found


async def actions(app: AsyncEngine, scene: Scene) -> list[str]:
    async with tenant_session(app, scene.tenant) as session:
        assert await verify_tenant(session, scene.tenant) == []
        query = select(AuditEntry.action).order_by(col(AuditEntry.id))
        return list((await session.exec(query)).all())


async def test_a_token_stands_for_the_user_and_what_they_may_do(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    grant = await enter(app, system)
    found = await who(system, grant.token)
    assert (found.tenant_id, found.tenant_key, found.user_id) == (scene.tenant, "here", quinn.account.id)
    assert (found.username, found.full_name, found.roles) == ("Quinn", "Quinn Q.", ("quality_manager",))
    assert "execution.signoff" in found.permissions
    assert "user.manage" not in found.permissions
    assert await actions(app, scene) == ["user.created", "user.logged_in"]


async def test_the_database_holds_no_token(app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User) -> None:
    grant = await enter(app, system)
    async with tenant_session(app, scene.tenant) as session:
        row = (await session.exec(select(AuthToken))).one()
    assert row.token_hash == token_digest(grant.token)
    assert grant.token not in str(row.model_dump())


async def test_wrong_password_unknown_name_and_inactive_user_look_the_same(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    with pytest.raises(InvalidCredentialsError):
        await enter(app, system, "wrong")
    with pytest.raises(InvalidCredentialsError):
        await enter(app, system, username="nobody")
    with pytest.raises(InvalidCredentialsError):
        await enter(app, system, "anything", username="ann-here")  # has no password
    async with tenant_session(app, scene.tenant) as session:
        await change_user(session, scene.actor, quinn.account.id, UserChanges(is_active=False))
    with pytest.raises(InvalidCredentialsError):
        await enter(app, system)


async def test_repeated_failures_lock_the_account_and_tell_security(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    for _ in range(FAILURES_ALLOWED - 1):
        with pytest.raises(InvalidCredentialsError):
            await enter(app, system, "wrong")
    with pytest.raises(AccountLockedError):
        await enter(app, system, "wrong")
    with pytest.raises(AccountLockedError):
        await enter(app, system)
    assert (await actions(app, scene))[1:] == ["user.login_failed"] * FAILURES_ALLOWED + ["user.locked"]
    async with tenant_session(app, scene.tenant) as session:
        notice = (await session.exec(select(Outbox))).one()
    assert (notice.topic, notice.payload["code"]) == ("security_notice", "account_locked")


async def test_guessing_in_parallel_locks_as_well(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    tried = await asyncio.gather(*(enter(app, system, "wrong") for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(one, InvalidCredentialsError) for one in tried) == FAILURES_ALLOWED - 1
    assert sum(isinstance(one, AccountLockedError) for one in tried) == 12 - FAILURES_ALLOWED + 1


async def test_the_lock_opens_by_itself_and_by_an_administrator(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User, database: str
) -> None:
    async def lock() -> None:
        for _ in range(FAILURES_ALLOWED):
            with pytest.raises((InvalidCredentialsError, AccountLockedError)):
                await enter(app, system, "wrong")

    await lock()
    as_superuser(database, "UPDATE user_account SET locked_until = now() - interval '1 second'")
    await enter(app, system)
    await lock()
    async with tenant_session(app, scene.tenant) as session:
        await change_user(session, scene.actor, quinn.account.id, UserChanges(unlock=True))
    await enter(app, system)


async def test_success_forgets_earlier_failures(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    for _ in range(3):
        for _ in range(FAILURES_ALLOWED - 1):
            with pytest.raises(InvalidCredentialsError):
                await enter(app, system, "wrong")
        await enter(app, system)


async def test_deactivation_ends_all_sessions_at_once(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    grants = [await enter(app, system), await enter(app, system)]
    async with tenant_session(app, scene.tenant) as session:
        await change_user(session, scene.actor, quinn.account.id, UserChanges(is_active=False))
    for grant in grants:
        assert await stands_for(system, grant.token) is None
    async with tenant_session(app, scene.tenant) as session:
        await change_user(session, scene.actor, quinn.account.id, UserChanges(is_active=True))
    for grant in grants:
        assert await stands_for(system, grant.token) is None


async def test_a_new_password_ends_all_sessions(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    grant = await enter(app, system)
    async with tenant_session(app, scene.tenant) as session:
        await change_user(session, scene.actor, quinn.account.id, UserChanges(password=PASSWORD + "!"))
    assert await stands_for(system, grant.token) is None
    renewed = await enter(app, system, PASSWORD + "!")
    assert (await who(system, renewed.token)).must_change_password


async def test_changed_roles_count_at_once(app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User) -> None:
    grant = await enter(app, system)
    async with tenant_session(app, scene.tenant) as session:
        await change_user(session, scene.actor, quinn.account.id, UserChanges(roles=["auditor"]))
    assert (await who(system, grant.token)).roles == ("auditor",)


async def test_tokens_end_by_logging_out_and_by_time(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User
) -> None:
    out, kept = [await enter(app, system) for _ in range(2)]
    async with tenant_session(app, scene.tenant) as session:
        await revoke_token(session, scene.tenant, out.token_id)
    assert await stands_for(system, out.token) is None
    short = await log_in(app, system, "quinn", PASSWORD, ttl=timedelta(microseconds=1))
    assert await stands_for(system, short.token) is None
    assert (await who(system, kept.token)).token_id == kept.token_id
    assert await stands_for(system, "made up") is None


async def test_use_of_a_token_is_noted_once_a_minute(
    app: AsyncEngine, system: AsyncEngine, scene: Scene, quinn: User, database: str
) -> None:
    grant = await enter(app, system)
    as_superuser(database, "UPDATE auth_token SET last_seen_at = now() - interval '10 minutes'")
    await who(system, grant.token)
    async with tenant_session(app, scene.tenant) as session:
        age = "SELECT now() - last_seen_at < interval '1 minute' FROM auth_token"
        assert (await (await session.connection()).execute(text(age))).scalar()


async def test_reauthentication_counts_like_a_login(app: AsyncEngine, scene: Scene, quinn: User) -> None:
    await reauthenticate(app, scene.tenant, quinn.account.id, PASSWORD)
    for _ in range(FAILURES_ALLOWED - 1):
        with pytest.raises(InvalidCredentialsError):
            await reauthenticate(app, scene.tenant, quinn.account.id, "wrong")
    with pytest.raises(AccountLockedError):
        await reauthenticate(app, scene.tenant, quinn.account.id, "wrong")
    with pytest.raises(AccountLockedError):
        await reauthenticate(app, scene.tenant, quinn.account.id, PASSWORD)
