"""Skip, move, rewind: a subject goes another way than by the work being done (DESIGN §3.7).

Each needs a permission of its own and a reason. They pass visit limits, as force does, and never lose a subject: what
waited only for whoever left goes on at once.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, assert_never

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import Events, enter, finish, settled
from models.flow.errors import FlowError
from models.flow.graph import Step
from models.flow.incidents import resolve
from models.flow.moment import Moment
from models.flow.regions import branch_at, open_beside
from models.flow.routing import choose
from models.flow.state import Ref

MINIMUM_REASON = 10
"""Characters of a deviation's reason (DESIGN §3.7)."""

PERMISSIONS: Mapping[str, str] = {
    "force": "execution.force",
    "skip": "execution.skip",
    "move": "execution.move",
    "rewind": "execution.rewind",
    "add_subjects": "instance.subjects",
    "remove_subjects": "instance.subjects",
}
"""Deviation → the permission it needs."""

Closing = Literal["skipped", "cancelled", "rolled_back"]


def authorise(moment: Moment, actor: str, deviation: str, reason: str) -> None:
    """The person may, and says why.

    Raises:
        FlowError: forbidden, reason_required.
    """
    permission = PERMISSIONS[deviation]
    if not moment.facts.may(actor, permission):
        raise FlowError("forbidden", permission=permission)
    if len(reason.strip()) < MINIMUM_REASON:
        raise FlowError("reason_required", minimum=MINIMUM_REASON)


def deviate(moment: Moment, command: cmd.Deviation) -> Events:
    """Take the subject at `command.ref` elsewhere.

    Raises:
        FlowError: forbidden, reason_required, step_unknown, never_visited, and those of a decision for skip.
    """
    authorise(moment, command.actor, command.kind, command.reason)
    match command:
        case cmd.Skip():
            return settled(moment, _skip(moment, command))
        case cmd.Move():
            target = target_of(moment, command.to_step)
            return settled(moment, go_to(moment, command, target, "move", "cancelled"))
        case cmd.Rewind():
            return settled(moment, _rewind(moment, command))
        case _:
            assert_never(command)


def target_of(moment: Moment, to_step: str) -> Step:
    """The step of that key.

    Raises:
        FlowError: step_unknown.
    """
    step = moment.graph.steps.get(to_step)
    if step is None:
        raise FlowError("step_unknown", to_step=to_step, allowed=list(moment.graph.steps))
    return step


def _skip(moment: Moment, command: cmd.Skip) -> Events:
    if command.to_step is not None:
        return go_to(moment, command, target_of(moment, command.to_step), "skip", "skipped")
    way = choose(moment.graph, moment.graph.steps[command.ref.step], command.decision_result)
    if way.step is None:
        gone = _divert(moment, command, (command.ref,), "skip", "skipped", None)
        return (*gone, finish(moment, command.ref))
    return go_to(moment, command, way.step, "skip", "skipped")


def go_to(moment: Moment, command: cmd.Deviation, target: Step, how: str, status: Closing) -> Events:
    """Close the execution at `command.ref` and enter `target`; branches that this leaves behind are closed too."""
    ref = command.ref
    branch = branch_at(moment.graph, ref.branch, target.key)
    others = () if branch == ref.branch else open_beside(moment.state, ref, branch)
    gone = _divert(moment, command, (ref,), how, status, target.key)
    ended = _divert(moment, command, others, how, "cancelled", None)
    return (*ended, *gone, *_enter(moment, ref, target, branch))


def _rewind(moment: Moment, command: cmd.Rewind) -> Events:
    """Everything since the last visit to the step, that visit included, counts no longer; then a new visit."""
    ref, target = command.ref, target_of(moment, command.to_step)
    past = moment.facts.past.get((ref.subject, target.key))
    if past is None:
        raise FlowError("never_visited", step=target.name)
    branch = past.visit.branch
    undone = tuple(
        ev.VisitRolledBack(ref=over, at=moment.now, by=command.actor, reason=command.reason) for over in past.since
    )
    still_open = (*open_beside(moment.state, ref, branch), ref)
    gone = _divert(moment, command, still_open, "rewind", "rolled_back", target.key)
    return (*undone, *gone, *_enter(moment, ref, target, branch))


def _divert(
    moment: Moment, command: cmd.Deviation, refs: Iterable[Ref], how: str, status: Closing, to_step: str | None
) -> Events:
    return tuple(
        event
        for ref in refs
        for event in divert(moment, ref, command.actor, how, status, to_step=to_step, reason=command.reason)
    )


def divert(
    moment: Moment, ref: Ref, by: str, how: str, status: Closing, *, to_step: str | None = None, reason: str
) -> Events:
    """One open execution is left; an incident that stopped it is over with it."""
    left = ev.ExecutionDiverted(ref=ref, at=moment.now, by=by, how=how, status=status, to_step=to_step, reason=reason)
    return (*resolve(moment, ref, by, how), left)


def _enter(moment: Moment, ref: Ref, target: Step, branch: str) -> Events:
    visit = moment.visits(ref.subject, target.key).last + 1
    lot = moment.state.tokens[ref].lot
    return enter(moment, Ref(ref.subject, target.key, visit, branch), target, lot=lot)
