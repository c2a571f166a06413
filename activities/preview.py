"""What a command would come to, decided like any other and then not written: journal, facts, core, and no record.

What moves by itself afterwards is followed as far as nothing has to be read for it: through forks and joins, and steps
without gates. Where an expression, a message or an action decides, the preview ends and says so.

Runs in the API's process, without the instance's lock: somebody else may act before the command itself is sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.advance import commands_of
from activities.batching import Stored
from activities.clock import Calendars
from activities.command_rows import CommandRow
from activities.contract import Work
from activities.definitions import Definitions
from activities.facts import Reading
from activities.journal import fold_journal
from models.flow import events as ev
from models.flow.batch import Decision, decide_all
from models.flow.facts import Facts
from models.flow.graph import Graph, Step, StepType
from models.flow.state import Ref, State
from models.tables import WorkflowInstance
from models.wire import tenant_wire

MOST_HOPS: Final = 50
"""What goes round by itself is followed so far and no further."""
_STRUCTURE: Final = frozenset({StepType.FORK, StepType.JOIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen, decided on `before` by the graph that the instance is pinned to; `asked` are those meant."""

    graph: Graph
    before: State
    decision: Decision
    asked: frozenset[int]

    @property
    def ahead(self) -> tuple[Ref, ...]:
        """Executions that would be entered, and from which the engine goes on by what it finds there."""
        return tuple(ref for ref in _entered(self.decision) if ref in self.decision.state.hops)


async def preview(engine: AsyncEngine, tenant: UUID, instance: UUID, command: Stored, now: datetime) -> Preview:
    """Decide a command that is not stored."""
    async with tenant_wire(engine, tenant) as wire:
        session = await wire.session()
        row = await session.get_one(WorkflowInstance, (tenant, instance))
        definition = await Definitions().version(session, tenant, row.process_id)
        before = await fold_journal(await session.connection(), tenant, instance)
        reading = Reading(wire, session, tenant, instance, definition, Calendars(), before)
        batch = await reading.assembled(command)
        await reading.add_beside(batch)
        await reading.add_siblings(batch)
        while True:
            facts = await reading.facts(batch, now)
            commands = commands_of(Work(), batch.rows, (), now)
            decision = decide_all(definition.graph, before, commands, facts, now)
            if not await reading.add_stale(batch, _carried_along(definition.graph, decision)):
                break
        decision = await _onward(reading, facts, batch.rows, decision, now)
    named = {ref.subject for one in batch.rows for ref in one.refs} | set(batch.numbers.values())
    return Preview(
        graph=definition.graph, before=before, decision=decision, asked=frozenset(named | _joining(decision))
    )


async def _onward(
    reading: Reading, facts: Facts, rows: Sequence[CommandRow], decision: Decision, now: datetime
) -> Decision:
    """The decision, and what the engine would do by itself after it."""
    graph, before = reading.graph, reading.state
    looks: tuple[Ref, ...] = ()
    known: set[int] = set()
    for _ in range(MOST_HOPS):
        next_ones = tuple(
            ref for ref in _entered(decision) if ref in decision.state.hops and _needs_nothing(graph.steps[ref.step])
        )
        if not next_ones:
            break
        new = sorted({ref.subject for ref in next_ones} - known)
        known.update(new)
        visits = await reading.visits(new, list(graph.steps))
        facts = replace(facts, visits={**facts.visits, **visits})
        looks = (*looks, *next_ones)
        decision = decide_all(graph, before, commands_of(Work(rechecks=looks), rows, (), now), facts, now)
    return decision


def _entered(decision: Decision) -> Iterator[Ref]:
    return (one.event.ref for one in decision.happened if isinstance(one.event, ev.ExecutionEntered))


def _joining(decision: Decision) -> set[int]:
    """The numbers of subjects that would join."""
    joining = [one.event for one in decision.happened if isinstance(one.event, ev.SubjectsAdded)]
    return {number for event in joining for number in range(event.first, event.first + len(event.subject_ids))}


def _needs_nothing(step: Step) -> bool:
    """Whether the step is left by what the state says, so that nothing has to be read for it."""
    return step.step_type in _STRUCTURE or not (step.is_engines or step.is_computed or step.mandatory)


def _carried_along(graph: Graph, decision: Decision) -> Sequence[Ref]:
    return [
        one.event.ref
        for one in decision.happened
        if isinstance(one.event, ev.ExecutionCompleted) and graph.steps[one.event.ref.step].requires_batch_completion
    ]
