"""The tables of docs/drawing.md: names, limits and words from the code, and beside each what it means.

A field or a word without its sentence here is a `KeyError`, so the page cannot leave one out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from typing import Any, Final

from models.flow.checks import Check
from models.flow.config_shape import FAMILIES, step_config
from models.flow.graph import (
    DecisionType,
    Edge,
    EdgeType,
    ProcessCategory,
    Requirement,
    RequirementType,
    Step,
    StepType,
)
from models.flow.problems import Problem
from models.flow.routing_shape import ACTIONS, edge_config
from models.flow.shape import EDGE_FIELDS, GRAPH_FIELDS, STEP_FIELDS, graph_shape, requirement_fields
from models.requirements.registry import SHIPPED
from models.store.identifiers import PREFIXES
from scripts.drawing_words import (
    CONFIGS,
    DECISIONS,
    EDGES,
    FAMILY_FIELDS,
    GRAPH,
    OF_EDGE,
    OF_REQUIREMENT,
    OF_STEP,
    REQUIREMENTS,
    STEPS,
)
from scripts.field_words import Asking, at, fields_known, fields_needed, of_schema, taken_by

WRITTEN_BY_THE_PRODUCT: Final = "as_approved"
"""What approval writes into a config, whatever was sent."""

_WAYS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "erp": {", by connector": {"connector": "sap"}, ", by activity": {"activity": "book"}},
    "start_process": {"": {"process_id": "this one"}},
}
"""Actions of which one field or another is needed: what the page calls each way, and the field given."""

Lines = Iterable[str]


def categories() -> Lines:
    """`category` → the prefix of identifiers."""
    yield from _head("category", "identifiers begin with")
    for one in ProcessCategory:
        yield f"| `{one.value}` | `{PREFIXES[one]}` |"


def graph_fields() -> Lines:
    """Of the graph as a whole."""
    return _fields(GRAPH_FIELDS, GRAPH, set(), {})


def step_fields() -> Lines:
    """Of a step."""
    needed = {one.path.rsplit(".", 1)[-1] for one in graph_shape({"steps": [{}]}, ()) if one.code == "missing_field"}
    return _fields(STEP_FIELDS, OF_STEP, needed, _defaults(Step))


def edge_fields() -> Lines:
    """Of an edge."""
    raw = {"steps": [{"key": "a", "name": "A"}], "edges": [{}]}
    needed = {one.path.rsplit(".", 1)[-1] for one in graph_shape(raw, ()) if one.code == "missing_field"}
    return _fields(EDGE_FIELDS, OF_EDGE, needed, _defaults(Edge))


def gate_fields() -> Lines:
    """Of a requirement."""
    raw = {"steps": [{"key": "a", "name": "A", "requirements": [{}]}]}
    needed = {one.path.rsplit(".", 1)[-1] for one in graph_shape(raw, ()) if one.code == "missing_field"}
    return _fields(requirement_fields(()), OF_REQUIREMENT, needed, _defaults(Requirement))


def step_types() -> Lines:
    """`step_type`."""
    return _words("step_type", StepType, STEPS)


def decision_types() -> Lines:
    """`decision_type`."""
    return _words("decision_type", DecisionType, DECISIONS)


def edge_types() -> Lines:
    """`edge_type`."""
    return _words("edge_type", EdgeType, EDGES)


def gate_types() -> Lines:
    """`requirement_type`."""
    return _words("requirement_type", RequirementType, REQUIREMENTS)


def gate_configs() -> Lines:
    """`config` of each requirement type."""
    yield from _head("type", "key of config", "takes", "default", "meaning")
    for kind in SHIPPED:
        schema = kind.config_model.model_json_schema(by_alias=True)
        for name, of in schema["properties"].items():
            if name == WRITTEN_BY_THE_PRODUCT:
                continue
            default = "*needed*" if name in schema.get("required", ()) else _shown(of.get("default"))
            takes = of_schema(of, schema.get("$defs", {}))
            yield f"| `{kind.name}` | `{name}` | {takes} | {default} | {CONFIGS[kind.name][name]} |"


def step_configs() -> Lines:
    """`config` of a step, by family."""
    yield from _head("family", "key", "takes", "meaning")
    for family in FAMILIES:
        for shown, prefix, whole in _objects(family):
            asking = partial(_in_step, family, whole)
            path = f"config.{family}{prefix}"
            needed = fields_needed(asking)
            for name in fields_known(asking):
                takes = taken_by(at(f"{path}.{name}", partial(_with, asking, name)))
                mark = ", *needed*" if name in needed else ""
                yield f"| `{shown}` | `{name}` | {takes}{mark} | {FAMILY_FIELDS[shown][name]} |"


def edge_configs() -> Lines:
    """`config` of an edge out of a decision by measurement."""
    yield from _head("key", "takes", "meaning")

    def asking(raw: Any) -> Iterable[Problem]:
        return edge_config({"config": raw}, "edge")

    for name in fields_known(asking):
        yield (
            f"| `{name}` | {taken_by(at(f'edge.config.{name}', partial(_with, asking, name)))}"
            f" | {FAMILY_FIELDS['edge'][name]} |"
        )


def _objects(family: str) -> Iterable[tuple[str, str, Callable[[Any], Any]]]:
    """The objects of a family: how the page calls it, where it stands, and how the family looks around it."""
    match family:
        case "action":
            for kind in ACTIONS:
                for way, given in _WAYS.get(kind, {"": {}}).items():
                    yield f"action: {kind}{way}", "", partial(_beside, {"type": kind, **given})
        case "escalation":
            yield family, "", _alone
            yield "escalation: levels", ".levels[0]", partial(_inside, "levels")
        case "decision_table":
            yield family, "", _alone
            for name in ("inputs", "outputs", "rules"):
                yield f"decision_table: {name}", f".{name}[0]", partial(_inside, name)
        case _:
            yield family, "", _alone


def _alone(raw: Any) -> Any:
    return raw


def _beside(given: Mapping[str, Any], raw: Any) -> Any:
    return {**given, **raw}


def _inside(name: str, raw: Any) -> Any:
    return {name: [raw]}


def _in_step(family: str, whole: Callable[[Any], Any], raw: Any) -> Iterable[Problem]:
    return step_config("config", {family: whole(raw)}, "config")


def _with(asking: Asking, name: str, value: Any) -> Iterable[Problem]:
    return asking({name: value})


def _fields(
    known: Mapping[str, Check], meant: Mapping[str, str], needed: set[str], defaults: Mapping[str, Any]
) -> Lines:
    yield from _head("field", "takes", "default", "meaning")
    for name, check in known.items():
        takes = taken_by(at(name, partial(_ask, check, name)))
        default = "*needed*" if name in needed else _shown(defaults.get(name))
        yield f"| `{name}` | {takes} | {default} | {meant[name]} |"


def _ask(check: Check, name: str, value: Any) -> Iterable[Problem]:
    return check(name, value, name)


def _defaults(shape: type[Step | Edge | Requirement]) -> Mapping[str, Any]:
    """Without that of `order`: it is the place in the list, which `parse_graph` fills in."""
    return {one.name: one.default for one in fields(shape) if one.default is not MISSING and one.name != "order"}


def _shown(default: Any) -> str:
    """A default in JSON; nothing where it is nothing."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str | int) and default != "":
        return f"`{default}`" if isinstance(default, str) else str(default)
    return ""


def _words(head: str, words: Iterable[str], meant: Mapping[str, str]) -> Lines:
    yield from _head(head, "meaning")
    for one in words:
        yield f"| `{one}` | {meant[one]} |"


def _head(*columns: str) -> Lines:
    yield "| " + " | ".join(columns) + " |"
    yield "|---" * len(columns) + "|"
