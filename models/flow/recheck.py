"""A look at one execution without a person: go on where all is met, reopen where evidence went away."""

from datetime import datetime

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import Events, give, stop
from models.flow.errors import FlowError
from models.flow.facts import Facts
from models.flow.graph import Graph, Step
from models.flow.state import Ref, State, Token
from models.flow.status import DONE_BUT_OPEN, ExecutionStatus, InstanceStatus


def recheck(graph: Graph, state: State, command: cmd.Recheck, facts: Facts, now: datetime) -> Events:
    """Move `command.ref` if it can move by itself. An execution whose hop was due is marked as looked at.

    While the instance is on hold nothing moves; the hop stays due.
    """
    token = state.tokens.get(command.ref)
    if token is None or state.status is InstanceStatus.ON_HOLD:
        return ()
    step = graph.steps[command.ref.step]
    unmet = bool(facts.unmet.get(command.ref))
    if token.status in DONE_BUT_OPEN:
        return _reopen(command.ref, now) if unmet and not token.forced else _looked(state, command.ref, now)
    if unmet or not _ready(step, token):
        return _looked(state, command.ref, now)
    try:
        return give(graph, state, facts, now, ref=command.ref, by=token.assignee)
    except FlowError as error:
        return stop(state, command.ref, error, now) or _looked(state, command.ref, now)


def _ready(step: Step, token: Token) -> bool:
    started = token.status is ExecutionStatus.IN_PROGRESS or not step.requires_explicit_start
    return step.moves_by_itself and started and token.incident is None


def _reopen(ref: Ref, now: datetime) -> Events:
    return (ev.ExecutionReopened(ref=ref, at=now, reason="evidence_changed"),)


def _looked(state: State, ref: Ref, now: datetime) -> Events:
    return (ev.ExecutionChecked(ref=ref, at=now),) if ref in state.hops else ()
