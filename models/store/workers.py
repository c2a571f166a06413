"""Who had a hand in an execution: claimed it, worked at it, gave it up as done, gave evidence for it.

For the four-eyes rules: none of these approves it or signs it off. Answers to approvals and signatures are no work.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.content import UNCOVERED
from models.store.reading import fetch

_ROWS = text(
    """
    SELECT e.id, who.user_id FROM step_execution e
    CROSS JOIN LATERAL (VALUES (e.assigned_to), (e.completed_by)) AS who (user_id)
    WHERE e.tenant_id = :tenant AND e.id = ANY(:executions) AND who.user_id IS NOT NULL
    UNION
    SELECT v.execution_id, v.given_by FROM evidence_record v
    JOIN step_requirement r ON (r.tenant_id, r.id) = (v.tenant_id, v.requirement_id)
    WHERE v.tenant_id = :tenant AND v.execution_id = ANY(:executions) AND v.action IN ('given', 'amended')
      AND v.given_by IS NOT NULL AND r.requirement_type <> ALL(:uncovered)
    """
)
_JOURNAL = text(
    """
    WITH wanted AS MATERIALIZED (
        SELECT id, workflow_instance_id, subject_no, step_key, visit_number, branch FROM step_execution
        WHERE tenant_id = :tenant AND id = ANY(:executions)
    )
    SELECT DISTINCT w.id, (j.data ->> 'by') AS user_id
    FROM journal j CROSS JOIN LATERAL unnest(j.subjects) AS s (no)
    JOIN wanted w ON w.workflow_instance_id = j.instance_id AND w.subject_no = s.no
     AND w.step_key = j.data #>> '{ref,1}' AND w.visit_number = CAST(j.data #>> '{ref,2}' AS int)
     AND w.branch = j.data #>> '{ref,3}'
    WHERE j.tenant_id = :tenant AND j.instance_id = ANY(SELECT workflow_instance_id FROM wanted)
      AND j.kind IN ('execution_claimed', 'execution_started', 'signoff_awaited', 'batch_awaited')
      AND j.data ->> 'by' IS NOT NULL
    """
)
"""Also those who have released it since, so that giving it back does not make anybody independent."""

_APPROVERS = text(
    """
    SELECT q.execution_id AS id, a.user_id FROM approval_request q
    JOIN approval_response a ON (a.tenant_id, a.request_id, a.round) = (q.tenant_id, q.id, q.round)
    WHERE q.tenant_id = :tenant AND q.execution_id = ANY(:executions) AND q.state IN ('pending', 'approved')
      AND a.decision = 'approved' AND a.self_approval_reason = '' AND NOT q.allow_self_approval
    UNION
    SELECT s.execution_id, s.signer_id FROM signature s
    JOIN step_requirement r ON (r.tenant_id, r.id) = (s.tenant_id, s.requirement_id)
    WHERE s.tenant_id = :tenant AND s.execution_id = ANY(:executions) AND r.config ->> 'independent' = 'true'
      AND NOT EXISTS (SELECT FROM signature_void v WHERE (v.tenant_id, v.signature_id) = (s.tenant_id, s.id))
    """
)
"""Answers that count now. Where the template lets people approve their own work, doing it afterwards is no harm."""


async def approvers_of(
    session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID]
) -> dict[UUID, frozenset[str]]:
    """Who approved, or signed as independent; user ids as text, by execution."""
    found: dict[UUID, set[str]] = {}
    for row in await fetch(session, _APPROVERS, tenant=tenant_id, executions=list(execution_ids)):
        found.setdefault(row["id"], set()).add(str(row["user_id"]))
    return {execution: frozenset(people) for execution, people in found.items()}


async def workers_of(
    session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID]
) -> dict[UUID, frozenset[str]]:
    """User ids as text, by execution; in two queries."""
    ids = list(execution_ids)
    found: dict[UUID, set[str]] = {}
    for row in await fetch(session, _ROWS, tenant=tenant_id, executions=ids, uncovered=list(UNCOVERED)):
        found.setdefault(row["id"], set()).add(str(row["user_id"]))
    for row in await fetch(session, _JOURNAL, tenant=tenant_id, executions=ids):
        found.setdefault(row["id"], set()).add(row["user_id"])
    return {execution: frozenset(people) for execution, people in found.items()}
