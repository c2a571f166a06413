"""People and service accounts of a tenant: create, change, deactivate. Every change is audited in its transaction.

Nobody is deleted and no id is used again (21 CFR 11.100). Logging in is in `models.store.sessions`.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import delete, func, text, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import Chain
from models.permissions import ASSIGNABLE_ROLES, ROLE_PERMISSIONS
from models.store.audit import Actor, AuditDraft, write_audit
from models.store.chain import lock_chain
from models.store.errors import (
    LastAdministratorError,
    NotFoundError,
    RoleNotAllowedError,
    RoleUnknownError,
    UsernameInvalidError,
    UsernameTakenError,
)
from models.store.passwords import check_strength, hash_password
from models.tables import AuthToken, Tenant, UserAccount, UserRole

USERNAME: Final = re.compile(r"[\w.@+:-]{1,100}")
SANDBOX_ROLES: Final = frozenset({"importer"})
"""Roles that may act in the name of others, so never where real work is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user with the roles they hold now, sorted."""

    account: UserAccount
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What is needed to create a user; without a password nobody can log in as them."""

    username: str
    id: UUID = field(default_factory=uuid4)
    full_name: str = ""
    email: str = ""
    password: str | None = None
    roles: Collection[str] = ()
    is_service: bool = False
    must_change_password: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanges:
    """What is to change; None leaves it. A new password of another's account must be changed at the next login."""

    full_name: str | None = None
    email: str | None = None
    is_active: bool | None = None
    roles: Collection[str] | None = None
    password: str | None = None
    unlock: bool = False


async def create_user(session: AsyncSession, actor: Actor, new: NewUser) -> User:
    """Create a user of the actor's tenant.

    Raises:
        StoreError: username_invalid, username_taken, role_unknown, role_not_allowed, password_too_weak.
    """
    if not USERNAME.fullmatch(new.username):
        raise UsernameInvalidError(username=new.username)
    allowed = frozenset(ROLE_PERMISSIONS) if new.is_service else ASSIGNABLE_ROLES
    await _check_roles(session, actor.tenant_id, new.roles, allowed)
    if new.password is not None:
        check_strength(new.password, new.username)
    account = UserAccount(
        tenant_id=actor.tenant_id,
        id=new.id,
        username=new.username,
        full_name=new.full_name,
        email=new.email,
        password_hash=await hash_password(new.password) if new.password is not None else None,
        password_changed_at=datetime.now(UTC) if new.password is not None else None,
        is_service=new.is_service,
        must_change_password=new.must_change_password,
    )
    try:
        async with session.begin_nested():
            session.add(account)
            await session.flush()
    except IntegrityError as error:
        if "uq_user_account_username" not in str(error.orig):
            raise
        raise UsernameTakenError(username=new.username) from error
    roles = await _set_roles(session, actor, account.id, (), new.roles)
    head = await lock_chain(session, actor.tenant_id, Chain.TENANT, actor.tenant_id)
    shown = {"username": new.username, "full_name": new.full_name, "email": new.email, "roles": list(roles)}
    draft = AuditDraft(action="user.created", object_type="user", object_id=account.id, new=shown)
    await write_audit(session, actor, [draft], head=head)
    return User(account=account, roles=roles)


async def change_user(session: AsyncSession, actor: Actor, user_id: UUID, changes: UserChanges) -> User:
    """Change a user. Deactivating and resetting the password end all their sessions at once (21 CFR 11.10(d)).

    Raises:
        StoreError: not_found, role_unknown, role_not_allowed, password_too_weak, last_administrator.
    """
    user = await get_user(session, actor.tenant_id, user_id, lock=True)
    head = await lock_chain(session, actor.tenant_id, Chain.TENANT, actor.tenant_id)
    account = user.account
    old = _shown(user)
    for name in ("full_name", "email", "is_active"):
        value = getattr(changes, name)
        if value is not None:
            setattr(account, name, value)
    roles = user.roles
    if changes.roles is not None:
        await _check_roles(session, actor.tenant_id, changes.roles, ASSIGNABLE_ROLES)
        roles = await _set_roles(session, actor, user_id, user.roles, changes.roles)
    if changes.unlock:
        account.failed_logins, account.locked_until = 0, None
    if changes.password is not None:
        await set_password(account, changes.password, must_change=actor.user_id != user_id)
    await session.flush()
    changed = User(account=account, roles=roles)
    if "admin" in user.roles and old["is_active"] and not ("admin" in roles and account.is_active):
        await _check_administrator_left(session, actor.tenant_id)
    if changes.password is not None or not account.is_active:
        await end_sessions(session, actor.tenant_id, user_id)
    drafts = _drafts(user_id, old, _shown(changed), changes)
    if drafts:
        await write_audit(session, actor, drafts, head=head)
    return changed


async def set_password(account: UserAccount, password: str, *, must_change: bool) -> None:
    """Give the account a new password; the caller flushes and audits.

    Raises:
        StoreError: password_too_weak.
    """
    check_strength(password, account.username)
    account.password_hash = await hash_password(password)
    account.password_changed_at = datetime.now(UTC)
    account.must_change_password = must_change
    account.failed_logins, account.locked_until = 0, None


async def end_sessions(session: AsyncSession, tenant_id: UUID, user_id: UUID) -> None:
    """Revoke every token of a user."""
    await session.exec(
        update(AuthToken)
        .where(
            col(AuthToken.tenant_id) == tenant_id,
            col(AuthToken.user_id) == user_id,
            col(AuthToken.revoked_at).is_(None),
        )
        .values(revoked_at=func.now())
    )


async def get_user(session: AsyncSession, tenant_id: UUID, user_id: UUID, *, lock: bool = False) -> User:
    """One user; with `lock`, nobody else changes them meanwhile.

    Raises:
        StoreError: not_found.
    """
    query = select(UserAccount).where(UserAccount.tenant_id == tenant_id, UserAccount.id == user_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    account = (await session.exec(query)).one_or_none()
    if account is None:
        raise NotFoundError(what="user", id=str(user_id))
    roles = await roles_of(session, tenant_id, [user_id])
    return User(account=account, roles=roles.get(user_id, ()))


async def find_user(session: AsyncSession, tenant_id: UUID, username: str) -> User | None:
    """The user of this tenant with this name, whatever its case."""
    query = select(UserAccount).where(
        UserAccount.tenant_id == tenant_id, func.lower(UserAccount.username) == username.lower()
    )
    account = (await session.exec(query)).one_or_none()
    if account is None:
        return None
    roles = await roles_of(session, tenant_id, [account.id])
    return User(account=account, roles=roles.get(account.id, ()))


async def list_users(
    session: AsyncSession, tenant_id: UUID, *, after: str = "", limit: int = 50, search: str = ""
) -> list[User]:
    """Users by username, from the one after `after`; `search` looks into names and addresses."""
    query = select(UserAccount).where(UserAccount.tenant_id == tenant_id)
    if after:
        query = query.where(func.lower(UserAccount.username) > after.lower())
    if search:
        text = func.concat_ws(" ", col(UserAccount.username), col(UserAccount.full_name), col(UserAccount.email))
        query = query.where(text.icontains(search, autoescape=True))
    query = query.order_by(func.lower(UserAccount.username)).limit(limit)
    accounts = (await session.exec(query)).all()
    roles = await roles_of(session, tenant_id, [account.id for account in accounts])
    return [User(account=account, roles=roles.get(account.id, ())) for account in accounts]


async def roles_of(session: AsyncSession, tenant_id: UUID, user_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, ...]]:
    """The roles that these users hold now, sorted; users without any are left out."""
    query = (
        select(UserRole)
        .where(UserRole.tenant_id == tenant_id, col(UserRole.user_id).in_(user_ids))
        .order_by(col(UserRole.role))
    )
    held: dict[UUID, tuple[str, ...]] = {}
    for row in (await session.exec(query)).all():
        held[row.user_id] = (*held.get(row.user_id, ()), row.role)
    return held


async def _check_roles(session: AsyncSession, tenant_id: UUID, roles: Iterable[str], allowed: frozenset[str]) -> None:
    for role in roles:
        if role not in allowed:
            raise RoleUnknownError(role=role, allowed=sorted(allowed))
    risky = SANDBOX_ROLES.intersection(roles)
    if risky:
        tenant = await session.get(Tenant, tenant_id)
        if tenant is None or not tenant.is_sandbox:
            raise RoleNotAllowedError(role=min(risky))


async def _set_roles(
    session: AsyncSession, actor: Actor, user_id: UUID, old: Collection[str], new: Collection[str]
) -> tuple[str, ...]:
    gone = set(old) - set(new)
    if gone:
        await session.exec(
            delete(UserRole).where(
                col(UserRole.tenant_id) == actor.tenant_id,
                col(UserRole.user_id) == user_id,
                col(UserRole.role).in_(gone),
            )
        )
    for role in sorted(set(new) - set(old)):
        session.add(UserRole(tenant_id=actor.tenant_id, user_id=user_id, role=role, granted_by=actor.user_id))
    await session.flush()
    return tuple(sorted(set(new)))


async def _check_administrator_left(session: AsyncSession, tenant_id: UUID) -> None:
    query = (
        select(UserAccount.id)
        .join(
            UserRole,
            (col(UserRole.tenant_id) == UserAccount.tenant_id) & (col(UserRole.user_id) == UserAccount.id),
        )
        .where(UserAccount.tenant_id == tenant_id, UserRole.role == "admin", col(UserAccount.is_active))
        .limit(1)
    )
    if (await session.exec(query)).first() is None:
        raise LastAdministratorError


def _shown(user: User) -> dict[str, Any]:
    account = user.account
    return {
        "full_name": account.full_name,
        "email": account.email,
        "is_active": account.is_active,
        "roles": list(user.roles),
        "locked_until": account.locked_until.isoformat() if account.locked_until else None,
    }


def _drafts(user_id: UUID, old: dict[str, Any], new: dict[str, Any], changes: UserChanges) -> list[AuditDraft]:
    """What to audit: values that differ, and a new password without its value."""
    drafts = []
    differ = [name for name in new if new[name] != old[name]]
    if differ:
        drafts.append(
            AuditDraft(
                action="user.changed",
                object_type="user",
                object_id=user_id,
                old={name: old[name] for name in differ},
                new={name: new[name] for name in differ},
            )
        )
    if changes.password is not None:
        drafts.append(AuditDraft(action="user.password_set", object_type="user", object_id=user_id))
    return drafts


_NAMED = text(
    "SELECT id FROM user_account WHERE tenant_id = :tenant AND is_active AND NOT is_service"
    " AND (id::text = :named OR lower(username) = lower(:named))"
)


async def user_id_of(session: AsyncSession, tenant_id: UUID, named: str) -> UUID | None:
    """The active person who is named by id or username; None where there is none."""
    connection = await session.connection()
    found: UUID | None = (await connection.execute(_NAMED, {"tenant": tenant_id, "named": named})).scalar()
    return found
