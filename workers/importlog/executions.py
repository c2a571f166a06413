"""From the events of a case to executions: one per piece of work, in the order in which they ended.

Every event belongs to exactly one execution. The engine has one token per case, so executions that overlapped in
the log are put one after the other, by their end; how many did is counted.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from workers.importlog.lifecycle import Lifecycle, Phase
from workers.importlog.log import Case, Event

StepName = tuple[str, str]
"""An activity, and its transition where transitions are states (else empty)."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One piece of work of a case.

    `starter` and `completer` are resources, empty where unknown. `started_at` is None where the log has no start.
    """

    step: StepName
    events: tuple[Event, ...]
    starter: str
    completer: str
    started_at: datetime | None
    ended_at: datetime | None
    has_start: bool
    has_end: bool
    lacks_start: bool = False


@dataclass(slots=True)
class _Open:
    """An execution that may get more events. `place` is that of its first event in the case."""

    place: int
    events: list[Event]
    last: int
    start: Event | None = None
    ended: bool = False


def executions_of(case: Case, lifecycle: Lifecycle) -> tuple[Execution, ...]:
    """The executions of a case, by the place of their last event."""
    done: list[_Open] = []
    still_open: dict[str, list[_Open]] = {}
    for place, event in enumerate(case.events):
        if lifecycle.is_state(event.activity):
            done.append(_Open(place, [event], place, ended=True))
            continue
        candidates = still_open.setdefault(event.activity, [])
        phase = lifecycle.phase(event.activity, event.lifecycle)
        one = _belongs_to(candidates, event, phase)
        if one is None:
            one = _Open(place, [], place)
            candidates.append(one)
        one.events.append(event)
        one.last = place
        if phase is Phase.START:
            one.start = event
        if phase is Phase.END:
            one.ended = True
            candidates.remove(one)
            done.append(one)
    done.extend(one for candidates in still_open.values() for one in candidates)
    return tuple(_closed(one, lifecycle) for one in sorted(done, key=lambda one: one.last))


def _belongs_to(candidates: Sequence[_Open], event: Event, phase: Phase) -> _Open | None:
    """The open execution that an event goes on with; None where it begins another."""
    fitting = [one for one in candidates if _same_instance(one, event)]
    match phase:
        case Phase.OFFER:
            return next(
                (one for one in fitting if one.start is None and event.lifecycle not in _transitions(one)), None
            )
        case Phase.START:
            return next((one for one in fitting if one.start is None), None)
        case Phase.CHANGE | Phase.END:
            ranked = sorted(fitting, key=lambda one: (one.start is None, not _same_person(one, event), one.place))
            return ranked[0] if ranked else None


def _same_instance(one: _Open, event: Event) -> bool:
    named = next((other.instance for other in one.events if other.instance), "")
    return not event.instance or not named or event.instance == named


def _same_person(one: _Open, event: Event) -> bool:
    return one.start is not None and one.start.resource == event.resource


def _transitions(one: _Open) -> set[str]:
    return {event.lifecycle for event in one.events}


def _closed(one: _Open, lifecycle: Lifecycle) -> Execution:
    last = one.events[-1]
    state = lifecycle.is_state(last.activity)
    return Execution(
        step=(last.activity, last.lifecycle if state else ""),
        events=tuple(one.events),
        starter=one.start.resource if one.start else "",
        completer=last.resource,
        started_at=one.start.timestamp if one.start else None,
        ended_at=last.timestamp,
        has_start=one.start is not None,
        has_end=one.ended,
        lacks_start=one.ended and one.start is None and lifecycle.starts(last.activity),
    )


def overlaps(executions: Sequence[Execution]) -> int:
    """How many pairs of executions of a case were open at the same time, for longer than an instant."""
    count = 0
    running: list[datetime] = []
    for began, is_long, ended in sorted(_intervals(executions)):
        while running and running[0] <= began:
            heapq.heappop(running)
        count += len(running)
        if is_long:
            heapq.heappush(running, ended)
    return count


def _intervals(executions: Sequence[Execution]) -> Iterator[tuple[datetime, bool, datetime]]:
    """Begin, whether it took any time, and end; instants sort before what begins with them."""
    for one in executions:
        if one.ended_at is not None:
            began = one.started_at if one.started_at is not None and one.has_end else one.ended_at
            yield began, began < one.ended_at, one.ended_at
