"""Leaving a step and entering the next: sign-off, batch, route, visit limits, terminal steps and children.

`give` is the one door through which a finished piece of work goes, whoever or whatever finished it.
"""

from collections import Counter

from models.flow import events as ev
from models.flow.ending import end_of_instance
from models.flow.errors import FlowError
from models.flow.facts import Assigned, Deadlines
from models.flow.graph import Graph, Step
from models.flow.incidents import resolve, stop
from models.flow.moment import Given, Moment, given_before
from models.flow.nesting import ask_for_children
from models.flow.policies import assignment_of
from models.flow.routing import Way, choose, within_limits
from models.flow.state import Ref, Token
from models.flow.status import ExecutionStatus

Events = tuple[ev.Event, ...]


def start_subjects(moment: Moment, subjects: int) -> Events:
    """The first record of an instance: every subject at the first step."""
    started: list[ev.Event] = [ev.InstanceStarted(at=moment.now, subjects=subjects)]
    first = moment.graph.first
    for subject in range(subjects):
        started += enter(moment, Ref(subject, first.key), first)
    return (*started, *end_of_instance(moment, started))


def give(moment: Moment, ref: Ref, given: Given) -> Events:
    """The work at `ref` is done: it awaits its sign-off, waits for its batch, or goes on.

    The way on is looked for at once also where the subject has to wait, so that nobody learns too late that there is
    none.

    Raises:
        FlowError: decision_required, decision_unknown, no_route, visit_limit_reached.
    """
    step = moment.graph.steps[ref.step]
    way = way_on(moment, ref, given)
    if step.requires_qa_signoff:
        awaited = ev.SignoffAwaited(
            ref=ref, at=moment.now, by=given.by, result=given.result, notes=given.notes, forced=given.forced
        )
        return (*resolve(moment, ref, given.by, "given"), awaited)
    if step.requires_batch_completion:
        return _join_batch(moment, ref, given)
    gone = leave(moment, ref, given, way)
    return (*gone, *end_of_instance(moment, gone))


def _join_batch(moment: Moment, ref: Ref, given: Given) -> Events:
    joined = (*resolve(moment, ref, given.by, "given"), wait(moment, ref, given))
    lot = moment.state.tokens[ref].lot
    if moment.state.busy.get((ref.step, lot), 0) > 1:
        return joined
    return (*joined, *release_batch(moment.after(joined), ref.step, lot))


def wait(moment: Moment, ref: Ref, given: Given) -> ev.BatchAwaited:
    """Ready, and waiting for the others at the step."""
    return ev.BatchAwaited(
        ref=ref, at=moment.now, by=given.by, result=given.result, notes=given.notes, forced=given.forced
    )


def release_batch(moment: Moment, step: str, lot: str = "") -> Events:
    """All of a lot who wait at `step` go on, each by its own route, once nobody there still works (DESIGN §3.4).

    Those whose evidence went away meanwhile are reopened instead, and then the batch waits on.
    """
    gone = _released(moment, step, lot)
    return (*gone, *end_of_instance(moment, gone)) if gone else ()


def _released(moment: Moment, step: str, lot: str) -> Events:
    if moment.state.busy.get((step, lot), 0):
        return ()
    siblings = sorted(moment.state.at_step(step, lot), key=_place)
    reopened = tuple(
        ev.ExecutionReopened(ref=ref, at=moment.now, reason="evidence_changed")
        for ref, token in siblings
        if moment.facts.unmet.get(ref) and not token.forced
    )
    if reopened:
        return reopened
    gone: list[ev.Event] = []
    for ref, token in siblings:
        gone += _leave_or_stop(moment, ref, given_before(token))
    return tuple(gone)


def settled(moment: Moment, happened: Events) -> Events:
    """`happened`, and what follows from it: batches that waited only for those who left, and the instance's end."""
    places = _places_left(moment, happened)
    released: Events = ()
    for step, lot in places:
        if moment.graph.steps[step].requires_batch_completion:
            released = (*released, *_released(moment.after((*happened, *released)), step, lot))
    everything = (*happened, *released)
    return (*everything, *end_of_instance(moment, everything))


def _places_left(moment: Moment, happened: Events) -> tuple[tuple[str, str], ...]:
    """Step and lot of each place where a batch may be complete now: nobody works there any more."""
    changes: Counter[tuple[str, str]] = Counter()
    lots: dict[Ref, str] = {}
    for event in happened:
        match event:
            case ev.ExecutionDiverted(ref=ref) | ev.LotChanged(ref=ref):
                token = moment.state.tokens[ref]
                works = token.status is not ExecutionStatus.WAITING
                changes[ref.step, lots.get(ref, token.lot)] -= works
                if isinstance(event, ev.LotChanged):
                    lots[ref] = event.lot
                    changes[ref.step, event.lot] += works
            case ev.ExecutionEntered(ref=ref, lot=lot) | ev.ExecutionRestored(ref=ref, lot=lot):
                changes[ref.step, lot] += 1
            case _:
                pass
    busy = moment.state.busy
    return tuple(place for place, change in changes.items() if busy.get(place, 0) + change <= 0)


def _place(pair: tuple[Ref, Token]) -> Ref:
    return pair[0]


def _leave_or_stop(moment: Moment, ref: Ref, given: Given) -> Events:
    """In a batch one subject without a way on must not stop the others: it gets an incident of its own."""
    try:
        return leave(moment, ref, given, way_on(moment, ref, given))
    except FlowError as error:
        return stop(moment, ref, error)


def way_on(moment: Moment, ref: Ref, given: Given) -> Way:
    """Where the subject goes. A forced completion passes a full step's limit: that is what the deviation is for.

    Raises:
        FlowError: decision_required, decision_unknown, no_route, visit_limit_reached.
    """
    way = choose(moment.graph, moment.graph.steps[ref.step], given.result)
    if given.forced is not None:
        return way
    return within_limits(moment.graph, way, lambda step: moment.visits(ref.subject, step))


def leave(moment: Moment, ref: Ref, given: Given, way: Way) -> Events:
    """Complete the execution at `ref` and enter where `way` leads."""
    completed = ev.ExecutionCompleted(
        ref=ref,
        at=moment.now,
        by=given.by,
        result=given.result,
        next_step=way.step.key if way.step else None,
        route=way.route,
        notes=given.notes,
        forced=given.forced,
    )
    left: Events = (*resolve(moment, ref, given.by, "completed"), completed)
    if way.step is None:
        return (*left, finish(moment, ref))
    visit = moment.visits(ref.subject, way.step.key).last + 1
    token = moment.state.tokens.get(ref)
    onward = Ref(ref.subject, way.step.key, visit, ref.branch)
    return (*left, *enter(moment, onward, way.step, lot=token.lot if token else ""))


def enter(moment: Moment, ref: Ref, step: Step, *, lot: str = "") -> Events:
    """Put a subject at a step; a terminal one without gates ends at once (no facts are needed for that)."""
    deadlines = moment.facts.deadlines.get(step.key, _NO_DEADLINES)
    assigned = None if step.ends_on_entry else moment.facts.assigned.get((ref.subject, step.key))
    entered = ev.ExecutionEntered(
        ref=ref,
        at=moment.now,
        due_at=deadlines.due_at,
        limit_at=deadlines.limit_at,
        marks=deadlines.marks,
        assignee=(assigned.instead_of or assigned.user) if assigned else None,
        priority=assignment_of(step).priority,
        hop=step.moves_by_itself and not step.ends_on_entry,
        lot=lot,
    )
    if step.ends_on_entry:
        ended = ev.ExecutionCompleted(ref=ref, at=moment.now, by=None, route="terminal")
        return (entered, ended, finish(moment, ref))
    return (entered, *_stand_in(moment, ref, assigned), *ask_for_children(moment, ref, step))


def _stand_in(moment: Moment, ref: Ref, assigned: Assigned | None) -> Events:
    """Who would have had it is away: it goes on to whoever stands in, with the trace of it."""
    if assigned is None or assigned.instead_of is None:
        return ()
    to, reason = assigned.user, assigned.reason
    return (ev.ExecutionReassigned(ref=ref, at=moment.now, by=None, to=to, how="absence", reason=reason),)


_NO_DEADLINES = Deadlines()


def finish(moment: Moment, ref: Ref, terminal_status: str | None = None) -> ev.SubjectFinished:
    """The subject's end at `ref`, as the step has it unless told."""
    return ev.SubjectFinished(ref=ref, at=moment.now, terminal_status=terminal_status or _end_of(moment.graph, ref))


def _end_of(graph: Graph, ref: Ref) -> str:
    return graph.steps[ref.step].terminal_status or "completed"
