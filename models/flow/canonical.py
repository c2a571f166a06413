"""The one text of a graph, and its hash: two JSON texts that mean the same process come out the same.

What the designer keeps for itself (`ui`) is not part of it, so that moving a box changes no approved process.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

from models.flow.durations import format_duration
from models.flow.graph import Edge, Graph, Requirement, Step, parse_graph


def canonical(graph_json: Mapping[str, Any]) -> str:
    """Compact JSON with sorted keys, defaults filled in, steps by order and edges by the step that they leave.

    Raises:
        KeyError, TypeError, ValueError: where the JSON was not validated before.
    """
    shown = graph_as_json(parse_graph(graph_json))
    return json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def graph_hash(graph_json: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(graph_json).encode()).hexdigest()


def graph_as_json(graph: Graph) -> dict[str, Any]:
    """A graph as JSON with every field; `parse_graph` reads it back. Without settings it has the hash it always had."""
    shown = {
        "steps": [_plain(step) for step in graph.steps.values()],
        "edges": [_plain(edge) for key in graph.steps for edge in graph.edges.get(key, ())],
    }
    return {**shown, "config": _plain(graph.config)} if graph.config else shown


def _plain(value: Any) -> Any:
    match value:
        case Edge():
            # What edges have had since the second release is left out where it is empty: older hashes stay true.
            shown = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
            return {name: inner for name, inner in shown.items() if inner or name not in {"results", "config"}}
        case Step() | Requirement():
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case timedelta():
            return format_duration(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case float():
            return _number(value)
        case _:
            return value


def _number(value: float) -> int | float:
    """Whole floats as integers: PostgreSQL's jsonb gives 100 back for 1e2, and -0.0 as 0."""
    exact = Decimal(repr(value))
    return int(exact) if exact == exact.to_integral_value() else value
