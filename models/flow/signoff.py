"""QA sign-off: another person accepts the work, for each execution or once per batch (DESIGN §3.10)."""

from datetime import datetime

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import Events, end_of_instance, leave, refuse_with_incident, release_batch
from models.flow.errors import FlowError
from models.flow.evolve import fold
from models.flow.facts import Facts
from models.flow.graph import Graph
from models.flow.routing import choose
from models.flow.state import Ref, State, Token
from models.flow.status import ExecutionStatus


def sign_off(graph: Graph, state: State, command: cmd.SignOff, facts: Facts, now: datetime) -> Events:
    """Accept one execution, or, where the step batches, everything that awaits its sign-off there.

    Raises:
        FlowError: self_signoff, requirements_unmet, and those of routing.
    """
    step = graph.steps[command.ref.step]
    refs = _signed_together(state, command.ref) if step.requires_batch_completion else (command.ref,)
    for ref in refs:
        _check(state, ref, command.actor, facts)
    signed: Events = tuple(
        ev.ExecutionSignedOff(ref=ref, at=now, by=command.actor, comment=command.comment) for ref in refs
    )
    if step.requires_batch_completion:
        waiting: Events = tuple(_wait(state, ref, now) for ref in refs)
        after = fold(state, waiting)
        return (*signed, *waiting, *release_batch(graph, after, facts, now, step.key))
    token = state.tokens[command.ref]
    try:
        gone = leave(
            graph,
            state,
            facts,
            now,
            ref=command.ref,
            by=token.done_by,
            result=token.result,
            notes="",
            forced=_forced(token),
            way=choose(graph, step, token.result),
        )
    except FlowError as error:
        return refuse_with_incident(state, command.ref, error, now)
    return (*signed, *gone, *end_of_instance(state, gone, now))


def _signed_together(state: State, ref: Ref) -> tuple[Ref, ...]:
    awaiting = (r for r, token in state.at_step(ref.step) if token.status is ExecutionStatus.AWAITING_SIGNOFF)
    return tuple(sorted(awaiting))


def _check(state: State, ref: Ref, actor: str, facts: Facts) -> None:
    token = state.tokens[ref]
    if actor in {token.done_by, token.assignee} or actor in facts.workers.get(ref, frozenset()):
        raise FlowError("self_signoff")
    unmet = facts.unmet.get(ref, ())
    if unmet and not token.forced:
        raise FlowError("requirements_unmet", unmet=[u.shown() for u in unmet])


def _wait(state: State, ref: Ref, now: datetime) -> ev.Event:
    token = state.tokens[ref]
    return ev.BatchAwaited(ref=ref, at=now, by=token.done_by, result=token.result, forced=_forced(token))


def _forced(token: Token) -> str | None:
    return "forced before its sign-off" if token.forced else None
