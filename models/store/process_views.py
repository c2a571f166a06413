"""Process versions as people see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.store.views import moment
from models.tables import Process, SubjectType

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFilter:
    """What a list of processes is narrowed down to; empty means any."""

    status: ProcessStatus | None = None
    category: str = ""
    key: str = ""
    subject_type: str = ""
    template_source: str = ""
    search: str = ""


async def list_processes(
    session: AsyncSession,
    tenant_id: UUID,
    narrowed: ProcessFilter,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[tuple[Process, SubjectType]]:
    """Versions with their kind of subject, newest first."""
    same_type = (col(SubjectType.tenant_id) == col(Process.tenant_id)) & (
        col(SubjectType.id) == col(Process.subject_type_id)
    )
    query = select(Process, SubjectType).join(SubjectType, same_type).where(col(Process.tenant_id) == tenant_id)
    for column, wanted in (
        (Process.status, narrowed.status),
        (Process.category, narrowed.category),
        (Process.key, narrowed.key),
        (Process.template_source, narrowed.template_source),
        (SubjectType.key, narrowed.subject_type),
    ):
        if wanted:
            query = query.where(col(column) == wanted)
    if narrowed.search:
        named = (col(Process.name), col(Process.key))
        query = query.where(or_(*(one.icontains(narrowed.search, autoescape=True) for one in named)))
    if after is not None:
        at, last = after
        earlier = col(Process.created_at) < at
        query = query.where(or_(earlier, (col(Process.created_at) == at) & (col(Process.id) < last)))
    query = query.order_by(col(Process.created_at).desc(), col(Process.id).desc()).limit(limit)
    return [(row[0], row[1]) for row in (await session.exec(query)).all()]


async def process_view(session: AsyncSession, process: Process) -> Json:
    """A version in full, with its graph."""
    kind = await session.get_one(SubjectType, (process.tenant_id, process.subject_type_id))
    return {**process_json(process, kind), "graph": process.graph}


def process_json(process: Process, kind: SubjectType) -> Json:
    """A version without its graph."""
    return {
        "id": str(process.id),
        "key": process.key,
        "name": process.name,
        "description": process.description,
        "category": str(process.category),
        "subject_type": kind.key,
        "version": process.version,
        "version_no": process.version_no,
        "status": str(process.status),
        "template_source": process.template_source,
        "revision": process.revision,
        "graph_hash": process.graph_hash,
        "created_at": moment(process.created_at),
        "created_by": None if process.created_by is None else str(process.created_by),
        "approved_at": moment(process.approved_at),
        "approved_by": None if process.approved_by is None else str(process.approved_by),
        "based_on": None if process.based_on is None else str(process.based_on),
        "change_note": process.change_note,
        "submitted_at": moment(process.submitted_at),
        "submitted_by": None if process.submitted_by is None else str(process.submitted_by),
        "effective_from": moment(process.effective_from),
        "effective_until": moment(process.effective_until),
    }
