"""The tree of nested instances below one: who started whom, and how each stands."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.reading import fetch
from models.store.views import moment

Json = dict[str, Any]

_TREE = text(
    """
    WITH RECURSIVE tree AS (
        SELECT i.*, 1 AS depth,
               to_char(i.created_at, 'YYYYMMDDHH24MISSUS')
               || lpad(coalesce(i.child_no, 0)::text, 6, '0') || i.id::text AS path
        FROM workflow_instance i WHERE i.tenant_id = :tenant AND i.parent_instance_id = :instance
        UNION ALL
        SELECT i.*, tree.depth + 1,
               tree.path || '/' || to_char(i.created_at, 'YYYYMMDDHH24MISSUS')
               || lpad(coalesce(i.child_no, 0)::text, 6, '0') || i.id::text
        FROM tree JOIN workflow_instance i ON i.tenant_id = :tenant AND i.parent_instance_id = tree.id
        WHERE CAST(:depth AS int) IS NULL OR tree.depth < :depth
    )
    SELECT t.id, t.identifier, t.name, t.status, t.depth, t.path, t.parent_instance_id, t.triggered_by, t.child_no,
           t.created_at, t.completed_at, p.key AS process_key, p.name AS process_name, r.key AS requirement,
           (SELECT count(*) FROM incident x WHERE (x.tenant_id, x.instance_id) = (t.tenant_id, t.id)
            AND x.resolved_at IS NULL) AS open_incidents
    FROM tree t JOIN process p ON (p.tenant_id, p.id) = (t.tenant_id, t.process_id)
    LEFT JOIN step_requirement r ON (r.tenant_id, r.id) = (t.tenant_id, t.triggered_requirement_id)
    WHERE t.path > :after COLLATE "C" AND (:status = '' OR t.status = ANY(string_to_array(:status, ',')))
    ORDER BY t.path COLLATE "C" LIMIT :limit
    """
)


async def list_descendants(
    session: AsyncSession,
    tenant_id: UUID,
    instance_id: UUID,
    *,
    status: str = "",
    depth: int | None = None,
    after: str = "",
    limit: int,
) -> Sequence[RowMapping]:
    """Everything below an instance, each followed by its own children, in the order in which they were made.

    Args:
        session: Tenant-scoped.
        tenant_id: The tenant.
        instance_id: The root, which is not in the list itself.
        status: One or several with commas; empty means any. The tree above a hit is not shown for it.
        depth: Levels, 1 for the children alone; None for all.
        after: `path` of the last row seen.
        limit: Rows.
    """
    keys = {"tenant": tenant_id, "instance": instance_id, "status": status, "depth": depth}
    return await fetch(session, _TREE, **keys, after=after, limit=limit)


def descendant_json(row: RowMapping) -> Json:
    """A nested instance as the API shows it in its tree."""
    return {
        **{name: row[name] for name in ("identifier", "name", "status", "depth", "requirement", "child_no")},
        "id": str(row["id"]),
        "process": {"key": row["process_key"], "name": row["process_name"]},
        "parent_instance": str(row["parent_instance_id"]),
        "triggered_by": None if row["triggered_by"] is None else str(row["triggered_by"]),
        "created_at": moment(row["created_at"]),
        "completed_at": moment(row["completed_at"]),
        "open_incidents": row["open_incidents"],
    }
