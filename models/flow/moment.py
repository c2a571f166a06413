"""What one decision sees, and what is handed over when work is done: the values that the rules pass around."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from models.flow import events as ev
from models.flow.evolve import fold
from models.flow.facts import Facts, Visits
from models.flow.graph import Graph
from models.flow.state import State, Token

FORCED_EARLIER = "completed with force before it had to wait"
"""Stands for the reason on later events of a forced execution; the event that made it wait has the reason itself."""

Events = tuple[ev.Event, ...]
"""What a rule comes to."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The ground of one decision; nothing in it is changed by deciding."""

    graph: Graph
    state: State
    facts: Facts
    now: datetime

    def after(self, events: Iterable[ev.Event]) -> "Moment":
        """The same moment with these events in its state, and their visits counted."""
        happened = tuple(events)
        entered = [one for one in happened if isinstance(one, ev.ExecutionEntered)]
        if not entered:
            return replace(self, state=fold(self.state, happened))
        visits = dict(self.facts.visits)
        for one in entered:
            before = visits.get(one.ref[:2], _NEVER)
            visits[one.ref[:2]] = Visits(last=max(before.last, one.ref.visit), counted=before.counted + one.counts)
        return replace(self, state=fold(self.state, happened), facts=replace(self.facts, visits=visits))

    def visits(self, subject: int, step: str) -> Visits:
        """How often a subject was at a step."""
        return self.facts.visits.get((subject, step), _NEVER)


_NEVER = Visits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The work at one execution as it was handed over. `forced` is the reason of a deviation, `by` None the engine."""

    by: str | None
    result: str = ""
    notes: str = ""
    forced: str | None = None


def given_before(token: Token) -> Given:
    """What was handed over when the execution began to wait."""
    return Given(by=token.done_by, result=token.result, forced=FORCED_EARLIER if token.forced else None)
