"""Rows put right again from the journal: an act of the engine, audited, under the instance's lock. Never the other way.

A journal whose chain is broken proves nothing, so nothing is repaired from it: that is for people and backups.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.agreement import UNTELLABLE, Difference, differences
from activities.rebuild import FOLDED, Folded
from models.enums import Chain
from models.store.audit import AuditDraft, engine_actor, write_audit
from models.store.chain import lock_chain
from models.store.verify import verify_chain

ACTION = "rows_repaired"
REASON = "rows differed from the journal"


class RepairRefusedError(RuntimeError):
    """The rows cannot be put right; the message says why. Nothing was changed."""


async def repair(session: AsyncSession, tenant: UUID, instance: UUID) -> list[Difference]:
    """Make the rows of an instance the fold of its journal again, and prove that they are.

    Args:
        session: A transaction of the tenant by the schema's owner: a row that the journal does not know is deleted,
            which the application may not do.
        tenant: The tenant.
        instance: Which instance.

    Returns:
        What differed, and does no more; empty where all was well.

    Raises:
        RepairRefusedError: the chain is broken, the journal cannot be told, evidence hangs on a row that must go, or
            rows and engine differ by more than changed rows.
    """
    head = await lock_chain(session, tenant, Chain.INSTANCE, instance)
    connection = await session.connection()
    found = await differences(connection, tenant, instance)
    if not found:
        return []
    if broken := await verify_chain(session, tenant, Chain.INSTANCE, instance):
        raise RepairRefusedError(f"the hash chain is broken at link {broken[0].n} ({broken[0].what})")
    if found[0].what == UNTELLABLE:
        raise RepairRefusedError(f"{UNTELLABLE}: {found[0].journal}")
    try:
        for statement in _statements():
            await connection.execute(statement, {"tenant": tenant, "instance": instance})
    except IntegrityError as error:
        raise RepairRefusedError(f"other rows stand in the way: {error.orig}".splitlines()[0]) from error
    if left := await differences(connection, tenant, instance):
        raise RepairRefusedError(f"{left[0].what} differs still")
    draft = AuditDraft(
        action=ACTION,
        object_type="instance",
        object_id=instance,
        old={one.what: one.rows for one in found},
        new={one.what: one.journal for one in found},
        reason=REASON,
        instance_id=instance,
    )
    await write_audit(session, engine_actor(tenant), [draft], head=head)
    return found


def _statements() -> Iterator[TextClause]:
    """What goes, what changes, what comes, in the order in which rows refer to each other."""
    for name in reversed(tuple(FOLDED)):
        yield _delete(name, FOLDED[name])
    for name, table in FOLDED.items():
        if name == "step_execution":
            # A subject has one open execution; who is over by the journal makes room first.
            yield _update(name, table, "t.exited_at IS NOT NULL")
        yield _update(name, table, "true")
    for name, table in FOLDED.items():
        yield _insert(name, table)


def _columns(name: str, table: Folded) -> list[str]:
    return [column.name for column in SQLModel.metadata.tables[name].columns if column.name not in table.apart]


def _same(table: Folded) -> str:
    return " AND ".join(f"x.{column} = t.{column}" for column in ("tenant_id", *table.key))


def _here(row: str, table: Folded) -> str:
    return f"{row}.tenant_id = :tenant AND {row}.{table.scope} = :instance AND {table.condition}"


def _delete(name: str, table: Folded) -> TextClause:
    return text(
        f"DELETE FROM public.{name} x WHERE {_here('x', table)}"  # noqa: S608 - names from the code, here and below
        f" AND NOT EXISTS (SELECT FROM pg_temp.{name} t WHERE {_same(table)})"
    )


def _update(name: str, table: Folded, condition: str) -> TextClause:
    columns = [column for column in _columns(name, table) if column not in {"tenant_id", *table.key}]
    mine, told = (", ".join(f"{row}.{column}" for column in columns) for row in ("x", "t"))
    return text(
        f"UPDATE public.{name} x SET ({', '.join(columns)}) = ROW({told}) FROM pg_temp.{name} t"  # noqa: S608
        f" WHERE {_same(table)} AND x.tenant_id = :tenant AND x.{table.scope} = :instance AND {condition}"
        f" AND ROW({mine}) IS DISTINCT FROM ROW({told})"
    )


def _insert(name: str, table: Folded) -> TextClause:
    columns = ", ".join(_columns(name, table))
    told = ", ".join(f"t.{column}" for column in _columns(name, table))
    return text(
        f"INSERT INTO public.{name} ({columns}) SELECT {told} FROM pg_temp.{name} t WHERE {_here('t', table)}"  # noqa: S608
        f" AND NOT EXISTS (SELECT FROM public.{name} x WHERE {_same(table)})"
    )
