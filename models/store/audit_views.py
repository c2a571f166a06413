"""The audit trail as people read it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.reading import fetch
from models.store.views import SUBJECT_AND_STEP, moment, step_json, subject_json

_COLUMNS = """
    a.id, a.at, a.actor_id, a.actor_name, a.on_behalf_of, a.source, a.action, a.object_type, a.object_id,
    a.instance_id, a.execution_id, a.old, a.new, a.reason, a.erased_at, a.chain, a.chain_n
"""
_FIRST = "ORDER BY a.at, a.id"
_LAST = "ORDER BY a.at DESC, a.id DESC"
_OF_INSTANCE = "a.instance_id = :instance"
_OF_OBJECT = "a.object_type = :type AND a.object_id = :object"


def _listing(wanted: str, order: str) -> TextClause:
    """A page of entries, and only then which subject was where in the executions that they name.

    An entry stands on its own: one about an execution that never was names none.
    """
    beyond = "<" if order == _LAST else ">"
    return text(
        f"""
        SELECT a.*, e.subject_id, t.key AS subject_type, u.identifier AS subject_identifier, u.title AS subject_title,
               s.key AS step_key, s.name AS step_name, e.visit_number
        FROM (SELECT {_COLUMNS} FROM audit_entry a WHERE a.tenant_id = :tenant AND {wanted}
                AND (CAST(:after AS timestamptz) IS NULL OR (a.at, a.id) {beyond} (:after, CAST(:after_id AS uuid)))
              {order} LIMIT :limit) a
        LEFT JOIN (step_execution e {SUBJECT_AND_STEP}) ON (e.tenant_id, e.id) = (:tenant, a.execution_id)
        {order}
        """  # noqa: S608 - constants only
    )


_OLDEST_FIRST = _listing(_OF_INSTANCE, _FIRST)
_NEWEST_FIRST = _listing(_OF_INSTANCE, _LAST)
_ABOUT_OBJECT = _listing(_OF_OBJECT, _FIRST)


async def list_object_audit(
    session: AsyncSession,
    tenant_id: UUID,
    object_type: str,
    object_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """What happened to one thing that belongs to no instance, in order of time."""
    at, last = after or (None, None)
    return await fetch(
        session,
        _ABOUT_OBJECT,
        tenant=tenant_id,
        type=object_type,
        object=str(object_id),
        after=at,
        after_id=last,
        limit=limit,
    )


async def list_audit(
    session: AsyncSession,
    tenant_id: UUID,
    instance_id: UUID,
    *,
    newest_first: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """What happened to an instance and its executions, in order of time."""
    at, last = after or (None, None)
    return await fetch(
        session,
        _NEWEST_FIRST if newest_first else _OLDEST_FIRST,
        tenant=tenant_id,
        instance=instance_id,
        after=at,
        after_id=last,
        limit=limit,
    )


def audit_json(row: RowMapping) -> dict[str, Any]:
    """An entry as the API shows it. The engine has no id; `on_behalf_of` did what `actor` only entered.

    What an execution is called is read with the entry and not kept in it.
    """
    return {
        "id": str(row["id"]),
        "at": moment(row["at"]),
        "actor": {"id": None if row["actor_id"] is None else str(row["actor_id"]), "username": row["actor_name"]},
        "on_behalf_of": row["on_behalf_of"],
        "source": row["source"],
        "action": row["action"],
        "object_type": row["object_type"],
        "object_id": row["object_id"],
        "execution": None if row["execution_id"] is None else str(row["execution_id"]),
        "subject": None if row["subject_id"] is None else subject_json(row),
        "step": None if row["step_key"] is None else step_json(row),
        "visit_number": row["visit_number"],
        "old": row["old"],
        "new": row["new"],
        "reason": row["reason"],
        "erased_at": moment(row["erased_at"]),
    }
