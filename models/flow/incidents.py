"""Incidents: a subject that cannot go on stops visibly, with its reason, until a person acts (DESIGN §3.3)."""

from models.flow import events as ev
from models.flow.errors import FlowError
from models.flow.moment import Moment
from models.flow.state import Ref, incident_id
from models.flow.status import DONE_BUT_OPEN

INCIDENTS = frozenset({"visit_limit_reached", "no_route"})
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
