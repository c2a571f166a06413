"""What a signature or an approval covers: one hash over all that was given for an execution (21 CFR 11.70).

Covered are the subject's attributes, the documents and every other evidence of the execution; never approvals or
signatures. The execution's id goes in too, so what was signed for one execution fits no other.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.canonical import content_hash as hash_of
from models.store.reading import fetch
from models.tables import StepExecution

UNCOVERED = ("approval", "signature", "child_workflow")
"""Types whose evidence is no content: who agreed to it, and what other instances do."""

_SUBJECTS = text(
    """
    SELECT e.id, e.subject_id, s.attributes FROM step_execution e
    JOIN subject s ON (s.tenant_id, s.id) = (e.tenant_id, e.subject_id)
    WHERE e.tenant_id = :tenant AND e.id = ANY(:executions)
    """
)
_GIVEN = text(
    """
    SELECT c.execution_id, c.requirement_id, c.evidence FROM step_requirement_completion c
    JOIN step_requirement r ON (r.tenant_id, r.id) = (c.tenant_id, c.requirement_id)
    WHERE c.tenant_id = :tenant AND c.execution_id = ANY(:executions)
      AND c.evidence <> '{}'::jsonb AND r.requirement_type <> ALL(:uncovered)
    """
)
_DOCUMENTS = text(
    """
    SELECT l.execution_id, l.requirement_id, l.document_id, d.sha256 FROM document_link l
    JOIN document d ON (d.tenant_id, d.id) = (l.tenant_id, l.document_id)
    WHERE l.tenant_id = :tenant AND l.execution_id = ANY(:executions)
    ORDER BY l.execution_id, l.requirement_id, l.document_id
    """
)


async def content_hash(session: AsyncSession, execution: StepExecution) -> str:
    """SHA-256 in hexadecimal of what is there to be approved or signed at one execution."""
    return (await content_hashes(session, execution.tenant_id, [execution.id]))[execution.id]


async def content_hashes(session: AsyncSession, tenant_id: UUID, execution_ids: Collection[UUID]) -> dict[UUID, str]:
    """The hash of each execution, in three queries."""
    ids = list(execution_ids)
    contents: dict[UUID, dict[str, Any]] = {
        row["id"]: {
            "execution": row["id"],
            "subject": {"id": row["subject_id"], "attributes": row["attributes"]},
            "documents": [],
            "evidence": {},
        }
        for row in await fetch(session, _SUBJECTS, tenant=tenant_id, executions=ids)
    }
    for row in await fetch(session, _GIVEN, tenant=tenant_id, executions=ids, uncovered=list(UNCOVERED)):
        contents[row["execution_id"]]["evidence"][str(row["requirement_id"])] = row["evidence"]
    for row in await fetch(session, _DOCUMENTS, tenant=tenant_id, executions=ids):
        cited = [row["requirement_id"], row["document_id"], row["sha256"]]
        contents[row["execution_id"]]["documents"].append(cited)
    return {execution_id: hash_of(content) for execution_id, content in contents.items()}
