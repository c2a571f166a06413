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
from activities.definitions import Definition
from activities.nesting import Nesting
from activities.projection import Place
from models.db import tenant_session
from models.flow import events as ev
from models.flow.ids import requirement_id
from models.flow.state import execution_id
from models.requirements.child_workflow import NewSubjects, SubjectsFound, SubjectsMade, config_of
from models.store.audit import AuditDraft, engine_actor
from models.store.canonical import content_hash
from models.store.identifiers import next_identifier, take_numbers
from models.store.instances import create_instance, put_in_outbox
from models.store.subject_types import subject_type_by_key
from models.store.subjects import NewSubject, insert_subjects
from models.tables import Command, Process, StepExecution, WorkflowInstance

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


async def create_child(
    session: AsyncSession, engine: AsyncEngine, place: Place, definition: Definition, event: ev.ChildRequested
) -> list[AuditDraft]:
    """Write the pending rows of one nested instance that a requirement asks for.

    Returns:
        Audit entries of subjects made for it, for the parent's chain.

    Raises:
        ChildProcessUnusableError: it cannot be started, which facts ought to have found out.
    """
    steps = definition.graph.steps
    requirement = next(r for r in steps[event.ref.step].requirements if r.key == event.requirement)
    asking = await session.get_one(StepExecution, (place.tenant, execution_id(place.instance, event.ref)))
    kept = asking.kept_gates.get(requirement.key)
    reading = Nesting(session, place.tenant, place.instance, definition)
    process = await reading.process_of(requirement)
    config = config_of(requirement.config)
    parent = await session.get_one(WorkflowInstance, (place.tenant, place.instance))
    context = {target: parent.context.get(source) for target, source in config.context.items()}
    identifier = await nested_identifier(session, engine, place, process["id"], event.at.year)
    made: list[AuditDraft] = []
    match config.subjects:
        case SubjectsMade(new=new):
            subjects, made = await make_subjects(session, engine, place, new, asking, identifier, event.at.year)
        case SubjectsFound(rule=rule):
            subjects = await reading.found(rule, process, event.ref.subject)
        case _:
            subjects = [asking.subject_id]
    await start_nested(
        session,
        place,
        parent,
        asking,
        process_id=process["id"],
        instance_id=UUID(event.child_id),
        identifier=identifier,
        name=config.name or f"{requirement.name} · {parent.identifier}",
        context=context,
        subjects=subjects,
        triggered_requirement_id=UUID(kept) if kept else requirement_id(place.process, event.ref.step, requirement.key),
        child_no=event.number,
        start_after=STARTED_BY_PARENT,
    )
    return made


async def start_nested(
    session: AsyncSession,
    place: Place,
    parent: WorkflowInstance,
    asking: StepExecution,
    *,
    process_id: UUID,
    instance_id: UUID,
    identifier: str,
    name: str,
    context: Mapping[str, Any],
    subjects: Sequence[UUID],
    triggered_requirement_id: UUID | None = None,
    child_no: int | None = None,
    start_after: timedelta = timedelta(),
) -> WorkflowInstance:
    """Write a pending instance below another, whoever asks for it: it knows its parent, and its parent's people own it.

    Args:
        session: The transaction that holds the parent.
        place: The parent.
        parent: Its row.
        asking: The execution that triggers it.
        process_id: A version in force that takes these subjects.
        instance_id: Also the id of its workflow.
        identifier: From `nested_identifier`.
        name: Shown in lists.
        context: It also gets `parent`, the parent's identifier.
        subjects: Ids, in order.
        triggered_requirement_id: The requirement that waits for it; None where nothing does.
        child_no: Its number within the requirement.
        start_after: How long the outbox leaves the start of its workflow to the parent's.
    """
    process = await session.get_one(Process, (place.tenant, process_id))
    return await create_instance(
        session,
        tenant_id=place.tenant,
        instance_id=instance_id,
        process=process,
        identifier=identifier,
        subjects=subjects,
        name=name,
        context={**context, "parent": parent.identifier},
        owner_id=parent.owner_id,
        created_by=parent.created_by,
        parent_instance_id=place.instance,
        triggered_by=asking.id,
        triggered_requirement_id=triggered_requirement_id,
        child_no=child_no,
        start_after=start_after,
    )


async def nested_identifier(
    session: AsyncSession, engine: AsyncEngine, place: Place, process_id: UUID, year: int
) -> str:
    """The next number of the process's category, in a transaction of its own."""
    process = await session.get_one(Process, (place.tenant, process_id))
    return await next_identifier(engine, place.tenant, process.category, year)


async def make_subjects(
    session: AsyncSession,
    engine: AsyncEngine,
    place: Place,
    new: NewSubjects,
    asking: StepExecution,
    title: str,
    year: int,
) -> tuple[list[UUID], list[AuditDraft]]:
    """New subjects with numbers of their type, and their audit entries.

    The numbers are taken in a transaction of their own, as identifiers are: a counter held here would block the next
    child's.
    """
    kind = await subject_type_by_key(session, place.tenant, new.type)
    async with tenant_session(engine, place.tenant) as own:
        numbers = await take_numbers(own, place.tenant, kind.key.upper(), year, new.count)
    made = [
        NewSubject(
            id=uuid5(asking.id, f"subject/{title}/{number}"),
            identifier=number,
            title=title,
            attributes=dict(new.attributes),
        )
        for number in numbers
    ]
    return [one.id for one in made], await insert_subjects(session, engine_actor(place.tenant), kind, made)


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

    Args:
        session: The transaction that holds the parent.
        place: The parent.
        kind: The command.
        by: Who caused it.
        reason: Why.
        seq: Position in the parent's journal, which names the commands.
        of: Only children of these executions; None: all.
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
