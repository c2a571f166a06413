"""Commands about the instance as a whole: hold, resume, cancel, amend, deadlines, and news of children."""

from datetime import datetime

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import Events
from models.flow.errors import FlowError
from models.flow.incidents import resolve
from models.flow.moment import Moment
from models.flow.state import State
from models.flow.status import OPEN, ExecutionStatus, InstanceStatus

CHASED = OPEN - {ExecutionStatus.WAITING}
"""Statuses in which time counts. Who waits for the rest of a batch is not late; who awaits a sign-off is."""


def _authorise(moment: Moment, actor: str, reason: str | None) -> None:
    if not moment.facts.may(actor, "instance.control"):
        raise FlowError("forbidden", permission="instance.control")
    if reason is not None and not reason.strip():
        raise FlowError("reason_required", minimum=1)


def hold(moment: Moment, command: cmd.Hold) -> Events:
    """Stop work (DESIGN §3.6).

    Raises:
        FlowError: forbidden, reason_required, already_on_hold.
    """
    _authorise(moment, command.actor, command.reason)
    if moment.state.status is InstanceStatus.ON_HOLD:
        raise FlowError("already_on_hold")
    return (ev.InstanceHeld(at=moment.now, by=command.actor, reason=command.reason),)


def resume(moment: Moment, command: cmd.Resume) -> Events:
    """Go on; deadlines move by the time held, and whatever could move meanwhile is looked at again by the shell.

    Raises:
        FlowError: forbidden, reason_required, not_on_hold.
    """
    _authorise(moment, command.actor, command.reason)
    if moment.state.status is not InstanceStatus.ON_HOLD or moment.state.held_at is None:
        raise FlowError("not_on_hold")
    return (ev.InstanceResumed(at=moment.now, held_at=moment.state.held_at, by=command.actor, reason=command.reason),)


def cancel(moment: Moment, command: cmd.Cancel) -> Events:
    """Close every open execution and the instance; children are cancelled by the effects of this event.

    Raises:
        FlowError: forbidden, reason_required.
    """
    _authorise(moment, command.actor, command.reason)
    refs = sorted(moment.state.tokens)
    closed: list[ev.Event] = []
    for ref in refs:
        closed += resolve(moment, ref, command.actor, "cancelled")
        closed.append(ev.ExecutionCancelled(ref=ref, at=moment.now))
    last = {ref.subject: ref for ref in refs}.values()
    ended = [ev.SubjectFinished(ref=ref, at=moment.now, terminal_status="cancelled") for ref in last]
    return (*closed, *ended, ev.InstanceCancelled(at=moment.now, by=command.actor, reason=command.reason))


def amend(moment: Moment, command: cmd.Amend) -> Events:
    """Change what the instance is called, whose it is, when it is due, and its context.

    Raises:
        FlowError: forbidden.
    """
    _authorise(moment, command.actor, None)
    return (ev.InstanceAmended(at=moment.now, by=command.actor, changes=command.changes, reason=command.reason),)


def check_deadlines(moment: Moment, command: cmd.CheckDeadlines) -> Events:
    """Mark executions whose due time or hard limit has passed; while on hold the clock stands still."""
    if moment.state.status is InstanceStatus.ON_HOLD:
        return ()
    found: list[ev.Event] = []
    for ref in sorted(moment.state.tokens):
        token = moment.state.tokens[ref]
        if token.status not in CHASED:
            continue
        if token.due_at is not None and not token.overdue and token.due_at <= command.now:
            escalate = moment.graph.steps[ref.step].escalate_on_overdue
            found.append(ev.ExecutionOverdue(ref=ref, at=moment.now, due_at=token.due_at, escalate=escalate))
        if token.limit_at is not None and token.limit_at <= command.now:
            found.append(ev.LimitExceeded(ref=ref, at=moment.now, limit_at=token.limit_at))
    return tuple(found)


def next_deadline(state: State) -> datetime | None:
    """The earliest moment at which something becomes overdue; None while on hold or where nothing will."""
    if state.status is InstanceStatus.ON_HOLD:
        return None
    moments = [
        moment
        for token in state.tokens.values()
        if token.status in CHASED
        for moment in (None if token.overdue else token.due_at, token.limit_at)
        if moment is not None
    ]
    return min(moments, default=None)


def child_started(moment: Moment, command: cmd.NoteChildStarted) -> Events:
    """The child's workflow runs; a second notice changes nothing."""
    child = moment.state.children.get(command.child_id)
    if child is None or child.started:
        return ()
    return (ev.ChildStarted(ref=child.ref, at=moment.now, child_id=command.child_id),)


def child_ended(moment: Moment, command: cmd.NoteChildEnded) -> Events:
    """The child is over; the execution that asked for it is looked at again."""
    child = moment.state.children.get(command.child_id)
    if child is None:
        return ()
    return (ev.ChildEnded(ref=child.ref, at=moment.now, child_id=command.child_id, status=command.status),)
