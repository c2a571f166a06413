"""All that keeps a process from being put into force, as far as the process alone tells.

Its graph, the config of every requirement by its type, expressions, automatic actions. What it names in the tenant is
looked up in `models.store.usable`.
"""

from typing import Any

from models.decisions.actions import action_problems
from models.decisions.expressions import expression_problems
from models.flow.validate import problems_of
from models.requirements import registry


def process_problems(graph: Any, *, private_allowed: bool) -> list[dict[str, str]]:
    """Problems as `{"code", "path", "message"}` in the order of their places; empty where it can be approved.

    Args:
        graph: Any JSON value.
        private_allowed: Whether requests may go into the own network here (`private_targets_allowed`).
    """
    found = [
        {"code": one.code, "path": one.path, "message": one.message}
        for one in problems_of(graph, registry.kinds().keys())
    ]
    known = {one["path"] for one in found}
    actions = action_problems(graph, private_allowed=private_allowed)
    further = [*_configs(graph), *expression_problems(graph), *actions]
    return [*found, *(one for one in further if one["path"] not in known)]


def _configs(graph: Any) -> list[dict[str, str]]:
    found = []
    steps = {str(step.get("key")) for step in _objects(graph, "steps")}
    for number, step in enumerate(_objects(graph, "steps")):
        for place, requirement in enumerate(_objects(step, "requirements")):
            config = requirement.get("config") or {}
            kind = requirement.get("requirement_type")
            if not isinstance(config, dict) or kind not in registry.kinds():
                continue
            path = f"steps[{number}].requirements[{place}].config"
            found += [
                {"code": one.code, "path": path + one.pointer.replace("/", "."), "message": one.message}
                for one in registry.problems_of(str(kind), config, steps=steps)
            ]
    return found


def _objects(holder: Any, name: str) -> list[dict[str, Any]]:
    rows = holder.get(name) if isinstance(holder, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
