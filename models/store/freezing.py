"""What an approved version keeps of the catalogues: who approves and what is in tolerance, as it was at approval.

A draft names approval templates and measurement definitions; an approved version carries copies of them beside the
name, under `as_approved`, so that changing a template changes no version that is in force.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DispositionDecision
from models.flow.durations import format_duration
from models.flow.graph import StepType
from models.store.approvals import templates_of
from models.store.measurements import definitions_of

Json = dict[str, Any]

AS_APPROVED: Final = "as_approved"
_NAMES: Final = {"approval": "template_id", "measurement": "measurement_definition_id"}


async def with_definitions(session: AsyncSession, tenant_id: UUID, graph: Mapping[str, Any]) -> Json:
    """A copy of a resolved graph whose requirements carry what they name; in two queries at most."""
    frozen = deepcopy(dict(graph))
    found = [
        (requirement, step)
        for step in frozen.get("steps") or ()
        for requirement in step.get("requirements") or ()
        if requirement.get("requirement_type") in _NAMES
    ]
    wanted: dict[str, list[UUID]] = {kind: [] for kind in _NAMES}
    for requirement, _ in found:
        named = (requirement.get("config") or {}).get(_NAMES[requirement["requirement_type"]])
        if named is not None:
            wanted[requirement["requirement_type"]].append(UUID(str(named)))
    templates = await templates_of(session, tenant_id, ids=wanted["approval"]) if wanted["approval"] else {}
    definitions = await definitions_of(session, tenant_id, wanted["measurement"]) if wanted["measurement"] else {}
    for requirement, step in found:
        config = requirement.get("config") or {}
        config.pop(AS_APPROVED, None)
        named = config.get(_NAMES[requirement["requirement_type"]])
        if named is None:
            continue
        if requirement["requirement_type"] == "approval":
            config[AS_APPROVED] = template_copy(templates[UUID(str(named))])
        else:
            passing = dispositions_that_pass(step)
            config[AS_APPROVED] = {**definition_copy(definitions[UUID(str(named))]), "dispositions_that_pass": passing}
    return frozen


def dispositions_that_pass(step: Mapping[str, Any]) -> list[str]:
    """With which dispositions of values out of tolerance a step may be completed.

    Where the step decides, all: the decision sends the subject where the disposition says. Elsewhere the subject goes
    on as good, so only `use_as_is`: what is reworked or repaired is measured again, what is scrapped is taken out.
    """
    decides = bool(step.get("is_decision_point")) or step.get("step_type") == StepType.DECISION
    return [one.value for one in DispositionDecision] if decides else [DispositionDecision.USE_AS_IS.value]


def template_copy(row: RowMapping) -> Json:
    """The terms of an approval template, JSON-ready; durations in ISO 8601."""
    spans = {name: None if row[name] is None else format_duration(row[name]) for name in ("due_in", "remind_before")}
    words = ("key", "name", "stages", "escalate_to", "allow_self_approval", "allow_delegation")
    return {"id": str(row["id"]), **{name: row[name] for name in words}, **spans}


def definition_copy(row: RowMapping) -> Json:
    """A measurement definition, JSON-ready; decimals as text."""
    decimals = ("nominal", "upper_tol", "lower_tol", "lower_limit", "upper_limit")
    words = ("key", "name", "unit", "sample_size", "gauge_required")
    exact = {name: None if row[name] is None else f"{row[name]:f}" for name in decimals}
    return {"id": str(row["id"]), **{name: row[name] for name in words}, **exact}
