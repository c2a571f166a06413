"""Quality reports: what an inspection said of a subject. Only ever added; a correction is another report."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.status import INSTANCE_CLOSED, OPEN
from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows
from models.store.errors import NotFoundError
from models.store.evidence import bump, lock_executions
from models.store.gate_errors import ExecutionUnknownError
from models.store.people import Person
from models.store.reading import fetch, fetch_one
from models.store.subjects import get_subject
from models.store.views import moment
from models.tables import QualityReport, StepExecution

Json = dict[str, Any]

_OPEN_OF_SUBJECT = text(
    "SELECT id FROM step_execution WHERE tenant_id = :tenant AND subject_id = :subject AND exited_at IS NULL"
)
_OF_SUBJECTS = text(
    """
    SELECT subject_id, execution_id, status, at FROM quality_report
    WHERE tenant_id = :tenant AND subject_id = ANY(:subjects) AND at >= :since ORDER BY at, id
    """
)
_COLUMNS = """
    q.id, q.status, q.description, q.measurements, q.at, q.source, q.execution_id, q.subject_id,
    s.identifier, s.title, t.key AS subject_type, u.id AS reporter, u.username
"""
_JOINS = """
    FROM quality_report q
    JOIN subject s ON (s.tenant_id, s.id) = (q.tenant_id, q.subject_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (s.tenant_id, s.subject_type_id)
    JOIN user_account u ON (u.tenant_id, u.id) = (q.tenant_id, q.reported_by)
"""
_ONE = text(f"SELECT {_COLUMNS} {_JOINS} WHERE q.tenant_id = :tenant AND q.id = :id")
_LIST = text(
    f"""
    SELECT {_COLUMNS} {_JOINS}
    WHERE q.tenant_id = :tenant
      AND (CAST(:subject AS uuid) IS NULL OR q.subject_id = :subject)
      AND (CAST(:execution AS uuid) IS NULL OR q.execution_id = :execution)
      AND (CAST(:status AS text) IS NULL OR q.status = :status)
      AND (CAST(:at AS timestamptz) IS NULL OR (q.at, q.id) < (:at, :after))
    ORDER BY q.at DESC, q.id DESC LIMIT :limit
    """
)


async def report_quality(session: AsyncSession, person: Person, new: Mapping[str, Any], now: datetime) -> Json:
    """Add a report, and have every open execution of the subject looked at again.

    Args:
        new: `subject`, `execution` (optional, of that subject), `status`, `description`, `measurements`.

    Raises:
        StoreError: not_found, execution_unknown.
        FlowError: forbidden.
    """
    person.must("quality.report")
    subject, _ = await get_subject(session, person.tenant_id, new["subject"])
    await _check_execution(session, person.tenant_id, subject.id, new.get("execution"))
    rows = await fetch(session, _OPEN_OF_SUBJECT, tenant=person.tenant_id, subject=subject.id)
    locked = await lock_executions(session, person.tenant_id, [row["id"] for row in rows])
    identity = uuid4()
    row = {
        "tenant_id": person.tenant_id,
        "id": identity,
        "subject_id": subject.id,
        "execution_id": new.get("execution"),
        "status": str(new["status"]),
        "description": new.get("description") or "",
        "measurements": [str(one) for one in new.get("measurements") or ()],
        "reported_by": person.id,
        "at": now,
        "source": person.source,
    }
    await insert_rows(session, QualityReport, [row])
    alive = [one for one in locked if one.execution.status in OPEN and one.instance.status not in INSTANCE_CLOSED]
    await bump(session, person.tenant_id, alive)
    told = {name: row[name] for name in ("status", "description", "measurements")}
    draft = AuditDraft(
        action="quality.reported",
        object_type="quality_report",
        object_id=identity,
        new={**told, "subject": subject.identifier},
        instance_id=alive[0].instance.id if alive else None,
        execution_id=new.get("execution"),
    )
    await audit_tenant(session, person.actor, draft)
    return await quality_report(session, person.tenant_id, identity)


async def _check_execution(session: AsyncSession, tenant_id: UUID, subject_id: UUID, execution_id: UUID | None) -> None:
    if execution_id is None:
        return
    execution = await session.get(StepExecution, (tenant_id, execution_id))
    if execution is None or execution.subject_id != subject_id:
        raise ExecutionUnknownError(execution_id=str(execution_id))


async def reports_of(
    session: AsyncSession, tenant_id: UUID, subject_ids: Sequence[UUID], since: datetime
) -> Sequence[RowMapping]:
    """Reports about subjects since a moment, oldest first."""
    return await fetch(session, _OF_SUBJECTS, tenant=tenant_id, subjects=list(subject_ids), since=since)


async def quality_report(session: AsyncSession, tenant_id: UUID, report_id: UUID) -> Json:
    """One report.

    Raises:
        StoreError: not_found.
    """
    row = await fetch_one(session, _ONE, tenant=tenant_id, id=report_id)
    if row is None:
        raise NotFoundError(what="quality report", id=str(report_id))
    return report_json(row)


async def list_quality_reports(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    subject: UUID | None,
    execution: UUID | None,
    status: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Reports, newest first."""
    at, last = after or (None, None)
    return await fetch(
        session, _LIST, tenant=tenant_id, subject=subject, execution=execution, status=status, at=at, after=last,
        limit=limit,
    )  # fmt: skip


def report_json(row: RowMapping) -> Json:
    """A report as people see it."""
    return {
        "id": str(row["id"]),
        "subject": {
            "id": str(row["subject_id"]),
            "type": row["subject_type"],
            "identifier": row["identifier"],
            "title": row["title"],
        },
        "execution": None if row["execution_id"] is None else str(row["execution_id"]),
        "status": row["status"],
        "description": row["description"],
        "measurements": row["measurements"],
        "reported_by": {"id": str(row["reporter"]), "username": row["username"]},
        "at": moment(row["at"]),
        "source": row["source"],
    }
