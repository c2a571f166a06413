"""The audit trail as people read it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.reading import fetch
from models.store.views import moment

_COLUMNS = """
    a.id, a.at, a.actor_id, a.actor_name, a.on_behalf_of, a.source, a.action, a.object_type, a.object_id,
    a.instance_id, a.execution_id, a.old, a.new, a.reason, a.erased_at, a.chain, a.chain_n
"""
_OLDEST_FIRST = f"""
    SELECT {_COLUMNS} FROM audit_entry a WHERE a.tenant_id = :tenant AND a.instance_id = :instance
      AND (CAST(:after AS timestamptz) IS NULL OR (a.at, a.id) > (:after, CAST(:after_id AS uuid)))
    ORDER BY a.at, a.id LIMIT :limit
"""  # noqa: S608 - constants only
_NEWEST_FIRST = f"""
    SELECT {_COLUMNS} FROM audit_entry a WHERE a.tenant_id = :tenant AND a.instance_id = :instance
      AND (CAST(:after AS timestamptz) IS NULL OR (a.at, a.id) < (:after, CAST(:after_id AS uuid)))
    ORDER BY a.at DESC, a.id DESC LIMIT :limit
"""  # noqa: S608 - constants only


_OF_OBJECT = f"""
    SELECT {_COLUMNS} FROM audit_entry a
    WHERE a.tenant_id = :tenant AND a.object_type = :type AND a.object_id = :object
      AND (CAST(:after AS timestamptz) IS NULL OR (a.at, a.id) > (:after, CAST(:after_id AS uuid)))
    ORDER BY a.at, a.id LIMIT :limit
"""  # noqa: S608 - constants only


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
        text(_OF_OBJECT),
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
        text(_NEWEST_FIRST if newest_first else _OLDEST_FIRST),
        tenant=tenant_id,
        instance=instance_id,
        after=at,
        after_id=last,
        limit=limit,
    )


def audit_json(row: RowMapping) -> dict[str, Any]:
    """An entry as the API shows it. The engine has no id; `on_behalf_of` did what `actor` only entered."""
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
        "old": row["old"],
        "new": row["new"],
        "reason": row["reason"],
        "erased_at": moment(row["erased_at"]),
    }
