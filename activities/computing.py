"""Facts that only some steps ask for: decisions that nobody takes, moments, messages, values of expressions.

Steps that ask for nothing cost nothing here, not even a query.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import Batch
from models.decisions.deciding import decided
from models.decisions.world import World, worlds_of
from models.flow.durations import LONGEST
from models.flow.facts import Computed
from models.flow.graph import Graph, Step, StepType, timer_of
from models.flow.paths import picked
from models.flow.state import Ref
from models.flow.status import OPEN
from models.json_values import measured
from models.requirements.expressions import ExpressionError, Prepared
from models.store.messages import LONGEST_KEY, Waiting, lock_messages, messages_for
from models.tables import StepExecution

MOST_KEPT: Final = 64 * 1024
"""Bytes of what one step works out for the context; as of the answers to other actions."""


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
    waiting = {ref: one for ref, one in asking.items() if one.awaited_event is not None}
    unknown = [one for ref, one in asking.items() if ref not in waiting]
    worlds = await worlds_of(session, tenant_id, unknown, graph.steps, now)
    computed = {
        ref: _awaited(one) if ref in waiting else _computed(graph, graph.steps[ref.step], worlds[one.id], now)
        for ref, one in asking.items()
    }
    expecting = {ref: one for ref, one in computed.items() if one.name and not one.error}
    if expecting:
        instance = next(iter(asking.values())).workflow_instance_id
        computed |= await _with_messages(session, tenant_id, instance, graph, expecting)
    return tuple(computed.items())


def asks(step: Step, execution: StepExecution) -> bool:
    """Whether anything has to be computed at an execution."""
    match step.step_type:
        case StepType.TIMER if step.is_engines:
            return timer_of(step) is None and execution.wake_at is None
        case StepType.MESSAGE:
            return True
        case StepType.AUTOMATIC:
            return bool(step.config["action"]["type"] == "expression")
        case _:
            return step.is_computed


def _computed(graph: Graph, step: Step, world: World, now: datetime) -> Computed:
    if step.is_computed:
        return decided(graph, step, world)
    prepared = Prepared(world.variables)
    try:
        if step.step_type == StepType.TIMER:
            return Computed(wake_at=_moment(prepared.evaluate(step.config["timer"]["until"]), now))
        if step.step_type == StepType.MESSAGE:
            event = step.config["event"]
            return Computed(name=event["name"].strip(), key=_key(prepared.evaluate(event["key"])))
        return Computed(context=_values(step.config["action"]["set"], prepared))
    except (ExpressionError, ValueError) as error:
        return Computed(error=str(error))


def _values(wanted: Mapping[str, str], prepared: Prepared) -> dict[str, Any]:
    """Target path → value, as JSON.

    Raises:
        ExpressionError, ValueError: as the message says.
    """
    found: dict[str, Any]
    found, size = measured({target: prepared.evaluate(source) for target, source in wanted.items()})
    if size > MOST_KEPT:
        # A text that is put behind itself at every round would fill the database, and the worker before it.
        raise ExpressionError(f"its values have more than {MOST_KEPT} bytes as JSON")
    return found


def _awaited(execution: StepExecution) -> Computed:
    """What an execution waits for already: its key was computed when the wait began, and never again."""
    return Computed(name=execution.awaited_event or "", key=execution.awaited_key or "", awaited=True)


async def _with_messages(
    session: AsyncSession, tenant_id: UUID, instance_id: UUID, graph: Graph, expecting: Mapping[Ref, Computed]
) -> dict[Ref, Computed]:
    """What is waited for, with the message where it came; from here on none is posted until this is recorded."""
    await lock_messages(session, tenant_id, {(one.name, one.key): None for one in expecting.values()})
    waiting = [Waiting(ref.subject, one.name, one.key) for ref, one in expecting.items()]
    found = await messages_for(session, tenant_id, instance_id, waiting)
    return {
        ref: one if row is None else _received(one, row, graph.steps[ref.step])
        for (ref, one), row in zip(expecting.items(), found, strict=True)
    }


def _received(computed: Computed, row: RowMapping, step: Step) -> Computed:
    """`config.event.context` says which part of the message goes where in the context."""
    wanted: Mapping[str, str] = step.config["event"].get("context") or {}
    context = {target: picked(row["data"], source) for target, source in wanted.items()}
    return replace(computed, message_id=str(row["id"]), context=context)


def _key(value: Any) -> str:
    """What tells one message from another of its name: an order's number, a subject's identifier.

    Without the blanks around it, which are not kept of what is posted either.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not (value := value.strip()):
        raise ExpressionError("'key' must be a text that is not empty, or a whole number")
    if len(value) > LONGEST_KEY:
        raise ExpressionError(f"'key' is longer than {LONGEST_KEY} characters")
    return value


def _moment(value: Any, now: datetime) -> datetime:
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
    try:
        until = value.astimezone(UTC)
    except OverflowError as error:
        raise ExpressionError("'until' lies outside of the years 1 to 9999") from error
    if until - now > LONGEST:
        raise ExpressionError("'until' lies more than a hundred years ahead")
    return until
