"""The step graph of one process version: an immutable value, loaded from its canonical JSON.

`parse_graph` accepts what `validate.py` has passed; a graph from elsewhere goes through `validate.problems_of` first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from models.flow.durations import parse_duration


class ProcessCategory(StrEnum):
    """High-level kind of a process; decides the prefix of its identifiers."""

    MANUFACTURING = "manufacturing"
    QUALITY = "quality"
    NPI = "npi"
    DOCUMENT = "document"
    EQUIPMENT = "equipment"
    SUPPLIER = "supplier"
    HR = "hr"
    CUSTOMER = "customer"


class StepType(StrEnum):
    """What kind of work a step is; behaviour follows from its flags."""

    TASK = "task"
    START = "start"
    DECISION = "decision"
    REWORK = "rework"
    TIMER = "timer"
    TERMINAL = "terminal"
    FORK = "fork"
    JOIN = "join"
    MESSAGE = "message"
    AUTOMATIC = "automatic"


class DecisionType(StrEnum):
    """Who or what gives the result of a decision step; an empty one is `manual`."""

    MANUAL = "manual"
    MEASUREMENT = "measurement"
    QA_RESULT = "qa_result"
    EXPRESSION = "expression"
    DECISION_TABLE = "decision_table"


_COMPUTED = frozenset(DecisionType) - {DecisionType.MANUAL}
_ENGINES = frozenset({StepType.FORK, StepType.JOIN, StepType.MESSAGE, StepType.AUTOMATIC})


class EdgeType(StrEnum):
    """Which way on an edge stands for."""

    DEFAULT = "default"
    ALTERNATE = "alternate"
    ESCALATION = "escalation"


class RequirementType(StrEnum):
    """The gates that ship with the product; a plug-in may add others."""

    DOCUMENT = "document"
    APPROVAL = "approval"
    CHECKLIST = "checklist"
    FORM = "form"
    MEASUREMENT = "measurement"
    SIGNATURE = "signature"
    CHILD_WORKFLOW = "child_workflow"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One gate of a step; `config` holds the keys of its type."""

    key: str
    requirement_type: str
    name: str
    description: str = ""
    is_mandatory: bool = True
    order: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage; the flags are the seed's, durations are working time of the site's calendar."""

    key: str
    name: str
    description: str = ""
    step_type: str = StepType.TASK
    order: int = 0
    is_decision_point: bool = False
    decision_type: str = ""
    is_terminal: bool = False
    terminal_status: str = ""
    requires_explicit_start: bool = False
    requires_operator_completion: bool = True
    requires_batch_completion: bool = False
    requires_qa_signoff: bool = False
    max_visits: int | None = None
    expected_duration: timedelta | None = None
    max_duration: timedelta | None = None
    escalate_on_overdue: bool = False
    ordered: bool = False
    """Its requirements are given in their order (DESIGN §3.1)."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Settings by family: assignment, escalation, timer, event, action, join, decision table; most are for facts."""
    requirements: tuple[Requirement, ...] = ()

    @property
    def mandatory(self) -> tuple[Requirement, ...]:
        """The requirements that block."""
        return tuple(r for r in self.requirements if r.is_mandatory)

    @property
    def ends_on_entry(self) -> bool:
        """A terminal step with nothing to wait for (DESIGN §3.5)."""
        return (
            self.is_terminal
            and not self.mandatory
            and not self.requires_qa_signoff
            and not self.requires_batch_completion
        )

    @property
    def is_computed(self) -> bool:
        """A decision that facts take: by an expression, a table, a measurement or a quality result."""
        return self.is_decision_point and self.decision_type in _COMPUTED

    @property
    def is_engines(self) -> bool:
        """The engine's own step: nobody works there. A timer step without `config.timer` is a task by that name."""
        return self.step_type in _ENGINES or (self.step_type == StepType.TIMER and bool(self.config.get("timer")))

    @property
    def moves_by_itself(self) -> bool:
        """True where the step goes on without a person once all is met."""
        return self.is_engines or (
            not self.requires_operator_completion and (self.is_computed or not self.is_decision_point)
        )

    @property
    def sends_back(self) -> bool:
        """Whether a rejected approval takes the subject to another step, or to a new visit of this one."""
        return any(
            one.requirement_type == RequirementType.APPROVAL and one.config.get("on_reject")
            for one in self.requirements
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A way from one step to another.

    Attributes:
        condition: a result that takes it; out of a decision by expression, CEL.
        results: more results that take it.
        config: for a decision by measurement, what is compared (`measurement_definition_id`, `operator`, `value`).
    """

    from_step: str
    to_step: str
    edge_type: str = EdgeType.DEFAULT
    condition: str = ""
    results: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def words(self) -> tuple[str, ...]:
        """The results that take it, as they were written."""
        return (*((self.condition,) if self.condition else ()), *self.results)


@dataclass(frozen=True, slots=True)
class Graph:
    """Steps in order, with the edges that leave each; `config` is what holds for the whole process."""

    steps: Mapping[str, Step]
    edges: Mapping[str, tuple[Edge, ...]]
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def first(self) -> Step:
        """Where every subject enters: the start step, else the first by order."""
        ordered = tuple(self.steps.values())
        return next((s for s in ordered if s.step_type == StepType.START), ordered[0])

    def name_of(self, step: str) -> str:
        """The name of a step; its key, where it belongs to another version (see `migrating`)."""
        return self.steps[step].name if step in self.steps else step

    def leaving(self, step: str, edge_type: str) -> tuple[Edge, ...]:
        """The edges of one type that leave `step`, in the order in which they were drawn."""
        return tuple(e for e in self.edges.get(step, ()) if e.edge_type == edge_type)

    def following(self, step: str) -> Step | None:
        """The next step by order, the fallback where no edge was drawn."""
        keys = tuple(self.steps)
        after = keys.index(step) + 1
        return self.steps[keys[after]] if after < len(keys) else None


def parse_graph(data: Mapping[str, Any]) -> Graph:
    """Build the graph from its JSON: `{"steps": [...], "edges": [...], "config": {...}}` with the seed's field names.

    An absent or null field has its default. A step of type `terminal` or `decision` has that flag unless it says
    otherwise, and a requirement without a key is called by its place.

    Raises:
        KeyError, TypeError, ValueError: where the JSON was not validated before.
    """
    numbered = [_step(raw, number) for number, raw in enumerate(data["steps"], start=1)]
    steps = {s.key: s for s in sorted(numbered, key=lambda s: s.order)}
    edges: dict[str, list[Edge]] = {}
    for raw in data.get("edges") or ():
        edge = parse_edge(raw)
        edges.setdefault(edge.from_step, []).append(edge)
    return Graph(steps, {key: tuple(found) for key, found in edges.items()}, data.get("config") or {})


def timer_of(step: Step) -> timedelta | None:
    """How long a timer step waits, where that is a duration and no expression."""
    timer = step.config.get("timer") if step.step_type == StepType.TIMER else None
    return parse_duration(timer["duration"]) if timer and timer.get("duration") else None


def counts_working_time(step: Step) -> bool:
    """Whether the timer of a step goes by the site's working calendar: an oven also burns at night."""
    return timer_of(step) is not None and bool(step.config["timer"].get("working_time"))


def parse_edge(raw: Mapping[str, Any]) -> Edge:
    """One edge from its JSON."""
    given = _given(raw, "from_step", "to_step", "edge_type", "condition", "config")
    return Edge(**given, results=tuple(raw.get("results") or ()))


def requirement_key(raw: Mapping[str, Any], number: int) -> str:
    """The key of a step's `number`-th requirement; without one of its own it is called by that place."""
    key: str | None = raw.get("key")
    return f"r{number}" if key is None else key


_PLAIN = (
    "description", "step_type", "is_decision_point", "decision_type", "is_terminal", "terminal_status",
    "requires_explicit_start", "requires_operator_completion", "requires_batch_completion", "requires_qa_signoff",
    "max_visits", "escalate_on_overdue", "ordered", "config",
)  # fmt: skip


def _given(raw: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: raw[name] for name in names if raw.get(name) is not None}


def _step(raw: Mapping[str, Any], number: int) -> Step:
    implied = {
        StepType.TERMINAL.value: {"is_terminal": True},
        StepType.DECISION.value: {"is_decision_point": True},
    }.get(raw.get("step_type") or "", {})
    return Step(
        key=raw["key"],
        name=raw["name"],
        order=number if raw.get("order") is None else raw["order"],
        expected_duration=_optional_duration(raw.get("expected_duration")),
        max_duration=_optional_duration(raw.get("max_duration")),
        requirements=_requirements(raw.get("requirements") or ()),
        **{**implied, **_given(raw, *_PLAIN)},
    )


def _optional_duration(text: str | None) -> timedelta | None:
    return parse_duration(text) if text else None


def _requirements(rows: Sequence[Mapping[str, Any]]) -> tuple[Requirement, ...]:
    built = [
        Requirement(
            key=requirement_key(raw, number),
            order=number if raw.get("order") is None else raw["order"],
            **_given(raw, "requirement_type", "name", "description", "is_mandatory", "config"),
        )
        for number, raw in enumerate(rows, start=1)
    ]
    return tuple(sorted(built, key=lambda r: r.order))
