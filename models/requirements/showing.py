"""The requirements of one execution as the API shows them, with the hash of what there is to sign or approve."""

from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.requirements.base import Asked, Gate, Json
from models.requirements.giving import gate_at, gates_at
from models.requirements.registry import judge, kind_of, look_at
from models.store.content import content_hash
from models.store.gate_errors import ExecutionUnknownError
from models.store.reading import fetch
from models.store.views import moment
from models.tables import StepExecution

_COMPLETIONS = text(
    """
    SELECT c.requirement_id, c.evidence, c.completed_at, c.completed_by, u.username
    FROM step_requirement_completion c
    LEFT JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.completed_by)
    WHERE c.tenant_id = :tenant AND c.execution_id = :execution
    """
)


async def show_requirements(session: AsyncSession, tenant_id: UUID, execution_id: UUID) -> Json:
    """All requirements of an execution, judged now.

    Raises:
        ExecutionUnknownError: execution_unknown.
    """
    execution = await session.get(StepExecution, (tenant_id, execution_id), populate_existing=True)
    if execution is None:
        raise ExecutionUnknownError(execution_id=str(execution_id))
    gates = await gates_at(session, execution)
    look = await look_at(session, tenant_id, [execution_id], full=True)
    reasons = await judge(look, [Asked(gate, [execution]) for gate in gates])
    rows = await fetch(session, _COMPLETIONS, tenant=tenant_id, execution=execution_id)
    completions = {row["requirement_id"]: row for row in rows}
    items = [
        {
            **_shown(gate, reasons.get((execution_id, gate.id)), completions.get(gate.id)),
            **await kind_of(gate.requirement).shown(look, execution, gate),
        }
        for gate in gates
    ]
    return {
        "execution_id": str(execution_id),
        "content_hash": await content_hash(session, execution),
        "evidence_rev": execution.evidence_rev,
        "satisfied": not any(item["is_mandatory"] and not item["satisfied"] for item in items),
        "items": items,
        "next_cursor": None,
    }


async def check_requirement(session: AsyncSession, tenant_id: UUID, execution_id: UUID, requirement_id: UUID) -> None:
    """Whether the execution has the requirement.

    Raises:
        StoreError: execution_unknown, requirement_unknown.
    """
    execution = await session.get(StepExecution, (tenant_id, execution_id))
    if execution is None:
        raise ExecutionUnknownError(execution_id=str(execution_id))
    await gate_at(session, execution, requirement_id)


def revision_json(row: RowMapping) -> Json:
    """A revision of evidence as the API shows it."""
    by = row["given_by"]
    return {
        "revision": row["revision"],
        "action": row["action"],
        "evidence": row["data"],
        "given_at": moment(row["given_at"]),
        "given_by": None if by is None else {"id": str(by), "username": row["username"]},
        "reason": row["reason"],
        "source": row["source"],
    }


def _shown(gate: Gate, reason: str | None, row: RowMapping | None) -> Json:
    requirement, done = gate.requirement, reason is None and row is not None
    by = None if row is None or row["completed_by"] is None else row["completed_by"]
    return {
        "id": str(gate.id),
        "key": requirement.key,
        "requirement_type": requirement.requirement_type,
        "name": requirement.name,
        "description": requirement.description,
        "is_mandatory": requirement.is_mandatory,
        "order": requirement.order,
        "config": dict(requirement.config),
        "derived": kind_of(requirement).derived,
        "satisfied": reason is None,
        "reason": reason,
        "evidence": {} if row is None else row["evidence"],
        "completed_at": moment(row["completed_at"]) if done and row is not None else None,
        "completed_by": {"id": str(by), "username": row["username"]} if done and row is not None and by else None,
    }
