"""What all tables share: the tenant key, composite foreign keys, column shorthands, constraint names.

Rows have no methods and no relationships. Every row of a tenant is keyed by `(tenant_id, id)` and refers to
others by both columns, because foreign-key checks bypass row-level security. Nothing cascades: deletes are RESTRICT.

An index must not share two leading columns with a key that foreign-key checks look up: before the first ANALYZE the
planner takes both for equally good, and a thousand inserts compare a million rows (seen). So unique constraints that
hold a parent's id end with `tenant_id`.
"""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Constraint,
    Dialect,
    ForeignKeyConstraint,
    LargeBinary,
    Table,
    Text,
    TypeDecorator,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime


def _last_column(constraint: Constraint, _table: Table) -> str:
    """The telling column of a foreign key; the first one is `tenant_id` nearly everywhere."""
    assert isinstance(constraint, ForeignKeyConstraint)  # noqa: S101 - the convention asks for nothing else
    return constraint.column_keys[-1]


metadata = SQLModel.metadata
metadata.naming_convention = {
    "last_column": _last_column,
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(last_column)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class TenantRow(SQLModel):
    """The key of every row that belongs to a tenant. The caller chooses the id (uuid5 or uuid4)."""

    tenant_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)


def tenant_fk(column: str, target: str, *, deferred: bool = False, name: str | None = None) -> ForeignKeyConstraint:
    """A reference to a row of the same tenant.

    Args:
        column: The referring column; null means no reference.
        target: The table referred to, keyed by `(tenant_id, id)`.
        deferred: Check at commit, and create the constraint after both tables (they refer to each other).
        name: Needed where `deferred`.
    """
    return ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        ondelete="RESTRICT",
        deferrable=True if deferred else None,
        initially="DEFERRED" if deferred else None,
        use_alter=deferred,
        name=name,
    )


def to_tenant() -> ForeignKeyConstraint:
    """A root table's reference to its tenant.

    Only roots have it: a child reaches its tenant through its parent, and a key on every insert would make all
    transactions lock the one tenant row.
    """
    return ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="RESTRICT")


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """The column holds one of these words."""
    listed = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def check(name: str, condition: str) -> CheckConstraint:
    """An invariant of the row, in SQL."""
    return CheckConstraint(condition, name=name)


class Word(TypeDecorator[StrEnum]):
    """A word of a closed list, kept as text and read back as its enum member."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy passes it
        """Refuse unknown words before the database does."""
        return None if value is None else self.words(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        """The member, so that `is` and `match` work on rows."""
        return None if value is None else self.words(value)


def word(words: type[StrEnum], default: StrEnum | None = None, *, optional: bool = False) -> Any:
    """A column that holds one of these words; pair it with `one_of`."""
    if optional:
        return Field(default=None, sa_type=Word(words), nullable=True)
    if default is None:
        return Field(sa_type=Word(words))
    return Field(default=default, sa_type=Word(words), sa_column_kwargs={"server_default": default.value})


def free_text() -> Any:
    """Text that may be empty, never null."""
    return Field(default="", sa_type=Text, sa_column_kwargs={"server_default": text("''")})


def flag(*, default: bool = False) -> Any:
    """A truth with a default."""
    return Field(
        default=default,
        sa_column_kwargs={"server_default": text("true" if default else "false")},
    )


def counter(start: int = 0) -> Any:
    """A 64-bit number that counts up."""
    return Field(default=start, sa_type=BigInteger, sa_column_kwargs={"server_default": text(str(start))})


def json_object() -> Any:
    """A JSON object, `{}` unless given."""
    return Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'::jsonb")})


def json_list() -> Any:
    """A JSON array, `[]` unless given."""
    return Field(default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'::jsonb")})


def optional_json() -> Any:
    """Any JSON; None is SQL NULL."""
    return Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)


def since() -> Any:
    """A moment in UTC, the database's `now()` unless given."""
    return Field(sa_type=UTCDateTime, sa_column_kwargs={"server_default": func.now()})


def chain_head() -> Any:
    """The hash of the last link of the chain that hangs on this row; empty before the first."""
    return Field(default=b"", sa_type=LargeBinary, sa_column_kwargs={"server_default": text("'\\x'::bytea")})


class ChainedRow(TenantRow):
    """A row that is only ever added, sealed by the link `chain_n` of its chain.

    `digest` is the SHA-256 of the row's content, see `models.store.chained`.
    """

    chain_n: int = Field(sa_type=BigInteger)
    digest: bytes
