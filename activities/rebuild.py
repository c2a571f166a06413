"""Rows rebuilt from the journal alone, in scratch tables that end with their transaction.

The very statements that record runs (`activities.projection`) run again, on temporary tables of the same names. So
whatever a new event does to the rows is rebuilt, compared (`activities.agreement`), repaired (`activities.repair`) and
shown as of a moment in the past without another fold. The tables named in `FOLDED` are all that a projection may write:
it runs read-only, so that one which writes elsewhere fails here instead of writing twice.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.contract import Cohort
from activities.journal import cohort_of
from activities.projection import Place, project
from models.flow import events as ev
from models.store.incidents import UNJOURNALED

PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A table whose rows are the fold of the journal.

    Attributes:
        key: its primary key within the tenant.
        scope: the column that names the instance.
        apart: columns that are no fold of the journal: chain heads, and revisions of evidence, which is its own record.
        condition: which of its rows the journal tells of.
    """

    key: tuple[str, ...]
    scope: str
    apart: tuple[str, ...] = ()
    condition: str = "true"


FOLDED: Final[Mapping[str, Folded]] = {
    "workflow_instance": Folded(key=("id",), scope="id", apart=("chain_n", "chain_hash")),
    "workflow_subject": Folded(key=("instance_id", "subject_no"), scope="instance_id"),
    "step_execution": Folded(
        key=("id",), scope="workflow_instance_id", apart=("evidence_rev", "ready_rev", "chain_n", "chain_hash")
    ),
    # What stopped nothing is no fact of the instance's course; nor is that Temporal lost a run, whose recovery is told.
    "incident": Folded(key=("id",), scope="instance_id", condition=f"code <> ALL('{{{','.join(UNJOURNALED)}}}')"),
}

_EXISTS = text("SELECT to_regclass('pg_temp.step_execution') IS NOT NULL")
_HERE = text("SET LOCAL search_path = pg_temp, public")
_BACK = text("SET LOCAL search_path = public, pg_temp")
_READ_ONLY = text("SET TRANSACTION READ ONLY")

_SEED = text(
    """
    INSERT INTO pg_temp.workflow_instance
          (tenant_id, id, process_id, identifier, name, due_date, triggered_by, triggered_requirement_id, child_no,
           parent_instance_id, owner_id, context, created_at, created_by)
    SELECT tenant_id, id, process_id, identifier, name, due_date, triggered_by, triggered_requirement_id, child_no,
           parent_instance_id, owner_id, context, created_at, created_by
    FROM public.workflow_instance WHERE tenant_id = :tenant AND id = :instance
    RETURNING process_id
    """
)
"""What is there before the first event; that says again what the instance began as, and overwrites it."""
_SEED_SUBJECTS = text(
    """
    INSERT INTO pg_temp.workflow_subject (tenant_id, instance_id, subject_no, subject_id)
    SELECT tenant_id, instance_id, subject_no, subject_id FROM public.workflow_subject
    WHERE tenant_id = :tenant AND instance_id = :instance AND subject_no < :subjects
    """
)
_NEVER_CHANGED: Final = (
    "identifier", "triggered_by", "triggered_requirement_id", "child_no", "parent_instance_id", "created_at",
    "created_by",
)  # fmt: skip
"""What an instance is and whence it came."""
_PAIRS: Final = ", ".join(f"'{column}', {column}" for column in _NEVER_CHANGED)
IDENTITY: Final = f"jsonb_build_object({_PAIRS})"
"""SQL over `workflow_instance`, for the first event of its journal."""
SUBJECTS_DIGEST: Final = (
    "(SELECT encode(sha256(convert_to(string_agg(CAST(subject_id AS text), ',' ORDER BY subject_no), 'UTF8')), 'hex')"
    " FROM workflow_subject WHERE tenant_id = :tenant AND instance_id = :instance)"
)
"""SQL, while nobody has joined: which subjects the instance begins with, and in which order."""
_SUBJECTS = text(f"SELECT {SUBJECTS_DIGEST}")
_RESTORED: Final = ", ".join(f"{column} = was.{column}" for column in _NEVER_CHANGED)
_IDENTIFY = text(
    f"""
    UPDATE pg_temp.workflow_instance AS i SET {_RESTORED}
    FROM jsonb_populate_record(CAST(NULL AS public.workflow_instance), :identity) AS was
    WHERE i.tenant_id = :tenant AND i.id = :instance
    """  # noqa: S608 - names from the code
).bindparams(bindparam("identity", type_=JSONB))
_ORIGIN = text(
    """
    UPDATE pg_temp.workflow_instance
    SET process_id = :process, name = :name, owner_id = :owner, due_date = :due_date, context = :context
    WHERE tenant_id = :tenant AND id = :instance
    """
).bindparams(bindparam("context", type_=JSONB))
_POSITION = text(
    "UPDATE pg_temp.workflow_instance SET seq = :seq, record_no = :record_no"
    " WHERE tenant_id = :tenant AND id = :instance"
)
_READ = text(
    """
    SELECT seq, record_no, at, kind, subjects, data, command_id FROM journal
    WHERE tenant_id = :tenant AND instance_id = :instance AND seq > :after AND (NOT :brief OR kind LIKE 'instance%')
    ORDER BY seq LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """How far a journal was told: its last position and record that count, and when it began (None: not yet)."""

    seq: int = 0
    record_no: int = 0
    began_at: datetime | None = None


class UntellableError(RuntimeError):
    """The journal cannot be told: what it refers to is gone."""


async def open_scratch(connection: AsyncConnection) -> None:
    """Make the scratch tables of this transaction, empty. Unqualified names go on to mean the true tables."""
    if (await connection.execute(_EXISTS)).scalar():
        for name in FOLDED:
            await connection.execute(text(f"DELETE FROM pg_temp.{name}"))  # noqa: S608 - names from the code
        return
    for name, table in FOLDED.items():
        key = ", ".join(("tenant_id", *table.key))
        await connection.execute(
            text(
                f"CREATE TEMPORARY TABLE {name}"
                f" (LIKE public.{name} INCLUDING DEFAULTS, PRIMARY KEY ({key})) ON COMMIT DROP"
            )
        )
    await connection.execute(_BACK)


@asynccontextmanager
async def in_scratch(connection: AsyncConnection) -> AsyncIterator[None]:
    """Within the block the names of `FOLDED` mean the scratch tables."""
    await connection.execute(_HERE)
    try:
        yield
    except BaseException:
        with suppress(DBAPIError):  # a failed transaction ends anyway, and with it this setting
            await connection.execute(_BACK)
        raise
    await connection.execute(_BACK)


async def rebuild(
    connection: AsyncConnection, tenant: UUID, instance: UUID, *, until: datetime | None = None, brief: bool = False
) -> Rebuilt:
    """Put the rows of an instance into the scratch tables as its journal tells them.

    Args:
        connection: In a transaction that entered the tenant and has called `open_scratch`.
        tenant: The tenant.
        instance: An instance of which the scratch tables hold nothing yet.
        until: Leave out the first event after this moment, and all that follow it.
        brief: Only what happened to the instance as a whole, for one that is shown beside another.

    Raises:
        LookupError: no such instance in this tenant.
        UntellableError: its subjects are not all there.
    """
    keys = {"tenant": tenant, "instance": instance}
    process = (await connection.execute(_SEED, keys)).scalar_one_or_none()
    if process is None:
        raise LookupError(f"no instance {instance}")
    place = Place(tenant, instance, process)
    told = Rebuilt()
    async with in_scratch(connection), connection.begin_nested():
        await connection.execute(_READ_ONLY)
        async for row in _journal(connection, keys, until, brief):
            cohort = cohort_of(row)
            if isinstance(cohort.event, ev.InstanceStarted):
                place = await _begin(connection, place, cohort.event)
                told = replace(told, began_at=row["at"])
            await project(connection, place, cohort)
            if isinstance(cohort.event, ev.InstanceMigrated):
                place = replace(place, process=UUID(cohort.event.process_id))
            told = replace(told, seq=row["seq"], record_no=row["record_no"])
        await connection.execute(_POSITION, {**keys, "seq": told.seq, "record_no": told.record_no})
        if told.began_at is None:
            await connection.execute(_SEED_SUBJECTS, {**keys, "subjects": 2**31 - 1})
    return told


async def _journal(
    connection: AsyncConnection, keys: Mapping[str, UUID], until: datetime | None, brief: bool
) -> AsyncIterator[dict[str, Any]]:
    after = 0
    while True:
        parameters = {**keys, "after": after, "limit": PAGE, "brief": brief}
        rows = (await connection.execute(_READ, parameters)).mappings().all()
        for row in rows:
            if until is not None and row["at"] > until:
                return
            yield dict(row)
        if len(rows) < PAGE:
            return
        after = rows[-1]["seq"]


async def _begin(connection: AsyncConnection, place: Place, event: ev.InstanceStarted) -> Place:
    """Subjects and particulars as they were at the start."""
    keys = {"tenant": place.tenant, "instance": place.instance}
    seeded = await connection.execute(_SEED_SUBJECTS, {**keys, "subjects": event.subjects})
    if seeded.rowcount != event.subjects:
        raise UntellableError(f"it began with {event.subjects} subjects, and {seeded.rowcount} are there")
    origin = event.origin
    if not origin:
        return place
    if "identity" in origin:
        await connection.execute(_IDENTIFY, {**keys, "identity": origin["identity"]})
        if (await connection.execute(_SUBJECTS, keys)).scalar() != origin["subjects"]:
            raise UntellableError("its subjects are not those that it began with")
    process = UUID(origin["process"])
    particulars = {
        "process": process,
        "name": origin["name"],
        "owner": None if origin["owner"] is None else UUID(origin["owner"]),
        "due_date": None if origin["due_date"] is None else date.fromisoformat(origin["due_date"]),
        "context": origin["context"],
    }
    await connection.execute(_ORIGIN, {**keys, **particulars})
    return replace(place, process=process)


def origin_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The `origin` of an instance that starts, from its row: what amendments may change later, and what nothing may."""
    return {
        "identity": row["identity"],
        "subjects": row["subjects"],
        "process": str(row["process_id"]),
        "name": row["name"],
        "owner": None if row["owner_id"] is None else str(row["owner_id"]),
        "due_date": None if row["due_date"] is None else row["due_date"].isoformat(),
        "context": row["context"],
    }


def with_origin(cohort: Cohort, origin: Mapping[str, Any]) -> Cohort:
    """The cohort of an `InstanceStarted`, with the particulars of the instance."""
    if not isinstance(cohort.event, ev.InstanceStarted):
        return cohort
    return replace(cohort, event=replace(cohort.event, origin=origin))


def compared(name: str, table: Folded) -> TextClause:
    """Rows of a table that differ from their rebuilt twins: `key`, and both as JSON; at most `limit`."""
    apart = ", ".join(f"'{column}'" for column in table.apart)

    def side(schema: str) -> str:
        key = ", ".join(f"x.{column}" for column in table.key)
        return (
            f"(SELECT concat_ws('/', {key}) AS key, to_jsonb(x) - ARRAY[{apart}]::text[] AS row FROM {schema}.{name} x"  # noqa: S608
            f" WHERE x.tenant_id = :tenant AND x.{table.scope} = :instance AND {table.condition})"
        )

    return text(
        f"SELECT key, r.row AS rows, t.row AS journal FROM {side('public')} r FULL JOIN {side('pg_temp')} t USING (key)"  # noqa: S608
        " WHERE r.row IS DISTINCT FROM t.row ORDER BY key LIMIT :limit"
    )
