"""Commands about the instance as a whole: hold, resume, cancel, amend, deadlines, and news of children."""

from datetime import datetime

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import Events
from models.flow.errors import FlowError
from models.flow.facts import Facts
from models.flow.graph import Graph
from models.flow.state import State
from models.flow.status import WORKABLE, InstanceStatus


def _authorise(actor: str, reason: str | None, facts: Facts) -> None:
    if not facts.may(actor, "instance.control"):
        raise FlowError("forbidden", permission="instance.control")
    if reason is not None and not reason.strip():
        raise FlowError("reason_required", minimum=1)


def hold(state: State, command: cmd.Hold, facts: Facts, now: datetime) -> Events:
    """Stop work (DESIGN §3.6).

    Raises:
        FlowError: forbidden, reason_required, already_on_hold.
    """
    _authorise(command.actor, command.reason, facts)
    if state.status is InstanceStatus.ON_HOLD:
        raise FlowError("already_on_hold")
    return (ev.InstanceHeld(at=now, by=command.actor, reason=command.reason),)


def resume(state: State, command: cmd.Resume, facts: Facts, now: datetime) -> Events:
    """Go on; deadlines move by the time held, and whatever could move meanwhile is looked at again by the shell.

    Raises:
        FlowError: forbidden, reason_required, not_on_hold.
    """
    _authorise(command.actor, command.reason, facts)
    if state.status is not InstanceStatus.ON_HOLD or state.held_at is None:
        raise FlowError("not_on_hold")
    return (ev.InstanceResumed(at=now, held_at=state.held_at, by=command.actor, reason=command.reason),)


def cancel(state: State, command: cmd.Cancel, facts: Facts, now: datetime) -> Events:
    """Close every open execution and the instance; children are cancelled by the effects of this event.

    Raises:
        FlowError: forbidden, reason_required.
    """
    _authorise(command.actor, command.reason, facts)
    closed: list[ev.Event] = []
    for ref in sorted(state.tokens):
        token = state.tokens[ref]
        if token.incident is not None:
            closed.append(
                ev.IncidentResolved(
                    ref=ref,
                    at=now,
                    incident_id=token.incident,
                    by=command.actor,
                    resolution="cancelled",
                )
            )
        closed.append(ev.ExecutionCancelled(ref=ref, at=now))
    subjects = {ref.subject: ref for ref in sorted(state.tokens, reverse=True)}
    ended = [ev.SubjectFinished(ref=subjects[n], at=now, terminal_status="cancelled") for n in sorted(subjects)]
    return (*closed, *ended, ev.InstanceCancelled(at=now, by=command.actor, reason=command.reason))


def amend(command: cmd.Amend, facts: Facts, now: datetime) -> Events:
    """Change what the instance is called, whose it is, when it is due, and its context.

    Raises:
        FlowError: forbidden.
    """
    _authorise(command.actor, None, facts)
    return (ev.InstanceAmended(at=now, by=command.actor, changes=command.changes, reason=command.reason),)


def check_deadlines(graph: Graph, state: State, command: cmd.CheckDeadlines, now: datetime) -> Events:
    """Mark executions whose due time or hard limit has passed; while on hold the clock stands still."""
    if state.status is InstanceStatus.ON_HOLD:
        return ()
    found: list[ev.Event] = []
    for ref in sorted(state.tokens):
        token = state.tokens[ref]
        if token.status not in WORKABLE:
            continue
        if token.due_at is not None and not token.overdue and token.due_at <= command.now:
            escalate = graph.steps[ref.step].escalate_on_overdue
            found.append(ev.ExecutionOverdue(ref=ref, at=now, due_at=token.due_at, escalate=escalate))
        if token.limit_at is not None and token.limit_at <= command.now:
            found.append(ev.LimitExceeded(ref=ref, at=now, limit_at=token.limit_at))
    return tuple(found)


def next_deadline(state: State) -> datetime | None:
    """The earliest moment at which something becomes overdue; None while on hold or where nothing will."""
    if state.status is InstanceStatus.ON_HOLD:
        return None
    moments = [
        moment
        for token in state.tokens.values()
        if token.status in WORKABLE
        for moment in (None if token.overdue else token.due_at, token.limit_at)
        if moment is not None
    ]
    return min(moments, default=None)


def child_started(state: State, command: cmd.NoteChildStarted, now: datetime) -> Events:
    """The child's workflow runs; a second notice changes nothing."""
    child = state.children.get(command.child_id)
    if child is None or child.started:
        return ()
    return (ev.ChildStarted(ref=child.ref, at=now, child_id=command.child_id),)


def child_ended(state: State, command: cmd.NoteChildEnded, now: datetime) -> Events:
    """The child is over; the execution that asked for it is looked at again."""
    child = state.children.get(command.child_id)
    if child is None:
        return ()
    return (ev.ChildEnded(ref=child.ref, at=now, child_id=command.child_id, status=command.status),)
