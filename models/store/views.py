"""How executions and instances look to people: the JSON of the HTTP contract, read in one query each.

Belongs here: read-only projections that the API answers with and that record stores as a command's answer.
Not here: filters and paging (`models.store.instances`), the inbox of a person (`models.store.inbox`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.wire import Statement

Json = dict[str, Any]

EXECUTION_COLUMNS = """
    e.id, e.workflow_instance_id, s.key AS step_key, s.name AS step_name,
    t.key AS subject_type, e.subject_id, u.identifier AS subject_identifier, u.title AS subject_title,
    e.visit_number, e.status, e.assigned_to, a.username AS assignee_name,
    e.entered_at, e.started_at, e.exited_at, e.due_at, e.decision_result, e.branch, e.lot, e.priority,
    n.key AS next_key, n.name AS next_name, e.overdue, e.notes, e.wake_at, e.awaited_event, e.awaited_key,
    c.id AS incident_id, c.code AS incident_code, c.message AS incident_message, c.opened_at AS incident_opened_at
"""
SUBJECT_AND_STEP = """
    JOIN step s ON (s.tenant_id, s.id) = (e.tenant_id, e.step_id)
    JOIN subject u ON (u.tenant_id, u.id) = (e.tenant_id, e.subject_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (e.tenant_id, e.subject_type_id)
"""
EXECUTION_JOINS = f"""
    {SUBJECT_AND_STEP}
    LEFT JOIN step n ON (n.tenant_id, n.id) = (e.tenant_id, e.next_step_id)
    LEFT JOIN user_account a ON (a.tenant_id, a.id) = (e.tenant_id, e.assigned_to)
    LEFT JOIN LATERAL (
        SELECT x.id, x.code, x.message, x.opened_at FROM incident x
        WHERE x.tenant_id = e.tenant_id AND x.instance_id = e.workflow_instance_id
          AND x.execution_id = e.id AND x.resolved_at IS NULL
        ORDER BY x.opened_at DESC LIMIT 1
    ) c ON true
"""  # noqa: S608 - constants only
"""Shared with the lists; `e` is the execution."""

_EXECUTIONS = text(
    f"SELECT {EXECUTION_COLUMNS} FROM step_execution e {EXECUTION_JOINS}"  # noqa: S608 - constants only
    " WHERE e.tenant_id = :tenant AND e.id = ANY(:ids)"
)

INSTANCE_COLUMNS = """
    i.id, i.identifier, i.name, i.status, i.reason, i.context, i.due_date, i.created_at, i.started_at, i.completed_at,
    i.held_at, i.triggered_by, i.parent_instance_id, i.owner_id, o.username AS owner_name,
    p.id AS process_id, p.key AS process_key, p.name AS process_name, p.version AS process_version,
    p.category AS category, p.template_source, t.key AS subject_type,
    (SELECT count(*) FROM workflow_subject w WHERE (w.tenant_id, w.instance_id) = (i.tenant_id, i.id)) AS subject_count,
    EXISTS (SELECT FROM step_execution e WHERE (e.tenant_id, e.workflow_instance_id) = (i.tenant_id, i.id)
            AND e.exited_at IS NULL AND e.overdue) AS overdue,
    (SELECT count(*) FROM incident x WHERE (x.tenant_id, x.instance_id) = (i.tenant_id, i.id)
     AND x.resolved_at IS NULL) AS open_incidents,
    (SELECT (array_agg(two.id))[1] FROM (
         SELECT e.id FROM step_execution e WHERE (e.tenant_id, e.workflow_instance_id) = (i.tenant_id, i.id)
           AND e.exited_at IS NULL LIMIT 2) two
     HAVING count(*) = 1) AS current_execution
"""
INSTANCE_JOINS = """
    JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (p.tenant_id, p.subject_type_id)
    LEFT JOIN user_account o ON (o.tenant_id, o.id) = (i.tenant_id, i.owner_id)
"""
"""Shared with the lists; `i` is the instance."""

_INSTANCES = text(
    f"SELECT {INSTANCE_COLUMNS} FROM workflow_instance i {INSTANCE_JOINS}"  # noqa: S608 - constants only
    " WHERE i.tenant_id = :tenant AND i.id = ANY(:ids)"
)


async def execution_views(session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID]) -> dict[UUID, Json]:
    """Executions as the API shows them, by id; unknown ids are left out.

    Pending changes of the session are flushed first, so record sees what it has just written.
    """
    found = await _rows(session, _EXECUTIONS, tenant_id, execution_ids)
    return {row["id"]: execution_json(row) for row in found}


def shown_executions(tenant_id: UUID, execution_ids: Sequence[UUID]) -> Statement:
    """The query of `execution_views`; its rows are for `execution_json`."""
    return Statement(_EXECUTIONS, {"tenant": tenant_id, "ids": list(execution_ids)})


async def instance_views(session: AsyncSession, tenant_id: UUID, instance_ids: Sequence[UUID]) -> dict[UUID, Json]:
    """Instances as the API lists them, by id; unknown ids are left out."""
    found = await _rows(session, _INSTANCES, tenant_id, instance_ids)
    return {row["id"]: instance_json(row) for row in found}


async def instance_view(session: AsyncSession, tenant_id: UUID, instance_id: UUID) -> Json | None:
    """One instance as the API lists it."""
    return (await instance_views(session, tenant_id, [instance_id])).get(instance_id)


def execution_json(row: Mapping[Any, Any]) -> Json:
    """The execution of DESIGN §4 from a row of `EXECUTION_COLUMNS`."""
    return {
        "id": str(row["id"]),
        "workflow": str(row["workflow_instance_id"]),
        "step": step_json(row),
        "subject": subject_json(row),
        "visit_number": row["visit_number"],
        "status": row["status"],
        "assigned_to": person_json(row["assigned_to"], row["assignee_name"]),
        "entered_at": moment(row["entered_at"]),
        "started_at": moment(row["started_at"]),
        "exited_at": moment(row["exited_at"]),
        "due_at": moment(row["due_at"]),
        "decision_result": row["decision_result"],
        "next_step": None if row["next_key"] is None else {"key": row["next_key"], "name": row["next_name"]},
        "overdue": row["overdue"],
        "branch": row["branch"],
        "lot": row["lot"],
        "priority": row["priority"],
        "notes": row["notes"],
        "wake_at": moment(row["wake_at"]),
        "awaits": None if row["awaited_event"] is None else {"event": row["awaited_event"], "key": row["awaited_key"]},
        "incident": None
        if row["incident_id"] is None
        else {
            "id": str(row["incident_id"]),
            "code": row["incident_code"],
            "message": row["incident_message"],
            "opened_at": moment(row["incident_opened_at"]),
        },
    }


def step_json(row: Mapping[Any, Any]) -> Json:
    """A step in short."""
    return {"key": row["step_key"], "name": row["step_name"]}


def subject_json(row: Mapping[Any, Any]) -> Json:
    """A subject in short."""
    return {
        "type": row["subject_type"],
        "id": str(row["subject_id"]),
        "identifier": row["subject_identifier"],
        "title": row["subject_title"],
    }


def instance_json(row: RowMapping) -> Json:
    """An instance from a row of `INSTANCE_COLUMNS`."""
    return {
        "id": str(row["id"]),
        "identifier": row["identifier"],
        "name": row["name"],
        "status": row["status"],
        "reason": row["reason"],
        "process": {
            "id": str(row["process_id"]),
            "key": row["process_key"],
            "name": row["process_name"],
            "version": row["process_version"],
        },
        "category": row["category"],
        "template_source": row["template_source"],
        "subject_type": row["subject_type"],
        "subject_count": row["subject_count"],
        "owner": person_json(row["owner_id"], row["owner_name"]),
        "context": row["context"],
        "due_date": day(row["due_date"]),
        "created_at": moment(row["created_at"]),
        "started_at": moment(row["started_at"]),
        "completed_at": moment(row["completed_at"]),
        "held_at": moment(row["held_at"]),
        "triggered_by": _id(row["triggered_by"]),
        "parent_instance": _id(row["parent_instance_id"]),
        "overdue": row["overdue"],
        "open_incidents": row["open_incidents"],
        "current_execution": _id(row["current_execution"]),
    }


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC with `Z`."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day(value: date | None) -> str | None:
    """`2026-03-31`."""
    return None if value is None else value.isoformat()


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def person_json(user_id: UUID | str | None, username: str | None) -> Json | None:
    """Who has something; None where nobody has."""
    return None if user_id is None else {"id": str(user_id), "username": username}


async def _rows(session: AsyncSession, statement: Any, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    await session.flush()
    connection = await session.connection()
    found = await connection.execute(statement, {"tenant": tenant_id, "ids": list(ids)})
    return found.mappings().all()
