"""Child workflow: nested instances that the engine starts on entry. Derived: met when enough of them completed."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping, text

from models.requirements.base import Asked, Config, Gate, Json, Key, Look, RequirementKind
from models.store.reading import fetch
from models.tables import StepExecution

_CHILDREN = text(
    """
    SELECT triggered_by, triggered_requirement_id, id, identifier, name, status, child_no FROM workflow_instance
    WHERE tenant_id = :tenant AND triggered_by = ANY(:executions) ORDER BY child_no, created_at, id
    """
)
NAMED = 3
"""Children named in a reason."""


class NewSubjects(Config):
    """Subjects made for each child."""

    type: str
    count: int = Field(default=1, ge=1, le=10_000)


class SubjectsRule(Config):
    """`{"new": {"type", "count"}}`."""

    new: NewSubjects


class ChildWorkflowConfig(Config):
    """Which process (by id, by key, or by template) is started how often, with which subjects."""

    process_id: UUID | None = None
    process: str | None = None
    process_template: str | None = None
    count: int = Field(default=1, ge=1, le=1_000)
    subjects: Literal["same"] | SubjectsRule | dict[str, Any] = "same"
    context: dict[str, Any] = Field(default_factory=dict)
    name: str = ""


class ChildWorkflowKind(RequirementKind):
    """No evidence of its own: the children are the evidence."""

    name = "child_workflow"
    config_model = ChildWorkflowConfig
    derived = True

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """One query: the children of all executions."""
        children = await _children(look, [execution for _, at in asked for execution in at])
        found: dict[Key, str] = {}
        for gate, at in asked:
            wanted = ChildWorkflowConfig(**gate.requirement.config).count
            for execution in at:
                reason = _missing(wanted, children.get((execution.id, gate.id), ()))
                if reason is not None:
                    found[execution.id, gate.id] = reason
        return found

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:
        """The children and how they stand."""
        children = (await _children(look, [execution])).get((execution.id, gate.id), ())
        shown = [{"id": str(one["id"]), **{n: one[n] for n in ("identifier", "name", "status")}} for one in children]
        return {"children": shown}


async def _children(look: Look, executions: Sequence[StepExecution]) -> dict[Key, list[RowMapping]]:
    found: dict[Key, list[RowMapping]] = {}
    ids = [execution.id for execution in executions]
    for row in await fetch(look.session, _CHILDREN, tenant=look.tenant_id, executions=ids):
        found.setdefault((row["triggered_by"], row["triggered_requirement_id"]), []).append(row)
    return found


def _missing(wanted: int, children: Sequence[RowMapping]) -> str | None:
    completed = sum(one["status"] == "completed" for one in children)
    if completed >= wanted:
        return None
    lost = [one["identifier"] for one in children if one["status"] == "cancelled"]
    running = [one["identifier"] for one in children if one["status"] not in {"completed", "cancelled"}]
    notes = [
        *([f"cancelled: {_named(lost)}"] if lost else []),
        *([f"still open: {_named(running)}"] if running else []),
    ]
    return f"{completed} of {wanted} child workflows completed" + (f" ({'; '.join(notes)})" if notes else "")


def _named(identifiers: Sequence[str]) -> str:
    more = f" and {len(identifiers) - NAMED} more" if len(identifiers) > NAMED else ""
    return ", ".join(identifiers[:NAMED]) + more
