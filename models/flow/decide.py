"""One hop: what a command does to an instance, as events, or a `FlowError` that changes nothing.

Looked at in this order: is the instance alive, may the person, does the status × command table allow it, are the
gates met, and which way leads on.
"""

from datetime import datetime
from typing import assert_never

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import give, start_subjects
from models.flow.assignment import (
    check_bearer,
    check_not_delegated,
    delegate,
    hand_back,
    prioritise,
    reassign,
    stands_in_for,
    take_over,
)
from models.flow.authority import PERMISSIONS, authorise, confirmed
from models.flow.control import regroup, repair
from models.flow.deviations import deviate
from models.flow.engine_steps import action_ended
from models.flow.errors import FlowError
from models.flow.facts import Facts
from models.flow.graph import Graph
from models.flow.incidents import refuse_with_incident
from models.flow.instance import (
    amend,
    cancel,
    hold,
    resume,
)
from models.flow.migrating import migrate
from models.flow.moment import Events, Given, Moment
from models.flow.nesting import child_ended, child_started, retry_child
from models.flow.recheck import recheck
from models.flow.signoff import sign_off
from models.flow.state import State, Token
from models.flow.status import INSTANCE_CLOSED, ExecutionStatus, InstanceStatus
from models.flow.timing import check_deadlines, snooze
from models.flow.transitions import DEVIATIONS, OK, REPEAT, Action, verdict


def decide(graph: Graph, state: State, command: cmd.Command, facts: Facts, now: datetime) -> Events:
    """What happens when `command` meets `state`.

    Args:
        graph: the pinned process version, n steps.
        state: open executions as tokens.
        facts: permissions, unmet requirements, visits and deadlines that concern this command.
        now: workflow time, UTC.

    Returns:
        Events in the order in which they happened; empty only for an internal command that finds nothing to do.

    Raises:
        FlowError: a code of `errors.REFUSALS`; nothing changes.
    """
    moment = Moment(graph, state, facts, now)
    if isinstance(command, cmd.Begin):
        return start_subjects(moment, command.subjects) if state.status is InstanceStatus.PENDING else ()
    if refusal := _not_alive(state):
        if command.command_id is None:
            return ()
        raise refusal
    match command:
        case (
            cmd.Claim()
            | cmd.Start()
            | cmd.Complete()
            | cmd.Release()
            | cmd.SignOff()
            | cmd.Skip()
            | cmd.Move()
            | cmd.Rewind()
            | cmd.Reassign()
            | cmd.Delegate()
            | cmd.HandBack()
            | cmd.Snooze()
            | cmd.Prioritise()
        ):
            return _on_execution(moment, command)
        case cmd.Undo() | cmd.RetryIncident() | cmd.ResolveIncident():
            return repair(moment, command)
        case cmd.AddSubjects() | cmd.RemoveSubjects() | cmd.Split() | cmd.Merge():
            return regroup(moment, command)
        case cmd.Hold():
            return hold(moment, command)
        case cmd.Resume():
            return resume(moment, command)
        case cmd.Cancel():
            return cancel(moment, command)
        case cmd.Amend():
            return amend(moment, command)
        case cmd.Migrate():
            return migrate(moment, command)
        case cmd.RetryChild():
            return retry_child(moment, command)
        case cmd.Recheck():
            return recheck(moment, command)
        case cmd.CheckDeadlines():
            return check_deadlines(moment, command)
        case cmd.NoteChildStarted():
            return child_started(moment, command)
        case cmd.NoteChildEnded():
            return child_ended(moment, command)
        case cmd.NoteActionEnded():
            return action_ended(moment, command)
        case _:
            assert_never(command)


def _not_alive(state: State) -> FlowError | None:
    if state.status in INSTANCE_CLOSED:
        return FlowError("instance_closed", status=state.status.value)
    if state.status is InstanceStatus.PENDING:
        return FlowError("not_begun")
    return None


Worked = cmd.Claim | cmd.Start | cmd.Complete | cmd.Release | cmd.SignOff | cmd.Deviation | cmd.AssignmentCommand
"""Commands to an open execution, of the table in `transitions`."""

_ACTIONS: dict[str, Action] = {action.value: action for action in Action}
_NEEDS = dict.fromkeys(Action, "execution.work") | {
    Action.SIGNOFF: "execution.signoff",
    **{action: PERMISSIONS[action.value] for action in DEVIATIONS},
    Action.REASSIGN: "execution.reassign",
    Action.PRIORITISE: "execution.reassign",
}


def _on_execution(moment: Moment, command: Worked) -> Events:
    action = _ACTIONS[command.kind]
    token = moment.state.tokens.get(command.ref)
    if token is None:
        raise _no_token(command, moment.facts)
    if not moment.facts.may(command.actor, _NEEDS[action]):
        raise FlowError("forbidden", permission=_NEEDS[action])
    answer = _verdict(moment, token, command, action)
    _check_whose_step(moment, command)
    match command:
        case cmd.Claim():
            return _claim(moment, command, answer)
        case cmd.Start():
            return _start(moment, command, answer)
        case cmd.Release():
            return (ev.ExecutionReleased(ref=command.ref, at=moment.now, by=command.actor, reason=command.reason),)
        case cmd.SignOff():
            return sign_off(moment, command)
        case cmd.Complete():
            return _complete(moment, token, command)
        case cmd.Skip() | cmd.Move() | cmd.Rewind():
            return deviate(moment, command)
        case cmd.Snooze():
            return snooze(moment, command)
        case cmd.Reassign():
            return reassign(moment, command)
        case cmd.Delegate():
            return delegate(moment, command)
        case cmd.HandBack():
            return hand_back(moment, command)
        case cmd.Prioritise():
            return prioritise(moment, command)
        case _:
            assert_never(command)


def _no_token(command: Worked, facts: Facts) -> FlowError:
    status = facts.closed.get(command.ref)
    return FlowError("execution_not_found") if status is None else FlowError("execution_closed", status=status)


def _verdict(moment: Moment, token: Token, command: Worked, action: Action) -> str:
    others = token.assignee is not None and token.assignee != command.actor
    if others and action is Action.CLAIM and stands_in_for(moment, command.actor, token.assignee):
        others = False
    answer = verdict(
        action,
        token.status,
        another_holds_it=others,
        on_hold=moment.state.status is InstanceStatus.ON_HOLD,
    )
    if answer not in (OK, REPEAT):
        assignee = token.assignee or ""
        raise FlowError(
            answer,
            status=token.status.value,
            assignee=assignee,
            assignee_name=moment.facts.names.get(assignee, assignee),
        )
    return answer


def _check_whose_step(moment: Moment, command: Worked) -> None:
    """Nobody works at the engine's own steps, nor decides what facts decide; a supervisor may, by force."""
    step = moment.graph.steps[command.ref.step]
    forced = isinstance(command, cmd.Complete) and command.force is not None
    if step.is_engines and isinstance(command, _AT_WORK) and not forced:
        raise FlowError("engine_step", step=step.name)
    if step.is_computed and isinstance(command, cmd.Complete) and command.decision_result.strip() and not forced:
        raise FlowError("decision_computed", step=step.name)


_AT_WORK = (cmd.Claim, cmd.Start, cmd.Complete, cmd.Reassign, cmd.Delegate)


def _claim(moment: Moment, command: cmd.Claim, answer: str) -> Events:
    ref, holder = command.ref, moment.state.tokens[command.ref].assignee
    if holder not in (None, command.actor):
        check_bearer(moment, ref)
        return take_over(moment, ref, command.actor)
    if answer == REPEAT:
        return (ev.CommandRepeated(ref=ref, at=moment.now, outcome="claimed"),)
    check_bearer(moment, ref)
    return (ev.ExecutionClaimed(ref=ref, at=moment.now, by=command.actor),)


def _start(moment: Moment, command: cmd.Start, answer: str) -> Events:
    ref, now = command.ref, moment.now
    if answer == REPEAT:
        return (ev.CommandRepeated(ref=ref, at=now, outcome="started"),)
    check_bearer(moment, ref)
    hop = moment.graph.steps[ref.step].moves_by_itself
    return (ev.ExecutionStarted(ref=ref, at=now, by=command.actor, hop=hop),)


def _complete(moment: Moment, token: Token, command: cmd.Complete) -> Events:
    started = token.status is ExecutionStatus.IN_PROGRESS
    if moment.graph.steps[command.ref.step].requires_explicit_start and not started:
        raise FlowError("not_started", status=token.status.value)
    check_bearer(moment, command.ref)
    check_not_delegated(moment, command.ref, command.actor)
    witnessed = _check_gates(moment, command)
    begun: Events = () if started else (ev.ExecutionStarted(ref=command.ref, at=moment.now, by=command.actor),)
    given = Given(by=command.actor, result=command.decision_result, notes=command.notes, forced=command.force)
    try:
        return (*witnessed, *begun, *give(moment, command.ref, given))
    except FlowError as error:
        return refuse_with_incident(moment, command.ref, error)


def _check_gates(moment: Moment, command: cmd.Complete) -> Events:
    """All mandatory requirements are met, or a supervisor takes it upon them with a reason (DESIGN §3.7)."""
    facts = moment.facts
    if command.force is not None:
        authorise(moment, command.actor, "force", command.force)
        return confirmed(moment, command, "force", (command.ref.step,), command.ref)
    if command.actor in facts.approvers.get(command.ref, ()):
        raise FlowError("own_approval")
    unmet = facts.unmet.get(command.ref, ())
    if unmet:
        raise FlowError("requirements_unmet", unmet=[u.shown() for u in unmet])
    return ()
