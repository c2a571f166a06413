"""A migration's facts, read under the version that it leads to; and what it entails for the gates of executions."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import Batch
from activities.command_rows import CommandRow
from activities.definitions import Definition, Definitions
from activities.facts import Reading
from activities.projection import Place
from models.flow import events as ev
from models.flow.facts import Facts, Target
from models.flow.graph import Graph
from models.flow.migrating import Fate, images
from models.flow.state import State
from models.requirements.registry import drop_gates, open_gates
from models.tables import StepExecution


def migration_of(batch: Batch) -> CommandRow | None:
    """The command that moves the instance to another version; it goes alone."""
    return next((row for row in batch.rows if row.kind == "migrate"), None)


async def target_of(reading: Reading, definitions: Definitions, asked: CommandRow) -> Definition | None:
    """The version that is asked for; None where there is none."""
    try:
        wanted = UUID(str(asked.args.get("process_id")))
        return await definitions.version(reading.session, reading.tenant, wanted)
    except (LookupError, ValueError):
        return None


async def migration_facts(
    reading: Reading, batch: Batch, state: State, asked: CommandRow, target: Definition | None, now: datetime
) -> Facts:
    """What must be known to carry it out: who may; deadlines and visits of the steps that are entered anew."""
    if target is None:
        return await reading.facts(batch, now)
    plan = images(reading.graph, target.graph, state, asked.args.get("steps") or {})
    entered = [(ref.subject, str(image.to)) for ref, image in plan.items() if image.fate is Fate.ENTERS]
    steps = sorted({step for _, step in entered})
    there = replace(reading, definition=target)
    return replace(
        await there.facts(batch, now, steps),
        visits=await there.visits([subject for subject, _ in entered], steps),
        target=Target(
            process_id=str(target.process_id),
            from_process_id=str(reading.definition.process_id),
            graph=target.graph,
        ),
    )


async def change_gates(
    session: AsyncSession, place: Place, former: Graph, graph: Graph, event: ev.InstanceMigrated
) -> None:
    """Of executions that stay: end what is asked for no longer, and open what is asked for now (place: the new one)."""
    for step, kept in event.kept.items():
        dropped = _others(former, step, kept)
        opened = _others(graph, step, kept)
        if not dropped and not opened:
            continue
        query = select(StepExecution).where(
            StepExecution.tenant_id == place.tenant,
            StepExecution.workflow_instance_id == place.instance,
            StepExecution.step_key == step,
            col(StepExecution.exited_at).is_(None),
        )
        stays = (await session.exec(query)).all()
        await drop_gates(session, place.tenant, former.steps[step], dropped, [one.id for one in stays], event.at)
        await open_gates(session, place.tenant, place.process, graph, stays, event.at, only=opened)


def _others(graph: Graph, step: str, kept: Collection[str]) -> frozenset[str]:
    return frozenset(one.key for one in graph.steps[step].requirements if one.key not in kept)
