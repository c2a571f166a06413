"""Amending evidence of a completed execution: a new revision with a reason, never a change of what was there.

Signatures and approvals that covered the old content are voided, and an incident says that somebody has to look: what
was decided on the old evidence stands as it is. Nothing of this passes through the engine, whose work there is over.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EvidenceAction
from models.flow.errors import FlowError
from models.flow.status import ExecutionStatus
from models.notices.kinds import NoticeKind
from models.permissions import roles_with
from models.requirements.base import Gate, Giving, RequirementKind
from models.requirements.giving import Change, Given, gate_at, record_change
from models.requirements.registry import kind_of
from models.store.evidence import Locked, last_evidence, lock_execution, sealing
from models.store.gate_errors import NotAmendableError
from models.store.incidents import NOTED
from models.store.notices import About, Recipients, put_notice
from models.store.people import Person
from models.tables import Incident

MINIMUM_REASON: Final = 10
"""Characters that say why completed work is amended."""
AMENDED: Final = NOTED[0]
"""Code of the incident."""


async def amend_evidence(
    session: AsyncSession,
    person: Person,
    execution_id: UUID,
    requirement_id: UUID,
    evidence: Mapping[str, Any],
    reason: str,
    now: datetime,
) -> Given:
    """Give other evidence for a requirement of a completed execution.

    Args:
        session: The request's transaction.
        person: Holds `evidence.amend`.
        execution_id: Completed; its instance may be closed.
        requirement_id: Of a type whose evidence is content: no approval, signature, children or named check.
        evidence: In the shape of its type; it is added to what is there as it would have been before.
        reason: Kept with the revision, the voided signatures, the incident and the audit trail.
        now: UTC.

    Raises:
        StoreError: execution_unknown, requirement_unknown, not_amendable, evidence_invalid, and those of the type.
        FlowError: forbidden, reason_required.
    """
    person.must("evidence.amend")
    if len(reason.strip()) < MINIMUM_REASON:
        raise FlowError("reason_required", minimum=MINIMUM_REASON)
    locked = await lock_execution(session, person.tenant_id, execution_id)
    gate, _ = await gate_at(session, locked.execution, requirement_id)
    kind = kind_of(gate.requirement)
    _check_amendable(locked, gate, kind)
    revision, before = await last_evidence(session, locked.execution, gate.id)
    link = await sealing(session, locked)
    data = await kind.give(
        Giving(
            session=session, tenant_id=person.tenant_id, link=link, gate=gate, person=person, now=now,
            evidence=dict(evidence), before=before, reason=reason.strip(),
        )
    )  # fmt: skip
    if data is None:
        raise NotAmendableError(detail="it says already what was sent")
    change = Change(EvidenceAction.AMENDED, revision + 1, before, data, reason.strip())
    given = await record_change(session, person.actor, locked, link, gate, change, now)
    await _open_incident(session, person, locked, gate, change, now)
    return given


def _check_amendable(locked: Locked, gate: Gate, kind: RequirementKind) -> None:
    status = locked.execution.status
    if status is not ExecutionStatus.COMPLETED:
        raise NotAmendableError(detail=f"the execution is {status.value}, and only completed work is amended")
    if kind.derived or kind.needs_password or gate.requirement.config.get("check"):
        raise NotAmendableError(detail=f"a requirement of type {kind.name} is not met by what somebody wrote")


async def _open_incident(
    session: AsyncSession, person: Person, locked: Locked, gate: Gate, change: Change, now: datetime
) -> None:
    """Of the instance and not of the execution, which is over for the engine."""
    execution, name = locked.execution, gate.requirement.name
    message = f"Evidence of '{name}' was amended by {person.username} after completion: {change.reason}"
    params = {
        "execution": str(execution.id), "requirement": str(gate.id), "requirement_key": gate.requirement.key,
        "step": execution.step_key, "revision": change.revision, "reason": change.reason,
    }  # fmt: skip
    identity = uuid4()
    session.add(
        Incident(
            tenant_id=person.tenant_id, id=identity, instance_id=locked.instance.id, code=AMENDED, message=message,
            params=params, opened_at=now,
        )
    )  # fmt: skip
    await session.flush()
    about = About(instance=locked.instance.id, executions=[execution.id], object_type="incident", object_id=identity)
    recipients = Recipients(roles=roles_with("ops.incident_resolve"), owner=True, but=[person.id])
    said = {"code": AMENDED, "message": message}
    await put_notice(session, person.tenant_id, NoticeKind.INCIDENT_OPENED, recipients, about, said)
