"""The clock: due times, hard limits, reminders and escalation levels, and putting off what is due (DESIGN §3.9).

Which moments these are was computed with facts when the execution was entered (working calendars are not the core's
business); here is what happens when one of them has come.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import settled
from models.flow.deviations import divert
from models.flow.durations import LONGEST
from models.flow.entering import enter
from models.flow.errors import FlowError
from models.flow.graph import EdgeType, Step
from models.flow.incidents import stop
from models.flow.moment import Events, Moment
from models.flow.policies import Level, LevelAction, level_at
from models.flow.routing import Way, within_limits
from models.flow.state import Ref, State, Token
from models.flow.status import OPEN, WORKABLE, ExecutionStatus, InstanceStatus

CHASED = OPEN - {ExecutionStatus.WAITING}
"""Statuses in which time counts. Who waits for the rest of a batch is not late; who awaits a sign-off is."""


def check_deadlines(moment: Moment, command: cmd.CheckDeadlines) -> Events:
    """What has come for one execution: due time, limit, reminders, levels; while on hold the clock stands still.

    Several levels that came at once (nobody looked for days) are all gone through, in their order.
    """
    token = moment.state.tokens.get(command.ref)
    if token is None or token.status not in CHASED or moment.state.status is InstanceStatus.ON_HOLD:
        return ()
    return tuple(_come(moment, command.ref, token, command.now))


def late(state: State, now: datetime) -> tuple[Ref, ...]:
    """Executions at which a moment has come that was not handled yet, in their order; none while on hold."""
    if state.status is InstanceStatus.ON_HOLD:
        return ()
    return tuple(
        ref
        for ref, token in sorted(state.tokens.items(), key=_place)
        if token.status in CHASED and any(moment <= now for moment in _ahead(token))
    )


def _place(pair: tuple[Ref, Token]) -> Ref:
    return pair[0]


def next_deadline(state: State) -> datetime | None:
    """The earliest moment at which the clock has something to say; None while on hold or where it never will."""
    if state.status is InstanceStatus.ON_HOLD:
        return None
    moments = (moment for token in state.tokens.values() if token.status in CHASED for moment in _ahead(token))
    rings = (moment for token in state.tokens.values() if (moment := _rings_at(token)) is not None)
    return min(chain(moments, rings), default=None)


def ringing(state: State, now: datetime) -> tuple[Ref, ...]:
    """Executions whose timer has run down: to be looked at."""
    return tuple(ref for ref, token in state.tokens.items() if (rings := _rings_at(token)) and rings <= now)


def _rings_at(token: Token) -> datetime | None:
    """A timer whose subject cannot go on, and stopped, rings no more."""
    return token.wake_at if token.incident is None and token.status in WORKABLE else None


def _ahead(token: Token) -> Iterator[datetime]:
    if token.due_at is not None and not token.overdue:
        yield token.due_at
    if token.limit_at is not None:
        yield token.limit_at
    if token.next_mark is not None:
        yield token.next_mark


def _come(moment: Moment, ref: Ref, token: Token, now: datetime) -> Iterator[ev.Event]:
    if token.due_at is not None and not token.overdue and token.due_at <= now:
        escalate = moment.graph.steps[ref.step].escalate_on_overdue
        yield ev.ExecutionOverdue(ref=ref, at=moment.now, due_at=token.due_at, escalate=escalate)
    if token.limit_at is not None and token.limit_at <= now:
        yield ev.LimitExceeded(ref=ref, at=moment.now, limit_at=token.limit_at)
    for mark in range(token.mark, len(token.marks)):
        if token.marks[mark] > now:
            return
        reached = level_at(moment.graph.steps[ref.step], mark)
        if reached is None:
            yield ev.ReminderSent(ref=ref, at=moment.now, mark=mark)
            continue
        number, level = reached
        action = level.action.value
        yield ev.ExecutionEscalated(ref=ref, at=moment.now, mark=mark, level=number, action=action, to=level.to)
        yield from _effect(moment, ref, number, level)
        if level.action is LevelAction.ROUTE:
            return


def _effect(moment: Moment, ref: Ref, number: int, level: Level) -> Events:
    reason = f"escalation level {number}"
    match level.action:
        case LevelAction.RAISE_PRIORITY:
            return (ev.PriorityChanged(ref=ref, at=moment.now, by=None, priority=level.priority, reason=reason),)
        case LevelAction.REASSIGN:
            return _hand_over(moment, ref, number, reason)
        case LevelAction.ROUTE:
            return _take_the_escalation_edge(moment, ref, reason)
        case LevelAction.NOTIFY | LevelAction.START_PROCESS:
            return ()


def _hand_over(moment: Moment, ref: Ref, number: int, reason: str) -> Events:
    """To whom facts found for the level; whoever holds it already keeps it. A given piece of work stays given."""
    token, to = moment.state.tokens[ref], moment.facts.escalated_to.get((ref, number))
    given = token.status is ExecutionStatus.AWAITING_SIGNOFF
    if to is None or to == token.assignee or given:
        return ()
    return (ev.ExecutionReassigned(ref=ref, at=moment.now, by=None, to=to, how="escalation", reason=reason),)


def _take_the_escalation_edge(moment: Moment, ref: Ref, reason: str) -> Events:
    """Leave the step undone by its escalation edge; a full target without one of its own is an incident."""
    step = moment.graph.steps[ref.step]
    try:
        target = _escalation_target(moment, ref, step)
    except FlowError as error:
        return stop(moment, ref, error)
    left = divert(moment, ref, None, "escalate", "cancelled", to_step=target.key, reason=reason)
    visit = moment.visits(ref.subject, target.key).last + 1
    lot = moment.state.tokens[ref].lot
    entered = enter(moment, Ref(ref.subject, target.key, visit, ref.branch), target, lot=lot)
    return settled(moment, (*left, *entered))


def _escalation_target(moment: Moment, ref: Ref, step: Step) -> Step:
    edges = moment.graph.leaving(step.key, EdgeType.ESCALATION)
    if not edges:
        raise FlowError("no_route", step=step.name, why="no escalation edge leaves it")
    way = Way(moment.graph.steps[edges[0].to_step], EdgeType.ESCALATION, escalated=True)
    target = within_limits(moment.graph, way, lambda key: moment.visits(ref.subject, key)).step
    if target is None:
        raise FlowError("no_route", step=step.name, why="its escalation edge leads to no step")
    return target


def snooze(moment: Moment, command: cmd.Snooze) -> Events:
    """Put the due time off; the hard limit stays, reminders and levels follow the new due time.

    Raises:
        FlowError: reason_required, not_due, due_too_far, due_in_the_past, due_beyond_limit.
    """
    token = moment.state.tokens[command.ref]
    if not command.reason.strip():
        raise FlowError("reason_required", minimum=1)
    if token.due_at is None:
        raise FlowError("not_due")
    if datetime.fromisoformat(command.until) - moment.now > LONGEST:
        raise FlowError("due_too_far")
    later = moment.facts.snoozed.get((command.ref, command.until))
    if later is None or later.due_at is None or later.due_at <= moment.now:
        raise FlowError("due_in_the_past")
    if token.limit_at is not None and later.due_at > token.limit_at:
        raise FlowError("due_beyond_limit", limit_at=token.limit_at.isoformat())
    return (
        ev.DueChanged(
            ref=command.ref,
            at=moment.now,
            by=command.actor,
            how="snooze",
            due_at=later.due_at,
            limit_at=token.limit_at,
            marks=later.marks,
            reason=command.reason,
        ),
    )
