"""What to do for each case: its steps in order, by whom, and the decision that leads to the next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from models.templates.shape import Json
from workers.importlog.discover import Discovery, discover
from workers.importlog.executions import Execution, executions_of, overlaps
from workers.importlog.lifecycle import find_lifecycle
from workers.importlog.log import Case, Oddities
from workers.importlog.naming import ARTIFICIAL

_LONGEST_PERSON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One completion.

    `starter` and `completer` are the recorded resources, empty where the log names none. `decision_result` is empty
    where the step is no decision. `started_at` is None where the log has no start of its own.
    """

    step: str
    completer: str = ""
    starter: str = ""
    decision_result: str = ""
    starts: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class CasePlan:
    """One case: its id, its attributes, and its steps from the artificial start to before the artificial end."""

    case_id: str
    steps: tuple[PlannedStep, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recorded(self) -> tuple[PlannedStep, ...]:
        """The steps that come from the log."""
        return tuple(one for one in self.steps if one.step not in ARTIFICIAL)


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A graph, and the way of every case through it."""

    graph: Json
    cases: tuple[CasePlan, ...]
    events: int
    oddities: Oddities

    @property
    def completions(self) -> int:
        """How many recorded executions the cases have, artificial ones not counted."""
        return sum(len(case.recorded) for case in self.cases)


def make_plan(cases: Iterable[Case], oddities: Oddities) -> ImportPlan:
    """Plan the cases of a log; what the engine records in another way than the log is counted in `oddities`.

    Raises:
        LogError: log_too_wide.
    """
    read = list(cases)
    lifecycle = find_lifecycle(read)
    executions = [executions_of(case, lifecycle) for case in read]
    for case, done in zip(read, executions, strict=True):
        _count(case.id, done, oddities)
    found = discover(executions)
    if found.has_hub:
        oddities.counts["logs with more ways than a process has edges, drawn over a hub"] += 1
    plans = tuple(
        CasePlan(case.id, tuple(_steps(found, done)), case.attributes)
        for case, done in zip(read, executions, strict=True)
    )
    return ImportPlan(found.graph, plans, sum(len(case.events) for case in read), oddities)


def _steps(found: Discovery, executions: Sequence[Execution]) -> Iterator[PlannedStep]:
    recorded = iter(executions)
    for key, following in pairwise(found.way(executions)):
        result = following if key in found.decisions else ""
        if key in ARTIFICIAL:
            yield PlannedStep(step=key, decision_result=result)
        else:
            yield _step(key, result, next(recorded))


def _step(key: str, result: str, done: Execution) -> PlannedStep:
    return PlannedStep(
        step=key,
        completer=person(done.completer),
        starter=person(done.starter),
        decision_result=result,
        starts=done.has_start,
        started_at=done.started_at,
        ended_at=done.ended_at,
        note=_note(done),
    )


def person(resource: str) -> str:
    """A recorded resource as the API keeps it: without blanks around it, and not longer than it takes."""
    return resource.strip()[:_LONGEST_PERSON].strip()


def _note(done: Execution) -> str:
    """What the record says about an execution that it cannot say by itself."""
    recorded = f"Recorded at {done.ended_at.isoformat()}." if done.ended_at else "Recorded without a time."
    ending = done.events[-1].lifecycle
    if not done.has_end:
        return f"{recorded} The log has no end of it (last: {ending}); completed to let the case go on."
    usual = done.step[1] or ending.casefold() in ("", "complete")
    return recorded if usual else f"{recorded} Transition: {ending}."


def _count(case_id: str, executions: Sequence[Execution], oddities: Oddities) -> None:
    if pairs := overlaps(executions):
        oddities.counts["overlapping executions (pairs), put in the order of their ends"] += pairs
        oddities.add("cases with overlapping executions", case_id)
    for one in executions:
        if not one.has_end:
            oddities.add("executions without an end in the log", case_id)
        if one.lacks_start:
            oddities.add("ends without a start, of activities that have starts", case_id)
        if len(one.completer) > _LONGEST_PERSON or len(one.starter) > _LONGEST_PERSON:
            oddities.add("names of people cut at 200 characters", case_id)
        if one.starter and one.completer and one.starter != one.completer:
            oddities.add("executions ended by another person than started them", case_id)
