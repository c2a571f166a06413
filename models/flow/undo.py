"""Undo of a completion: the same execution is open again, while nothing was built on it (DESIGN §3.7).

In a batch only the subject whose completion is undone comes back, and only while the others who went on with it are
untouched as well; it then works, and waits, alone.
"""

from collections.abc import Iterable
from datetime import timedelta

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import settled
from models.flow.authority import PERMISSIONS, check_reason, not_on_hold
from models.flow.deviations import divert, roll_back
from models.flow.errors import FlowError
from models.flow.facts import Done, Successor
from models.flow.moment import Events, Moment
from models.flow.regions import JOIN
from models.flow.state import Ref
from models.flow.status import ExecutionStatus

WINDOW = timedelta(minutes=15)
"""After its completion an execution can be undone for so long."""


def undo(moment: Moment, command: cmd.Undo) -> Events:
    """Open `command.ref` again; what its subject entered since is rolled back.

    Raises:
        FlowError: execution_not_found, nothing_to_undo, forbidden, reason_required, on_hold, undo_too_late,
            undo_not_last, undo_built_on.
    """
    done = _done(moment, command)
    _may(moment, command, done)
    not_on_hold(moment)
    if moment.now - done.at > WINDOW:
        raise FlowError("undo_too_late", minutes=WINDOW // timedelta(minutes=1))
    _check_branch(moment, command.ref, done)
    _check_untouched(moment, done)
    entered = [one.ref for one in done.successors if one.open]
    ended = [one.ref for one in done.successors if not one.open]
    back: list[ev.Event] = list(roll_back(moment, ended, command.actor, command.reason))
    for ref in entered:
        back += divert(moment, ref, command.actor, "undo", "rolled_back", reason=command.reason)
    if done.ended_as is not None:
        back.append(ev.SubjectResumed(ref=command.ref, at=moment.now, terminal_status=done.ended_as))
    restored = ev.ExecutionRestored(
        ref=command.ref,
        at=moment.now,
        by=command.actor,
        reason=command.reason,
        assignee=done.assignee,
        due_at=done.due_at,
        limit_at=done.limit_at,
        marks=done.marks,
        mark=done.mark,
        lot=done.lot,
        completed_at=done.at,
        overdue=done.overdue,
        limit_passed=done.limit_passed,
        wake_at=done.wake_at,
        hop=moment.graph.steps[command.ref.step].moves_by_itself and done.wake_at is None,
        attempts=done.attempts,
    )
    return settled(moment, (*back, restored))


def _done(moment: Moment, command: cmd.Undo) -> Done:
    token = moment.state.tokens.get(command.ref)
    status = moment.facts.closed.get(command.ref) if token is None else token.status.value
    if status is None:
        raise FlowError("execution_not_found")
    done = moment.facts.done.get(command.ref)
    if status != ExecutionStatus.COMPLETED or done is None or done.by is None:
        raise FlowError("nothing_to_undo", status=status)
    return done


def _may(moment: Moment, command: cmd.Undo, done: Done) -> None:
    """Whoever completed it may, and a supervisor."""
    needed = "execution.work" if command.actor == done.by else PERMISSIONS["undo"]
    if not moment.facts.may(command.actor, needed):
        raise FlowError("forbidden", permission=needed)
    check_reason(command.reason)


def _check_branch(moment: Moment, ref: Ref, done: Done) -> None:
    """A branch that came to its join, or ended its subject, has changed what happens to the others."""
    arrived = any(one.branch == ref.branch for one in moment.state.arrived.get(ref.subject, ()))
    if ref.branch and (arrived or done.ended_as is not None):
        raise FlowError("undo_built_on", built_on="joined", step=moment.graph.steps[ref.step].name)


def _check_untouched(moment: Moment, done: Done) -> None:
    for one in done.successors:
        step = moment.graph.steps[one.ref.step]
        if not one.open and not step.ends_on_entry:
            raise FlowError("undo_not_last", step=step.name)
        if step.step_type == JOIN:
            raise FlowError("undo_built_on", built_on="joined", step=step.name)
    _refuse_built_on(moment, done.successors)
    _refuse_built_on(moment, done.with_it)


def _refuse_built_on(moment: Moment, successors: Iterable[Successor]) -> None:
    for one in successors:
        step = moment.graph.steps[one.ref.step]
        left = not one.open and not step.ends_on_entry
        if one.built_on or left:
            raise FlowError("undo_built_on", built_on=one.built_on or "completed", step=step.name)
