"""One incident in full: its cause, what to do, and what happened to it; and those that a person resolves alone."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.errors import FlowError
from models.flow.incidents import MINIMUM_NOTE, RESOLVING
from models.flow.remedies import remedy_of
from models.store.audit import AuditDraft, audit_tenant
from models.store.errors import NotFoundError
from models.store.instance_lists import incident_json
from models.store.people import Person
from models.store.reading import fetch, fetch_one
from models.store.views import execution_views, moment

Json = dict[str, Any]

NOTED: Final = ("evidence_amended", "escalation_process_unusable")
"""Codes of incidents that stop nothing: of the instance, opened beside the engine, seen to by a person."""
UNJOURNALED: Final = (*NOTED, "run_gone")
"""Codes of incidents of which the journal does not tell: these, and that Temporal lost a run, which the sweep notes."""

_INCIDENT = text(
    """
    SELECT x.id, x.instance_id, i.identifier, x.execution_id, x.code, x.message, x.params, x.opened_at, x.resolved_at,
           x.resolution, x.resolved_by, u.username
    FROM incident x JOIN workflow_instance i ON (i.tenant_id, i.id) = (x.tenant_id, x.instance_id)
    LEFT JOIN user_account u ON (u.tenant_id, u.id) = (x.tenant_id, x.resolved_by)
    WHERE x.tenant_id = :tenant AND x.id = :id
    """
)
_RESOLVE = text(
    """
    UPDATE incident SET resolved_at = :now, resolved_by = :by, resolution = :note
    WHERE tenant_id = :tenant AND id = :id AND resolved_at IS NULL RETURNING id
    """
)
_HISTORY = text(
    """
    SELECT at, actor_id, actor_name, action, new, reason FROM audit_entry
    WHERE tenant_id = :tenant AND instance_id = :instance AND execution_id = :execution
      AND action IN ('incident_opened', 'incident_resolved', 'command_refused', 'evidence.amended', 'incident.opened',
                     'incident.resolved')
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
    about = row["execution_id"] or row["params"].get("execution")
    if about is not None:
        keys = {"tenant": tenant_id, "instance": row["instance_id"], "execution": about}
        history = [_entry(one) for one in await fetch(session, _HISTORY, **keys)]
    by = None if row["resolved_by"] is None else {"id": str(row["resolved_by"]), "username": row["username"]}
    return {
        **incident_json(row),
        "resolved_by": by,
        "what_to_do": remedy.what_to_do,
        "can_retry": remedy.can_retry and row["resolved_at"] is None,
        "history": history,
    }


async def resolve_noted(
    session: AsyncSession, person: Person, incident_id: UUID, note: str, now: datetime
) -> Json | None:
    """Say what came of an incident that stopped nothing; the execution that it is about.

    Raises:
        StoreError: not_found.
        FlowError: forbidden, reason_required, incident_closed.
    """
    person.must(RESOLVING)
    said = note.strip()
    if len(said) < MINIMUM_NOTE:
        raise FlowError("reason_required", minimum=MINIMUM_NOTE)
    keys = {"tenant": person.tenant_id, "id": incident_id}
    row = await fetch_one(session, _INCIDENT, **keys)
    if row is None or row["code"] not in NOTED:
        raise NotFoundError(what="incident", id=str(incident_id))
    if await fetch_one(session, _RESOLVE, **keys, now=now, by=person.id, note=said) is None:
        raise FlowError("incident_closed")
    about = UUID(row["params"]["execution"])
    draft = AuditDraft(
        action="incident.resolved", object_type="incident", object_id=incident_id, instance_id=row["instance_id"],
        execution_id=about, new={"code": row["code"], "resolution": said}, reason=said,
    )  # fmt: skip
    await audit_tenant(session, person.actor, draft)
    return (await execution_views(session, person.tenant_id, [about])).get(about)


def _entry(row: Any) -> Json:
    told = row["new"] or {}
    return {
        "at": moment(row["at"]),
        "actor": {"id": None if row["actor_id"] is None else str(row["actor_id"]), "username": row["actor_name"]},
        "action": row["action"],
        "code": told.get("code"),
        "reason": row["reason"] or told.get("resolution") or "",
    }
