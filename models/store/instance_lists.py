"""Instances in lists and in full, and the executions of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.errors import NotFoundError
from models.store.reading import fetch
from models.store.references import as_uuid
from models.store.views import (
    EXECUTION_COLUMNS,
    EXECUTION_JOINS,
    INSTANCE_COLUMNS,
    INSTANCE_JOINS,
    instance_view,
    moment,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFilter:
    """What a list of instances is narrowed down to; empty means any. `process` and `owner` take an id or a name."""

    status: str = ""
    category: str = ""
    process: str = ""
    owner: str = ""
    overdue: bool | None = None
    search: str = ""


_LIST = f"""
    SELECT {INSTANCE_COLUMNS} FROM workflow_instance i {INSTANCE_JOINS}
    WHERE i.tenant_id = :tenant
      AND (:status = '' OR i.status = ANY(string_to_array(:status, ',')))
      AND (:category = '' OR p.category = :category)
      AND (:process = '' OR p.key = :process OR p.id = CAST(:process_id AS uuid))
      AND (:owner = '' OR lower(o.username) = lower(:owner) OR i.owner_id = CAST(:owner_id AS uuid))
      AND (:search = '' OR i.identifier ILIKE :like OR i.name ILIKE :like OR EXISTS (
          SELECT FROM workflow_subject w JOIN subject u ON (u.tenant_id, u.id) = (w.tenant_id, w.subject_id)
          WHERE (w.tenant_id, w.instance_id) = (i.tenant_id, i.id) AND u.identifier ILIKE :like))
      AND (CAST(:overdue AS boolean) IS NULL OR :overdue = (
          (i.completed_at IS NULL AND coalesce(i.due_date < current_date, false)) OR EXISTS (
          SELECT FROM step_execution e WHERE (e.tenant_id, e.workflow_instance_id) = (i.tenant_id, i.id)
            AND e.exited_at IS NULL AND e.overdue)))
      AND (CAST(:after AS timestamptz) IS NULL OR (i.created_at, i.id) < (:after, CAST(:after_id AS uuid)))
    ORDER BY i.created_at DESC, i.id DESC
    LIMIT :limit
"""  # noqa: S608 - constants only

_EXECUTIONS = f"""
    SELECT {EXECUTION_COLUMNS} FROM step_execution e {EXECUTION_JOINS}
    WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance
      AND (:status = '' OR e.status = ANY(string_to_array(:status, ',')))
      AND (:step = '' OR e.step_key = :step)
      AND (CAST(:after AS timestamptz) IS NULL OR (e.entered_at, e.id) > (:after, CAST(:after_id AS uuid)))
    ORDER BY e.entered_at, e.id
    LIMIT :limit
"""  # noqa: S608 - constants only

_COUNTS = """
    SELECT s.key, s.name, e.status, count(*) AS n
    FROM step_execution e
    JOIN step s ON (s.tenant_id, s.id) = (e.tenant_id, e.step_id)
    JOIN process_step ps ON (ps.tenant_id, ps.step_id) = (s.tenant_id, s.id)
    WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance
    GROUP BY s.key, s.name, ps.order, e.status
    ORDER BY ps.order, e.status
"""
_CHILDREN = """
    SELECT i.id, i.identifier, i.name, i.status, i.triggered_by, p.key AS process_key, p.name AS process_name
    FROM workflow_instance i JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    WHERE i.tenant_id = :tenant AND i.parent_instance_id = :instance
    ORDER BY i.created_at, i.id LIMIT 200
"""
_PARENT = "SELECT id, identifier, name, status FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance"
_FINISHED = """
    SELECT terminal_status, count(*) AS n FROM workflow_subject
    WHERE tenant_id = :tenant AND instance_id = :instance AND terminal_status IS NOT NULL
    GROUP BY terminal_status ORDER BY terminal_status
"""
_INCIDENTS = """
    SELECT x.id, x.instance_id, i.identifier, x.execution_id, x.code, x.message, x.params, x.opened_at, x.resolved_at,
           x.resolution
    FROM incident x JOIN workflow_instance i ON (i.tenant_id, i.id) = (x.tenant_id, x.instance_id)
    WHERE x.tenant_id = :tenant
      AND (CAST(:instance AS uuid) IS NULL OR x.instance_id = :instance)
      AND (CAST(:is_open AS boolean) IS NULL OR :is_open = (x.resolved_at IS NULL))
      AND (:code = '' OR x.code = :code)
      AND (CAST(:after AS timestamptz) IS NULL OR (x.opened_at, x.id) < (:after, CAST(:after_id AS uuid)))
    ORDER BY x.opened_at DESC, x.id DESC LIMIT :limit
"""

After = tuple[datetime, UUID] | None


async def list_instances(
    session: AsyncSession, tenant_id: UUID, narrowed: InstanceFilter, *, after: After, limit: int
) -> Sequence[RowMapping]:
    """Instances, newest first, as rows of `INSTANCE_COLUMNS`."""
    return await fetch(
        session,
        text(_LIST),
        tenant=tenant_id,
        status=narrowed.status,
        category=narrowed.category,
        process=narrowed.process,
        process_id=as_uuid(narrowed.process),
        owner=narrowed.owner,
        owner_id=as_uuid(narrowed.owner),
        overdue=narrowed.overdue,
        search=narrowed.search,
        like=like(narrowed.search),
        limit=limit,
        **_keyset(after),
    )


async def list_executions(
    session: AsyncSession, tenant_id: UUID, instance_id: UUID, *, status: str, step: str, after: After, limit: int
) -> Sequence[RowMapping]:
    """The executions of an instance in the order in which they were entered, as rows of `EXECUTION_COLUMNS`."""
    return await fetch(
        session,
        text(_EXECUTIONS),
        tenant=tenant_id,
        instance=instance_id,
        status=status,
        step=step,
        limit=limit,
        **_keyset(after),
    )


async def list_incidents(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    instance: UUID | None = None,
    is_open: bool | None = None,
    code: str = "",
    after: After,
    limit: int,
) -> Sequence[RowMapping]:
    """Incidents, newest first."""
    return await fetch(
        session,
        text(_INCIDENTS),
        tenant=tenant_id,
        instance=instance,
        is_open=is_open,
        code=code,
        limit=limit,
        **_keyset(after),
    )


async def instance_detail(session: AsyncSession, tenant_id: UUID, instance_id: UUID) -> Json:
    """One instance with counts per step, open incidents, children and parent.

    Raises:
        NotFoundError: not_found.
    """
    shown = await instance_view(session, tenant_id, instance_id)
    if shown is None:
        raise NotFoundError(what="workflow", id=str(instance_id))
    keys = {"tenant": tenant_id, "instance": instance_id}
    steps = _per_step(await fetch(session, text(_COUNTS), **keys))
    finished = {row["terminal_status"]: row["n"] for row in await fetch(session, text(_FINISHED), **keys)}
    children = await fetch(session, text(_CHILDREN), **keys)
    incidents = await list_incidents(session, tenant_id, instance=instance_id, is_open=True, after=None, limit=100)
    return {
        **shown,
        "steps": steps,
        "current_steps": [
            {"key": one["key"], "name": one["name"], "open": one["open"]} for one in steps if one["open"]
        ],
        "subjects_finished": finished,
        "incidents": [incident_json(row) for row in incidents],
        "parent": await _parent(session, tenant_id, shown["parent_instance"]),
        "children": [_child_json(row) for row in children],
    }


async def require_instance(session: AsyncSession, tenant_id: UUID, instance_id: UUID) -> RowMapping:
    """The row `id, identifier, name, status` of an instance.

    Raises:
        NotFoundError: not_found.
    """
    found = await fetch(session, text(_PARENT), tenant=tenant_id, instance=instance_id)
    if not found:
        raise NotFoundError(what="workflow", id=str(instance_id))
    return found[0]


def incident_json(row: RowMapping) -> Json:
    """An incident as the API shows it."""
    return {
        "id": str(row["id"]),
        "workflow": {"id": str(row["instance_id"]), "identifier": row["identifier"]},
        "execution": None if row["execution_id"] is None else str(row["execution_id"]),
        "code": row["code"],
        "message": row["message"],
        "params": row["params"],
        "opened_at": moment(row["opened_at"]),
        "resolved_at": moment(row["resolved_at"]),
        "resolution": row["resolution"],
    }


def like(search: str) -> str:
    """A pattern that finds the text anywhere, its own wildcards taken literally."""
    escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _keyset(after: After) -> Json:
    at, last = after or (None, None)
    return {"after": at, "after_id": last}


def _per_step(rows: Sequence[RowMapping]) -> list[Json]:
    steps: dict[str, Json] = {}
    closed = {"completed", "skipped", "cancelled", "rolled_back"}
    for row in rows:
        step = steps.setdefault(row["key"], {"key": row["key"], "name": row["name"], "open": 0, "counts": {}})
        step["counts"][row["status"]] = row["n"]
        step["open"] += 0 if row["status"] in closed else row["n"]
    return list(steps.values())


async def _parent(session: AsyncSession, tenant_id: UUID, parent: str | None) -> Json | None:
    if parent is None:
        return None
    row = await require_instance(session, tenant_id, UUID(parent))
    return {"id": str(row["id"]), "identifier": row["identifier"], "name": row["name"], "status": row["status"]}


def _child_json(row: RowMapping) -> Json:
    return {
        "id": str(row["id"]),
        "identifier": row["identifier"],
        "name": row["name"],
        "status": row["status"],
        "triggered_by": None if row["triggered_by"] is None else str(row["triggered_by"]),
        "process": {"key": row["process_key"], "name": row["process_name"]},
    }
