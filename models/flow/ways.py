"""Does every step lead somewhere, and does every result have exactly one way on? Looks at the graph as a whole.

Expects a graph whose parts are sound (`shape.py`). Rules: DESIGN §3.2, §3.3 and §3.5.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from models.flow.decided_ways import computed_decision, decision_words, meaning, of_type
from models.flow.forked_ways import branch_problems
from models.flow.graph import Edge, EdgeType, Graph, Step, StepType, parse_edge
from models.flow.policies import LevelAction, assignment_of, escalation_of
from models.flow.problems import Problem, problem
from models.flow.routing import allowed_results

Drawn = tuple[tuple[str, Edge], ...]
"""Edges with their paths."""
MIN_BRANCHES = 2


def drawn(raw: Mapping[str, Any]) -> Drawn:
    """The edges of the raw graph, each with its path."""
    return tuple((f"edges[{number}]", parse_edge(edge)) for number, edge in enumerate(raw.get("edges") or ()))


def unknown_ends(keys: Iterable[str], edges: Drawn) -> Iterator[Problem]:
    """Edges from or to a step that is not there."""
    known = frozenset(keys)
    for path, edge in edges:
        for name, value in (("from_step", edge.from_step), ("to_step", edge.to_step)):
            if value not in known:
                yield problem("unknown_step", f"{path}.{name}", value=value)


def all_ways(graph: Graph, paths: Mapping[str, str], edges: Drawn) -> Iterator[Problem]:
    """All that concerns edges and reachability.

    Args:
        graph: n steps whose edges lead to known steps.
        paths: step key → its path in the raw JSON.
        edges: the same edges with their paths.
    """
    starts = [s for s in graph.steps.values() if s.step_type == StepType.START]
    for step in starts[1:]:
        yield problem("several_starts", f"{paths[step.key]}.step_type", step=step.name)
    yield from _twice(edges)
    by_step: dict[str, list[tuple[str, Edge]]] = {}
    for path, edge in edges:
        by_step.setdefault(edge.from_step, []).append((path, edge))
    for step in graph.steps.values():
        leaving = tuple(by_step.get(step.key, ()))
        yield from _escalations(step, paths[step.key], leaving)
        yield from _policies(graph, step, f"{paths[step.key]}.config")
        if step.is_engines:
            yield from _engines(step, paths[step.key])
        if step.is_terminal:
            yield from _terminal(step, paths[step.key], leaving)
        elif step.is_computed:
            yield from computed_decision(graph, step, paths[step.key], leaving)
        elif step.step_type == StepType.FORK:
            yield from _fork(step, paths[step.key], leaving)
        elif step.is_decision_point:
            yield from _decision(graph, step, paths[step.key], leaving)
        else:
            yield from _plain(step, paths[step.key], leaving)
    yield from _reachability(graph, paths)
    yield from branch_problems(graph, paths, onward_of)


def _engines(step: Step, path: str) -> Iterator[Problem]:
    """Nobody works there, so nothing that a person would have to give may stand in the way."""
    gates = {
        "requirements": bool(step.requirements),
        "is_decision_point": step.is_decision_point,
        "is_terminal": step.is_terminal,
        "requires_explicit_start": step.requires_explicit_start,
        "requires_batch_completion": step.requires_batch_completion,
        "requires_qa_signoff": step.requires_qa_signoff,
    }
    for name, stands_there in gates.items():
        if stands_there:
            yield problem("engine_step_with_gates", f"{path}.{name}", step=step.name, field=name)


def _fork(step: Step, path: str, leaving: Drawn) -> Iterator[Problem]:
    if len(of_type(leaving, EdgeType.DEFAULT)) < MIN_BRANCHES:
        yield problem("fork_without_branches", path, step=step.name)
    yield from _only_ordinary(step, leaving)


def _twice(edges: Drawn) -> Iterator[Problem]:
    seen: set[Edge] = set()
    for path, edge in edges:
        if edge in seen:
            yield problem("duplicate_edge", path)
        seen.add(edge)


def _escalations(step: Step, path: str, leaving: Drawn) -> Iterator[Problem]:
    found = of_type(leaving, EdgeType.ESCALATION)
    routes = any(level.action is LevelAction.ROUTE for level in escalation_of(step).levels)
    if step.is_terminal or not found:
        if routes:
            yield problem("route_without_edge", path, step=step.name)
        return
    if len(found) > 1:
        yield problem("several_escalations", found[1][0], step=step.name, count=len(found))
    if step.max_visits is None and not routes:
        yield problem("escalation_without_limit", found[0][0], step=step.name)
    for place, edge in found:
        if edge.to_step == step.key:
            yield problem("escalation_to_itself", place, step=step.name)
        for word in edge.words:
            yield problem("condition_without_decision", place, step=step.name, condition=word)


def _policies(graph: Graph, step: Step, path: str) -> Iterator[Problem]:
    """Assignment and escalation against the rest of the graph."""
    for number, other in enumerate(assignment_of(step).not_who_did):
        if other == step.key or other not in graph.steps:
            yield problem("four_eyes_unknown", f"{path}.assignment.not_who_did[{number}]", value=other)
    escalation = escalation_of(step)
    if step.expected_duration is None and (escalation.levels or escalation.remind_before):
        yield problem("levels_without_due", f"{path}.escalation", step=step.name)


def _terminal(step: Step, path: str, leaving: Drawn) -> Iterator[Problem]:
    if step.is_decision_point:
        yield problem("terminal_decision", f"{path}.is_decision_point", step=step.name)
    for place, _ in leaving:
        yield problem("edge_from_terminal", place, step=step.name)


def _plain(step: Step, path: str, leaving: Drawn) -> Iterator[Problem]:
    defaults = of_type(leaving, EdgeType.DEFAULT)
    if len(defaults) > 1:
        yield problem("several_defaults", path, step=step.name, count=len(defaults))
    yield from _only_ordinary(step, leaving)


def _only_ordinary(step: Step, leaving: Drawn) -> Iterator[Problem]:
    """A step that decides nothing has no conditions and no alternates."""
    for place, edge in of_type(leaving, EdgeType.DEFAULT):
        for word in edge.words:
            yield problem("condition_without_decision", place, step=step.name, condition=word)
    for place, _ in of_type(leaving, EdgeType.ALTERNATE):
        yield problem("alternate_without_decision", place, step=step.name)


def _decision(graph: Graph, step: Step, path: str, leaving: Drawn) -> Iterator[Problem]:
    if not step.requires_operator_completion:
        yield problem("decision_needs_operator", f"{path}.requires_operator_completion", step=step.name)
    results = allowed_results(graph, step)
    if not results:
        yield problem("decision_without_edges", path, step=step.name)
    elif len({meaning(word) for word in results}) == 1:
        yield problem("decision_result_without_edge", path, step=step.name, allowed=results[0])
    yield from decision_words(step, leaving)


def _reachability(graph: Graph, paths: Mapping[str, str]) -> Iterator[Problem]:
    onward = {key: onward_of(graph, step) for key, step in graph.steps.items()}
    backward: dict[str, list[str]] = {}
    for key, targets in onward.items():
        for target in targets:
            backward.setdefault(target, []).append(key)
    reached = _closure([graph.first.key], onward)
    ends = [key for key, step in graph.steps.items() if _is_end(graph, step)]
    leading = _closure(ends, backward)
    for key, step in graph.steps.items():
        if key not in reached:
            yield problem("unreachable_step", paths[key], step=step.name)
        elif key not in leading:
            yield problem("no_way_to_end", paths[key], step=step.name)


def onward_of(graph: Graph, step: Step) -> list[str]:
    """Every step that a subject can be at next."""
    if step.is_terminal:
        return []
    targets = [edge.to_step for edge in graph.edges.get(step.key, ())]
    after = graph.following(step.key)
    if _goes_by_order(graph, step) and after is not None:
        targets.append(after.key)
    return targets


def _goes_by_order(graph: Graph, step: Step) -> bool:
    decides = step.is_decision_point or step.step_type == StepType.FORK
    return not decides and not graph.leaving(step.key, EdgeType.DEFAULT)


def _is_end(graph: Graph, step: Step) -> bool:
    return step.is_terminal or (_goes_by_order(graph, step) and graph.following(step.key) is None)


def _closure(start: Iterable[str], onward: Mapping[str, Iterable[str]]) -> frozenset[str]:
    reached: set[str] = set()
    frontier = list(start)
    while frontier:
        key = frontier.pop()
        if key not in reached:
            reached.add(key)
            frontier.extend(onward.get(key, ()))
    return frozenset(reached)
