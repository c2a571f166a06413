"""Facts that only some steps ask for: decisions that nobody takes, moments, messages, values of expressions.

Steps that ask for nothing cost nothing here, not even a query.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import Batch
from models.decisions.deciding import decided
from models.decisions.world import World, worlds_of
from models.flow.facts import Computed
from models.flow.graph import Graph, Step, StepType, timer_of
from models.flow.state import Ref
from models.flow.status import OPEN
from models.requirements.expressions import ExpressionError, Prepared
from models.tables import StepExecution


async def computed_of(
    session: AsyncSession, tenant_id: UUID, graph: Graph, batch: Batch, now: datetime
) -> tuple[tuple[Ref, Computed], ...]:
    """What is computed for the executions of a batch whose step asks for it."""
    asking = {
        ref: execution
        for ref, execution in batch.executions.items()
        if execution.status in OPEN and asks(graph.steps[ref.step], execution)
    }
    if not asking:
        return ()
    worlds = await worlds_of(session, tenant_id, list(asking.values()), graph.steps, now)
    return tuple((ref, _computed(graph, graph.steps[ref.step], worlds[one.id])) for ref, one in asking.items())


def asks(step: Step, execution: StepExecution) -> bool:
    """Whether anything has to be computed at an execution."""
    match step.step_type:
        case StepType.TIMER if step.is_engines:
            return timer_of(step) is None and execution.wake_at is None
        case StepType.AUTOMATIC:
            return bool(step.config["action"]["type"] == "expression")
        case _:
            return step.is_computed


def _computed(graph: Graph, step: Step, world: World) -> Computed:
    if step.is_computed:
        return decided(graph, step, world)
    prepared = Prepared(world.variables)
    try:
        if step.step_type == StepType.TIMER:
            return Computed(wake_at=_moment(prepared.evaluate(step.config["timer"]["until"])))
        wanted: Mapping[str, Any] = step.config["action"]["set"]
        return Computed(context={target: prepared.evaluate(source) for target, source in wanted.items()})
    except ExpressionError as error:
        return Computed(error=str(error))


def _moment(value: Any) -> datetime:
    """A moment in UTC, as a timestamp or as RFC 3339 text."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ExpressionError(f"'{value[:50]}' is no moment") from error
    if not isinstance(value, datetime):
        raise ExpressionError("'until' must be a moment, such as timestamp(context.ship_at)")
    if value.tzinfo is None:
        raise ExpressionError("'until' must say its time zone")
    return value.astimezone(UTC)
