"""Giving and withdrawing evidence: the way of one request through locks, checks, the type, and the record.

Called by the API inside the request's transaction; nothing here commits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EvidenceAction
from models.flow.errors import FlowError
from models.flow.graph import Requirement
from models.requirements.base import Asked, Gate, Giving, Json, RequirementKind
from models.requirements.registry import judge, kind_of, look_at
from models.store.audit import Actor
from models.store.evidence import (
    Locked,
    Projected,
    Sealing,
    append_evidence,
    bump,
    check_workable,
    last_evidence,
    lock_execution,
    project,
    sealing,
)
from models.store.gate_errors import (
    DerivedRequirementError,
    ExecutionUnknownError,
    NothingToWithdrawError,
    RequirementOutOfOrderError,
    RequirementUnknownError,
)
from models.store.people import Person
from models.store.voids import void_outdated
from models.tables import StepExecution, StepRequirement

MINIMUM_REASON = 3
"""Characters that say why evidence is withdrawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What became of a requirement; `reason` is None where it is met now."""

    execution_id: UUID
    requirement_id: UUID
    evidence: Json
    reason: str | None


async def gates_at(session: AsyncSession, execution: StepExecution) -> list[Gate]:
    """All requirements of an execution's step, in order, as the approved version has them.

    Each has the id under which its evidence stands, see `models.requirements.registry.gates_of`.
    """
    rows = await session.exec(
        select(StepRequirement)
        .where(col(StepRequirement.tenant_id) == execution.tenant_id, col(StepRequirement.step_id) == execution.step_id)
        .order_by(col(StepRequirement.order), col(StepRequirement.key))
    )
    return [
        Gate(
            id=UUID(execution.kept_gates[row.key]) if row.key in execution.kept_gates else row.id,
            step=execution.step_key,
            requirement=Requirement(
                key=row.key,
                requirement_type=row.requirement_type,
                name=row.name,
                description=row.description,
                is_mandatory=row.is_mandatory,
                order=row.order,
                config=row.config,
            ),
        )
        for row in rows
    ]


async def gate_at(session: AsyncSession, execution: StepExecution, requirement_id: UUID) -> tuple[Gate, list[Gate]]:
    """One requirement of an execution, and all of its step.

    Raises:
        RequirementUnknownError: requirement_unknown.
    """
    gates = await gates_at(session, execution)
    found = next((gate for gate in gates if gate.id == requirement_id), None)
    if found is None:
        raise RequirementUnknownError(requirement_id=str(requirement_id))
    return found, gates


async def kind_at(session: AsyncSession, tenant_id: UUID, execution_id: UUID, requirement_id: UUID) -> RequirementKind:
    """The type of one requirement of an execution.

    Raises:
        StoreError: execution_unknown, requirement_unknown.
    """
    execution = await session.get(StepExecution, (tenant_id, execution_id))
    if execution is None:
        raise ExecutionUnknownError(execution_id=str(execution_id))
    gate, _ = await gate_at(session, execution, requirement_id)
    return kind_of(gate.requirement)


async def give_evidence(
    session: AsyncSession,
    person: Person,
    execution_id: UUID,
    requirement_id: UUID,
    evidence: Mapping[str, Any],
    now: datetime,
    *,
    proven: bool = False,
) -> Given:
    """Record evidence for one requirement.

    Args:
        session: The request's transaction.
        person: Holds `evidence.give`, or signs by role.
        execution_id: An execution of the person's tenant.
        requirement_id: A requirement of its step.
        evidence: In the shape of its type, without any password.
        now: UTC.
        proven: Whether the person has just proven who they are by password.

    Raises:
        StoreError: execution_unknown, requirement_unknown, derived_requirement, requirement_out_of_order,
            evidence_invalid, and those of the type.
        FlowError: instance_closed, on_hold, execution_closed, already_done, already_claimed, forbidden.
    """
    locked = await lock_execution(session, person.tenant_id, execution_id)
    gate, gates = await gate_at(session, locked.execution, requirement_id)
    kind = kind_of(gate.requirement)
    if kind.derived:
        raise DerivedRequirementError(requirement_type=kind.name)
    if not kind.needs_password:
        person.must("evidence.give")
    await check_workable(session, locked, person, only_by_holder=kind.only_by_holder)
    await check_order(session, locked, gate, gates)
    revision, before = await last_evidence(session, locked.execution, gate.id)
    link = await sealing(session, locked)
    data = await kind.give(
        Giving(
            session=session, tenant_id=person.tenant_id, link=link, gate=gate, person=person, now=now,
            evidence=dict(evidence), before=before, proven=proven,
        )
    )  # fmt: skip
    if data is None and revision:
        return await _standing(session, locked, gate, before)
    change = Change(EvidenceAction.GIVEN, revision + 1, before, data or {}, "")
    return await record_change(session, person.actor, locked, link, gate, change, now)


async def withdraw_evidence(
    session: AsyncSession, person: Person, execution_id: UUID, requirement_id: UUID, reason: str, now: datetime
) -> Given:
    """Take back what was given, with a reason; also while the execution waits, which reopens it.

    Raises:
        StoreError: execution_unknown, requirement_unknown, derived_requirement, nothing_to_withdraw.
        FlowError: instance_closed, on_hold, execution_closed, already_claimed, forbidden, reason_required.
    """
    if len(reason.strip()) < MINIMUM_REASON:
        raise FlowError("reason_required", minimum=MINIMUM_REASON)
    locked = await lock_execution(session, person.tenant_id, execution_id)
    gate, _ = await gate_at(session, locked.execution, requirement_id)
    kind = kind_of(gate.requirement)
    if kind.derived:
        raise DerivedRequirementError(requirement_type=kind.name)
    person.must("evidence.give")
    await check_workable(session, locked, person, withdrawing=True, only_by_holder=kind.only_by_holder)
    revision, before = await last_evidence(session, locked.execution, gate.id)
    if not before:
        raise NothingToWithdrawError
    link = await sealing(session, locked)
    await kind.withdraw(
        Giving(
            session=session, tenant_id=person.tenant_id, link=link, gate=gate, person=person, now=now,
            before=before, reason=reason.strip(),
        )
    )  # fmt: skip
    change = Change(EvidenceAction.WITHDRAWN, revision + 1, before, {}, reason.strip())
    return await record_change(session, person.actor, locked, link, gate, change, now)


async def check_order(session: AsyncSession, locked: Locked, gate: Gate, gates: list[Gate]) -> None:
    """Where the step is worked in order, everything mandatory before this one is met.

    Raises:
        RequirementOutOfOrderError: requirement_out_of_order.
    """
    if not locked.step.ordered:
        return
    execution = locked.execution
    earlier = [one for one in gates if one.requirement.is_mandatory and one.requirement.order < gate.requirement.order]
    look = await look_at(session, execution.tenant_id, [execution.id], full=True)
    unmet = await judge(look, [Asked(one, [execution]) for one in earlier])
    for one in earlier:
        if (execution.id, one.id) in unmet:
            raise RequirementOutOfOrderError(before=one.requirement.name, requirement_id=str(one.id))


@dataclass(frozen=True, slots=True)
class Change:
    """A new revision of a requirement's evidence."""

    action: EvidenceAction
    revision: int
    before: Json
    data: Json
    reason: str


async def record_change(
    session: AsyncSession, actor: Actor, locked: Locked, link: Sealing, gate: Gate, change: Change, now: datetime
) -> Given:
    """Append, project, void what the change made untrue, count it, and seal all of it by one link."""
    execution = locked.execution
    await append_evidence(
        session, link, gate.id,
        revision=change.revision, action=change.action, data=change.data, now=now, actor=actor, reason=change.reason,
    )  # fmt: skip
    await _project(session, actor, execution, gate, change.data, now, complete=False)
    given = await _standing(session, locked, gate, change.data)
    if given.reason is None:
        await _project(session, actor, execution, gate, change.data, now, complete=True)
    link.tell(
        f"evidence.{change.action.value}", "step_requirement", gate.id,
        old={"evidence": change.before} if change.before else None,
        new={"requirement": gate.requirement.key, "revision": change.revision, "evidence": change.data},
        reason=change.reason,
    )  # fmt: skip
    what = "withdrawn" if change.action is EvidenceAction.WITHDRAWN else "changed"
    name = gate.requirement.name
    await void_outdated(session, actor, {execution.id: link}, f"'{name}' was {what} by {actor.name}.", now)
    await bump(session, actor.tenant_id, [locked])
    await link.finish(session, actor, now)
    return given


async def _project(
    session: AsyncSession, actor: Actor, execution: StepExecution, gate: Gate, data: Json, now: datetime,
    *, complete: bool,
) -> None:  # fmt: skip
    row = Projected(
        execution_id=execution.id, requirement_id=gate.id, complete=complete, evidence=data, at=now, by=actor.user_id
    )
    await project(session, actor.tenant_id, [row])


async def _standing(session: AsyncSession, locked: Locked, gate: Gate, evidence: Json) -> Given:
    execution = locked.execution
    look = await look_at(session, execution.tenant_id, [execution.id], full=True)
    reasons = await judge(look, [Asked(gate, [execution])])
    return Given(
        execution_id=execution.id,
        requirement_id=gate.id,
        evidence=evidence,
        reason=reasons.get((execution.id, gate.id)),
    )
