"""A look at one execution without a person: go on where all is met, reopen where evidence went away, or go back."""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import give, release_batch
from models.flow.engine_steps import look
from models.flow.errors import FlowError
from models.flow.graph import Step
from models.flow.incidents import stop
from models.flow.moment import Events, Given, Moment
from models.flow.rejecting import send_back
from models.flow.state import Ref, Token
from models.flow.status import DONE_BUT_OPEN, ExecutionStatus, InstanceStatus


def recheck(moment: Moment, command: cmd.Recheck) -> Events:
    """Move `command.ref` if it can move by itself. An execution whose hop was due is marked as looked at.

    While the instance is on hold nothing moves; the hop stays due.
    """
    ref = command.ref
    token = moment.state.tokens.get(ref)
    if token is None or moment.state.status is InstanceStatus.ON_HOLD:
        return ()
    if gone := send_back(moment, ref):
        return gone
    unmet = bool(moment.facts.unmet.get(ref))
    if token.status in DONE_BUT_OPEN:
        if unmet and not token.forced:
            return _reopen(moment, ref)
        return _released(moment, ref, token) or _looked(moment, ref)
    step = moment.graph.steps[ref.step]
    if step.is_engines and not unmet and token.incident is None:
        return look(moment, ref, step, token) or _looked(moment, ref)
    if unmet or not _ready(moment.graph.steps[ref.step], token):
        return _looked(moment, ref)
    try:
        return give(moment, ref, Given(by=token.assignee))
    except FlowError as error:
        return stop(moment, ref, error)


def _ready(step: Step, token: Token) -> bool:
    started = token.status is ExecutionStatus.IN_PROGRESS or not step.requires_explicit_start
    return step.moves_by_itself and started and token.incident is None


def _released(moment: Moment, ref: Ref, token: Token) -> Events:
    """Whoever was waited for may have left by another way than by being done."""
    if token.status is not ExecutionStatus.WAITING:
        return ()
    return release_batch(moment, ref.step, token.lot)


def _reopen(moment: Moment, ref: Ref) -> Events:
    return (ev.ExecutionReopened(ref=ref, at=moment.now, reason="evidence_changed"),)


def _looked(moment: Moment, ref: Ref) -> Events:
    return (ev.ExecutionChecked(ref=ref, at=moment.now),) if ref in moment.state.hops else ()
