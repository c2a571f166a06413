"""Leaving a step for the next one: sign-off, batch, route, visit limits.

`give` is the one door through which a finished piece of work goes, whoever or whatever finished it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.flow import events as ev
from models.flow.ending import end_of_instance
from models.flow.entering import end_subject, enter
from models.flow.errors import FlowError
from models.flow.facts import Computed
from models.flow.forking import fork, onward
from models.flow.graph import StepType
from models.flow.incidents import resolve, stop
from models.flow.moment import Events, Given, Moment, given_before
from models.flow.routing import Way, choose, within_limits
from models.flow.state import Ref, Token
from models.flow.status import ExecutionStatus


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
    none. A decision that facts take is taken again when the subject leaves.

    Raises:
        FlowError: decision_required, decision_unknown, decision_failed, no_route, visit_limit_reached.
    """
    step = moment.graph.steps[ref.step]
    way = way_on(moment, ref, given)
    if given.forced is None:
        given = replace(given, result=_result(moment, ref, given))
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
        # One subject may wait here in several branches, and its end in one of them closes the others.
        current = moment.after(gone) if ref.subject in moment.state.forked else moment
        if ref in current.state.tokens:
            gone += _leave_or_stop(current, ref, given_before(token))
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
    """Step and lot of each place where a batch may be complete now: nobody works there any more.

    Who came to a place within `happened` may be gone again: the other branches of a subject close those behind them.
    """
    changes: Counter[tuple[str, str]] = Counter()
    lots: dict[Ref, str] = {}
    for event in happened:
        match event:
            case ev.ExecutionDiverted(ref=ref) | ev.LotChanged(ref=ref):
                token = moment.state.tokens.get(ref)
                works = token is None or token.status is not ExecutionStatus.WAITING
                changes[ref.step, lots.get(ref, token.lot if token else "")] -= works
                if isinstance(event, ev.LotChanged):
                    lots[ref] = event.lot
                    changes[ref.step, event.lot] += works
            case ev.ExecutionEntered(ref=ref, lot=lot) | ev.ExecutionRestored(ref=ref, lot=lot):
                lots[ref] = lot
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
        FlowError: decision_required, decision_unknown, decision_failed, no_route, visit_limit_reached.
    """
    way = choose(moment.graph, moment.graph.steps[ref.step], given.result, _computed(moment, ref, given))
    if given.forced is not None:
        return way
    return within_limits(moment.graph, way, lambda step: moment.visits(ref.subject, step))


def _computed(moment: Moment, ref: Ref, given: Given) -> Computed | None:
    """What facts decided; None where a person decides, or a supervisor does so by force."""
    by_force = given.forced is not None and bool(given.result)
    if by_force or not moment.graph.steps[ref.step].is_computed:
        return None
    return moment.facts.computed.get(ref, _NOTHING_COMPUTED)


_NOTHING_COMPUTED = Computed(error="nothing is known of it")


def _result(moment: Moment, ref: Ref, given: Given) -> str:
    computed = _computed(moment, ref, given)
    return given.result if computed is None else computed.shown


def leave(moment: Moment, ref: Ref, given: Given, way: Way) -> Events:
    """Complete the execution at `ref` and enter where `way` leads; out of a fork, where all its edges lead."""
    if moment.graph.steps[ref.step].step_type == StepType.FORK:
        return fork(moment, ref, given)
    completed = ev.ExecutionCompleted(
        ref=ref,
        at=moment.now,
        by=given.by,
        result=_result(moment, ref, given),
        next_step=way.step.key if way.step else None,
        route=way.route,
        notes=given.notes,
        forced=given.forced,
    )
    left: Events = (*resolve(moment, ref, given.by, "completed"), completed, *_noted(moment, ref))
    token = moment.state.tokens.get(ref)
    if ref.subject in moment.state.forked:
        moment = moment.after(left)
    if way.step is None:
        return (*left, *end_subject(moment, ref))
    return (*left, *onward(moment, ref, way.step, lot=token.lot if token else ""))


def _noted(moment: Moment, ref: Ref) -> Events:
    """What was computed for the execution goes into the instance's context when the subject goes on."""
    computed = moment.facts.computed.get(ref)
    return () if computed is None else into_context(moment, computed.context, ref.step)


def into_context(moment: Moment, values: Mapping[str, Any], step: str) -> Events:
    """Set values in the context of the instance, each at its path."""
    if not values:
        return ()
    reason = f"by the step '{moment.graph.steps[step].name}'"
    return (ev.InstanceAmended(at=moment.now, by=None, changes={"context_at": dict(values)}, reason=reason),)
