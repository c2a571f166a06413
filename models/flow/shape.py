"""Are the fields of a raw graph known, of the right type and in range? Looks at each part alone, never at the whole.

Nothing here may raise, whatever JSON comes in: these checks are what the rest of the core relies on.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from models.flow.checks import (
    Check,
    a_list,
    an_object,
    check_fields,
    duration,
    entries,
    flag,
    is_duration,
    key,
    label,
    one_of,
    text,
    unstorable,
    whole,
    words,
)
from models.flow.config_shape import misplaced_config, needed_config, process_config, step_config
from models.flow.durations import parse_duration
from models.flow.graph import DecisionType, EdgeType, RequirementType, StepType, requirement_key
from models.flow.problems import Problem, problem
from models.flow.routing_shape import edge_config

MAX_STEPS, MAX_EDGES, MAX_REQUIREMENTS, MAX_ITEMS = 500, 5_000, 100, 500
LONGEST_CONDITION, LONGEST_RESULT, MAX_RESULTS = 1_000, 100, 50
MAX_COUNT = 10_000
MAX_ORDER = 2_147_483_647

GRAPH_FIELDS: Mapping[str, Check] = {
    "steps": a_list(MAX_STEPS),
    "edges": a_list(MAX_EDGES),
    "config": process_config,
    "ui": an_object,
}

STEP_FIELDS: Mapping[str, Check] = {
    "key": key,
    "name": label(200),
    "description": text(10_000),
    "step_type": one_of("unknown_step_type", StepType),
    "order": whole(0, MAX_ORDER),
    "is_decision_point": flag,
    "decision_type": one_of("unknown_decision_type", ["", *DecisionType]),
    "is_terminal": flag,
    "terminal_status": text(50),
    "requires_explicit_start": flag,
    "requires_operator_completion": flag,
    "requires_batch_completion": flag,
    "requires_qa_signoff": flag,
    "max_visits": whole(1, MAX_COUNT),
    "expected_duration": duration,
    "max_duration": duration,
    "escalate_on_overdue": flag,
    "ordered": flag,
    "config": step_config,
    "requirements": a_list(MAX_REQUIREMENTS),
    "ui": an_object,
}

EDGE_FIELDS: Mapping[str, Check] = {
    "from_step": text(100),
    "to_step": text(100),
    "edge_type": one_of("unknown_edge_type", EdgeType),
    "condition": text(LONGEST_CONDITION),
    "results": words(MAX_RESULTS, LONGEST_RESULT),
    "config": an_object,
    "ui": an_object,
}


def requirement_fields(types: Iterable[str]) -> Mapping[str, Check]:
    """The fields of a requirement, where besides the shipped types those of plug-ins are known."""
    return {
        "key": key,
        "requirement_type": one_of("unknown_requirement_type", dict.fromkeys([*RequirementType, *types])),
        "name": label(200),
        "description": text(10_000),
        "is_mandatory": flag,
        "order": whole(0, MAX_ORDER),
        "config": an_object,
    }


def graph_shape(raw: Mapping[str, Any], types: Iterable[str]) -> Iterator[Problem]:
    """Every field of every step, requirement and edge."""
    yield from check_fields(raw, "", GRAPH_FIELDS)
    steps = entries(raw.get("steps"))
    if not steps and not raw.get("steps"):
        yield problem("steps_missing", "steps")
    fields = requirement_fields(types)
    for number, step in enumerate(steps):
        yield from _step_shape(step, f"steps[{number}]", fields)
    yield from _duplicates("steps", [_get(step, "key") for step in steps])
    for number, edge in enumerate(entries(raw.get("edges"))):
        yield from check_fields(edge, f"edges[{number}]", EDGE_FIELDS, ("from_step", "to_step"))
        yield from edge_config(edge, f"edges[{number}]")


def _get(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, Mapping) else None


def _step_shape(raw: Any, path: str, fields: Mapping[str, Check]) -> Iterator[Problem]:
    yield from check_fields(raw, path, STEP_FIELDS, ("key", "name"))
    rows = entries(_get(raw, "requirements"))
    for number, row in enumerate(rows):
        place = f"{path}.requirements[{number}]"
        yield from check_fields(row, place, fields, ("requirement_type", "name"))
        yield from _config_shape(row, f"{place}.config")
    keys = [requirement_key(row, number) if isinstance(row, Mapping) else None for number, row in enumerate(rows, 1)]
    yield from _duplicates(f"{path}.requirements", keys)
    yield from _step_consistency(raw, path)
    if isinstance(raw, Mapping):
        yield from needed_config(raw, path)
        yield from misplaced_config(raw, path)


def _duplicates(path: str, keys: list[Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, found in enumerate(keys):
        if isinstance(found, str) and found in seen:
            yield problem("duplicate_key", f"{path}[{number}].key", key=found[:100])
        elif isinstance(found, str):
            seen.add(found)


def _step_consistency(raw: Any, path: str) -> Iterator[Problem]:
    for step_type, name in ((StepType.TERMINAL, "is_terminal"), (StepType.DECISION, "is_decision_point")):
        if _get(raw, "step_type") == step_type and _get(raw, name) is False:
            yield problem("step_type_contradiction", f"{path}.{name}", step_type=step_type.value, flag=name)
    expected, limit = _get(raw, "expected_duration"), _get(raw, "max_duration")
    both = isinstance(expected, str) and isinstance(limit, str) and is_duration(expected) and is_duration(limit)
    if both and parse_duration(limit) < parse_duration(expected):
        yield problem("duration_order", f"{path}.max_duration")


def _config_shape(raw: Any, path: str) -> Iterator[Problem]:
    """What a shipped type needs for the engine's sake; its own class looks closer when the process is submitted."""
    config = _get(raw, "config")
    config = {} if config is None else config
    if not isinstance(config, Mapping):
        return
    match _get(raw, "requirement_type"):
        case RequirementType.CHECKLIST:
            yield from _items(config.get("items"), f"{path}.items")
        case RequirementType.FORM if not isinstance(config.get("schema"), Mapping):
            yield problem("config_schema", f"{path}.schema")
        case RequirementType.DOCUMENT:
            yield from _optional(config, path, "min_count", whole(1, MAX_COUNT))
        case RequirementType.CHILD_WORKFLOW:
            yield from _optional(config, path, "count", whole(1, 1_000))
        case _:
            pass


def _optional(config: Mapping[str, Any], path: str, name: str, check: Check) -> Iterator[Problem]:
    if config.get(name) is not None:
        yield from check(name, config[name], f"{path}.{name}")


def _items(items: Any, path: str) -> Iterator[Problem]:
    if not isinstance(items, list | tuple) or not items:
        yield problem("config_items", path)
        return
    seen: set[str] = set()
    for number, item in enumerate(items):
        place = f"{path}[{number}]"
        if not item or not isinstance(item, str | Mapping) or (isinstance(item, str) and not item.strip()):
            yield problem("config_item", place)
        elif isinstance(item, str) and item.strip() in seen:
            yield problem("duplicate_item", place, item=item[:100])
        elif isinstance(item, str):
            seen.add(item.strip())
    yield from a_list(MAX_ITEMS)("items", items, path)


def all_shapes(raw: Any, types: Iterable[str]) -> tuple[Problem, ...]:
    """Everything that is wrong with the parts of a graph, each place and code once."""
    if not isinstance(raw, Mapping):
        return (problem("not_an_object"),)
    found = chain(unstorable(raw), graph_shape(raw, types))
    return tuple({(one.path, one.code): one for one in found}.values())
