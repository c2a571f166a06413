"""What differs between two versions of a process: what a reviewer has to look at. Any JSON that a draft may be.

Steps and requirements are the same where their keys are; edges where they join the same steps the same way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, Literal

from models.flow.graph import Edge, Requirement, Step, StepType, requirement_key

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that was added, removed or changed.

    Attributes:
        key: of the step; of the requirement as `step/requirement`; of the edge as `from → to`; empty: the process.
        fields: for what changed: field → (before, after).
    """

    what: Literal["process", "step", "requirement", "edge"]
    change: Literal["added", "removed", "changed"]
    key: str
    name: str = ""
    fields: Mapping[str, tuple[Any, Any]]


def difference(before: Json, after: Json) -> tuple[Difference, ...]:
    """All differences: the whole, steps, requirements, edges; each in the order of `after`, then what was removed."""
    old, new = _steps(before), _steps(after)
    return (
        *_compared("process", {"": _whole(before)}, {"": _whole(after)}),
        *_compared("step", {k: _plain(s) for k, s in old.items()}, {k: _plain(s) for k, s in new.items()}),
        *_compared("requirement", _requirements(old), _requirements(new)),
        *_compared("edge", _edges(before), _edges(after)),
    )


def _compared(
    what: Literal["process", "step", "requirement", "edge"], before: Mapping[str, Json], after: Mapping[str, Json]
) -> Iterator[Difference]:
    for key, thing in after.items():
        name = str(thing.get("name", ""))
        if key not in before:
            yield Difference(what=what, change="added", key=key, name=name, fields={})
        elif changed := _changed(before[key], thing):
            yield Difference(what=what, change="changed", key=key, name=name, fields=changed)
    for key, thing in before.items():
        if key not in after:
            yield Difference(what=what, change="removed", key=key, name=str(thing.get("name", "")), fields={})


def _changed(before: Json, after: Json) -> dict[str, tuple[Any, Any]]:
    names = [*after, *(name for name in before if name not in after)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _whole(graph: Json) -> Json:
    """What a process says of itself as a whole."""
    return {"config": graph["config"]} if graph.get("config") else {}


def _steps(graph: Json) -> dict[str, Json]:
    numbered = enumerate(_objects(graph, "steps"), start=1)
    return {str(step.get("key", "")): {"order": number, **_said(step)} for number, step in numbered}


def _plain(step: Json) -> Json:
    implied: dict[str, Any] = {}
    if step.get("step_type") == StepType.TERMINAL:
        implied = {"is_terminal": True}
    elif step.get("step_type") == StepType.DECISION:
        implied = {"is_decision_point": True}
    return {name: value for name, value in _filled(Step, implied, step).items() if name != "requirements"}


def _requirements(steps: Mapping[str, Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, step in steps.items():
        for number, one in enumerate(_objects(step, "requirements"), start=1):
            found[f"{key}/{requirement_key(one, number)}"] = _filled(Requirement, {"order": number}, one)
    return found


def _edges(graph: Json) -> dict[str, Json]:
    """Keyed by what they join; a second edge between the same steps by its condition too."""
    found: dict[str, Json] = {}
    for one in _objects(graph, "edges"):
        edge = _filled(Edge, {}, one)
        key = f"{edge.get('from_step')} → {edge.get('to_step')}"
        parallel = f"{key} ({edge['edge_type']} {edge['condition']})"
        found[key if key not in found else parallel] = edge
    return found


def _filled(kind: type[Step | Requirement | Edge], implied: Json, given: Json) -> dict[str, Any]:
    """A draft leaves out what has a default; an approved version has it all."""
    optional = [one for one in fields(kind) if not (one.default is MISSING and one.default_factory is MISSING)]
    defaults = {one.name: _default(one) for one in optional}
    return {**defaults, **implied, **_said(given)}


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _said(given: Json) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _objects(holder: Json, name: str) -> list[Json]:
    rows = holder.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
