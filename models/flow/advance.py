"""Leaving a step and entering the next: sign-off, batch, route, terminal, children, and the end of the instance.

`give` is the one door through which a finished piece of work goes, whoever or whatever finished it.
"""

from collections.abc import Iterator
from datetime import datetime

from models.flow import events as ev
from models.flow.errors import FlowError
from models.flow.evolve import fold
from models.flow.facts import Deadlines, Facts
from models.flow.graph import Graph, RequirementType, Step
from models.flow.routing import Way, choose, visits_of, within_limits
from models.flow.state import Ref, State, Token, child_instance_id, incident_id
from models.flow.status import DONE_BUT_OPEN

Events = tuple[ev.Event, ...]

FAILED_ENDS = frozenset({"scrapped", "cancelled"})
"""An instance of which every subject ended like this is cancelled, not completed (DESIGN §3.5)."""

INCIDENTS = frozenset({"visit_limit_reached", "no_route"})
"""Refusals that no other command of the same person can get around: they open an incident."""


def start_subjects(graph: Graph, state: State, facts: Facts, subjects: int, now: datetime) -> Events:
    """The first record of an instance: every subject at the first step."""
    started: list[ev.Event] = [ev.InstanceStarted(at=now, subjects=subjects)]
    for subject in range(subjects):
        started += enter(state, facts, now, subject=subject, step=graph.first, visit=1, branch="")
    return (*started, *end_of_instance(state, started, now))


def give(
    graph: Graph,
    state: State,
    facts: Facts,
    now: datetime,
    *,
    ref: Ref,
    by: str | None,
    result: str = "",
    notes: str = "",
    forced: str | None = None,
) -> Events:
    """The work at `ref` is done: it awaits its sign-off, waits for its batch, or goes on.

    Raises:
        FlowError: decision_required, decision_unknown, no_route, visit_limit_reached.
    """
    step = graph.steps[ref.step]
    way = choose(graph, step, result)
    if step.requires_qa_signoff:
        return (ev.SignoffAwaited(ref=ref, at=now, by=by, result=result, notes=notes, forced=forced),)
    if step.requires_batch_completion:
        return _ready(graph, state, facts, now, ref, by, result, notes, forced)
    gone = leave(graph, state, facts, now, ref=ref, by=by, result=result, notes=notes, forced=forced, way=way)
    return (*gone, *end_of_instance(state, gone, now))


def _ready(
    graph: Graph,
    state: State,
    facts: Facts,
    now: datetime,
    ref: Ref,
    by: str | None,
    result: str,
    notes: str,
    forced: str | None,
) -> Events:
    waiting = ev.BatchAwaited(ref=ref, at=now, by=by, result=result, notes=notes, forced=forced)
    if state.busy.get(ref.step, 0) > 1:
        return (waiting,)
    return (waiting, *release_batch(graph, fold(state, (waiting,)), facts, now, ref.step))


def release_batch(graph: Graph, state: State, facts: Facts, now: datetime, step: str) -> Events:
    """All who wait at `step` go on, each by its own route, once nobody there still works (DESIGN §3.4).

    Those whose evidence went away meanwhile are reopened instead, and then the batch waits on.
    """
    if state.busy.get(step, 0):
        return ()
    siblings = sorted(state.at_step(step), key=lambda pair: pair[0])
    reopened = tuple(
        ev.ExecutionReopened(ref=ref, at=now, reason="evidence_changed")
        for ref, token in siblings
        if ref in facts.unmet and not token.forced
    )
    if reopened:
        return reopened
    gone: list[ev.Event] = []
    for ref, token in siblings:
        gone += _leave_or_stop(graph, state, facts, now, ref, token)
    return (*gone, *end_of_instance(state, gone, now))


def _leave_or_stop(graph: Graph, state: State, facts: Facts, now: datetime, ref: Ref, token: Token) -> Events:
    """In a batch one subject without a way on must not stop the others: it gets an incident of its own."""
    try:
        way = choose(graph, graph.steps[ref.step], token.result)
        return leave(
            graph,
            state,
            facts,
            now,
            ref=ref,
            by=token.done_by,
            result=token.result,
            notes="",
            forced="batch" if token.forced else None,
            way=way,
        )
    except FlowError as error:
        return stop(state, ref, error, now)


def stop(state: State, ref: Ref, error: FlowError, now: datetime) -> Events:
    """An incident: the subject stays at its step, in the hands of whoever worked there, until a person acts.

    One at a time for an execution. What was given already is reopened, so that it can be given otherwise.
    """
    token = state.tokens[ref]
    reopened: Events = ()
    if token.status in DONE_BUT_OPEN:
        reopened = (ev.ExecutionReopened(ref=ref, at=now, reason=error.code),)
    if token.incident is not None:
        return reopened
    identity = str(incident_id(state.instance_id, ref, state.seq))
    opened = ev.IncidentOpened(ref=ref, at=now, incident_id=identity, code=error.code, params=error.params)
    return (*reopened, opened)


def refuse_with_incident(state: State, ref: Ref, error: FlowError, now: datetime) -> Events:
    """A person's command that met a full step: refused, and the subject's incident is opened (DESIGN §3.3).

    Raises:
        FlowError: the same error, where it is only the command's fault and no incident.
    """
    if error.code not in INCIDENTS:
        raise error
    refused = ev.CommandRefused(ref=ref, at=now, code=error.code, params=error.params)
    return (*stop(state, ref, error, now), refused)


def leave(
    graph: Graph,
    state: State,
    facts: Facts,
    now: datetime,
    *,
    ref: Ref,
    by: str | None,
    result: str,
    notes: str,
    forced: str | None,
    way: Way,
) -> Events:
    """Complete the execution at `ref` and enter where `way` leads, within the visit limits.

    A forced completion passes a full step's limit: that is what the deviation is for.

    Raises:
        FlowError: visit_limit_reached.
    """
    look_up = visits_of(facts.visits, ref.subject)
    target = way if forced is not None else within_limits(graph, way, look_up)
    token = state.tokens.get(ref)
    events: list[ev.Event] = []
    if token is not None and token.incident is not None:
        events.append(ev.IncidentResolved(ref=ref, at=now, incident_id=token.incident, by=by, resolution="completed"))
    next_key = target.step.key if target.step else None
    events.append(
        ev.ExecutionCompleted(
            ref=ref,
            at=now,
            by=by,
            result=result,
            next_step=next_key,
            route=target.route,
            notes=notes,
            forced=forced,
        )
    )
    if target.step is None:
        ended = graph.steps[ref.step].terminal_status or "completed"
        return (*events, ev.SubjectFinished(ref=ref, at=now, terminal_status=ended))
    visit = look_up(target.step.key).last + 1
    return (
        *events,
        *enter(
            state,
            facts,
            now,
            subject=ref.subject,
            step=target.step,
            visit=visit,
            branch=ref.branch,
        ),
    )


def enter(
    state: State,
    facts: Facts,
    now: datetime,
    *,
    subject: int,
    step: Step,
    visit: int,
    branch: str,
) -> Events:
    """Put a subject at a step; a terminal one without gates ends at once (no facts are needed for that)."""
    ref = Ref(subject, step.key, visit, branch)
    deadlines = facts.deadlines.get(step.key, Deadlines())
    entered = ev.ExecutionEntered(
        ref=ref,
        at=now,
        due_at=deadlines.due_at,
        limit_at=deadlines.limit_at,
        hop=step.moves_by_itself and not step.ends_on_entry,
    )
    if step.ends_on_entry:
        return (
            entered,
            ev.ExecutionCompleted(ref=ref, at=now, by=None, route="terminal"),
            ev.SubjectFinished(ref=ref, at=now, terminal_status=step.terminal_status or "completed"),
        )
    return (entered, *_children(state, ref, step, now))


def _children(state: State, ref: Ref, step: Step, now: datetime) -> Iterator[ev.Event]:
    for requirement in step.requirements:
        if requirement.requirement_type != RequirementType.CHILD_WORKFLOW:
            continue
        for number in range(1, int(requirement.config.get("count", 1)) + 1):
            child = child_instance_id(state.instance_id, ref, requirement.key, number)
            yield ev.ChildRequested(ref=ref, at=now, requirement=requirement.key, child_id=str(child), number=number)


def end_of_instance(state: State, events: list[ev.Event] | Events, now: datetime) -> Events:
    """The instance ends when no execution is open; see `FAILED_ENDS` for how."""
    opened = closed = 0
    ends = dict(state.finished)
    for event in events:
        match event:
            case ev.ExecutionEntered():
                opened += 1
            case ev.ExecutionCompleted() | ev.ExecutionCancelled():
                closed += 1
            case ev.SubjectFinished(terminal_status=status):
                ends[status] = ends.get(status, 0) + 1
            case _:
                pass
    if len(state.tokens) + opened - closed > 0 or not ends:
        return ()
    if set(ends) <= FAILED_ENDS:
        return (ev.InstanceCancelled(at=now, by=None, reason="every subject ended " + " or ".join(sorted(ends))),)
    return (ev.InstanceCompleted(at=now),)
