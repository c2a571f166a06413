"""What the lifecycle transitions of an activity mean: phases of one execution, or states of their own.

The standard transactional model of XES (schedule, assign, start, suspend, resume, complete, …) describes phases of
one execution. Where an activity of a log has any other transition ("In Progress", "Awaiting Assignment"), each of
its transitions is a state that the case was in, and so a step of its own.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from workers.importlog.log import Case


class Phase(StrEnum):
    """What an event does to an execution."""

    OFFER = "offer"  # schedule, assign: nobody works yet
    START = "start"
    CHANGE = "change"  # suspend, resume: goes on with an open execution
    END = "end"


_STANDARD = {
    "schedule": Phase.OFFER,
    "assign": Phase.OFFER,
    "reassign": Phase.CHANGE,
    "start": Phase.START,
    "suspend": Phase.CHANGE,
    "resume": Phase.CHANGE,
    "complete": Phase.END,
    "withdraw": Phase.END,
    "pi_abort": Phase.END,
    "ate_abort": Phase.END,
    "abort": Phase.END,
    "autoskip": Phase.END,
    "manualskip": Phase.END,
    "unknown": Phase.END,
    "": Phase.END,
}
_SYNONYMS = {
    "scheduled": "schedule",
    "assigned": "assign",
    "reassigned": "reassign",
    "started": "start",
    "begin": "start",
    "begun": "start",
    "suspended": "suspend",
    "pause": "suspend",
    "paused": "suspend",
    "resumed": "resume",
    "completed": "complete",
    "finish": "complete",
    "finished": "complete",
    "end": "complete",
    "ended": "complete",
    "withdrawn": "withdraw",
    "aborted": "abort",
}


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """How one log uses transitions: the phases of each activity, by transition as written.

    An activity whose transitions are states is absent; for it, every event is an execution.
    """

    phases: dict[str, dict[str, Phase]]

    def is_state(self, activity: str) -> bool:
        """True where the activity's transitions are states of their own."""
        return activity not in self.phases

    def phase(self, activity: str, transition: str) -> Phase:
        """What an event does to an execution of an activity that is no state."""
        return self.phases[activity][transition]

    def starts(self, activity: str) -> bool:
        """True where the log records when work on the activity began."""
        return Phase.START in self.phases.get(activity, {}).values()


def find_lifecycle(cases: Iterable[Case]) -> Lifecycle:
    """Read the use of transitions from all the events of a log."""
    used: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases:
        for event in case.events:
            used[event.activity].add(event.lifecycle)
    # A log that speaks of states may also call one of them "Completed": synonyms hold for a whole log or not at all.
    every = {transition for transitions in used.values() for transition in transitions}
    synonyms = _SYNONYMS if all(_standard(one, _SYNONYMS) for one in every) else {}
    phases: dict[str, dict[str, Phase]] = {}
    for activity, transitions in used.items():
        known = {one: _standard(one, synonyms) for one in sorted(transitions)}
        found = {one: phase for one, phase in known.items() if phase is not None}
        if len(found) == len(known):
            phases[activity] = _with_an_end(found)
    return Lifecycle(phases)


def _standard(transition: str, synonyms: dict[str, str]) -> Phase | None:
    name = transition.strip().casefold().replace(" ", "_")
    return _STANDARD.get(synonyms.get(name, name))


def _with_an_end(phases: dict[str, Phase]) -> dict[str, Phase]:
    """Where a log never records the end of an activity, the furthest phase that it records stands for it."""
    for furthest in (Phase.END, Phase.START, Phase.CHANGE, Phase.OFFER):
        if furthest in phases.values():
            return {one: Phase.END if phase is furthest else phase for one, phase in phases.items()}
    return phases
