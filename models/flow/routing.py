"""The way on from a step: decision words, computed decisions, edges, order as the fallback, and the visit limit.

Rules: DESIGN §3.2 and §3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass

from models.flow.errors import FlowError
from models.flow.facts import Computed, Visits
from models.flow.graph import Edge, EdgeType, Graph, Step

POSITIVE = frozenset({"pass", "approved", "yes"})
"""Results that take the default edge."""
NEGATIVE = frozenset({"fail", "rejected", "no"})
"""Results that take the alternate edge."""
MOST_VISITS = 10_000
"""Of one subject to a step without a limit of its own: steps that move by themselves must not go round for ever."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a subject goes: `step` is None at its end. `route` is an edge type, `order` or `terminal`."""

    step: Step | None
    route: str
    escalated: bool = False


def normalise(result: str) -> str:
    """Results are compared without regard to case and surrounding space."""
    return result.strip().casefold()


def allowed_results(graph: Graph, step: Step) -> list[str]:
    """The results a decision step takes, one word for each way on, in the order of its edges."""
    words: list[str] = []
    for edge in graph.edges.get(step.key, ()):
        if edge.edge_type == EdgeType.ESCALATION:
            continue
        for word in edge.words or ("pass" if edge.edge_type == EdgeType.DEFAULT else "fail",):
            if word not in words:
                words.append(word)
    return words


def choose(graph: Graph, step: Step, result: str, computed: Computed | None = None) -> Way:
    """The way on before any visit limit is looked at.

    Args:
        result: what a person decided.
        computed: what facts say of a decision that no person takes; None where a supervisor decides instead.

    Raises:
        FlowError: decision_required, decision_unknown (with the allowed results), no_route, decision_failed.
    """
    if step.is_terminal:
        return Way(None, "terminal")
    if computed is not None:
        return _by_facts(graph, step, computed)
    if step.is_decision_point:
        return _by_decision(graph, step, result)
    defaults = graph.leaving(step.key, EdgeType.DEFAULT)
    if defaults:
        return Way(graph.steps[defaults[0].to_step], EdgeType.DEFAULT)
    if graph.leaving(step.key, EdgeType.ALTERNATE):
        raise FlowError("no_route", step=step.name, why="it decides nothing, and no default edge leaves it")
    return Way(graph.following(step.key), "order")


def _by_decision(graph: Graph, step: Step, result: str) -> Way:
    word = normalise(result)
    if not word:
        raise FlowError("decision_required", step=step.name, allowed=allowed_results(graph, step))
    edge = _edge_for(graph, step, word)
    if edge is None:
        raise FlowError(
            "decision_unknown",
            decision_result=result,
            step=step.name,
            allowed=allowed_results(graph, step),
        )
    return Way(graph.steps[edge.to_step], edge.edge_type)


def _by_facts(graph: Graph, step: Step, computed: Computed) -> Way:
    """The first edge in the order of drawing whose condition holds or whose word was found.

    Where no condition holds and no word was found, the default edge without one; a word never falls back on it, so that
    a failure without a way on is no pass.

    Raises:
        FlowError: decision_failed, no_route.
    """
    if computed.error:
        raise FlowError("decision_failed", step=step.name, error=computed.error)
    if computed.holds is not None:
        edges = graph.edges.get(step.key, ())
        edge = next((edges[number] for number in sorted(computed.holds)), None)
    else:
        found = [_edge_for(graph, step, normalise(word)) for word in computed.words]
        edge = next((one for one in graph.edges.get(step.key, ()) if one in found), None)
    if edge is None and not computed.words:
        edge = unconditional(graph, step)
    if edge is None:
        raise FlowError("no_route", step=step.name, why=_why_none(computed))
    return Way(graph.steps[edge.to_step], edge.edge_type)


def _why_none(computed: Computed) -> str:
    """Why no edge is taken, for whoever corrects the process."""
    result = computed.shown or ", ".join(computed.words)
    if result:
        return f"no edge takes the result '{result}'"
    met = "no rule matched" if computed.holds is None else "no condition held"
    return f"{met}, and no default edge is without a condition"


def unconditional(graph: Graph, step: Step) -> Edge | None:
    """The default edge that is taken where no condition holds."""
    return next((e for e in graph.leaving(step.key, EdgeType.DEFAULT) if not e.words and not e.config), None)


def _edge_for(graph: Graph, step: Step, word: str) -> Edge | None:
    for words, edge_type in ((POSITIVE, EdgeType.DEFAULT), (NEGATIVE, EdgeType.ALTERNATE)):
        if word in words:
            edges = graph.leaving(step.key, edge_type)
            return next(
                (e for e in edges if not e.words or any(normalise(own) in words for own in e.words)),
                edges[0] if len(edges) == 1 else None,
            )
    candidates = (
        *graph.leaving(step.key, EdgeType.DEFAULT),
        *graph.leaving(step.key, EdgeType.ALTERNATE),
    )
    return next((e for e in candidates if any(normalise(own) == word for own in e.words)), None)


def within_limits(graph: Graph, way: Way, visits: Callable[[str], Visits]) -> Way:
    """Follow escalation edges from every target that was visited `max_visits` times already (DESIGN §3.3).

    Args:
        visits: step key → how often this subject was there.

    Raises:
        FlowError: visit_limit_reached, where a full step has no escalation edge or the edges lead in a circle.
    """
    seen: set[str] = set()
    while way.step is not None and _is_full(way.step, visits):
        out = graph.leaving(way.step.key, EdgeType.ESCALATION)
        if not out or way.step.key in seen:
            raise FlowError("visit_limit_reached", step=way.step.name, max_visits=way.step.max_visits or MOST_VISITS)
        seen.add(way.step.key)
        way = Way(graph.steps[out[0].to_step], EdgeType.ESCALATION, escalated=True)
    return way


def _is_full(step: Step, visits: Callable[[str], Visits]) -> bool:
    return visits(step.key).counted >= (step.max_visits or MOST_VISITS)


def possible_targets(graph: Graph, step: str) -> tuple[str, ...]:
    """Every step that a completion at `step` can lead to within one record: whose visits facts must count."""
    found: dict[str, None] = {}
    frontier = _next_keys(graph, step)
    while frontier:
        key = frontier.pop()
        if key in found:
            continue
        found[key] = None
        frontier.extend(e.to_step for e in graph.leaving(key, EdgeType.ESCALATION))
    return tuple(found)


def escalation_targets(graph: Graph, step: str) -> tuple[str, ...]:
    """Every step to which the escalation edges of `step` can lead, one full step after the other."""
    found: dict[str, None] = {}
    frontier = [e.to_step for e in graph.leaving(step, EdgeType.ESCALATION)]
    while frontier:
        key = frontier.pop()
        if key not in found:
            found[key] = None
            frontier.extend(e.to_step for e in graph.leaving(key, EdgeType.ESCALATION))
    return tuple(found)


def reached_from(graph: Graph, step: str) -> tuple[str, ...]:
    """A step and every one to which escalation edges can lead instead of it; none where there is no such step."""
    return (step, *escalation_targets(graph, step)) if step in graph.steps else ()


def _next_keys(graph: Graph, step: str) -> list[str]:
    if graph.steps[step].is_terminal:
        return []
    drawn = [e.to_step for e in graph.edges.get(step, ()) if e.edge_type != EdgeType.ESCALATION]
    after = graph.following(step)
    return drawn + ([after.key] if after else [])
