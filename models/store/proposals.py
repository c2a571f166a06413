"""Deviations that need a second person: kept as proposed commands, until somebody else confirms or rejects them.

A proposed command has an outcome, so nobody hands it to the engine; confirming takes the outcome away again.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import Chain, CommandOutcome
from models.flow.authority import MINIMUM_REASON, PERMISSIONS, WITNESSED, demanded
from models.flow.errors import FlowError
from models.flow.graph import parse_graph
from models.flow.status import INSTANCE_CLOSED, InstanceStatus
from models.store.audit import AuditDraft, write_audit
from models.store.chain import lock_chain
from models.store.errors import NotFoundError
from models.store.people import Person
from models.store.reading import fetch, fetch_one
from models.store.refusals import NotProposedError
from models.tables import Process, WorkflowInstance

AWAITING: Final = "awaiting_second_person"

_STEPS = text(
    """
    SELECT DISTINCT step_key FROM step_execution
    WHERE tenant_id = :tenant AND workflow_instance_id = :instance
      AND (id = ANY(:executions) OR (subject_id = ANY(:subjects) AND exited_at IS NULL)
           OR (lot = ANY(:lots) AND exited_at IS NULL))
    """
)
_PROPOSED = text(
    "SELECT id, actor_id, kind, workflow_instance_id, body, outcome FROM command"
    " WHERE tenant_id = :tenant AND id = :id FOR NO KEY UPDATE"
)
_CONFIRM = text(
    """
    UPDATE command SET outcome = NULL, settled_at = NULL, response = NULL, confirmed_by = :by, confirmed_at = now()
    WHERE tenant_id = :tenant AND id = :id RETURNING id
    """
)
_REJECT = text(
    """
    UPDATE command SET outcome = 'refused', settled_at = now(), response = CAST(:response AS jsonb)
    WHERE tenant_id = :tenant AND id = :id RETURNING id
    """
)


def deviation_of(kind: str, args: Mapping[str, Any]) -> str | None:
    """Which deviation a command is, of those that may need a second person."""
    if kind == "complete":
        return "force" if args.get("force") is not None else None
    return kind if kind in WITNESSED else None


async def demands_second_person(
    session: AsyncSession, tenant_id: UUID, instance_id: UUID, kind: str, body: Mapping[str, Any]
) -> bool:
    """Whether a step that a command concerns demands a second person; asks nothing for what is no deviation."""
    args = body["args"]
    deviation = deviation_of(kind, args)
    if deviation is None:
        return False
    instance = await session.get_one(WorkflowInstance, (tenant_id, instance_id))
    process = await session.get_one(Process, (tenant_id, instance.process_id))
    graph = parse_graph(process.graph)
    if kind == "add_subjects":
        return demanded(graph, [args.get("to_step") or graph.first.key], deviation)
    rows = await fetch(
        session,
        _STEPS,
        tenant=tenant_id,
        instance=instance_id,
        executions=[UUID(one) for one in body.get("execution_ids", ())],
        subjects=[UUID(one) for one in body.get("subject_ids", ())],
        lots=list(args.get("lots", ())),
    )
    return demanded(graph, [row["step_key"] for row in rows], deviation)


async def note_proposal(
    session: AsyncSession, person: Person, instance_id: UUID, command_id: UUID, kind: str, args: Mapping[str, Any]
) -> None:
    """Write down that somebody proposed a deviation, and why."""
    told = {"deviation": deviation_of(kind, args), **args}
    reason = str(args.get("reason") or args.get("force") or "")
    await _audit(session, person, instance_id, command_id, "deviation.proposed", told, reason)


async def confirm(session: AsyncSession, person: Person, command_id: UUID) -> RowMapping:
    """Make a proposed command one that the engine takes; the row, for the signal.

    Raises:
        NotFoundError: not_found.
        NotProposedError: not_proposed.
        FlowError: self_confirmation, forbidden; instance_closed, on_hold: then it stays proposed.
    """
    row = await _proposed(session, person, command_id)
    if row["actor_id"] == person.id:
        raise FlowError("self_confirmation")
    instance = await session.get_one(WorkflowInstance, (person.tenant_id, row["workflow_instance_id"]))
    if instance.status == InstanceStatus.ON_HOLD:
        raise FlowError("on_hold")
    if instance.status in INSTANCE_CLOSED:
        raise FlowError("instance_closed", status=str(instance.status))
    await fetch_one(session, _CONFIRM, tenant=person.tenant_id, id=command_id, by=person.id)
    return row


async def reject(session: AsyncSession, person: Person, command_id: UUID, reason: str) -> RowMapping:
    """Refuse a proposed command; whoever proposed it may take it back this way.

    Raises:
        NotFoundError: not_found.
        NotProposedError: not_proposed.
        FlowError: forbidden, reason_required.
    """
    row = await _proposed(session, person, command_id)
    if len(reason.strip()) < MINIMUM_REASON:
        raise FlowError("reason_required", minimum=MINIMUM_REASON)
    response = json.dumps({"code": "deviation_rejected", "params": {"by": person.username, "reason": reason}})
    await fetch_one(session, _REJECT, tenant=person.tenant_id, id=command_id, response=response)
    told = {"deviation": deviation_of(row["kind"], row["body"]["args"])}
    await _audit(session, person, row["workflow_instance_id"], command_id, "deviation.rejected", told, reason)
    return row


async def _proposed(session: AsyncSession, person: Person, command_id: UUID) -> RowMapping:
    row = await fetch_one(session, _PROPOSED, tenant=person.tenant_id, id=command_id)
    if row is None:
        raise NotFoundError(what="command", id=str(command_id))
    deviation = deviation_of(row["kind"], row["body"].get("args", {}))
    if row["outcome"] != CommandOutcome.PROPOSED or deviation is None:
        raise NotProposedError(outcome=row["outcome"] or "under way")
    person.must(PERMISSIONS[deviation])
    return row


async def _audit(
    session: AsyncSession,
    person: Person,
    instance_id: UUID,
    command_id: UUID,
    action: str,
    told: Mapping[str, Any],
    reason: str,
) -> None:
    draft = AuditDraft(
        action=action,
        object_type="command",
        object_id=command_id,
        instance_id=instance_id,
        new=dict(told),
        reason=reason,
    )
    head = await lock_chain(session, person.tenant_id, Chain.INSTANCE, instance_id)
    await write_audit(session, person.actor, [draft], head=head)
