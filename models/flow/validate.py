"""Can this process be published? All that is wrong with a raw graph, as problems with stable codes.

A graph without problems parses, and no command can make the engine raise anything but a `FlowError`.
"""

from collections.abc import Iterable
from typing import Any

from models.flow.graph import parse_graph
from models.flow.problems import Problem
from models.flow.shape import all_shapes
from models.flow.ways import all_ways, drawn, unknown_ends

__all__ = ["Problem", "problems_of"]


def problems_of(graph_json: Any, requirement_types: Iterable[str] = ()) -> tuple[Problem, ...]:
    """All problems of one stage: first of the parts, then of the edges' ends, then of the whole.

    Args:
        graph_json: any JSON value.
        requirement_types: types of plug-ins, besides the shipped ones.

    Returns:
        Problems in the order of their places; empty where the graph can be published. Never raises.
    """
    if shapes := all_shapes(graph_json, requirement_types):
        return shapes
    edges = drawn(graph_json)
    paths = {step["key"]: f"steps[{number}]" for number, step in enumerate(graph_json["steps"])}
    if dangling := tuple(unknown_ends(paths, edges)):
        return dangling
    return tuple(all_ways(parse_graph(graph_json), paths, edges))
