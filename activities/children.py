"""Nested instances in the database: their rows, what cascades to them, and the news of their end (DESIGN §3.8)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.contract import COMMAND_KINDS
from activities.projection import Place
from models.db import tenant_session
from models.flow import events as ev
from models.flow.graph import Graph, Requirement, RequirementType
from models.flow.ids import requirement_id
from models.flow.state import execution_id
from models.store.canonical import content_hash
from models.store.identifiers import next_identifier, take_numbers
from models.store.instances import create_instance, put_in_outbox
from models.tables import Command, Process, StepExecution, Subject, SubjectType, WorkflowInstance

CHILD_ENDED_TOPIC = "child_ended"
COMMANDS_TOPIC = "signal_commands"
ENGINE_SOURCE = "engine"
"""Source of commands that the engine itself gives; the API never writes it (facts grant such commands control)."""
STARTED_BY_PARENT = timedelta(minutes=2)
"""The parent's workflow starts its children; the outbox does it only if that did not happen by then."""

_OPEN_CHILDREN = text(
    "SELECT id FROM workflow_instance"
    " WHERE tenant_id = :tenant AND parent_instance_id = :instance AND completed_at IS NULL"
    " AND (CAST(:of AS uuid[]) IS NULL OR triggered_by = ANY(:of)) ORDER BY id"
)


class ChildProcessUnusableError(RuntimeError):
    """A child_workflow requirement names a process that is missing, not approved, or takes another subject type."""


async def create_child(
    session: AsyncSession, engine: AsyncEngine, place: Place, graph: Graph, event: ev.ChildRequested
) -> None:
    """Write the pending rows of one nested instance: subjects by the requirement's rule, identifier, origin.

    Raises:
        ChildProcessUnusableError: the requirement cannot be carried out as it is configured.
    """
    requirement = next(r for r in graph.steps[event.ref.step].requirements if r.key == event.requirement)
    parent = await session.get_one(WorkflowInstance, (place.tenant, place.instance))
    asking = await session.get_one(StepExecution, (place.tenant, execution_id(place.instance, event.ref)))
    process = await session.get(Process, (place.tenant, UUID(str(requirement.config["process_id"]))))
    if process is None or process.status not in {"approved", "deprecated"}:
        raise ChildProcessUnusableError(f"{requirement.name}: its process is not approved")
    kept = asking.kept_gates.get(requirement.key)
    identifier = await next_identifier(engine, place.tenant, process.category, event.at.year)
    subjects = await _subjects(session, engine, place, requirement, process, asking, identifier, event.at.year)
    await create_instance(
        session,
        tenant_id=place.tenant,
        instance_id=UUID(event.child_id),
        process=process,
        identifier=identifier,
        subjects=subjects,
        name=f"{requirement.name} · {parent.identifier}",
        context={**_mapped(requirement, parent.context), "parent": parent.identifier},
        owner_id=parent.owner_id,
        created_by=parent.created_by,
        parent_instance_id=place.instance,
        triggered_by=asking.id,
        triggered_requirement_id=UUID(kept) if kept else requirement_id(place.process, event.ref.step, requirement.key),
        child_no=event.number,
        start_after=STARTED_BY_PARENT,
    )


def _mapped(requirement: Requirement, context: Mapping[str, Any]) -> dict[str, Any]:
    wanted = requirement.config.get("context") or {}
    return {target: context.get(source) for target, source in wanted.items()}


async def _subjects(
    session: AsyncSession,
    engine: AsyncEngine,
    place: Place,
    requirement: Requirement,
    process: Process,
    asking: StepExecution,
    identifier: str,
    year: int,
) -> list[UUID]:
    rule = requirement.config.get("subjects", "same")
    if rule == "same":
        if asking.subject_type_id != process.subject_type_id:
            raise ChildProcessUnusableError(f"{requirement.name}: its process takes another type of subject")
        return [asking.subject_id]
    kind = await session.get_one(SubjectType, (place.tenant, process.subject_type_id))
    new = rule.get("new", {}) if isinstance(rule, dict) else {}
    if new.get("type") != kind.key:
        raise ChildProcessUnusableError(f"{requirement.name}: its process takes subjects of type {kind.key}")
    # In a transaction of its own, as identifiers are: a counter held here would block the next child's identifier.
    async with tenant_session(engine, place.tenant) as own:
        numbers = await take_numbers(own, place.tenant, kind.key.upper(), year, int(new.get("count", 1)))
    made = [
        Subject(
            tenant_id=place.tenant,
            id=uuid5(asking.id, f"subject/{requirement.key}/{identifier}/{number}"),
            subject_type_id=kind.id,
            identifier=number,
            title=f"{requirement.name} {identifier}",
            attributes=dict(new.get("attributes", {})),
        )
        for number in numbers
    ]
    session.add_all(made)
    await session.flush()
    return [subject.id for subject in made]


def nests(graph: Graph, step: str) -> bool:
    """Whether executions of a step have nested instances."""
    return any(one.requirement_type == RequirementType.CHILD_WORKFLOW for one in graph.steps[step].requirements)


async def cascade(
    session: AsyncSession,
    place: Place,
    kind: str,
    by: str | None,
    reason: str,
    seq: int,
    *,
    of: Sequence[UUID] | None = None,
) -> None:
    """Hold, resume or cancel open children (all, or those `of` some executions), as commands by the same actor.

    Where the engine itself ended the instance (`by` None), the parent's creator stands for it.
    """
    assert kind in COMMAND_KINDS  # noqa: S101 - a misspelt kind would wait for ever
    keys = {"tenant": place.tenant, "instance": place.instance, "of": None if of is None else list(of)}
    children = list((await (await session.connection()).execute(_OPEN_CHILDREN, keys)).scalars())
    if not children:
        return
    actor = UUID(by) if by is not None else await _creator(session, place)
    body = {"args": {"reason": reason or f"{kind} of the parent"}}
    for child in children:
        command = Command(
            tenant_id=place.tenant,
            id=uuid5(child, f"{kind}/{place.instance}/{seq}"),
            actor_id=actor,
            kind=kind,
            workflow_instance_id=child,
            body=body,
            body_hash=content_hash(body),
            source=ENGINE_SOURCE,
        )
        session.add(command)
        payload = {"instance_id": str(child), "command_ids": [str(command.id)]}
        await put_in_outbox(session, place.tenant, COMMANDS_TOPIC, str(child), payload)
    await session.flush()


async def _creator(session: AsyncSession, place: Place) -> UUID:
    query = select(WorkflowInstance.created_by).where(
        WorkflowInstance.tenant_id == place.tenant, WorkflowInstance.id == place.instance
    )
    creator = (await session.exec(query)).one()
    if creator is None:
        raise LookupError(f"instance {place.instance} has no creator")
    return creator


async def tell_parent(session: AsyncSession, place: Place, parent: UUID | None, status: str) -> None:
    """Leave the news of this instance's end for its parent."""
    if parent is None:
        return
    payload = {"instance_id": str(parent), "child_id": str(place.instance), "status": status}
    await put_in_outbox(session, place.tenant, CHILD_ENDED_TOPIC, str(parent), payload)
