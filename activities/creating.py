"""Nested instances come into being: their pending rows, numbers and subjects, for all that one record asks for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.definitions import Definition
from activities.nesting import Nesting
from activities.projection import Place
from models.db import tenant_session
from models.flow import events as ev
from models.flow.graph import Requirement
from models.flow.ids import requirement_id
from models.requirements.child_workflow import (
    ChildWorkflowConfig,
    NewSubjects,
    SubjectsFound,
    SubjectsMade,
    config_of,
)
from models.store.audit import AuditDraft, engine_actor
from models.store.identifiers import next_identifiers, take_numbers
from models.store.instances import PendingInstance, create_instances
from models.store.reading import fetch
from models.store.subject_types import subject_type_by_key
from models.store.subjects import NewSubject, insert_subjects
from models.tables import WorkflowInstance

STARTED_BY_PARENT = timedelta(minutes=2)
"""The parent's workflow starts its children; the outbox does it only if that did not happen by then."""

_ASKING = text(
    "SELECT id, subject_id, kept_gates FROM step_execution WHERE tenant_id = :tenant AND id = ANY(:executions)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A nested instance that an execution asks for, and what it is to be."""

    event: ev.ChildRequested
    requirement: Requirement
    config: ChildWorkflowConfig
    process: RowMapping
    asking: RowMapping

    @property
    def place(self) -> tuple[str, str]:
        """Step and requirement."""
        return self.event.ref.step, self.event.requirement


async def create_children(
    session: AsyncSession,
    engine: AsyncEngine,
    place: Place,
    definition: Definition,
    events: Sequence[ev.ChildRequested],
) -> list[AuditDraft]:
    """Write the pending rows of nested instances that requirements ask for: a thousand by as many statements as one.

    Only a rule that finds subjects is asked for each subject of ours.

    Returns:
        Audit entries of subjects made for them, for the parent's chain.

    Raises:
        ChildProcessUnusableError: one cannot be started, which facts ought to have found out.
    """
    if not events:
        return []
    reading = Nesting(session, place.tenant, place.instance, definition)
    asked = await _asked(session, place, definition, reading, events)
    parent = await session.get_one(WorkflowInstance, (place.tenant, place.instance))
    identifiers = await _identifiers(engine, place, asked)
    subjects, made = await _subjects(session, engine, place, reading, asked, identifiers)
    pending = [_pending(place, parent, *one) for one in zip(asked, identifiers, subjects, strict=True)]
    await create_instances(session, place.tenant, pending, start_after=STARTED_BY_PARENT)
    return made


async def _asked(
    session: AsyncSession, place: Place, definition: Definition, reading: Nesting, events: Sequence[ev.ChildRequested]
) -> list[_Asked]:
    keys = {"tenant": place.tenant, "executions": sorted({place.id(event.ref) for event in events})}
    executions = {row["id"]: row for row in await fetch(session, _ASKING, **keys)}
    wanted = {(event.ref.step, event.requirement): None for event in events}
    requirements = {
        (step, key): next(one for one in definition.graph.steps[step].requirements if one.key == key)
        for step, key in wanted
    }
    configs = {at: config_of(one.config) for at, one in requirements.items()}
    processes = {
        at: await reading.usable(UUID(str(one.config["process_id"])), configs[at].subjects)
        for at, one in requirements.items()
    }
    return [
        _Asked(
            event=event,
            requirement=requirements[event.ref.step, event.requirement],
            config=configs[event.ref.step, event.requirement],
            process=processes[event.ref.step, event.requirement],
            asking=executions[place.id(event.ref)],
        )
        for event in events
    ]


async def _identifiers(engine: AsyncEngine, place: Place, asked: Sequence[_Asked]) -> list[str]:
    """The next numbers of each process's category, in a transaction of their own and in the order asked."""
    year = asked[0].event.at.year
    taken = {
        category: iter(await next_identifiers(engine, place.tenant, category, year, count))
        for category, count in Counter(one.process["category"] for one in asked).items()
    }
    return [next(taken[one.process["category"]]) for one in asked]


async def _subjects(
    session: AsyncSession,
    engine: AsyncEngine,
    place: Place,
    reading: Nesting,
    asked: Sequence[_Asked],
    identifiers: Sequence[str],
) -> tuple[list[Sequence[UUID]], list[AuditDraft]]:
    """With which subjects each of them begins, and the entries of those that were made for it."""
    found: dict[int, Sequence[UUID]] = {}
    by_rule: dict[tuple[str, str, int], Sequence[UUID]] = {}
    to_make: dict[tuple[str, str], list[int]] = {}
    for number, one in enumerate(asked):
        match one.config.subjects:
            case SubjectsMade():
                to_make.setdefault(one.place, []).append(number)
            case SubjectsFound(rule=rule):
                at = (*one.place, one.event.ref.subject)
                if at not in by_rule:
                    by_rule[at] = await reading.found(rule, one.process, one.event.ref.subject)
                found[number] = by_rule[at]
            case _:
                found[number] = [one.asking["subject_id"]]
    drafts: list[AuditDraft] = []
    for numbers in to_make.values():
        those = [(asked[number].asking["id"], identifiers[number]) for number in numbers]
        first = asked[numbers[0]]
        assert isinstance(first.config.subjects, SubjectsMade)  # noqa: S101 - as matched above
        made, told = await make_subjects(session, engine, place, first.config.subjects.new, those, first.event.at.year)
        found |= dict(zip(numbers, made, strict=True))
        drafts += told
    return [found[number] for number in range(len(asked))], drafts


async def make_subjects(
    session: AsyncSession,
    engine: AsyncEngine,
    place: Place,
    new: NewSubjects,
    children: Sequence[tuple[UUID, str]],
    year: int,
) -> tuple[list[list[UUID]], list[AuditDraft]]:
    """New subjects with numbers of their type, `new.count` for each child, and their audit entries.

    The numbers are taken in a transaction of their own, as identifiers are: a counter held here would block the next
    record's.

    Args:
        children: For each, the execution that asks for it and its identifier, which is the title of its subjects.
    """
    kind = await subject_type_by_key(session, place.tenant, new.type)
    async with tenant_session(engine, place.tenant) as own:
        numbers = iter(await take_numbers(own, place.tenant, kind.key.upper(), year, new.count * len(children)))
    of_each = [
        [
            NewSubject(
                id=uuid5(asking, f"subject/{title}/{number}"),
                identifier=number,
                title=title,
                attributes=dict(new.attributes),
            )
            for number in islice(numbers, new.count)
        ]
        for asking, title in children
    ]
    made = [one for those in of_each for one in those]
    drafts = await insert_subjects(session, engine_actor(place.tenant), kind, made)
    return [[one.id for one in those] for those in of_each], drafts


def _pending(
    place: Place, parent: WorkflowInstance, asked: _Asked, identifier: str, subjects: Sequence[UUID]
) -> PendingInstance:
    requirement = asked.requirement
    kept = asked.asking["kept_gates"].get(requirement.key)
    return below(
        parent,
        asked.asking["id"],
        id=UUID(asked.event.child_id),
        process_id=asked.process["id"],
        identifier=identifier,
        name=asked.config.name or f"{requirement.name} · {parent.identifier}",
        context={target: parent.context.get(source) for target, source in asked.config.context.items()},
        subjects=subjects,
        triggered_requirement_id=UUID(kept) if kept else requirement_id(place.process, *asked.place),
        child_no=asked.event.number,
    )


def below(parent: WorkflowInstance, triggered_by: UUID, *, context: Mapping[str, Any], **given: Any) -> PendingInstance:
    """A pending instance below another, whoever asks for it: it knows its parent, and its parent's people own it.

    Args:
        parent: Its row.
        triggered_by: The execution of the parent that asks for it.
        context: It also gets `parent`, the parent's identifier.
        given: The other fields.
    """
    return PendingInstance(
        context={**context, "parent": parent.identifier},
        owner_id=parent.owner_id,
        created_by=parent.created_by,
        parent_instance_id=parent.id,
        triggered_by=triggered_by,
        **given,
    )
