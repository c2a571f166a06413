"""Logging in, proving once more who one is, and what a token stands for at this very moment.

`log_in` and `reauthenticate` open transactions of their own, because a failure has to be counted although it is
answered with an error (21 CFR 11.300(d)). Tokens are random; the database holds only their hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import system_session, tenant_session
from models.permissions import permissions_of
from models.store.audit import Actor, AuditDraft, audit_tenant
from models.store.errors import AccountLockedError, InvalidCredentialsError
from models.store.instances import put_in_outbox
from models.store.passwords import hash_password, needs_rehash, new_token, password_matches, token_digest
from models.tables import AuthToken, UserAccount
from models.wire import Statement, system_wire

FAILURES_ALLOWED: Final = 5
LOCKED_FOR: Final = timedelta(minutes=15)
SEEN_EVERY: Final = timedelta(minutes=1)
"""How exactly the last use of a token is known."""
SECURITY_TOPIC: Final = "security_notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who a token stands for, with the roles and permissions of this moment."""

    tenant_id: UUID
    tenant_key: str
    tenant_name: str
    is_sandbox: bool
    user_id: UUID
    username: str
    full_name: str
    email: str
    roles: tuple[str, ...]
    permissions: frozenset[str]
    must_change_password: bool
    token_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A new token; its secret is shown once and kept nowhere."""

    token: str
    token_id: UUID
    user_id: UUID
    tenant_id: UUID
    expires_at: datetime


_FIND_USER = text("SELECT tenant_id, id FROM user_account WHERE lower(username) = lower(:username)")

_FIND_TOKEN = text(
    """
    SELECT k.token_hash, k.id AS token_id, k.tenant_id, t.key AS tenant_key, t.name AS tenant_name, t.is_sandbox,
           u.id AS user_id, u.username, u.full_name, u.email, u.must_change_password, k.last_seen_at,
           array(SELECT r.role FROM user_role r
                 WHERE r.tenant_id = k.tenant_id AND r.user_id = k.user_id ORDER BY r.role) AS roles
    FROM auth_token k
    JOIN user_account u ON u.tenant_id = k.tenant_id AND u.id = k.user_id
    JOIN tenant t ON t.id = k.tenant_id
    WHERE k.token_hash = ANY(:digests) AND k.revoked_at IS NULL AND k.expires_at > :now AND u.is_active
    """
)
_SEEN = text(
    "UPDATE auth_token SET last_seen_at = :now FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]))"
    " AS used (tenant_id, id) WHERE (auth_token.tenant_id, auth_token.id) = (used.tenant_id, used.id)"
)


async def log_in(
    app: AsyncEngine,
    system: AsyncEngine,
    username: str,
    password: str,
    *,
    ttl: timedelta,
    source: str = "",
    kind: str = "bearer",
) -> Grant:
    """Exchange username and password for a token. Counts failures; too many lock the account and tell security.

    Args:
        app: Engine of the application.
        system: Engine that finds the tenant of a username.
        username: In any case.
        password: As typed.
        ttl: How long the token lasts.
        source: Device or client.
        kind: `bearer` or `session`.

    Raises:
        StoreError: invalid_credentials, account_locked.
    """
    async with system_session(system) as session:
        connection = await session.connection()
        found = (await connection.execute(_FIND_USER, {"username": username})).one_or_none()
    if found is None:
        await password_matches(None, password)
        raise InvalidCredentialsError
    await reauthenticate(app, found.tenant_id, found.id, password, source=source)
    async with tenant_session(app, found.tenant_id) as session:
        account = await session.get_one(UserAccount, (found.tenant_id, found.id))
        account.last_login_at = datetime.now(UTC)
        grant = await issue_token(session, account, ttl=ttl, source=source, kind=kind)
        draft = AuditDraft(action="user.logged_in", object_type="user", object_id=account.id)
        await audit_tenant(session, _as_actor(account, source), draft)
    return grant


async def reauthenticate(app: AsyncEngine, tenant_id: UUID, user_id: UUID, password: str, *, source: str = "") -> None:
    """Prove again who one is, as signing demands (21 CFR 11.200). Failures count as those of a login.

    Raises:
        StoreError: invalid_credentials, account_locked.
    """
    async with tenant_session(app, tenant_id) as session:
        account = await session.get(UserAccount, (tenant_id, user_id))
    matches = await password_matches(account.password_hash if account else None, password)
    if account is None or not account.is_active:
        raise InvalidCredentialsError
    async with tenant_session(app, tenant_id) as session:
        locked_until = await _count(session, tenant_id, user_id, password, matches=matches, source=source)
    if locked_until is not None:
        raise AccountLockedError(until=locked_until.isoformat(timespec="seconds"))
    if not matches:
        raise InvalidCredentialsError


async def _count(
    session: AsyncSession, tenant_id: UUID, user_id: UUID, password: str, *, matches: bool, source: str
) -> datetime | None:
    """Note a right or wrong password. While the account is locked nothing counts.

    Returns:
        Until when the account is locked, None if it is not.
    """
    query = (
        select(UserAccount)
        .where(UserAccount.tenant_id == tenant_id, UserAccount.id == user_id)
        .with_for_update(key_share=True)
    )
    account = (await session.exec(query)).one()
    now = datetime.now(UTC)
    if account.locked_until is not None and account.locked_until > now:
        return account.locked_until
    if matches:
        account.failed_logins, account.locked_until = 0, None
        if account.password_hash is not None and needs_rehash(account.password_hash):
            account.password_hash = await hash_password(password)
        return None
    account.failed_logins += 1
    drafts = [AuditDraft(action="user.login_failed", object_type="user", object_id=user_id)]
    if account.failed_logins >= FAILURES_ALLOWED:
        account.failed_logins, account.locked_until = 0, now + LOCKED_FOR
        until = {"locked_until": account.locked_until.isoformat()}
        drafts.append(AuditDraft(action="user.locked", object_type="user", object_id=user_id, new=until))
        notice = {"code": "account_locked", "user_id": str(user_id), "username": account.username, "source": source}
        await put_in_outbox(session, tenant_id, SECURITY_TOPIC, str(user_id), notice)
    await session.flush()
    await audit_tenant(session, _as_actor(account, source), *drafts)
    return account.locked_until


async def issue_token(
    session: AsyncSession, account: UserAccount, *, ttl: timedelta, source: str = "", kind: str = "bearer"
) -> Grant:
    """A new token of an account, within the caller's transaction."""
    token, now = new_token(), datetime.now(UTC)
    row = AuthToken(
        tenant_id=account.tenant_id,
        id=uuid4(),
        user_id=account.id,
        kind=kind,
        token_hash=token_digest(token),
        created_at=now,
        last_seen_at=now,
        expires_at=now + ttl,
        source=source,
    )
    session.add(row)
    await session.flush()
    return Grant(
        token=token, token_id=row.id, user_id=account.id, tenant_id=account.tenant_id, expires_at=row.expires_at
    )


async def revoke_token(session: AsyncSession, tenant_id: UUID, token_id: UUID) -> None:
    """End one session, as logging out does."""
    await session.exec(
        update(AuthToken)
        .where(
            col(AuthToken.tenant_id) == tenant_id, col(AuthToken.id) == token_id, col(AuthToken.revoked_at).is_(None)
        )
        .values(revoked_at=datetime.now(UTC))
    )


async def principals_of(system: AsyncEngine, digests: Sequence[bytes]) -> list[Principal | None]:
    """Who tokens stand for now: one query; nothing is cached, so a deactivated user is out at once.

    Args:
        system: Engine of the system role; the token tells the tenant.
        digests: Of the tokens, from `token_digest`.

    Returns:
        One for each; None where a token is unknown, over or taken back, or its account shut.
    """
    now = datetime.now(UTC)
    async with system_wire(system) as wire:
        (rows,) = await wire.finish(Statement(_FIND_TOKEN, {"digests": list(digests), "now": now}))
    if used := [row for row in rows if now - row.last_seen_at > SEEN_EVERY]:
        seen = {"now": now, "tenants": [row.tenant_id for row in used], "ids": [row.token_id for row in used]}
        async with system_wire(system) as wire:
            wire.later(Statement(_SEEN, seen))
    found = {row.token_hash: _principal(row) for row in rows}
    return [found.get(one) for one in digests]


def _principal(row: Any) -> Principal:
    return Principal(
        tenant_id=row.tenant_id,
        tenant_key=row.tenant_key,
        tenant_name=row.tenant_name,
        is_sandbox=row.is_sandbox,
        user_id=row.user_id,
        username=row.username,
        full_name=row.full_name,
        email=row.email,
        roles=tuple(row.roles),
        permissions=permissions_of(row.roles),
        must_change_password=row.must_change_password,
        token_id=row.token_id,
    )


def _as_actor(account: UserAccount, source: str) -> Actor:
    return Actor(tenant_id=account.tenant_id, user_id=account.id, name=account.username, source=source)
