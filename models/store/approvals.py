"""Approval requests: how they open, move from stage to stage, close, and who still has to answer.

Who counts as an approver and when a stage is passed is in `models.store.stages`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.people import Person
from models.store.reading import beyond, fetch, fetch_one, run

_OPEN = text(
    """
    INSERT INTO approval_request (tenant_id, id, execution_id, requirement_id, template_id, stages,
                                  allow_self_approval, allow_delegation, escalate_to, back_to, round, state,
                                  requested_at, due_at, remind_at)
    SELECT :tenant, given.id, given.execution, :requirement, :template, :stages, :allow_self, :allow_delegation,
           :escalate_to, :back_to, 1, 'pending', :now, :due, :remind
    FROM unnest(CAST(:ids AS uuid[]), CAST(:executions AS uuid[])) AS given (id, execution)
    ON CONFLICT DO NOTHING
    """
).bindparams(bindparam("stages", type_=JSONB), bindparam("escalate_to", type_=JSONB))
_AGAIN = text(
    """
    INSERT INTO approval_request (tenant_id, id, execution_id, requirement_id, template_id, stages,
                                  allow_self_approval, allow_delegation, escalate_to, back_to, round, state,
                                  requested_by, requested_at, due_at, remind_at)
    SELECT tenant_id, :id, execution_id, requirement_id, template_id, stages, allow_self_approval, allow_delegation,
           escalate_to, back_to, round + 1, 'pending', :by, :now,
           CAST(:now AS timestamptz) + (due_at - requested_at), CAST(:now AS timestamptz) + (remind_at - requested_at)
    FROM approval_request WHERE tenant_id = :tenant AND id = :request
    """
)
_SETTLE = text(
    "UPDATE approval_request SET state = :state, decided_at = :now WHERE tenant_id = :tenant AND id = :request"
)
_PASS_STAGE = text(
    "UPDATE approval_request SET stage = :stage, content_hash = :hash WHERE tenant_id = :tenant AND id = :request"
)
_WITHDRAW = text(
    "UPDATE approval_request SET state = 'withdrawn', decided_at = :now"
    " WHERE tenant_id = :tenant AND execution_id = ANY(:executions) AND state = 'pending'"
)
_WITHDRAW_UNCOUNTED = text(
    """
    UPDATE approval_request r SET state = 'withdrawn', decided_at = :now
    FROM step_execution e
    WHERE (e.tenant_id, e.id) = (r.tenant_id, r.execution_id)
      AND r.tenant_id = :tenant AND r.execution_id = ANY(:executions) AND r.state = 'pending'
      AND NOT EXISTS (SELECT FROM jsonb_each_text(e.kept_gates) k WHERE CAST(k.value AS uuid) = r.requirement_id)
    """
)
_ONE = text("SELECT * FROM approval_request WHERE tenant_id = :tenant AND id = :request")
_NEWEST = text(
    """
    SELECT DISTINCT ON (execution_id, requirement_id) *
    FROM approval_request WHERE tenant_id = :tenant AND execution_id = ANY(:executions)
    ORDER BY execution_id, requirement_id, round DESC
    """
)
_REJECTIONS = text(
    """
    SELECT r.execution_id, r.back_to, a.comment, u.username
    FROM (SELECT DISTINCT ON (execution_id, requirement_id) *
          FROM approval_request WHERE tenant_id = :tenant AND execution_id = ANY(:executions)
          ORDER BY execution_id, requirement_id, round DESC) r
    CROSS JOIN LATERAL (SELECT v.tenant_id, v.user_id, v.comment FROM approval_response v
                        WHERE (v.tenant_id, v.request_id) = (r.tenant_id, r.id) AND v.decision = 'rejected'
                        ORDER BY v.at DESC, v.id DESC LIMIT 1) a
    JOIN user_account u ON (u.tenant_id, u.id) = (a.tenant_id, a.user_id)
    WHERE r.state = 'rejected' AND r.back_to <> ''
    ORDER BY r.execution_id, r.decided_at, r.id
    """
)
STANDS_IN = """
    r.allow_delegation AND EXISTS (
        SELECT FROM absence b JOIN user_account o ON (o.tenant_id, o.id) = (b.tenant_id, b.user_id)
        WHERE b.tenant_id = r.tenant_id AND b.delegate_id = :me AND now() >= b.starts_at AND now() < b.ends_at
          AND o.is_active
          AND (r.stages -> r.stage -> 'users' ?| ARRAY[CAST(o.id AS text), o.username]
               OR r.stages -> r.stage -> 'roles' ?| ARRAY(SELECT h.role FROM user_role h
                                                          WHERE (h.tenant_id, h.user_id) = (o.tenant_id, o.id)))
          AND NOT EXISTS (SELECT FROM approval_delegation d
                          JOIN user_account g ON (g.tenant_id, g.id) = (d.tenant_id, d.delegate_id) AND g.is_active
                          WHERE d.tenant_id = r.tenant_id AND d.request_id = r.id
                            AND d.stage = r.stage AND d.user_id = o.id)
          AND NOT EXISTS (SELECT FROM approval_response v WHERE v.tenant_id = r.tenant_id AND v.request_id = r.id
                          AND v.stage = r.stage AND coalesce(v.delegated_from, v.user_id) = o.id))
"""
"""Whether `:me` stands in for somebody who is away and whose answer the request `r` waits for."""
HANDED_ON = """
    EXISTS (SELECT FROM approval_delegation d
            JOIN user_account g ON (g.tenant_id, g.id) = (d.tenant_id, d.delegate_id) AND g.is_active
            WHERE d.tenant_id = r.tenant_id AND d.request_id = r.id AND d.stage = r.stage AND d.user_id = :me)
"""
"""Whether `:me` has handed the answer to `r` on; to somebody who has left since is as good as not."""
_LIST = text(
    f"""
    SELECT r.*, e.workflow_instance_id, e.step_key, s.name AS step_name, q.key AS requirement_key,
           q.name AS requirement_name,
           i.identifier AS workflow_identifier, i.name AS workflow_name, u.id AS subject_id, u.identifier, u.title,
           t.key AS subject_type, e.visit_number
    FROM approval_request r
    JOIN step_execution e ON (e.tenant_id, e.id) = (r.tenant_id, r.execution_id)
    JOIN step s ON (s.tenant_id, s.id) = (e.tenant_id, e.step_id)
    JOIN step_requirement q ON (q.tenant_id, q.id) = (r.tenant_id, r.requirement_id)
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    JOIN subject u ON (u.tenant_id, u.id) = (e.tenant_id, e.subject_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (u.tenant_id, u.subject_type_id)
    WHERE r.tenant_id = :tenant
      AND (CAST(:id AS uuid) IS NULL OR r.id = :id)
      AND (CAST(:state AS text) IS NULL OR r.state = :state)
      AND (CAST(:execution AS uuid) IS NULL OR r.execution_id = :execution)
      AND (CAST(:workflow AS uuid) IS NULL OR e.workflow_instance_id = :workflow)
      AND (CAST(:names AS text[]) IS NULL OR (
            (r.stages -> r.stage -> 'users' ?| CAST(:names AS text[])
             OR r.stages -> r.stage -> 'roles' ?| CAST(:roles AS text[])
             OR EXISTS (SELECT FROM approval_delegation d WHERE d.tenant_id = r.tenant_id AND d.request_id = r.id
                          AND d.stage = r.stage AND d.delegate_id = :me)
             OR {STANDS_IN})
        AND NOT {HANDED_ON}
        AND NOT EXISTS (SELECT FROM approval_response a WHERE a.tenant_id = r.tenant_id AND a.request_id = r.id
                          AND a.stage = r.stage AND :me IN (a.user_id, a.delegated_from))))
      AND (CAST(:after_at AS timestamptz) IS NULL OR (r.requested_at, r.id) > (:after_at, CAST(:after_id AS uuid)))
    ORDER BY r.requested_at, r.id LIMIT :limit
    """  # noqa: S608 - constants only
)
"""`names` and `roles`: only where this person is asked now and has not answered yet."""
_RESPONSES = text(
    """
    SELECT r.request_id, r.round, r.stage, r.decision, r.user_id, r.comment, r.self_approval_reason, r.at,
           r.content_hash, r.delegated_from, u.username, u.full_name,
           o.id AS owner_id, o.username AS owner_username, o.full_name AS owner_name,
           array(SELECT h.role FROM user_role h WHERE (h.tenant_id, h.user_id) = (r.tenant_id, o.id)) AS roles
    FROM approval_response r
    JOIN user_account u ON (u.tenant_id, u.id) = (r.tenant_id, r.user_id)
    JOIN user_account o ON (o.tenant_id, o.id) = (r.tenant_id, coalesce(r.delegated_from, r.user_id))
    WHERE r.tenant_id = :tenant AND r.request_id = ANY(:requests) ORDER BY r.at, r.id
    """
)
"""`owner`: whose answer it is; somebody else gave it where it was delegated."""
_TEMPLATES = text(
    """
    SELECT id, key, name, stages, due_in, remind_before, escalate_to, allow_self_approval, allow_delegation
    FROM approval_template
    WHERE tenant_id = :tenant AND (id = ANY(:ids) OR key = ANY(:keys))
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a request is to be answered, as a template or a requirement says.

    Attributes:
        due_in, remind_before: elapsed time; the reminder comes so long before it is due.
        escalate_to: `{"roles", "users"}` who hear of it once it is overdue.
        back_to: key of the step to which a rejection sends the work; empty: it stays.
    """

    stages: Sequence[Mapping[str, Any]]
    template_id: UUID | None = None
    due_in: timedelta | None = None
    remind_before: timedelta | None = None
    escalate_to: Mapping[str, Any] = field(default_factory=dict)
    allow_self_approval: bool = False
    allow_delegation: bool = False
    back_to: str = ""


async def templates_of(
    session: AsyncSession, tenant_id: UUID, *, ids: Collection[UUID] = (), keys: Collection[str] = ()
) -> dict[UUID | str, RowMapping]:
    """Approval templates, each under its id and under its key."""
    rows = await fetch(session, _TEMPLATES, tenant=tenant_id, ids=list(ids), keys=list(keys))
    return {name: row for row in rows for name in (row["id"], row["key"])}


async def open_requests(
    session: AsyncSession,
    tenant_id: UUID,
    requirement_id: UUID,
    execution_ids: Sequence[UUID],
    terms: Terms,
    now: datetime,
) -> None:
    """Ask for the first round at n executions, in one statement; those asked already are left as they are."""
    due = None if terms.due_in is None else now + terms.due_in
    values = {
        "tenant": tenant_id,
        "requirement": requirement_id,
        "ids": [request_id(execution, requirement_id, 1) for execution in execution_ids],
        "executions": list(execution_ids),
        "template": terms.template_id,
        "stages": [dict(stage) for stage in terms.stages],
        "allow_self": terms.allow_self_approval,
        "allow_delegation": terms.allow_delegation,
        "escalate_to": dict(terms.escalate_to),
        "back_to": terms.back_to,
        "now": now,
        "due": due,
        "remind": None if due is None or terms.remind_before is None else max(now, due - terms.remind_before),
    }
    await run(session, _OPEN, values)


async def open_next_round(
    session: AsyncSession, tenant_id: UUID, request: UUID, *, now: datetime, by: UUID | None
) -> UUID:
    """Ask again with the same stages and the same time to answer; the id of the new request."""
    before = await fetch_one(session, _ONE, tenant=tenant_id, request=request)
    assert before is not None  # noqa: S101 - the caller has just read it
    again = request_id(before["execution_id"], before["requirement_id"], before["round"] + 1)
    await run(session, _AGAIN, {"tenant": tenant_id, "request": request, "id": again, "by": by, "now": now})
    return again


def request_id(execution_id: UUID, requirement_id: UUID, number: int) -> UUID:
    """The id of a round's request; deterministic, so that asking twice asks once."""
    return uuid5(execution_id, f"approval/{requirement_id}/{number}")


async def settle_request(session: AsyncSession, tenant_id: UUID, request: UUID, state: str, now: datetime) -> None:
    """Close a request as approved, rejected, voided or withdrawn."""
    await run(session, _SETTLE, {"tenant": tenant_id, "request": request, "state": state, "now": now})


async def set_stage(session: AsyncSession, tenant_id: UUID, request: UUID, stage: int, content_hash: str) -> None:
    """Remember the stage reached and the content that its answers cover."""
    await run(session, _PASS_STAGE, {"tenant": tenant_id, "request": request, "stage": stage, "hash": content_hash})


async def withdraw_pending(
    session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID], now: datetime
) -> None:
    """Nobody has to answer any more: the executions were completed or cancelled."""
    await run(session, _WITHDRAW, {"tenant": tenant_id, "executions": list(execution_ids), "now": now})


async def withdraw_uncounted(
    session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID], now: datetime
) -> None:
    """Nobody has to answer what the version that the executions were migrated to does not ask any more."""
    await run(session, _WITHDRAW_UNCOUNTED, {"tenant": tenant_id, "executions": list(execution_ids), "now": now})


async def request_of(session: AsyncSession, tenant_id: UUID, request: UUID) -> RowMapping | None:
    """One request."""
    return await fetch_one(session, _ONE, tenant=tenant_id, request=request)


async def list_requests(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    limit: int,
    state: str | None = None,
    mine: Person | None = None,
    execution_id: UUID | None = None,
    instance_id: UUID | None = None,
    request: UUID | None = None,
    after: tuple[datetime, UUID] | None = None,
) -> Sequence[RowMapping]:
    """Requests with the execution they are for, oldest first; `mine`: those that this person is asked to answer."""
    return await fetch(
        session, _LIST, tenant=tenant_id, id=request, state=state, execution=execution_id, workflow=instance_id,
        names=None if mine is None else [str(mine.id), mine.username], roles=[] if mine is None else list(mine.roles),
        me=None if mine is None else mine.id, limit=limit, **beyond(after),
    )  # fmt: skip


async def newest_requests(
    session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], RowMapping]:
    """The newest round of each execution and requirement."""
    rows = await fetch(session, _NEWEST, tenant=tenant_id, executions=list(execution_ids))
    return {(row["execution_id"], row["requirement_id"]): row for row in rows}


async def rejections_of(session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Where rejected approvals of executions send the work, the earliest first, with the answer that ended each."""
    return await fetch(session, _REJECTIONS, tenant=tenant_id, executions=list(execution_ids))


async def responses_of(
    session: AsyncSession, tenant_id: UUID, requests: Sequence[UUID]
) -> dict[UUID, list[RowMapping]]:
    """What approvers answered to each request, in order, with the roles that those whose answer it is hold now."""
    found: dict[UUID, list[RowMapping]] = {}
    for row in await fetch(session, _RESPONSES, tenant=tenant_id, requests=list(requests)):
        found.setdefault(row["request_id"], []).append(row)
    return found
