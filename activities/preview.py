"""What a command would come to, decided like any other and then not written: journal, facts, core, and no record.

Runs in the API's process, without the instance's lock: somebody else may act before the command itself is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.advance import commands_of
from activities.batching import Stored
from activities.clock import Calendars
from activities.contract import Work
from activities.definitions import Definitions
from activities.facts import Reading
from activities.journal import fold_journal
from models.flow import events as ev
from models.flow.batch import Decision, decide_all
from models.flow.graph import Graph
from models.flow.state import Ref, State
from models.tables import WorkflowInstance
from models.wire import tenant_wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen, decided on `before` by the graph that the instance is pinned to; `asked` are those meant."""

    graph: Graph
    before: State
    decision: Decision
    asked: frozenset[int]


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
    named = {ref.subject for one in batch.rows for ref in one.refs}
    return Preview(
        graph=definition.graph, before=before, decision=decision, asked=frozenset(named | set(batch.numbers.values()))
    )


def _carried_along(graph: Graph, decision: Decision) -> Sequence[Ref]:
    return [
        one.event.ref
        for one in decision.happened
        if isinstance(one.event, ev.ExecutionCompleted) and graph.steps[one.event.ref.step].requires_batch_completion
    ]
