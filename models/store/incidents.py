"""One incident in full: its cause, what to do, and what happened to it."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.remedies import remedy_of
from models.store.errors import NotFoundError
from models.store.instance_lists import incident_json
from models.store.reading import fetch, fetch_one
from models.store.views import moment

Json = dict[str, Any]

_INCIDENT = text(
    """
    SELECT x.id, x.instance_id, i.identifier, x.execution_id, x.code, x.message, x.params, x.opened_at, x.resolved_at,
           x.resolution, x.resolved_by, u.username
    FROM incident x JOIN workflow_instance i ON (i.tenant_id, i.id) = (x.tenant_id, x.instance_id)
    LEFT JOIN user_account u ON (u.tenant_id, u.id) = (x.tenant_id, x.resolved_by)
    WHERE x.tenant_id = :tenant AND x.id = :id
    """
)
_HISTORY = text(
    """
    SELECT at, actor_id, actor_name, action, new, reason FROM audit_entry
    WHERE tenant_id = :tenant AND instance_id = :instance AND execution_id = :execution
      AND action IN ('incident_opened', 'incident_resolved', 'command_refused')
    ORDER BY at DESC, chain_n DESC LIMIT 100
    """
)


async def incident_detail(session: AsyncSession, tenant_id: UUID, incident_id: UUID) -> Json:
    """An incident with its remedy and the newest 100 things that happened around it, newest first.

    Raises:
        NotFoundError: not_found.
    """
    row = await fetch_one(session, _INCIDENT, tenant=tenant_id, id=incident_id)
    if row is None:
        raise NotFoundError(what="incident", id=str(incident_id))
    remedy = remedy_of(row["code"])
    history = []
    if row["execution_id"] is not None:
        keys = {"tenant": tenant_id, "instance": row["instance_id"], "execution": row["execution_id"]}
        history = [_entry(one) for one in await fetch(session, _HISTORY, **keys)]
    by = None if row["resolved_by"] is None else {"id": str(row["resolved_by"]), "username": row["username"]}
    return {
        **incident_json(row),
        "resolved_by": by,
        "what_to_do": remedy.what_to_do,
        "can_retry": remedy.can_retry and row["resolved_at"] is None,
        "history": history,
    }


def _entry(row: Any) -> Json:
    told = row["new"] or {}
    return {
        "at": moment(row["at"]),
        "actor": {"id": None if row["actor_id"] is None else str(row["actor_id"]), "username": row["actor_name"]},
        "action": row["action"],
        "code": told.get("code"),
        "reason": row["reason"] or told.get("resolution") or "",
    }
