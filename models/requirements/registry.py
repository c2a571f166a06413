"""The types of requirements by name, and the questions that the engine asks all of them at once.

Shipped types are listed here; a plug-in registers a class under the entry point group `gatework.requirements`.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.facts import Unmet
from models.flow.graph import Graph, Requirement, Step
from models.flow.ids import requirement_id
from models.flow.status import OPEN
from models.requirements.approval import ApprovalKind
from models.requirements.base import (
    Asked,
    Config,
    ConfigProblem,
    Gate,
    Giving,
    Json,
    Key,
    Look,
    RequirementKind,
    Standing,
    invalid,
)
from models.requirements.checklist import Checklist
from models.requirements.child_workflow import ChildWorkflowKind
from models.requirements.custom import CustomKind
from models.requirements.document import DocumentKind
from models.requirements.form import Form
from models.requirements.measurement import MeasurementKind
from models.requirements.signature import SignatureKind
from models.store.evidence import Sealing
from models.store.reading import fetch
from models.store.workers import workers_of
from models.tables import StepExecution
from models.wire import Statement

__all__ = ["close_gates", "judge", "kind_of", "kinds", "open_gates", "problems_of", "unmet_of", "workers_of"]

PLUG_INS: Final = "gatework.requirements"
SHIPPED: Final[tuple[type[RequirementKind], ...]] = (
    DocumentKind, ApprovalKind, Checklist, Form, SignatureKind, MeasurementKind, ChildWorkflowKind, CustomKind,
)  # fmt: skip

_STANDS = """
    SELECT execution_id, requirement_id, is_complete,
           CASE WHEN is_complete AND NOT CAST(:full AS boolean) THEN '{}'::jsonb ELSE evidence END AS evidence
    FROM step_requirement_completion WHERE tenant_id = :tenant AND execution_id
"""
_STANDING = text(f"{_STANDS} = ANY(:executions)")
_STANDING_OF = text(
    f"{_STANDS} = (SELECT CAST(c.body -> 'execution_ids' ->> 0 AS uuid) FROM command c"  # noqa: S608 - constants only
    " WHERE c.tenant_id = :tenant AND c.id = :command AND jsonb_array_length(c.body -> 'execution_ids') = 1)"
)


@cache
def kinds() -> Mapping[str, RequirementKind]:
    """Every type by its name; read once per process.

    Raises:
        TypeError: a plug-in is no `RequirementKind`, or takes a name that is taken.
    """
    found: dict[str, RequirementKind] = {kind.name: kind() for kind in SHIPPED}
    for entry in sorted(entry_points(group=PLUG_INS), key=lambda one: one.name):
        kind = entry.load()
        if not (isinstance(kind, type) and issubclass(kind, RequirementKind)) or kind.name in found:
            raise TypeError(f"The plug-in {entry.name} is no requirement type, or its name is taken.")
        found[kind.name] = kind()
    return found


class MissingKind(RequirementKind):
    """In place of a type of a version in force whose package is not installed here (any more): nothing passes."""

    name = ""
    config_model = Config

    def __init__(self, missing: str) -> None:
        """Remember which type is meant."""
        self._why = f"requirements of the type '{missing}' are not installed here; have an administrator install them"

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:  # noqa: ARG002 - the shape is the base's
        """Each, whatever was given before."""
        return {(execution.id, gate.id): self._why for gate, executions in asked for execution in executions}

    async def give(self, giving: Giving) -> Json | None:  # noqa: ARG002 - the shape is the base's
        """Nobody could judge it."""
        raise invalid("", f"{self._why[0].upper()}{self._why[1:]}.")


def kind_of(requirement: Requirement) -> RequirementKind:
    """The type of a requirement."""
    return _kind(requirement.requirement_type)


def _kind(name: str) -> RequirementKind:
    return kinds().get(name) or MissingKind(name)


def problems_of(
    requirement_type: str, config: Mapping[str, Any], *, steps: Collection[str] | None = None
) -> tuple[ConfigProblem, ...]:
    """What is wrong with the config of a requirement; empty where it can be published.

    Args:
        requirement_type: Any word.
        config: Any JSON object.
        steps: Keys of the process's steps, where it is known; those that the config names must be among them.
    """
    kind = kinds().get(requirement_type)
    if kind is None:
        known = ", ".join(sorted(kinds()))
        message = f"There is no requirement type '{requirement_type}'. Types: {known}."
        return (ConfigProblem("requirement_type_unknown", "", message),)
    found = kind.problems(config)
    if found or steps is None:
        return found
    return tuple(
        ConfigProblem("config_invalid", pointer, f"There is no step '{key}' in this process.")
        for pointer, key in kind.named_steps(config).items()
        if key not in steps
    )


def gates_of(process_id: UUID, step: Step, kept: Mapping[str, str]) -> tuple[Gate, ...]:
    """The requirements of a step in order, each with the id under which its evidence stands.

    That is its row's id, but for executions that were migrated: `kept` names those which go on under an earlier one.
    """
    return tuple(
        Gate(
            id=UUID(kept[one.key]) if one.key in kept else requirement_id(process_id, step.key, one.key),
            step=step.key,
            requirement=one,
        )
        for one in step.requirements
    )


async def unmet_of(
    session: AsyncSession,
    tenant_id: UUID,
    process_id: UUID,
    graph: Graph,
    executions: Sequence[StepExecution],
    standing: Iterable[Iterable[Any]] | None = None,
) -> dict[UUID, tuple[Unmet, ...]]:
    """What still blocks each execution: mandatory requirements that are not met, in their order.

    One query for all evidence and one or two per type that is asked for, whatever the number of executions.

    Args:
        session: Tenant-scoped.
        tenant_id: Whose.
        process_id: The version that the executions are pinned to.
        graph: Of that version.
        executions: What is asked about.
        standing: The answer to `what_stands`, where the caller has it already.

    Returns:
        Execution id → unmet requirements; an execution that may pass has no entry.
    """
    asked = [Asked(gate, at) for gate, at in _at_gates(process_id, graph, executions) if gate.requirement.is_mandatory]
    if not asked:
        return {}
    if standing is None:
        look = await look_at(session, tenant_id, [execution.id for execution in executions])
    else:
        look = Look(session=session, tenant_id=tenant_id, standing=standing_of(standing))
    reasons = await judge(look, asked)
    found: dict[UUID, list[Unmet]] = {}
    for gate, at in asked:
        for execution in at:
            reason = reasons.get((execution.id, gate.id))
            if reason is not None:
                found.setdefault(execution.id, []).append(_unmet(gate, reason))
    return {execution: tuple(unmet) for execution, unmet in found.items()}


async def judge(look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
    """The reason of each requirement that is not met, each type asked once."""
    by_kind: dict[str, list[Asked]] = {}
    for one in asked:
        by_kind.setdefault(one.gate.requirement.requirement_type, []).append(one)
    found: dict[Key, str] = {}
    for name, of_kind in by_kind.items():
        found |= await _kind(name).unmet(look, of_kind)
    return found


async def look_at(session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID], *, full: bool = False) -> Look:
    """What was given at these executions; `full`: also the evidence of what is complete."""
    rows = await fetch(session, _STANDING, tenant=tenant_id, executions=list(execution_ids), full=full)
    return Look(session=session, tenant_id=tenant_id, standing=standing_of(row.values() for row in rows))


def what_stands(tenant_id: UUID, execution_ids: Sequence[UUID]) -> Statement:
    """The query for what was given at these executions; of what is complete, only that it is."""
    return Statement(_STANDING, {"tenant": tenant_id, "executions": list(execution_ids), "full": False})


def what_stands_for(tenant_id: UUID, command: UUID) -> Statement:
    """The same of the execution that a command names; nothing where it names several."""
    return Statement(_STANDING_OF, {"tenant": tenant_id, "command": command, "full": False})


def standing_of(rows: Iterable[Iterable[Any]]) -> dict[Key, Standing]:
    """From rows of that query."""
    return {(execution, gate): Standing(complete, evidence) for execution, gate, complete, evidence in rows}


async def open_gates(
    session: AsyncSession,
    tenant_id: UUID,
    process_id: UUID,
    graph: Graph,
    executions: Sequence[StepExecution],
    now: datetime,
    *,
    only: Collection[str] | None = None,
) -> None:
    """Let each type prepare what it needs for executions that were just entered, approval requests above all.

    Called by record after the rows are inserted; where no requirement of the step asks for it, without a query. `only`
    names the requirements concerned, where executions have met others before.
    """
    look = Look(session=session, tenant_id=tenant_id)
    by_kind: dict[str, list[Asked]] = {}
    for one in _at_gates(process_id, graph, [e for e in executions if e.status in OPEN]):
        if only is None or one.gate.requirement.key in only:
            by_kind.setdefault(one.gate.requirement.requirement_type, []).append(one)
    for name, asked in by_kind.items():
        await _kind(name).open(look, asked, now)


async def close_gates(session: AsyncSession, tenant_id: UUID, execution_ids: Sequence[UUID], now: datetime) -> None:
    """Let each type end what must not stay open at executions that were completed or cancelled."""
    look = Look(session=session, tenant_id=tenant_id)
    for kind in kinds().values():
        await kind.close(look, execution_ids, now)


async def reopen_gates(
    session: AsyncSession,
    tenant_id: UUID,
    process_id: UUID,
    graph: Graph,
    links: Mapping[UUID, Sealing],
    closed_at: datetime,
    now: datetime,
) -> None:
    """Let each type begin again what it ended when these executions, open again and locked, were closed."""
    look = Look(session=session, tenant_id=tenant_id)
    by_kind: dict[str, list[Asked]] = {}
    for one in _at_gates(process_id, graph, [link.execution for link in links.values()]):
        by_kind.setdefault(one.gate.requirement.requirement_type, []).append(one)
    for name, asked in by_kind.items():
        await _kind(name).reopen(look, asked, links, closed_at, now)


async def drop_gates(
    session: AsyncSession,
    tenant_id: UUID,
    step: Step,
    dropped: Collection[str],
    execution_ids: Sequence[UUID],
    now: datetime,
) -> None:
    """Let the types of requirements that are asked no longer end what they had opened for executions that stay."""
    look = Look(session=session, tenant_id=tenant_id)
    concerned = dict.fromkeys(one.requirement_type for one in step.requirements if one.key in dropped)
    for name in concerned:
        await _kind(name).drop(look, execution_ids, now)


def _at_gates(process_id: UUID, graph: Graph, executions: Sequence[StepExecution]) -> Iterator[Asked]:
    by_step: dict[tuple[str, Hashable], list[StepExecution]] = {}
    for execution in executions:
        kept = tuple(sorted(execution.kept_gates.items())) if execution.kept_gates else ()
        by_step.setdefault((execution.step_key, kept), []).append(execution)
    for (key, _), at in by_step.items():
        for gate in gates_of(process_id, graph.steps[key], at[0].kept_gates):
            yield Asked(gate, at)


def _unmet(gate: Gate, reason: str) -> Unmet:
    requirement = gate.requirement
    return Unmet(requirement_id=str(gate.id), key=requirement.key, name=requirement.name, reason=reason)
