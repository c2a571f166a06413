"""Nested instances: asked for on entry, told of at their end, started again where they failed (DESIGN §3.8).

Whether a requirement can start its process at all is a fact (its process may be retired, a rule may find no subject);
where it cannot, the subject stops in an incident instead.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.errors import FlowError
from models.flow.facts import Child, EndedChild
from models.flow.graph import Requirement, RequirementType, Step
from models.flow.incidents import RESOLVING, RETRIES, resolve
from models.flow.moment import Events, Moment
from models.flow.state import Ref, child_instance_id, incident_id
from models.flow.status import InstanceStatus

RETRY_NEEDS = RESOLVING
"""Permission to start failed children again."""
CHILD_INCIDENTS = ("child_failed", "child_unusable")
"""Codes of incidents that starting the children again resolves."""


class OnFailure(StrEnum):
    """What a child that was cancelled means to the step that asked for it."""

    BLOCK = "block"
    INCIDENT = "incident"
    IGNORE = "ignore"


def nested(step: Step) -> Iterator[Requirement]:
    """The requirements of a step that start processes."""
    return (one for one in step.requirements if one.requirement_type == RequirementType.CHILD_WORKFLOW)


def count_of(requirement: Requirement) -> int:
    """How many children have to complete; one, where the config says nothing."""
    count = requirement.config.get("count")
    return 1 if count is None else int(count)


def policy_of(requirement: Requirement) -> OnFailure:
    """What a failed child means; it blocks, where the config says nothing."""
    return OnFailure(requirement.config.get("on_failure") or OnFailure.BLOCK)


def ask_for_children(moment: Moment, ref: Ref, step: Step) -> Iterator[ev.Event]:
    """On entry: every child of every requirement, or one incident for those that cannot be started."""
    stopped = False
    for requirement in nested(step):
        reason = moment.facts.child_problem(ref.subject, step.key, requirement.key)
        if reason is None:
            yield from _requests(moment, ref, requirement, range(1, count_of(requirement) + 1))
        elif not stopped:
            stopped = True
            yield _incident(moment, ref, "child_unusable", requirement=requirement.name, reason=reason)


def _requests(moment: Moment, ref: Ref, requirement: Requirement, numbers: range) -> Iterator[ev.Event]:
    for number in numbers:
        child = str(child_instance_id(moment.state.instance_id, ref, requirement.key, number))
        yield ev.ChildRequested(ref=ref, at=moment.now, requirement=requirement.key, child_id=child, number=number)


def _incident(moment: Moment, ref: Ref, code: str, **params: Any) -> ev.IncidentOpened:
    identity = str(incident_id(moment.state.instance_id, ref, moment.state.seq))
    return ev.IncidentOpened(ref=ref, at=moment.now, incident_id=identity, code=code, params=params)


def retry_child(moment: Moment, command: cmd.RetryChild) -> Events:
    """Start again what failed or could not be started at one execution; with it goes the incident that told of it.

    Raises:
        FlowError: execution_closed, execution_not_found, forbidden, on_hold, no_failed_child, child_unusable.
    """
    ref = command.ref
    if ref not in moment.state.tokens:
        status = moment.facts.closed.get(ref)
        raise FlowError("execution_not_found") if status is None else FlowError("execution_closed", status=status)
    if not moment.facts.may(command.actor, RETRY_NEEDS):
        raise FlowError("forbidden", permission=RETRY_NEEDS)
    if moment.state.status is InstanceStatus.ON_HOLD:
        raise FlowError("on_hold")
    return start_again(moment, ref, command.actor)


def start_again(moment: Moment, ref: Ref, by: str) -> Events:
    """Replacements for failed and missing children, numbered on; the core of `retry_child` and of an incident's retry.

    Raises:
        FlowError: no_failed_child, child_unusable.
    """
    step = moment.graph.steps[ref.step]
    asked: list[ev.Event] = []
    for requirement in nested(step):
        known = moment.facts.children.get(ref, {}).get(requirement.key, ())
        missing = count_of(requirement) - _alive(requirement, known)
        if missing <= 0:
            continue
        reason = moment.facts.child_problem(ref.subject, step.key, requirement.key)
        if reason is not None:
            raise FlowError("child_unusable", requirement=requirement.name, reason=reason)
        last = max((child.number for child in known), default=0)
        asked += _requests(moment, ref, requirement, range(last + 1, last + missing + 1))
    if not asked:
        raise FlowError("no_failed_child")
    told = moment.facts.incidents.get(ref) in CHILD_INCIDENTS
    resolved = resolve(moment, ref, by, "child workflows started again") if told else ()
    return (*resolved, *asked)


def _retry_incident(moment: Moment, command: cmd.RetryIncident) -> Events:
    return start_again(moment, command.ref, command.actor)


RETRIES.update(dict.fromkeys(CHILD_INCIDENTS, _retry_incident))


def _alive(requirement: Requirement, known: tuple[Child, ...]) -> int:
    """Children that completed, or still may; a failed one counts where failures are ignored."""
    ignored = policy_of(requirement) is OnFailure.IGNORE
    return sum(child.status != "cancelled" or ignored for child in known)


def child_started(moment: Moment, command: cmd.NoteChildStarted) -> Events:
    """The child's workflow runs; a second notice changes nothing."""
    child = moment.state.children.get(command.child_id)
    if child is None or child.started:
        return ()
    return (ev.ChildStarted(ref=child.ref, at=moment.now, child_id=command.child_id),)


def child_ended(moment: Moment, command: cmd.NoteChildEnded) -> Events:
    """The child is over: what it found goes into the context, and the execution that asked for it is looked at again.

    Where its failure is to be an incident, the execution stops instead.
    """
    child = moment.state.children.get(command.child_id)
    if child is None:
        return ()
    ended = ev.ChildEnded(ref=child.ref, at=moment.now, child_id=command.child_id, status=command.status)
    step = moment.graph.steps.get(child.ref.step)
    requirement = next((one for one in nested(step) if one.key == child.requirement), None) if step else None
    known = moment.facts.ended.get(command.child_id)
    if requirement is None or known is None:
        return (ended,)
    if command.status == "completed":
        return (ended, *_mapped_back(moment, requirement, known))
    token = moment.state.tokens.get(child.ref)
    if policy_of(requirement) is not OnFailure.INCIDENT or token is None or token.incident is not None:
        return (ended,)
    params = {"child": known.identifier, "requirement": requirement.name, "status": command.status}
    return (ended, _incident(moment, child.ref, "child_failed", **params))


def _mapped_back(moment: Moment, requirement: Requirement, known: EndedChild) -> Events:
    """The amendment that `context_back` asks for: key here → key of the child's context.

    Of several children, each has its entry under its identifier, so that none hides another.
    """
    mapping = requirement.config.get("context_back") or {}
    if not mapping:
        return ()
    context = dict(moment.facts.context)
    for target, source in mapping.items():
        value = known.context.get(source)
        if count_of(requirement) > 1:
            before = context.get(target)
            value = {**(before if isinstance(before, dict) else {}), known.identifier: value}
        context[target] = value
    if context == moment.facts.context:
        return ()
    reason = f"{requirement.name}: {known.identifier} completed"
    return (ev.InstanceAmended(at=moment.now, by=None, changes={"context": context}, reason=reason),)
