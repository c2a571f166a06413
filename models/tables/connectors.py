"""Other systems that automatic steps speak to: where they are, and how they are told who we are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary
from sqlalchemy import text as sql
from sqlmodel import Field

from models.enums import ConnectorAuth
from models.tables.base import TenantRow, check, free_text, one_of, since, tenant_fk, to_tenant, word


class Connector(TenantRow, table=True):
    """A system by its key, which steps name; `secret` is encrypted, and empty where `auth` is none.

    `login` is the user of `basic`, the header's name of `header`. Nothing is deleted: `deleted_at` hides it and frees
    its key, and its secret is emptied then.
    """

    __tablename__ = "connector"
    __table_args__ = (
        to_tenant(),
        tenant_fk("created_by", "user_account"),
        Index(
            "uq_connector_key_in_use", "tenant_id", "key", unique=True, postgresql_where=sql("deleted_at IS NULL")
        ),
        one_of("auth", ConnectorAuth),
        check("key", "key <> ''"),
        check("base_url", "base_url <> ''"),
        check("secret", "deleted_at IS NOT NULL OR (auth = 'none') = (secret = ''::bytea)"),
    )  # fmt: skip

    key: str
    name: str
    base_url: str
    auth: ConnectorAuth = word(ConnectorAuth, ConnectorAuth.NONE)
    login: str = free_text()
    secret: bytes = Field(default=b"", sa_type=LargeBinary, sa_column_kwargs={"server_default": sql("'\\x'::bytea")})
    created_at: datetime = since()
    created_by: UUID | None = None
    changed_at: datetime = since()
    deleted_at: datetime | None = None
