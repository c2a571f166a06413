"""A level of an escalation policy that starts a process: for the same subjects, below the instance that is late.

Those who are late at one step in the same moment get one instance together: a line that stands still asks for one
investigation and not for a thousand. Where the process cannot be started, the work that is late must not suffer for
it: an incident of the instance says so, and the execution stays as it is.
"""

from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.contract import Cohort
from activities.creating import below
from activities.definitions import Definition
from activities.nesting import MOST_DEEP, ChildProcessUnusableError, Nesting, in_force
from activities.projection import Place
from models.flow import events as ev
from models.flow.policies import Level, LevelAction, level_at
from models.notices.kinds import NoticeKind
from models.permissions import roles_with
from models.store.audit import AuditDraft
from models.store.identifiers import next_identifier
from models.store.incidents import NOTED
from models.store.instances import create_instances
from models.store.notices import About, Recipients, put_notice
from models.store.reading import fetch
from models.tables import Incident, Process, StepExecution, WorkflowInstance

UNUSABLE: Final = NOTED[1]
"""Code of the incident."""

_SUBJECTS = text(
    "SELECT subject_id FROM step_execution WHERE tenant_id = :tenant AND id = ANY(:ids) ORDER BY subject_no"
)


def starts_process(event: ev.Event) -> bool:
    """Whether an event asks for an instance of another process."""
    return isinstance(event, ev.ExecutionEscalated) and event.action == LevelAction.START_PROCESS


async def start_escalation(
    session: AsyncSession, engine: AsyncEngine, place: Place, definition: Definition, cohort: Cohort
) -> list[AuditDraft]:
    """Start what the level names, or open an incident that says why not.

    Args:
        session: The transaction that holds the instance.
        engine: For the identifier, which is taken in a transaction of its own.
        place: The instance.
        definition: Its version.
        cohort: Executions at which the level came, of one step.

    Returns:
        The entry for the instance's audit trail.
    """
    event = cohort.event
    assert isinstance(event, ev.ExecutionEscalated)  # noqa: S101 - see `starts_process`
    step = definition.graph.steps[event.ref.step]
    reached = level_at(step, event.mark)
    assert reached is not None  # noqa: S101 - it is the level that the event says
    ids = place.ids(event.ref, cohort.subjects)
    first = await session.get_one(StepExecution, (place.tenant, ids[0]))
    try:
        process = await _usable(session, place, definition, reached[1], first)
    except ChildProcessUnusableError as error:
        return [await _open_incident(session, place, event, ids, f"{step.name}: {error}")]
    parent = await session.get_one(WorkflowInstance, (place.tenant, place.instance))
    identifier = await next_identifier(engine, place.tenant, process.category, event.at.year)
    pending = below(
        parent,
        first.id,
        id=uuid5(first.id, f"escalation/{event.mark}/{event.at.isoformat()}"),
        process_id=process.id,
        identifier=identifier,
        name=f"Escalation level {event.level} of {step.name} · {parent.identifier}",
        context={"escalation": {"level": event.level, "step": step.key, "execution": str(first.id)}},
        subjects=[row["subject_id"] for row in await fetch(session, _SUBJECTS, tenant=place.tenant, ids=ids)],
    )
    await create_instances(session, place.tenant, [pending])
    return [
        AuditDraft(
            action="escalation_process_started",
            object_type="workflow_instance",
            object_id=pending.id,
            instance_id=place.instance,
            execution_id=first.id,
            new={
                "identifier": identifier,
                "process": {"key": process.key, "version": process.version},
                "level": event.level,
                "step": step.name,
                "subjects": len(ids),
            },
        )
    ]


async def _usable(
    session: AsyncSession, place: Place, definition: Definition, level: Level, execution: StepExecution
) -> Process:
    """The version of the level's process that is in force and takes these subjects.

    Raises:
        ChildProcessUnusableError: as the message says.
    """
    process = await in_force(session, place.tenant, level.process_key)
    if process.subject_type_id != execution.subject_type_id:
        raise ChildProcessUnusableError(f"'{process.name}' takes subjects of another type")
    world = await Nesting(session, place.tenant, place.instance, definition).world()
    if world["depth"] + 1 >= MOST_DEEP:
        raise ChildProcessUnusableError(f"workflows may be nested {MOST_DEEP} levels deep at most")
    return process


async def _open_incident(
    session: AsyncSession, place: Place, event: ev.ExecutionEscalated, ids: list[UUID], reason: str
) -> AuditDraft:
    """Of the instance and not of the execution, whose work goes on."""
    message = f"Escalation level {event.level} could not start its process. {reason}."
    identity = uuid5(ids[0], f"{UNUSABLE}/{event.mark}/{event.at.isoformat()}")
    params = {"execution": str(ids[0]), "step": event.ref.step, "level": event.level, "reason": reason}
    session.add(
        Incident(
            tenant_id=place.tenant, id=identity, instance_id=place.instance, code=UNUSABLE, message=message,
            params=params, opened_at=event.at,
        )
    )  # fmt: skip
    await session.flush()
    about = About(instance=place.instance, executions=ids, object_type="incident", object_id=identity)
    recipients = Recipients(roles=roles_with("ops.incident_resolve"), owner=True)
    said = {"code": UNUSABLE, "message": message}
    await put_notice(session, place.tenant, NoticeKind.INCIDENT_OPENED, recipients, about, said)
    return AuditDraft(
        action="incident.opened",
        object_type="incident",
        object_id=identity,
        instance_id=place.instance,
        execution_id=ids[0],
        new=said,
        reason=reason,
    )
