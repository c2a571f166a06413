"""Where a subject stands among the branches of forks, and which of them it leaves when it goes elsewhere.

A fork's region are the steps between it and its join. Going on inside the region leaves the other branches as they are;
going anywhere else ends them, because nobody would wait for them any more.
"""

from models.flow.branches import branch_of, within
from models.flow.graph import EdgeType, Graph
from models.flow.state import Ref, State

FORK, JOIN = "fork", "join"


def branch_at(graph: Graph, branch: str, step: str) -> str:
    """The branch in which a subject goes on that leaves `branch` for `step`: the innermost whose region has it."""
    while branch and step not in region(graph, branch_of(branch).fork):
        branch = branch_of(branch).outer
    return branch


def region(graph: Graph, fork: str) -> frozenset[str]:
    """The steps between a fork and its join; where it has none, all that the fork leads to."""
    return _between(graph, fork)[0]


def joins(graph: Graph, fork: str) -> frozenset[str]:
    """Where the branches of a fork come together."""
    return _between(graph, fork)[1] if fork in graph.steps else frozenset()


def _between(graph: Graph, fork: str) -> tuple[frozenset[str], frozenset[str]]:
    found: set[str] = set()
    ends: set[str] = set()
    seen: set[tuple[str, int]] = set()
    frontier = [(key, 0) for key in _onward(graph, fork)]
    while frontier:
        key, depth = frontier.pop()
        kind = graph.steps[key].step_type
        if kind == JOIN and depth == 0:
            ends.add(key)
            continue
        if (key, depth) in seen or depth > len(graph.steps):
            continue
        seen.add((key, depth))
        found.add(key)
        inner = depth + (kind == FORK) - (kind == JOIN)
        frontier += [(following, inner) for following in _onward(graph, key)]
    return frozenset(found), frozenset(ends)


def _onward(graph: Graph, step: str) -> list[str]:
    if graph.steps[step].is_terminal:
        return []
    drawn = graph.edges.get(step, ())
    after = graph.following(step)
    by_order = [] if after is None or any(e.edge_type != EdgeType.ESCALATION for e in drawn) else [after.key]
    return [*(edge.to_step for edge in drawn), *by_order]


def open_beside(state: State, ref: Ref, branch: str) -> tuple[Ref, ...]:
    """The other open executions of a subject in `branch` and in those that it opened, in order of their places.

    Whoever goes the undivided way stands in one place only.
    """
    return tuple(one for one in state.forked.get(ref.subject, ()) if one != ref and within(one.branch, branch))
