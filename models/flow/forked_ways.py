"""Are forks and joins well nested? Each branch is a region of its own that only its join or an end leaves.

A step stands in the branches that lead to it, from the outermost fork to the innermost; every way there says the same.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from models.flow.graph import EdgeType, Graph, Step, StepType
from models.flow.problems import Problem, problem

Place = tuple[tuple[str, int], ...]
"""The branches in which a step stands: (fork, number of the branch) from the outermost on."""


def branch_problems(
    graph: Graph, paths: Mapping[str, str], onward_of: Callable[[Graph, Step], list[str]]
) -> Iterator[Problem]:
    """All that is wrong with forks and joins; at most one problem for a step."""
    if not any(step.step_type in (StepType.FORK, StepType.JOIN) for step in graph.steps.values()):
        return
    walked = _walked(graph, onward_of)
    for key in walked.jumps:
        yield problem("branch_jump", paths[key], step=graph.steps[key].name)
    for key in walked.stray:
        yield problem("join_without_fork", paths[key], step=graph.steps[key].name)
    for key, step in graph.steps.items():
        if step.step_type == StepType.FORK and key in walked.places:
            yield from _fork(graph, step, paths, walked.joins.get(key, {}))


def _fork(graph: Graph, step: Step, paths: Mapping[str, str], joins: Mapping[str, None]) -> Iterator[Problem]:
    if not joins:
        yield problem("fork_without_join", paths[step.key], step=step.name)
    if len(joins) > 1:
        yield problem("several_joins", paths[step.key], step=step.name)
    branches = len(graph.leaving(step.key, EdgeType.DEFAULT))
    for key in joins:
        wanted = (graph.steps[key].config.get("join") or {}).get("require", "all")
        if wanted != "all" and wanted > branches:
            place = f"{paths[key]}.config.join.require"
            yield problem("join_too_many", place, step=graph.steps[key].name, wanted=wanted, branches=branches)


@dataclass(slots=True)
class _Walked:
    """Where each step stands, what joins each fork, and what does not fit."""

    places: dict[str, Place] = field(default_factory=dict)
    joins: dict[str, dict[str, None]] = field(default_factory=dict)
    jumps: dict[str, None] = field(default_factory=dict)
    stray: dict[str, None] = field(default_factory=dict)


def _walked(graph: Graph, onward_of: Callable[[Graph, Step], list[str]]) -> _Walked:
    walked = _Walked()
    frontier: list[tuple[str, Place]] = [(graph.first.key, ())]
    while frontier:
        key, place = frontier.pop()
        step = graph.steps[key]
        if step.is_terminal:
            continue
        if step.step_type == StepType.JOIN:
            if not place:
                walked.stray[key] = None
            else:
                walked.joins.setdefault(place[-1][0], {})[key] = None
                place = place[:-1]
        if key in walked.places:
            if walked.places[key] != place:
                walked.jumps[key] = None
            continue
        walked.places[key] = place
        frontier += _onward(graph, step, place, onward_of)
    return walked


def _onward(
    graph: Graph, step: Step, place: Place, onward_of: Callable[[Graph, Step], list[str]]
) -> Iterator[tuple[str, Place]]:
    if step.step_type != StepType.FORK:
        yield from ((target, place) for target in onward_of(graph, step))
        return
    for number, edge in enumerate(graph.leaving(step.key, EdgeType.DEFAULT), start=1):
        yield edge.to_step, (*place, (step.key, number))
    for edge in graph.leaving(step.key, EdgeType.ESCALATION):
        yield edge.to_step, place
