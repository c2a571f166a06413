"""Skip, move, rewind: a subject goes another way than by the work being done (DESIGN §3.7).

Each needs a permission of its own and a reason. They pass visit limits, as force does, and never lose a subject: what
waited only for whoever left goes on at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, assert_never

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import settled
from models.flow.authority import authorise, confirmed
from models.flow.branches import within
from models.flow.entering import end_subject, enter
from models.flow.errors import FlowError
from models.flow.forking import begin_branches, onward
from models.flow.graph import Step, StepType
from models.flow.incidents import resolve
from models.flow.moment import Events, Moment
from models.flow.regions import branch_at, open_beside
from models.flow.routing import choose
from models.flow.state import Ref

Closing = Literal["skipped", "cancelled", "rolled_back"]


def deviate(moment: Moment, command: cmd.Deviation) -> Events:
    """Take the subject at `command.ref` elsewhere.

    Raises:
        FlowError: forbidden, reason_required, second_person_required, self_confirmation, step_unknown, never_visited,
            other_branch, and those of a decision for a skip.
    """
    authorise(moment, command.actor, command.kind, command.reason)
    witnessed = confirmed(moment, command, command.kind, (command.ref.step,), command.ref)
    return (*witnessed, *settled(moment, _diverted(moment, command)))


def _diverted(moment: Moment, command: cmd.Deviation) -> Events:
    asked = Diversion(
        ref=command.ref, by=command.actor, reason=command.reason, lot=moment.state.tokens[command.ref].lot
    )
    match command:
        case cmd.Skip():
            return skip(moment, asked, command.to_step, command.decision_result)
        case cmd.Move():
            return go_to(moment, asked, target_of(moment, command.to_step), "move", "cancelled")
        case cmd.Rewind():
            return _rewind(moment, asked, command.actor, target_of(moment, command.to_step))
        case _:
            assert_never(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversion:
    """Which open execution is left, by whom (None: the engine) and why, and the lot in which the subject goes on."""

    ref: Ref
    by: str | None
    reason: str
    lot: str


def target_of(moment: Moment, to_step: str) -> Step:
    """The step of that key.

    Raises:
        FlowError: step_unknown.
    """
    step = moment.graph.steps.get(to_step)
    if step is None:
        raise FlowError("step_unknown", to_step=to_step, allowed=list(moment.graph.steps))
    return step


def skip(moment: Moment, asked: Diversion, to_step: str | None, decision_result: str) -> Events:
    """Leave a step undone: for `to_step`, else by the way that the decision takes.

    Raises:
        FlowError: step_unknown, decision_required, decision_unknown, no_route.
    """
    if to_step is not None:
        return go_to(moment, asked, target_of(moment, to_step), "skip", "skipped")
    step = moment.graph.steps[asked.ref.step]
    way = choose(moment.graph, step, decision_result)
    if way.step is None or step.step_type == StepType.FORK or way.step.step_type == StepType.JOIN:
        return _skip_by_branches(moment, asked, way.step)
    return go_to(moment, asked, way.step, "skip", "skipped")


def _skip_by_branches(moment: Moment, asked: Diversion, target: Step | None) -> Events:
    """As if the work were done: into all branches of a fork, to the join of one's branch, or to the end."""
    ref = asked.ref
    gone = _left(moment, asked, (ref,), "skip", "skipped", target.key if target else None)
    moment = moment.after(gone)
    if target is None:
        return (*gone, *end_subject(moment, ref))
    if moment.graph.steps[ref.step].step_type == StepType.FORK:
        return (*gone, *begin_branches(moment, ref, asked.lot, limited=False))
    return (*gone, *onward(moment, ref, target, lot=asked.lot))


def go_to(moment: Moment, asked: Diversion, target: Step, how: str, status: Closing) -> Events:
    """Close an execution and enter `target`; branches that this leaves behind are closed too."""
    ref = asked.ref
    branch = branch_at(moment.graph, ref.branch, target.key)
    others = () if branch == ref.branch else open_beside(moment.state, ref, branch)
    ended = _left(moment, asked, others, how, "cancelled", None)
    gone = (*ended, *_left(moment, asked, (ref,), how, status, target.key))
    return (*gone, *_enter(moment, asked, target, branch, gone))


def _rewind(moment: Moment, asked: Diversion, by: str, target: Step) -> Events:
    """Everything since the last visit to the step, that visit included, counts no longer; then a new visit."""
    ref = asked.ref
    past = moment.facts.past.get((ref.subject, target.key))
    if past is None:
        raise FlowError("never_visited", step=target.name)
    branch = past.visit.branch
    if not within(ref.branch, branch):
        # Another branch, or one that is joined: alone in it the subject would wait for the others for ever.
        raise FlowError("other_branch", step=target.name)
    undone = roll_back(moment, past.since, by, asked.reason)
    still_open = (*open_beside(moment.state, ref, branch), ref)
    gone = _left(moment, asked, still_open, "rewind", "rolled_back", target.key)
    return (*undone, *gone, *_enter(moment, asked, target, branch, gone))


def roll_back(moment: Moment, visits: Iterable[Ref], by: str, reason: str) -> Events:
    """Visits that are over count no longer."""
    return tuple(ev.VisitRolledBack(ref=ref, at=moment.now, by=by, reason=reason) for ref in visits)


def _left(
    moment: Moment, asked: Diversion, refs: Iterable[Ref], how: str, status: Closing, to_step: str | None
) -> Events:
    return tuple(
        event
        for ref in refs
        for event in divert(moment, ref, asked.by, how, status, to_step=to_step, reason=asked.reason)
    )


def divert(
    moment: Moment, ref: Ref, by: str | None, how: str, status: Closing, *, to_step: str | None = None, reason: str
) -> Events:
    """One open execution is left; an incident that stopped it is over with it."""
    left = ev.ExecutionDiverted(ref=ref, at=moment.now, by=by, how=how, status=status, to_step=to_step, reason=reason)
    return (*resolve(moment, ref, by, how), left)


def _enter(moment: Moment, asked: Diversion, target: Step, branch: str, gone: Events) -> Events:
    """Into `target` by a subject that has left its other places."""
    visit = moment.visits(asked.ref.subject, target.key).last + 1
    if asked.ref.subject in moment.state.forked:
        moment = moment.after(gone)
    return enter(moment, Ref(asked.ref.subject, target.key, visit, branch), target, lot=asked.lot)
