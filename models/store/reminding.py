"""What time does to pending approvals: the approvers are reminded before they are due, and told when they are overdue.

Nothing is decided by time; both are noted on the request and in the audit trail, once. While an instance is on hold
nobody is reminded.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.notices.kinds import NoticeKind
from models.store.audit import engine_actor
from models.store.delegations import delegations_of
from models.store.evidence import Sealing, lock_execution, sealing
from models.store.notices import About, Recipients, put_notice
from models.store.reading import fetch, fetch_one
from models.store.stages import Stage
from models.store.views import moment

AT_ONCE: Final = 200
"""Requests of one transaction."""

_DUE = text(
    """
    SELECT r.id, r.execution_id FROM approval_request r
    JOIN step_execution e ON (e.tenant_id, e.id) = (r.tenant_id, r.execution_id)
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    WHERE r.tenant_id = :tenant AND r.state = 'pending' AND i.status = 'in_progress'
      AND ((r.due_at <= :now AND r.overdue_at IS NULL)
           OR (r.remind_at <= :now AND r.reminded_at IS NULL AND r.overdue_at IS NULL))
    ORDER BY e.workflow_instance_id, r.execution_id, r.id LIMIT :limit
    """
)
_NOTE = text(
    """
    UPDATE approval_request SET
        reminded_at = CASE WHEN due_at <= :now THEN reminded_at ELSE CAST(:now AS timestamptz) END,
        overdue_at = CASE WHEN due_at <= :now THEN CAST(:now AS timestamptz) ELSE overdue_at END
    WHERE tenant_id = :tenant AND id = :request AND state = 'pending'
      AND ((due_at <= :now AND overdue_at IS NULL)
           OR (remind_at <= :now AND reminded_at IS NULL AND overdue_at IS NULL))
    RETURNING *
    """
)


async def remind_approvers(session: AsyncSession, tenant_id: UUID, now: datetime) -> int:
    """Remind the approvers of what is soon due, and tell them and those above of what is overdue.

    Returns:
        How many requests were looked at; as many as `AT_ONCE` where there may be more.
    """
    due = await fetch(session, _DUE, tenant=tenant_id, now=now, limit=AT_ONCE)
    for row in due:
        locked = await lock_execution(session, tenant_id, row["execution_id"])
        request = await fetch_one(session, _NOTE, tenant=tenant_id, request=row["id"], now=now)
        if request is None:
            continue
        link = await sealing(session, locked)
        await _tell(session, link, request)
        await link.finish(session, engine_actor(tenant_id), now)
    return len(due)


async def _tell(session: AsyncSession, link: Sealing, request: RowMapping) -> None:
    """One notice and one audit entry."""
    is_overdue = request["overdue_at"] is not None
    stage = Stage.model_validate(request["stages"][request["stage"]])
    given_away = (await delegations_of(session, request["tenant_id"], [request["id"]])).get(request["id"], ())
    delegates = [one["delegate_id"] for one in given_away if one["stage"] == request["stage"]]
    above = request["escalate_to"] if is_overdue else {}
    recipients = Recipients(
        users=[*stage.users, *delegates, *above.get("users", ())], roles=[*stage.roles, *above.get("roles", ())]
    )
    about = About(
        instance=link.execution.workflow_instance_id, executions=[link.execution.id],
        object_type="approval_request", object_id=request["id"],
    )  # fmt: skip
    shown = {"stage": stage.name, "due_at": moment(request["due_at"])}
    kind = NoticeKind.APPROVAL_OVERDUE if is_overdue else NoticeKind.APPROVAL_DUE_SOON
    await put_notice(session, request["tenant_id"], kind, recipients, about, shown)
    action = "approval.overdue" if is_overdue else "approval.reminded"
    link.tell(action, "approval_request", request["id"], new={**shown, **({"escalated_to": above} if above else {})})
