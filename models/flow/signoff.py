"""QA sign-off: another person accepts the work, for each execution or once per batch (DESIGN §3.10)."""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import leave, release_batch, wait, way_on
from models.flow.ending import end_of_instance
from models.flow.errors import FlowError
from models.flow.incidents import refuse_with_incident
from models.flow.moment import Events, Moment, given_before
from models.flow.state import Ref, State
from models.flow.status import ExecutionStatus


def sign_off(moment: Moment, command: cmd.SignOff) -> Events:
    """Accept one execution, or, where the step batches, everything of its lot that awaits its sign-off there.

    Raises:
        FlowError: self_signoff, requirements_unmet, and those of routing.
    """
    step = moment.graph.steps[command.ref.step]
    if not step.requires_batch_completion:
        _check(moment, command.ref, command.actor)
        return _accept(moment, command)
    lot = moment.state.tokens[command.ref].lot
    refs = _signed_together(moment.state, command.ref.step, lot)
    for ref in refs:
        _check(moment, ref, command.actor)
    accepted = tuple(event for ref in refs for event in (_signed(moment, ref, command), _wait(moment, ref)))
    return (*accepted, *release_batch(moment.after(accepted), step.key, lot))


def _accept(moment: Moment, command: cmd.SignOff) -> Events:
    given = given_before(moment.state.tokens[command.ref])
    try:
        gone = leave(moment, command.ref, given, way_on(moment, command.ref, given))
    except FlowError as error:
        return refuse_with_incident(moment, command.ref, error)
    return (_signed(moment, command.ref, command), *gone, *end_of_instance(moment, gone))


def _signed_together(state: State, step: str, lot: str) -> tuple[Ref, ...]:
    awaiting = (ref for ref, token in state.at_step(step, lot) if token.status is ExecutionStatus.AWAITING_SIGNOFF)
    return tuple(sorted(awaiting))


def _check(moment: Moment, ref: Ref, actor: str) -> None:
    token = moment.state.tokens[ref]
    if actor in {token.done_by, token.assignee} or actor in moment.facts.workers.get(ref, ()):
        raise FlowError("self_signoff")
    unmet = moment.facts.unmet.get(ref, ())
    if unmet and not token.forced:
        raise FlowError("requirements_unmet", unmet=[u.shown() for u in unmet])


def _signed(moment: Moment, ref: Ref, command: cmd.SignOff) -> ev.ExecutionSignedOff:
    return ev.ExecutionSignedOff(ref=ref, at=moment.now, by=command.actor, comment=command.comment)


def _wait(moment: Moment, ref: Ref) -> ev.BatchAwaited:
    return wait(moment, ref, given_before(moment.state.tokens[ref]))
