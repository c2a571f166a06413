"""One hop: what a command does to an instance, as events, or a `FlowError` that changes nothing.

The first thing looked at is the status × command table, then permissions and people, then the gates, then the way on.
"""

from datetime import datetime
from typing import assert_never

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import give, refuse_with_incident, start_subjects
from models.flow.errors import FlowError
from models.flow.facts import Facts
from models.flow.graph import Graph
from models.flow.instance import (
    amend,
    cancel,
    check_deadlines,
    child_ended,
    child_started,
    hold,
    resume,
)
from models.flow.recheck import recheck
from models.flow.signoff import sign_off
from models.flow.state import State, Token
from models.flow.status import INSTANCE_CLOSED, InstanceStatus
from models.flow.transitions import OK, REPEAT, Action, verdict

MINIMUM_REASON = 10
"""Characters of a deviation's reason (DESIGN §3.7)."""

Events = tuple[ev.Event, ...]


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
    if state.status in INSTANCE_CLOSED:
        if command.command_id is None:
            return ()
        raise FlowError("instance_closed", status=state.status.value)
    match command:
        case cmd.Begin():
            return (
                start_subjects(graph, state, facts, command.subjects, now)
                if state.status is InstanceStatus.PENDING
                else ()
            )
        case cmd.Claim() | cmd.Start() | cmd.Complete() | cmd.Release() | cmd.SignOff():
            return _on_execution(graph, state, command, facts, now)
        case cmd.Hold():
            return hold(state, command, facts, now)
        case cmd.Resume():
            return resume(state, command, facts, now)
        case cmd.Cancel():
            return cancel(state, command, facts, now)
        case cmd.Amend():
            return amend(command, facts, now)
        case cmd.Recheck():
            return recheck(graph, state, command, facts, now)
        case cmd.CheckDeadlines():
            return check_deadlines(graph, state, command, now)
        case cmd.NoteChildStarted():
            return child_started(state, command, now)
        case cmd.NoteChildEnded():
            return child_ended(state, command, now)
        case _:
            assert_never(command)


_ACTIONS: dict[str, Action] = {action.value: action for action in Action}
_NEEDS = dict.fromkeys(Action, "execution.work") | {Action.SIGNOFF: "execution.signoff"}


def _on_execution(graph: Graph, state: State, command: cmd.ExecutionCommand, facts: Facts, now: datetime) -> Events:
    action = _ACTIONS[command.kind]
    token = state.tokens.get(command.ref)
    if token is None:
        raise _no_token(command, facts)
    if not facts.may(command.actor, _NEEDS[action]):
        raise FlowError("forbidden", permission=_NEEDS[action])
    answer = _verdict(state, token, command, action, facts)
    match command:
        case cmd.Claim():
            return _claim(command, answer, now)
        case cmd.Start():
            return _start(command, answer, now)
        case cmd.Release():
            return (ev.ExecutionReleased(ref=command.ref, at=now, by=command.actor, reason=command.reason),)
        case cmd.SignOff():
            return sign_off(graph, state, command, facts, now)
        case cmd.Complete():
            return _complete(graph, state, token, command, facts, now)
        case _:
            assert_never(command)


def _no_token(command: cmd.ExecutionCommand, facts: Facts) -> FlowError:
    status = facts.closed.get(command.ref)
    return FlowError("execution_not_found") if status is None else FlowError("execution_closed", status=status)


def _verdict(state: State, token: Token, command: cmd.ExecutionCommand, action: Action, facts: Facts) -> str:
    another = token.assignee is not None and token.assignee != command.actor
    answer = verdict(
        action,
        token.status,
        another_holds_it=another,
        on_hold=state.status is InstanceStatus.ON_HOLD,
    )
    if answer not in (OK, REPEAT):
        assignee = token.assignee or ""
        raise FlowError(
            answer,
            status=token.status.value,
            assignee=assignee,
            assignee_name=facts.names.get(assignee, assignee),
        )
    return answer


def _claim(command: cmd.Claim, answer: str, now: datetime) -> Events:
    if answer == REPEAT:
        return (ev.CommandRepeated(ref=command.ref, at=now, outcome="claimed"),)
    return (ev.ExecutionClaimed(ref=command.ref, at=now, by=command.actor),)


def _start(command: cmd.Start, answer: str, now: datetime) -> Events:
    if answer == REPEAT:
        return (ev.CommandRepeated(ref=command.ref, at=now, outcome="started"),)
    return (ev.ExecutionStarted(ref=command.ref, at=now, by=command.actor),)


def _complete(graph: Graph, state: State, token: Token, command: cmd.Complete, facts: Facts, now: datetime) -> Events:
    step = graph.steps[command.ref.step]
    _check_started(step.requires_explicit_start, token)
    _check_gates(command, facts)
    begun: Events = ()
    if token.assignee is None or token.status != "in_progress":
        begun = (ev.ExecutionStarted(ref=command.ref, at=now, by=command.actor),)
    try:
        done = give(
            graph,
            state,
            facts,
            now,
            ref=command.ref,
            by=command.actor,
            result=command.decision_result,
            notes=command.notes,
            forced=command.force,
        )
    except FlowError as error:
        return refuse_with_incident(state, command.ref, error, now)
    return begun + done


def _check_started(explicit: bool, token: Token) -> None:
    if explicit and token.status != "in_progress":
        raise FlowError("not_started", status=token.status.value)


def _check_gates(command: cmd.Complete, facts: Facts) -> None:
    """All mandatory requirements are met, or a supervisor takes it upon them with a reason (DESIGN §3.7)."""
    if command.force is not None:
        if not facts.may(command.actor, "execution.force"):
            raise FlowError("forbidden", permission="execution.force")
        if len(command.force.strip()) < MINIMUM_REASON:
            raise FlowError("reason_required", minimum=MINIMUM_REASON)
        return
    unmet = facts.unmet.get(command.ref, ())
    if unmet:
        raise FlowError("requirements_unmet", unmet=[u.shown() for u in unmet])
