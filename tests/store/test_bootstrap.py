"""A new installation: tenants, accounts, subject types; once, however often it is asked for."""

from datetime import timedelta

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from models.db import system_session, tenant_session
from models.settings import Settings
from models.store.bootstrap import bootstrap, service_accounts, tenant_id_of
from models.store.identity import find_user
from models.store.passwords import token_digest
from models.store.sessions import log_in, principals_of
from models.store.subject_types import list_subject_types
from models.store.verify import verify_tenant
from models.tables import Tenant, UserAccount
from models.templates import SUBJECT_TYPES


async def test_it_makes_two_tenants_and_shows_each_first_password_once(
    settings: Settings, app: AsyncEngine, system: AsyncEngine
) -> None:
    made = await bootstrap(settings)
    assert [(login.tenant, login.username) for login in made.logins] == [
        ("main", "admin"),
        ("sandbox", "sandbox-admin"),
    ]
    for login in made.logins:
        grant = await log_in(app, system, login.username, login.password, ttl=timedelta(hours=1))
        (principal,) = await principals_of(system, [token_digest(grant.token)])
        assert principal is not None
        assert (principal.tenant_key, principal.is_sandbox) == (login.tenant, login.tenant == "sandbox")
        assert "user.manage" in principal.permissions
        assert ("importer.act_on_behalf" in principal.permissions) is principal.is_sandbox


async def test_doing_it_again_changes_nothing(settings: Settings, system: AsyncEngine) -> None:
    first = await bootstrap(settings)
    again = await bootstrap(settings)
    assert (again.tenant_id, again.sandbox_id, again.logins) == (first.tenant_id, first.sandbox_id, ())
    async with system_session(system) as session:
        assert len((await session.exec(select(Tenant.id))).all()) == 2
        assert len((await session.exec(select(UserAccount.id))).all()) == 6


async def test_a_chosen_administrator_is_taken(settings: Settings, app: AsyncEngine, system: AsyncEngine) -> None:
    chosen = settings.model_copy(
        update={"admin_username": "root@plant", "admin_password": SecretStr("long enough to be safe")}
    )
    made = await bootstrap(chosen)
    assert [login.username for login in made.logins] == ["root@plant", "sandbox-root@plant"]
    await log_in(app, system, "root@plant", "long enough to be safe", ttl=timedelta(hours=1))


async def test_each_tenant_has_what_ships_with_the_product(settings: Settings, app: AsyncEngine) -> None:
    await bootstrap(settings)
    for key in ("main", "sandbox"):
        tenant = tenant_id_of(key)
        async with tenant_session(app, tenant) as session:
            assert {one.key for one in await list_subject_types(session, tenant)} == set(SUBJECT_TYPES)
            for username in service_accounts(key):
                service = await find_user(session, tenant, username)
                assert service is not None
                assert (service.account.is_service, service.roles) == (True, ("service",))
                assert service.account.password_hash is None
            assert await verify_tenant(session, tenant) == []
