"""Every expression of a raw graph outside of requirements, and what keeps it from being evaluated."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from models.decisions.tables import test_of
from models.requirements.expressions import members_of, problem_in
from models.requirements.scopes import OF_A_CELL, OF_A_STEP, OF_AN_ASSIGNMENT, Scope, misnamed

Json = dict[str, Any]
Found = Iterator[tuple[str, str, Scope]]
"""Path, expression, and the names that it may use."""


def expression_problems(graph: Any) -> list[dict[str, str]]:
    """Expressions that do not parse, could run too long, or name what there is not, as problems with their paths."""
    steps = {str(step.get("key")) for step in _objects(graph, "steps")}
    return [
        {"code": "expression_invalid", "path": path, "message": problem}
        for path, expression, scope in _all(graph)
        if (problem := problem_in(expression) or misnamed(expression, scope) or _no_step(expression, steps)) is not None
    ]


def _no_step(expression: str, steps: Collection[str]) -> str | None:
    for named in members_of(expression, "steps"):
        if named not in steps:
            meant = get_close_matches(named[:100], steps, n=3)
            hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
            return f"There is no step with the key '{named[:100]}' in this process.{hint}"
    return None


def _all(graph: Any) -> Found:
    steps = _objects(graph, "steps")
    for number, step in enumerate(steps):
        config = step.get("config")
        if isinstance(config, Mapping):
            yield from _of_step(config, f"steps[{number}].config")
    by_expression = [step.get("key") for step in steps if step.get("decision_type") == "expression"]
    for number, edge in enumerate(_objects(graph, "edges")):
        if edge.get("from_step") in by_expression:
            yield from _texts(edge, f"edges[{number}]", "condition")


def _of_step(config: Mapping[str, Any], path: str) -> Found:
    yield from _texts(config.get("assignment"), f"{path}.assignment", "rule", scope=OF_AN_ASSIGNMENT)
    yield from _texts(config.get("timer"), f"{path}.timer", "until")
    yield from _texts(config.get("event"), f"{path}.event", "key")
    action = config.get("action")
    yield from _texts(action, f"{path}.action", "body", "args", "path")
    for name in ("set", "values"):
        values = action.get(name) if isinstance(action, Mapping) else None
        if isinstance(values, Mapping):
            yield from _texts(values, f"{path}.action.{name}", *values)
    table = config.get("decision_table")
    if not isinstance(table, Mapping):
        return
    for number, column in enumerate(_objects(table, "inputs")):
        yield from _texts(column, f"{path}.decision_table.inputs[{number}]", "expression")
    for number, rule in enumerate(_objects(table, "rules")):
        cells = rule.get("when")
        for place, cell in enumerate(cells if isinstance(cells, list) else []):
            if isinstance(cell, str) and (test := test_of(cell)) is not None:
                yield f"{path}.decision_table.rules[{number}].when[{place}]", test, OF_A_CELL


def _texts(holder: Any, path: str, *names: str, scope: Scope = OF_A_STEP) -> Found:
    for name in names:
        value = holder.get(name) if isinstance(holder, Mapping) else None
        if isinstance(value, str) and value.strip():
            yield f"{path}.{name}", value, scope


def _objects(holder: Any, name: str) -> list[Json]:
    rows = holder.get(name) if isinstance(holder, Mapping) else None
    return [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else []
