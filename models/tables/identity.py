"""Who: tenants, people and service accounts, their roles and tokens.

Users are never deleted and ids never reused (21 CFR 11.100).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Text, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from models.tables.base import (
    TenantRow,
    chain_head,
    check,
    counter,
    flag,
    free_text,
    since,
    tenant_fk,
    to_tenant,
)


class Tenant(SQLModel, table=True):
    """One customer or plant whose data nobody else sees; carries the head of the tenant's hash chain."""

    __tablename__ = "tenant"
    __table_args__ = (check("chain_n", "chain_n >= 0"),)

    id: UUID = Field(primary_key=True)
    key: str = Field(unique=True)
    name: str
    is_sandbox: bool = flag()
    chain_n: int = counter()
    chain_hash: bytes = chain_head()
    created_at: datetime = since()


class UserAccount(TenantRow, table=True):
    """A person, or a service account (`is_service`) that cannot log in with a password."""

    __tablename__ = "user_account"
    __table_args__ = (
        to_tenant(),
        UniqueConstraint("id"),
        Index("uq_user_account_username", sql("lower(username)"), unique=True),
        check("username", "username <> ''"),
        check("failed_logins", "failed_logins >= 0"),
        check("service_has_no_password", "NOT (is_service AND password_hash IS NOT NULL)"),
    )

    username: str
    full_name: str = free_text()
    email: str = free_text()
    password_hash: str | None = None
    is_active: bool = flag(default=True)
    is_service: bool = flag()
    must_change_password: bool = flag()
    created_at: datetime = since()
    password_changed_at: datetime | None = None
    last_login_at: datetime | None = None
    failed_logins: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    locked_until: datetime | None = None


class UserRole(SQLModel, table=True):
    """A role that a user holds; what a role may do is in `models.permissions`."""

    __tablename__ = "user_role"
    __table_args__ = (tenant_fk("user_id", "user_account"), tenant_fk("granted_by", "user_account"))

    tenant_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    role: str = Field(primary_key=True)
    granted_by: UUID | None = None
    granted_at: datetime = since()


class AuthToken(TenantRow, table=True):
    """A session or bearer token; only the SHA-256 of the secret is kept."""

    __tablename__ = "auth_token"
    __table_args__ = (
        tenant_fk("user_id", "user_account"),
        UniqueConstraint("token_hash"),
        Index("ix_auth_token_live", "tenant_id", "user_id", postgresql_where=sql("revoked_at IS NULL")),
        check("expires_later", "expires_at > created_at"),
    )

    user_id: UUID
    kind: str = Field(default="bearer", sa_type=Text, sa_column_kwargs={"server_default": "bearer"})
    token_hash: bytes
    created_at: datetime = since()
    expires_at: datetime
    last_seen_at: datetime | None = Field(default=None, sa_column_kwargs={"server_default": func.now()})
    revoked_at: datetime | None = None
    source: str = free_text()
