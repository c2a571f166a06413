"""The inbox of one person over everything: work to do, approvals to give, signatures, work of others to sign off.

Sorted as one would work: overdue first, then the most urgent, then by what is due, then by what has waited longest.
What is offered here is decided again where it is done; the inbox never grants anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.authority import PERMISSIONS, WITNESSED
from models.store.absences import absent_whom
from models.store.approvals import HANDED_ON, STANDS_IN
from models.store.content import UNCOVERED
from models.store.instance_lists import like
from models.store.people import Person
from models.store.reading import fetch
from models.store.views import EXECUTION_COLUMNS, EXECUTION_JOINS, execution_json, moment

Json = dict[str, Any]

NEVER: Final = "infinity"
"""When something is due that is not: last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFilter:
    """What the inbox is narrowed down to; empty means any. `site` is the one in the instance's context."""

    kind: str = ""
    category: str = ""
    overdue: bool | None = None
    site: str = ""
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The keyset of a task: where a page ended."""

    soon: bool
    rank: int
    due: str
    since: str
    id: str
    kind: str


_OPEN = """
    FROM step_execution e
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    WHERE e.tenant_id = :tenant AND e.exited_at IS NULL AND i.status = 'in_progress'
"""
_NOT_MY_WORK = """
    e.assigned_to IS DISTINCT FROM :me AND e.completed_by IS DISTINCT FROM :me
    AND NOT EXISTS (SELECT FROM evidence_record v
                    JOIN step_requirement vr ON (vr.tenant_id, vr.id) = (v.tenant_id, v.requirement_id)
                    WHERE v.tenant_id = e.tenant_id AND v.execution_id = e.id AND v.given_by = :me
                      AND vr.requirement_type <> ALL(:uncovered))
"""
_CANDIDATE = """
    (s.config -> 'assignment' IS NULL
     OR s.config -> 'assignment' ->> 'rule' <> ''
     OR coalesce(jsonb_array_length(nullif(s.config -> 'assignment' -> 'roles', 'null')), 0)
        + coalesce(jsonb_array_length(nullif(s.config -> 'assignment' -> 'users', 'null')), 0) = 0
     OR s.config -> 'assignment' -> 'roles' ?| CAST(:roles_meant AS text[])
     OR s.config -> 'assignment' -> 'users' ?| CAST(:names_meant AS text[]))
"""
"""For whom the step is, as far as SQL can tell: rules are evaluated when the work is claimed. `…_meant` are those of
the person and of everybody who is away and for whom they stand in."""
_FOR_PEOPLE = """
    NOT EXISTS (SELECT FROM step z WHERE (z.tenant_id, z.id) = (e.tenant_id, e.step_id)
                AND (z.step_type IN ('fork', 'join', 'message', 'automatic')
                     OR (z.step_type = 'timer' AND z.config -> 'timer' IS NOT NULL)))
"""
"""At the engine's own steps nobody has anything to do."""
_EXECUTIONS = f"""
    SELECT 'execution' AS kind, e.id AS execution_id, CAST(NULL AS uuid) AS other_id, e.due_at AS due,
           e.overdue AS late, e.entered_at AS since, e.priority
    {_OPEN} AND :may_work AND {_FOR_PEOPLE}
      AND (e.status = 'pending' AND EXISTS (
               SELECT FROM step s WHERE (s.tenant_id, s.id) = (e.tenant_id, e.step_id) AND {_CANDIDATE})
           OR e.status IN ('claimed', 'in_progress') AND (e.assigned_to = :me OR EXISTS (
               SELECT FROM absence a WHERE a.tenant_id = e.tenant_id AND a.user_id = e.assigned_to
               AND a.delegate_id = :me AND now() >= a.starts_at AND now() < a.ends_at)))
"""  # noqa: S608 - constants only
_SIGNOFFS = f"""
    SELECT 'signoff', e.id, NULL, e.due_at, e.overdue, e.entered_at, e.priority
    {_OPEN} AND :may_sign_off AND e.status = 'awaiting_signoff' AND {_NOT_MY_WORK}
"""
_APPROVALS = f"""
    SELECT 'approval', e.id, r.id, r.due_at, coalesce(r.due_at < now(), false), r.requested_at, e.priority
    FROM approval_request r
    JOIN step_execution e ON (e.tenant_id, e.id) = (r.tenant_id, r.execution_id)
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    WHERE :may_approve AND r.tenant_id = :tenant AND r.state = 'pending' AND i.status = 'in_progress'
      AND e.exited_at IS NULL
      AND (r.stages -> r.stage -> 'roles' ?| CAST(:roles AS text[])
           OR r.stages -> r.stage -> 'users' ?| CAST(:names AS text[])
           OR EXISTS (SELECT FROM approval_delegation d WHERE d.tenant_id = r.tenant_id AND d.request_id = r.id
                      AND d.stage = r.stage AND d.delegate_id = :me)
           OR {STANDS_IN})
      AND NOT {HANDED_ON}
      AND (r.allow_self_approval OR ({_NOT_MY_WORK}))
      AND NOT EXISTS (SELECT FROM approval_response a WHERE a.tenant_id = r.tenant_id AND a.request_id = r.id
                      AND a.round = r.round AND a.stage = r.stage AND :me IN (a.user_id, a.delegated_from))
"""  # noqa: S608 - constants only
_GATE = "coalesce(CAST(e.kept_gates ->> q.key AS uuid), q.id)"
"""The id under which evidence stands: that of an earlier version, where the execution was migrated."""
_SIGNATURES = f"""
    SELECT 'signature', e.id, {_GATE}, e.due_at, e.overdue, e.entered_at, e.priority
    FROM step_requirement q
    JOIN step_execution e ON (e.tenant_id, e.step_id) = (q.tenant_id, q.step_id)
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    WHERE :may_sign AND q.tenant_id = :tenant AND q.requirement_type = 'signature' AND q.is_mandatory
      AND e.exited_at IS NULL AND e.status IN ('claimed', 'in_progress') AND i.status = 'in_progress'
      AND e.assigned_to IS DISTINCT FROM :me
      AND (q.config ->> 'role' = ANY(:roles) OR q.config -> 'roles' ?| CAST(:roles AS text[]))
      AND (NOT coalesce(CAST(q.config ->> 'independent' AS boolean), false) OR ({_NOT_MY_WORK}))
      AND NOT EXISTS (SELECT FROM step_requirement_completion c WHERE c.tenant_id = e.tenant_id
                      AND c.execution_id = e.id AND c.requirement_id = {_GATE} AND c.is_complete)
      AND NOT EXISTS (SELECT FROM signature g WHERE g.tenant_id = e.tenant_id AND g.execution_id = e.id
                      AND g.requirement_id = {_GATE} AND g.signer_id = :me
                      AND NOT EXISTS (SELECT FROM signature_void o
                                      WHERE o.tenant_id = g.tenant_id AND o.signature_id = g.id))
"""  # noqa: S608 - constants only
_DEVIATIONS = """
    SELECT 'deviation', e.id, c.id, CAST(NULL AS timestamptz), false, c.accepted_at, e.priority
    FROM command c
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (c.tenant_id, c.workflow_instance_id)
    JOIN step_execution e ON e.tenant_id = c.tenant_id AND e.id = coalesce(
        CAST(c.body -> 'execution_ids' ->> 0 AS uuid),
        (SELECT o.id FROM step_execution o WHERE o.tenant_id = c.tenant_id
         AND o.workflow_instance_id = c.workflow_instance_id
         ORDER BY o.exited_at IS NOT NULL, o.entered_at, o.id LIMIT 1))
    WHERE c.tenant_id = :tenant AND c.outcome = 'proposed' AND c.actor_id <> :me AND i.completed_at IS NULL
      AND c.kind = ANY(:may_confirm)
"""
"""Deviations that another person proposed; one of a whole workflow shows with one of its executions."""
_PLACE = "NOT m.late, -m.priority, coalesce(m.due, 'infinity'), m.since, coalesce(m.other_id, m.execution_id), m.kind"
_NARROWED = """
    (:category = '' AND :site = '' AND :search = '' OR EXISTS (
        SELECT FROM step_execution e
        JOIN step s ON (s.tenant_id, s.id) = (e.tenant_id, e.step_id)
        JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
        JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
        JOIN subject u ON (u.tenant_id, u.id) = (e.tenant_id, e.subject_id)
        WHERE e.tenant_id = :tenant AND e.id = m.execution_id
          AND (:category = '' OR p.category = :category)
          AND (:site = '' OR i.context ->> 'site' = :site)
          AND (:search = '' OR i.identifier ILIKE :like OR i.name ILIKE :like OR u.identifier ILIKE :like
               OR u.title ILIKE :like OR s.name ILIKE :like)))
"""
_TASKS = text(
    f"""
    WITH tasks AS MATERIALIZED (
        {_EXECUTIONS} UNION ALL {_SIGNOFFS} UNION ALL {_APPROVALS} UNION ALL {_SIGNATURES} UNION ALL {_DEVIATIONS}
    ), m AS MATERIALIZED (
        SELECT * FROM tasks m
        WHERE (:kind = '' OR m.kind = :kind)
          AND (CAST(:overdue AS boolean) IS NULL OR m.late = :overdue)
          AND {_NARROWED}
          AND (CAST(:after_id AS uuid) IS NULL OR ({_PLACE}) > (
               CAST(:after_soon AS boolean), CAST(:after_rank AS int), CAST(:after_due AS timestamptz),
               CAST(:after_since AS timestamptz), CAST(:after_id AS uuid), CAST(:after_kind AS text)))
        ORDER BY {_PLACE}
        LIMIT :limit
    )
    SELECT m.kind AS task_kind, m.other_id, m.due AS task_due, m.late, m.since, {EXECUTION_COLUMNS},
           i.identifier AS instance_identifier, i.name AS instance_name, i.context ->> 'site' AS site,
           p.key AS process_key, p.name AS process_name, p.category, s.is_decision_point, r.name AS requirement_name
    FROM m
    JOIN step_execution e ON e.tenant_id = :tenant AND e.id = m.execution_id
    {EXECUTION_JOINS}
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    LEFT JOIN approval_request ar ON ar.tenant_id = e.tenant_id AND ar.id = m.other_id
    LEFT JOIN step_requirement r ON r.tenant_id = e.tenant_id AND r.id = coalesce(ar.requirement_id, m.other_id)
    ORDER BY {_PLACE}
    """  # noqa: S608 - constants only
)
"""Who has what to do is worked out once, whatever the planner thinks of it; then a page of it is shown."""


async def list_tasks(
    session: AsyncSession, person: Person, narrowed: InboxFilter, *, after: Place | None, limit: int
) -> Sequence[RowMapping]:
    """What the person may do now; rows for `task_json` and `place_of`."""
    held = person.permissions
    names = [str(person.id), person.username]
    absent = await absent_whom(session, person.tenant_id, person.id, datetime.now(UTC))
    return await fetch(
        session,
        _TASKS,
        tenant=person.tenant_id,
        me=person.id,
        roles=list(person.roles),
        names=names,
        roles_meant=[*person.roles, *(role for one in absent for role in one["roles"])],
        names_meant=[*names, *(name for one in absent for name in (str(one["id"]), one["username"]))],
        uncovered=list(UNCOVERED),
        may_work="execution.work" in held,
        may_sign_off="execution.signoff" in held,
        may_approve=bool({"approval.decide", "evidence.give"} & set(held)),
        may_sign="evidence.give" in held or "approval.decide" in held,
        may_confirm=["complete" if one == "force" else one for one in sorted(WITNESSED) if PERMISSIONS[one] in held],
        kind=narrowed.kind,
        category=narrowed.category,
        site=narrowed.site,
        overdue=narrowed.overdue,
        search=narrowed.search,
        like=like(narrowed.search),
        after_soon=None if after is None else after.soon,
        after_rank=None if after is None else after.rank,
        after_due=None if after is None else after.due,
        after_since=None if after is None else after.since,
        after_id=None if after is None else after.id,
        after_kind=None if after is None else after.kind,
        limit=limit,
    )


def place_of(row: RowMapping) -> list[Any]:
    """The keyset of a row, for its cursor; `Place(*…)` reads it back."""
    return [
        not row["late"],
        -row["priority"],
        NEVER if row["task_due"] is None else row["task_due"].isoformat(),
        row["since"].isoformat(),
        str(row["other_id"] or row["id"]),
        row["task_kind"],
    ]


def task_json(row: RowMapping) -> Json:
    """A task as the API shows it; `id` is what the person acts on: execution, approval request or requirement."""
    execution = execution_json(row)
    return {
        "kind": row["task_kind"],
        "id": str(row["other_id"] or row["id"]),
        "execution": execution,
        "workflow": {
            "id": execution["workflow"],
            "identifier": row["instance_identifier"],
            "name": row["instance_name"],
        },
        "process": {"key": row["process_key"], "name": row["process_name"]},
        "category": row["category"],
        "site": row["site"],
        "step": execution["step"],
        "subject": execution["subject"],
        "status": execution["status"],
        "requirement": row["requirement_name"],
        "is_decision_point": row["is_decision_point"],
        "assigned_to": execution["assigned_to"],
        "entered_at": execution["entered_at"],
        "since": moment(row["since"]),
        "due_at": moment(row["task_due"]),
        "overdue": row["late"],
    }
