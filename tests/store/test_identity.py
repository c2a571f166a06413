"""Users: unique names, roles, deactivation, and an audit entry for everything."""

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from models.db import tenant_session
from models.store.audit import Actor
from models.store.errors import (
    LastAdministratorError,
    NotFoundError,
    PasswordTooWeakError,
    RoleNotAllowedError,
    RoleUnknownError,
    UsernameInvalidError,
    UsernameTakenError,
)
from models.store.identity import NewUser, User, UserChanges, change_user, create_user, find_user, get_user, list_users
from models.store.verify import verify_tenant
from models.tables import AuditEntry
from tests.store.scene import Scene, add_tenant

PASSWORD = "correct horse battery"


async def hire(app: AsyncEngine, scene: Scene, username: str, *roles: str, password: str | None = None) -> User:
    async with tenant_session(app, scene.tenant) as session:
        return await create_user(
            session, scene.actor, NewUser(username=username, roles=roles, password=password, full_name="A. Person")
        )


async def change(app: AsyncEngine, scene: Scene, user: User, **changes: object) -> User:
    async with tenant_session(app, scene.tenant) as session:
        return await change_user(session, scene.actor, user.account.id, UserChanges(**changes))  # type: ignore[arg-type]


async def test_a_new_user_is_found_by_name_in_any_case(app: AsyncEngine, scene: Scene) -> None:
    made = await hire(app, scene, "Quinn", "operator", "approver")
    async with tenant_session(app, scene.tenant) as session:
        found = await find_user(session, scene.tenant, "qUINN")
    assert found is not None
    assert (found.account.id, found.roles) == (made.account.id, ("approver", "operator"))


async def test_usernames_are_unique_in_the_whole_deployment(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    await hire(app, elsewhere, "quinn")
    with pytest.raises(UsernameTakenError, match="'QUINN' is taken"):
        await hire(app, scene, "QUINN")


@pytest.mark.parametrize("username", ["", "two words", "tab\t", "x" * 101])
async def test_a_username_has_no_blanks(app: AsyncEngine, scene: Scene, username: str) -> None:
    with pytest.raises(UsernameInvalidError):
        await hire(app, scene, username)


@pytest.mark.parametrize("role", ["king", "service"])
async def test_only_roles_for_people_are_given(app: AsyncEngine, scene: Scene, role: str) -> None:
    with pytest.raises(RoleUnknownError) as refused:
        await hire(app, scene, "quinn", role)
    assert "operator" in refused.value.params["allowed"]
    assert str(refused.value).startswith(f"There is no role '{role}'. Roles: admin, approver, auditor, ")


async def test_the_importer_role_is_for_sandboxes(app: AsyncEngine, owner: AsyncEngine, scene: Scene) -> None:
    with pytest.raises(RoleNotAllowedError):
        await hire(app, scene, "quinn", "importer")
    sandbox = uuid4()
    await add_tenant(owner, sandbox, "sand", is_sandbox=True)
    async with tenant_session(app, sandbox) as session:
        actor = Actor(tenant_id=sandbox, user_id=None, name="system")
        user = await create_user(session, actor, NewUser(username="quinn", roles=["importer"]))
    assert user.roles == ("importer",)


@pytest.mark.parametrize("password", ["short", "LongEnough10"])
async def test_a_password_is_long_and_not_the_name(app: AsyncEngine, scene: Scene, password: str) -> None:
    with pytest.raises(PasswordTooWeakError):
        await hire(app, scene, "longenough10", password=password)


async def test_changes_are_audited_with_old_and_new_and_without_passwords(app: AsyncEngine, scene: Scene) -> None:
    user = await hire(app, scene, "quinn", "operator", password=PASSWORD)
    await change(app, scene, user, full_name="Q.", roles=["approver"], password=PASSWORD + "!")
    async with tenant_session(app, scene.tenant) as session:
        entries = (await session.exec(select(AuditEntry).order_by(col(AuditEntry.id)))).all()
        assert await verify_tenant(session, scene.tenant) == []
    assert [entry.action for entry in entries] == ["user.created", "user.changed", "user.password_set"]
    assert entries[1].old == {"full_name": "A. Person", "roles": ["operator"]}
    assert entries[1].new == {"full_name": "Q.", "roles": ["approver"]}
    assert all((entry.actor_id, entry.actor_name, entry.source) == (scene.user, "ann", "bench") for entry in entries)
    assert not any("horse" in str((entry.old, entry.new)) or "argon2" in str(entry.new) for entry in entries)


async def test_a_change_that_changes_nothing_is_not_audited(app: AsyncEngine, scene: Scene) -> None:
    user = await hire(app, scene, "quinn", "operator")
    await change(app, scene, user, full_name="A. Person", roles=["operator"])
    async with tenant_session(app, scene.tenant) as session:
        assert len((await session.exec(select(AuditEntry.id))).all()) == 1


async def test_another_persons_password_must_be_changed_at_the_next_login(app: AsyncEngine, scene: Scene) -> None:
    user = await hire(app, scene, "quinn")
    changed = await change(app, scene, user, password=PASSWORD)
    assert changed.account.must_change_password


async def test_the_last_administrator_stays(app: AsyncEngine, scene: Scene) -> None:
    first = await hire(app, scene, "first", "admin")
    with pytest.raises(LastAdministratorError):
        await change(app, scene, first, is_active=False)
    with pytest.raises(LastAdministratorError):
        await change(app, scene, first, roles=["operator"])
    await hire(app, scene, "second", "admin")
    assert not (await change(app, scene, first, is_active=False)).account.is_active


async def test_a_user_of_another_tenant_is_not_there(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    stranger = await hire(app, elsewhere, "quinn")
    with pytest.raises(NotFoundError):
        await change(app, scene, stranger, full_name="Mine")
    async with tenant_session(app, scene.tenant) as session:
        with pytest.raises(NotFoundError):
            await get_user(session, scene.tenant, stranger.account.id)


async def test_users_are_listed_by_name_page_by_page(app: AsyncEngine, scene: Scene) -> None:
    for name in ("Zoe", "bea", "Cid"):
        await hire(app, scene, name, "operator")
    async with tenant_session(app, scene.tenant) as session:
        first = await list_users(session, scene.tenant, limit=2)
        rest = await list_users(session, scene.tenant, after=first[-1].account.username, limit=2)
        found = await list_users(session, scene.tenant, search="CI")
    assert [user.account.username for user in (*first, *rest)] == ["ann-here", "bea", "Cid", "Zoe"]
    assert [user.account.username for user in found] == ["Cid"]
