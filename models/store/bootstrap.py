"""What a new installation starts with: two tenants, their service accounts, their first administrators, subject types.

Runs as the owner of the schema, as often as one likes: what exists is left alone, so a password is made, and shown,
once. `sandbox` is for evaluation and imports: there the `importer` role may act in the name of others.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import owner_engine, tenant_session
from models.settings import Settings
from models.store.audit import Actor, engine_actor
from models.store.identity import NewUser, create_user, find_user
from models.store.passwords import new_password
from models.store.subject_types import create_subject_type, list_subject_types
from models.tables import Tenant, UserAccount
from models.templates import SUBJECT_TYPES

NAMESPACE: Final = UUID("6d1f1c9e-9a0b-5f0c-8a3e-7a1d2f6b4c55")
MAIN: Final = "main"
SANDBOX: Final = "sandbox"
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(4711830026)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLogin:
    """An administrator that was made now; the password is shown once and kept nowhere."""

    tenant: str
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapResult:
    """The default tenant, and the logins that were made; none where there were some."""

    tenant_id: UUID
    sandbox_id: UUID
    logins: tuple[NewLogin, ...]


def tenant_id_of(key: str) -> UUID:
    """The id of a tenant that bootstrap made."""
    return uuid5(NAMESPACE, f"tenant/{key}")


def service_accounts(tenant_key: str) -> dict[str, str]:
    """Usernames of a tenant's service accounts with their full names; activities find them by the first part.

    `svc` acts for bare signals, `ops:temporal` for what is done in Temporal's own Web UI.
    """
    return {f"svc:{tenant_key}": "Service account", f"ops:temporal:{tenant_key}": "Operations, through Temporal"}


async def bootstrap(settings: Settings) -> BootstrapResult:
    """Make what is missing.

    Raises:
        DatabaseNotConfiguredError: no database is configured.
        StoreError: password_too_weak, username_invalid, username_taken, for a configured administrator.
    """
    engine = owner_engine(settings)
    main, sandbox = tenant_id_of(MAIN), tenant_id_of(SANDBOX)
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    logins = []
    try:
        async with tenant_session(engine, main) as session:
            await ensure_tenant(session, MAIN, "Main")
            first = NewUser(
                username=settings.admin_username, full_name="Administrator", roles=["admin"], password=given
            )
            logins.append(await _first_administrator(session, main, MAIN, first))
        async with tenant_session(engine, sandbox) as session:
            await ensure_tenant(session, SANDBOX, "Sandbox", is_sandbox=True)
            name = f"sandbox-{settings.admin_username}"
            first = NewUser(
                username=name, full_name="Sandbox administrator", roles=["admin", "importer"], password=given
            )
            logins.append(await _first_administrator(session, sandbox, SANDBOX, first))
    finally:
        await engine.dispose()
    return BootstrapResult(
        tenant_id=main, sandbox_id=sandbox, logins=tuple(login for login in logins if login is not None)
    )


async def ensure_tenant(session: AsyncSession, key: str, name: str, *, is_sandbox: bool = False) -> UUID:
    """A tenant with its service accounts and the shipped subject types; what exists stays as it is.

    Args:
        session: Of the owner, within the tenant `tenant_id_of(key)`.
        key: Short name, part of the service accounts' names.
        name: For people.
        is_sandbox: Whether the importer role may act here.
    """
    await (await session.connection()).execute(_ONE_AT_A_TIME)
    tenant_id = tenant_id_of(key)
    new = {"id": tenant_id, "key": key, "name": name, "is_sandbox": is_sandbox}
    await session.exec(insert(Tenant).values(**new).on_conflict_do_nothing())
    actor = engine_actor(tenant_id)
    for username, full_name in service_accounts(key).items():
        if await find_user(session, tenant_id, username) is None:
            service = NewUser(
                id=uuid5(tenant_id, f"service-account/{username}"),
                username=username,
                full_name=full_name,
                roles=["service"],
                is_service=True,
            )
            await create_user(session, actor, service)
    await _ensure_subject_types(session, actor)
    return tenant_id


async def _ensure_subject_types(session: AsyncSession, actor: Actor) -> None:
    known = {one.key for one in await list_subject_types(session, actor.tenant_id)}
    for key, template in SUBJECT_TYPES.items():
        if key not in known:
            await create_subject_type(
                session,
                actor,
                key=key,
                name=template.name,
                attributes_schema=template.attributes_schema,
                identifier_pattern=template.identifier_pattern,
                type_id=uuid5(actor.tenant_id, f"subject-type/{key}"),
            )


async def _first_administrator(session: AsyncSession, tenant_id: UUID, key: str, first: NewUser) -> NewLogin | None:
    """The first person of a tenant, or None where there is one already."""
    people = select(UserAccount.id).where(UserAccount.tenant_id == tenant_id, ~col(UserAccount.is_service))
    if (await session.exec(people.limit(1))).first() is not None:
        return None
    password = first.password or new_password()
    await create_user(
        session,
        engine_actor(tenant_id),
        NewUser(username=first.username, full_name=first.full_name, roles=first.roles, password=password),
    )
    return NewLogin(tenant=key, username=first.username, password=password)
