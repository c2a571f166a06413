"""Many rows in one statement: they travel as one JSON text and are unpacked by PostgreSQL, typed by the table itself.

2,000 rows cost one round trip and no parsing per row in Python. COPY would be faster still, but PostgreSQL refuses it
under row-level security.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from models.wire import Statement

Row = Mapping[str, Any]

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]


async def insert_rows(session: AsyncSession, table: type[SQLModel], rows: Sequence[Row]) -> None:
    """Insert rows that all name the same columns; columns not named get the database's default."""
    if rows:
        await _run(session, insertion(table, rows))


def insertion(table: type[SQLModel], rows: Sequence[Row]) -> Statement:
    """The statement of `insert_rows`; at least one row."""
    common, varying = _split(rows)
    several = len(rows) > 1
    return _statement(_insert(str(table.__tablename__), tuple(common), tuple(varying), several), rows, common, varying)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Rows that differ in a few columns only.

    Attributes:
        common: what all of them have.
        varying: column → its value in each row: bytes, or text that the column's type reads, of letters, digits and
            hyphens only.
    """

    common: Row
    varying: Mapping[str, Sequence[str] | Sequence[bytes]]


async def insert_alike(session: AsyncSession, table: type[SQLModel], alike: Alike) -> None:
    """Insert rows that PostgreSQL unfolds: what they share travels once, the rest as arrays."""
    await _run(session, unfolding(table, alike))


def unfolding(table: type[SQLModel], alike: Alike) -> Statement:
    """The statement of `insert_alike`."""
    arrays = {f"of_{name}": f"{{{','.join(map(_element, values))}}}" for name, values in alike.varying.items()}
    clause = _unfold(table, tuple(alike.common), tuple(alike.varying))
    return Statement(clause, {"common": _json(alike.common), **arrays})


async def update_rows(
    session: AsyncSession, table: type[SQLModel], rows: Sequence[Row], *, key: tuple[str, ...] = ("tenant_id", "id")
) -> int:
    """Set the named columns of the rows found by `key`; all rows name the same columns.

    Returns:
        How many rows were found.
    """
    return await _run(session, change(table, rows, key=key)) if rows else 0


def change(table: type[SQLModel], rows: Sequence[Row], *, key: tuple[str, ...] = ("tenant_id", "id")) -> Statement:
    """The statement of `update_rows`; at least one row."""
    if len(rows) == 1:
        (row,) = rows
        values = {name: value for name, value in row.items() if name not in key}
        return Statement(
            _update_one(table, tuple(values), key), {"common": _json(values)} | {one: row[one] for one in key}
        )
    common, varying = _split(rows)
    clause = _update(str(table.__tablename__), tuple(common), tuple(varying), key)
    return _statement(clause, rows, common, varying)


def _split(rows: Sequence[Row]) -> tuple[Row, list[str]]:
    """The columns that are the same in all rows, with their values, and the names of the others.

    What happens to a cohort is mostly the same for each of it; sent once, it costs a quarter.
    """
    first = rows[0]
    varying = [name for name in first if not all(_is_same(row[name], first[name]) for row in rows)]
    return {name: value for name, value in first.items() if name not in varying}, varying


def _is_same(one: Any, other: Any) -> bool:
    """Whether both are stored alike. Python's `==` says so of 1 and True, also deep inside, so it is asked last."""
    return one is other or (type(one) is type(other) and not isinstance(one, dict | list | tuple) and one == other)


def _statement(clause: TextClause, rows: Sequence[Row], common: Row, varying: Sequence[str]) -> Statement:
    values = {"common": _json(common)}
    if varying or len(rows) > 1:
        values["rows"] = _json([{name: row[name] for name in varying} for row in rows])
    return Statement(clause, values)


async def _run(session: AsyncSession, statement: Statement) -> int:
    connection = await session.connection()
    return (await connection.execute(statement.clause, statement.parameters)).rowcount


def _json(value: Any) -> str:
    return _ENCODER.encode(value)


@lru_cache(maxsize=256)
def _insert(table: str, common: tuple[str, ...], varying: tuple[str, ...], several: bool) -> TextClause:
    names = [*common, *varying]
    values = [*(f'same."{name}"' for name in common), *(f'given."{name}"' for name in varying)]
    return text(
        f"INSERT INTO {table} ({_quoted(names)}) SELECT {', '.join(values)} "  # noqa: S608 - names from the code
        f"FROM {_source(table, several)}"
    )


def _element(value: str | bytes) -> str:
    """As it stands in the text of an array, which takes a backslash away."""
    return f"\\\\x{value.hex()}" if isinstance(value, bytes) else value


@lru_cache(maxsize=256)
def _unfold(table: type[SQLModel], common: tuple[str, ...], varying: tuple[str, ...]) -> TextClause:
    name, columns = str(table.__tablename__), table.metadata.tables[str(table.__tablename__)].c
    types = [columns[one].type.compile(_DIALECT) for one in varying]
    arrays = ", ".join(f"CAST(:of_{one} AS {kind}[])" for one, kind in zip(varying, types, strict=True))
    values = [*(f'same."{one}"' for one in common), *(f'given."{one}"' for one in varying)]
    return text(
        f"INSERT INTO {name} ({_quoted([*common, *varying])}) SELECT {', '.join(values)} "  # noqa: S608 - as above
        f"FROM json_populate_record(NULL::{name}, CAST(:common AS json)) AS same, "
        f"unnest({arrays}) AS given ({_quoted(varying)})"
    )


@lru_cache(maxsize=256)
def _update(table: str, common: tuple[str, ...], varying: tuple[str, ...], key: tuple[str, ...]) -> TextClause:
    source = {name: f'same."{name}"' for name in common} | {name: f'given."{name}"' for name in varying}
    changes = ", ".join(f'"{name}" = {value}' for name, value in source.items() if name not in key)
    found = " AND ".join(f'{table}."{name}" = {source[name]}' for name in key)
    return text(
        f"UPDATE {table} SET {changes} FROM {_source(table, several=True)} WHERE {found}"  # noqa: S608 - as above
    )


@lru_cache(maxsize=256)
def _update_one(table: type[SQLModel], names: tuple[str, ...], key: tuple[str, ...]) -> TextClause:
    """By its key: compared with JSON, all rows of a table that nobody has analysed yet were gone through (seen)."""
    name, columns = str(table.__tablename__), table.metadata.tables[str(table.__tablename__)].c
    changes = ", ".join(f'"{one}" = same."{one}"' for one in names)
    found = " AND ".join(f'{name}."{one}" = CAST(:{one} AS {columns[one].type.compile(_DIALECT)})' for one in key)
    return text(
        f"UPDATE {name} SET {changes} FROM {_source(name, several=False)} WHERE {found}"  # noqa: S608 - as above
    )


def _source(table: str, several: bool) -> str:
    """`same` is one row, `given` are all; both typed by the table, absent columns null.

    Of a single row there is only `same`: the planner takes any set of JSON for a hundred rows, and would rather read a
    table of some thousand from end to end than look for so many.
    """
    same = f"json_populate_record(NULL::{table}, CAST(:common AS json)) AS same"
    return f"{same}, json_populate_recordset(NULL::{table}, CAST(:rows AS json)) AS given" if several else same


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _encoded(value: Any) -> Any:
    """What JSON does not know, as PostgreSQL reads it."""
    match value:
        case UUID() | Decimal():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return f"\\x{value.hex()}"
        case timedelta():
            return f"{value // timedelta(microseconds=1)} microseconds"
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"{type(value).__name__} cannot be sent to the database.")


_ENCODER: Final = json.JSONEncoder(default=_encoded, ensure_ascii=False)
