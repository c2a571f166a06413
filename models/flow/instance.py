"""Commands about the instance as a whole: hold, resume, cancel, amend, and news of children."""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.errors import FlowError
from models.flow.graph import counts_working_time
from models.flow.incidents import resolve
from models.flow.moment import Events, Moment
from models.flow.status import InstanceStatus


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
    """Go on; deadlines keep the working time that was left, and what could move meanwhile is looked at by the shell.

    Raises:
        FlowError: forbidden, reason_required, not_on_hold.
    """
    _authorise(moment, command.actor, command.reason)
    if moment.state.status is not InstanceStatus.ON_HOLD or moment.state.held_at is None:
        raise FlowError("not_on_hold")
    return (
        ev.InstanceResumed(
            at=moment.now,
            held_at=moment.state.held_at,
            by=command.actor,
            reason=command.reason,
            moved=tuple(sorted(moment.facts.moved.items())),
            by_clock=_by_clock(moment),
        ),
    )


def _by_clock(moment: Moment) -> tuple[str, ...]:
    """Where timers count all time, though deadlines of the same moment may go by a calendar."""
    if not moment.facts.moved:
        return ()
    ringing = {ref.step for ref, token in moment.state.tokens.items() if token.wake_at is not None}
    return tuple(sorted(key for key in ringing if not counts_working_time(moment.graph.steps[key])))


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
