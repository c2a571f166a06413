"""Gates of executions that a record opens or closes: what a requirement type does on entry and at the end."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.projection import Place
from models.flow import events as ev
from models.flow.graph import Graph
from models.requirements.base import RequirementKind
from models.requirements.registry import close_gates, kind_of, open_gates, reopen_gates
from models.store.audit import Actor
from models.store.evidence import lock_executions, sealing
from models.tables import StepExecution


async def open_gates_of(
    session: AsyncSession, place: Place, graph: Graph, step: str, ids: Sequence[UUID], now: datetime
) -> None:
    """Let the requirements of a step open what they need for these executions, approval requests above all."""
    if not _any_that("open", graph, step):
        return
    query = select(StepExecution).where(StepExecution.tenant_id == place.tenant, col(StepExecution.id).in_(ids))
    entered = (await session.exec(query)).all()
    await open_gates(session, place.tenant, place.process, graph, entered, now)


async def close_gates_of(
    session: AsyncSession, place: Place, graph: Graph, step: str, ids: Sequence[UUID], now: datetime
) -> None:
    """Let them withdraw what is still pending for executions that are over."""
    if _any_that("close", graph, step):
        await close_gates(session, place.tenant, ids, now)


async def reopen_gates_of(
    session: AsyncSession, place: Place, graph: Graph, event: ev.ExecutionRestored, ids: Sequence[UUID], actor: Actor
) -> None:
    """Let them begin again what they ended when these executions, open again, were completed."""
    if event.completed_at is None or not _any_that("reopen", graph, event.ref.step):
        return
    locked = await lock_executions(session, place.tenant, ids)
    links = {one.execution.id: await sealing(session, one) for one in locked}
    await reopen_gates(session, place.tenant, place.process, graph, links, event.completed_at, event.at)
    for link in links.values():
        await link.finish(session, actor, event.at)


def gates_follow(graph: Graph, step: str, *, entered: bool) -> bool:
    """Whether a requirement of the step has anything to do when an execution is entered, or ends."""
    return _any_that("open" if entered else "close", graph, step)


def _any_that(does: str, graph: Graph, step: str) -> bool:
    """Whether a requirement of the step has anything to do then; most have not."""
    idle = getattr(RequirementKind, does)
    return any(getattr(type(kind_of(one)), does) is not idle for one in graph.steps[step].requirements)
