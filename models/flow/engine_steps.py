"""Steps at which the engine works and nobody else: forks, joins, timers, awaited messages, automatic actions.

Each is looked at when it is entered, and again when what it waits for has come.
"""

from collections.abc import Mapping
from typing import Any

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import give, into_context
from models.flow.errors import FlowError
from models.flow.facts import Computed
from models.flow.graph import Step, StepType
from models.flow.incidents import stop
from models.flow.moment import Events, Given, Moment
from models.flow.paths import picked
from models.flow.state import Ref, Token, call_id
from models.flow.status import InstanceStatus

_BY_ENGINE = Given(by=None)
_NOTHING = Computed(error="nothing is known of it")


def look(moment: Moment, ref: Ref, step: Step, token: Token) -> Events:
    """What an open execution of the engine's own does now; nothing where it goes on waiting."""
    match step.step_type:
        case StepType.TIMER:
            return _timer(moment, ref, token)
        case StepType.MESSAGE:
            return _message(moment, ref)
        case StepType.AUTOMATIC:
            return _action(moment, ref, step)
        case _:
            return go_on(moment, ref)


def go_on(moment: Moment, ref: Ref) -> Events:
    """Leave the step, or stop where no way leads on."""
    try:
        return give(moment, ref, _BY_ENGINE)
    except FlowError as error:
        return stop(moment, ref, error)


def _timer(moment: Moment, ref: Ref, token: Token) -> Events:
    """Go on once its moment has come; an expression that says when is evaluated on entry, and never again."""
    wake_at = token.wake_at
    if wake_at is None:
        computed = moment.facts.computed.get(ref, _NOTHING)
        if computed.error or computed.wake_at is None:
            return stop(moment, ref, _failed(moment, ref, computed))
        wake_at = computed.wake_at
        if wake_at > moment.now:
            return (ev.TimerSet(ref=ref, at=moment.now, wake_at=wake_at),)
    return go_on(moment, ref) if wake_at <= moment.now else ()


def _message(moment: Moment, ref: Ref) -> Events:
    """Take the message that came, before or after the wait began; else wait for it."""
    computed = moment.facts.computed.get(ref, _NOTHING)
    if computed.error:
        return stop(moment, ref, _failed(moment, ref, computed))
    if not computed.message_id:
        if computed.awaited:
            return ()
        return (ev.MessageAwaited(ref=ref, at=moment.now, name=computed.name, key=computed.key),)
    received = ev.MessageReceived(
        ref=ref, at=moment.now, message_id=computed.message_id, name=computed.name, key=computed.key
    )
    try:
        return (received, *give(moment, ref, _BY_ENGINE))
    except FlowError as error:
        return stop(moment, ref, error)  # the message is not used up: the way on is tried again with it


def _failed(moment: Moment, ref: Ref, computed: Computed) -> FlowError:
    step = moment.graph.steps[ref.step]
    return FlowError("expression_failed", step=step.name, error=computed.error)


def _action(moment: Moment, ref: Ref, step: Step) -> Events:
    """Ask for the action, once; after a failure that somebody looked into, once more."""
    kind = str((step.config.get("action") or {}).get("type", ""))
    if kind == "expression":
        computed = moment.facts.computed.get(ref, _NOTHING)
        if computed.error:
            return stop(moment, ref, _failed(moment, ref, computed))
        return go_on(moment, ref)
    call = moment.state.calls.get(ref)
    if call is not None and call.outcome == "succeeded":
        return go_on(moment, ref)
    if call is not None and not call.outcome:
        return ()
    attempt = 1 if call is None else call.attempt + 1
    identity = str(call_id(moment.state.instance_id, ref, attempt))
    return (ev.ActionRequested(ref=ref, at=moment.now, call_id=identity, action=kind, attempt=attempt),)


def action_ended(moment: Moment, command: cmd.NoteActionEnded) -> Events:
    """An action came back. What it says goes into the context and the subject goes on, or an incident tells why not.

    While the instance is on hold the result is kept, and the subject goes on afterwards.
    """
    ref = command.ref
    call, token = moment.state.calls.get(ref), moment.state.tokens.get(ref)
    if call is None or token is None or call.call_id != command.call_id or call.outcome:
        return ()
    step = moment.graph.steps[ref.step]
    ended = ev.ActionEnded(
        ref=ref, at=moment.now, call_id=command.call_id, succeeded=command.succeeded, output=command.output,
        error=command.error, request_sha256=command.request_sha256,
    )  # fmt: skip
    if not command.succeeded:
        error = FlowError("action_failed", step=step.name, attempt=call.attempt, error=command.error)
        return (ended, *stop(moment, ref, error))
    told: Events = (ended, *into_context(moment, _mapped(step, command.output), ref.step))
    if moment.state.status is InstanceStatus.ON_HOLD:
        return told
    return (*told, *go_on(moment.after(told), ref))


def _mapped(step: Step, output: Mapping[str, Any]) -> dict[str, Any]:
    """`config.action.context` says which part of the answer goes where in the context."""
    wanted = (step.config.get("action") or {}).get("context") or {}
    return {str(target): picked(output, str(source)) for target, source in wanted.items()}
