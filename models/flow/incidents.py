"""Incidents: a subject that cannot go on stops visibly, with its reason, until a person acts (DESIGN §3.3)."""

from collections.abc import Callable

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.authority import check_reason
from models.flow.errors import FlowError
from models.flow.moment import Moment
from models.flow.state import Ref, incident_id
from models.flow.status import DONE_BUT_OPEN

INCIDENTS = frozenset({"visit_limit_reached", "no_route", "decision_failed", "expression_failed", "action_failed"})
"""Refusals that the person who asked cannot get around alone: they open an incident."""


def stop(moment: Moment, ref: Ref, error: FlowError) -> tuple[ev.Event, ...]:
    """The subject stays at its step, in the hands of whoever worked there.

    One incident at a time for an execution. What was given already is reopened, so that it can be given otherwise.
    """
    token = moment.state.tokens[ref]
    reopened: tuple[ev.Event, ...] = ()
    if token.status in DONE_BUT_OPEN:
        reopened = (ev.ExecutionReopened(ref=ref, at=moment.now, reason=error.code),)
    if token.incident is not None:
        return reopened
    identity = str(incident_id(moment.state.instance_id, ref, moment.state.seq))
    opened = ev.IncidentOpened(ref=ref, at=moment.now, incident_id=identity, code=error.code, params=error.params)
    return (*reopened, opened)


def refuse_with_incident(moment: Moment, ref: Ref, error: FlowError) -> tuple[ev.Event, ...]:
    """A person's command that met a full step: refused, and the subject's incident is opened.

    Raises:
        FlowError: the same error, where it is only the command's fault and no incident.
    """
    if error.code not in INCIDENTS:
        raise error
    refused = ev.CommandRefused(ref=ref, at=moment.now, code=error.code, params=error.params)
    return (*stop(moment, ref, error), refused)


def resolve(moment: Moment, ref: Ref, by: str | None, resolution: str) -> tuple[ev.Event, ...]:
    """The incident of an execution is out of the way, if it had one."""
    token = moment.state.tokens.get(ref)
    if token is None or token.incident is None:
        return ()
    return (ev.IncidentResolved(ref=ref, at=moment.now, incident_id=token.incident, by=by, resolution=resolution),)


def retry(moment: Moment, command: cmd.RetryIncident) -> tuple[ev.Event, ...]:
    """Try again what stopped: by what the incident's code asks for, else the engine looks at the execution again.

    At a step that a person completes, the person does; the incident is then out of the way for it.

    Raises:
        FlowError: forbidden, incident_closed.
    """
    _check(moment, command)
    by_code = RETRIES.get(command.code)
    if by_code is not None:
        return by_code(moment, command)
    return (_resolved(moment, command, f"retry: {command.note}" if command.note else "retry", hop=True),)


def acknowledge(moment: Moment, command: cmd.ResolveIncident) -> tuple[ev.Event, ...]:
    """A person has seen to it otherwise, and says how.

    Where facts alone decide, the engine looks at them again, for nobody else would; an action that failed is not done
    once more, because what it was to do may have been done by hand.

    Raises:
        FlowError: forbidden, incident_closed, reason_required.
    """
    _check(moment, command)
    check_reason(command.note, MINIMUM_NOTE)
    step, call = moment.graph.steps[command.ref.step], moment.state.calls.get(command.ref)
    by_facts = step.moves_by_itself and (step.is_engines or step.is_computed)
    return (_resolved(moment, command, command.note, hop=by_facts and call is None),)


def _check(moment: Moment, command: cmd.RetryIncident | cmd.ResolveIncident) -> None:
    if not moment.facts.may(command.actor, RESOLVING):
        raise FlowError("forbidden", permission=RESOLVING)
    token = moment.state.tokens.get(command.ref)
    if token is None or token.incident != command.incident_id:
        raise FlowError("incident_closed")


def _resolved(
    moment: Moment, command: cmd.RetryIncident | cmd.ResolveIncident, resolution: str, *, hop: bool
) -> ev.IncidentResolved:
    return ev.IncidentResolved(
        ref=command.ref,
        at=moment.now,
        incident_id=command.incident_id,
        by=command.actor,
        resolution=resolution,
        hop=hop,
    )


RESOLVING = "ops.incident_resolve"
"""The permission to retry and to resolve."""
MINIMUM_NOTE = 10
"""Characters that say how an incident was resolved."""

Retry = Callable[[Moment, cmd.RetryIncident], tuple[ev.Event, ...]]
RETRIES: dict[str, Retry] = {}
"""Code of an incident → how what stopped there is tried again, where a look at the execution is not enough. Whoever
opens incidents of a new code adds it here."""
