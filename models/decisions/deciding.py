"""Decisions that nobody takes: what an expression, a table, a measurement or a quality result says of one execution."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from models.decisions.tables import TableError, outputs_of
from models.decisions.world import World
from models.flow.facts import Computed
from models.flow.graph import DecisionType, Edge, EdgeType, Graph, Step
from models.flow.routing import NEGATIVE, POSITIVE, allowed_results, normalise
from models.requirements.expressions import ExpressionError, Prepared

PASS, FAIL = "pass", "fail"
KEPT: Final = frozenset({"use_as_is", "repair", "rework"})
"""Dispositions after which a value out of tolerance no longer stands against the subject."""
LONGEST_SHOWN = 100


def decided(graph: Graph, step: Step, world: World) -> Computed:
    """The result of a computed decision, or why there is none."""
    prepared = Prepared(world.variables)
    try:
        match step.decision_type:
            case DecisionType.EXPRESSION:
                return _by_expressions(graph.edges.get(step.key, ()), prepared)
            case DecisionType.DECISION_TABLE:
                return _by_table(graph, step, prepared)
            case DecisionType.MEASUREMENT:
                return _by_measurement(graph.edges.get(step.key, ()), world)
            case _:
                return _word(quality_of(world))
    except (ExpressionError, TableError) as error:
        return Computed(error=str(error))


def _word(word: str) -> Computed:
    return Computed(words=(word,), shown=word)


def quality_of(world: World) -> str:
    """The last quality result about the subject since the decision was last taken; a missing one counts as a failure.

    Reports of other instances do not count, nor what was reported before the subject came round again.
    """
    since = world.taken_before
    counting = [one["status"] for one in world.reports if since is None or one["at"] > since]
    return PASS if counting and counting[-1] == PASS else FAIL


def _by_expressions(edges: Sequence[Edge], prepared: Prepared) -> Computed:
    """The first edge whose condition holds; those behind it are not evaluated."""
    for number, edge in enumerate(edges):
        if edge.edge_type == EdgeType.ESCALATION or not edge.condition:
            continue
        answer = prepared.evaluate(edge.condition)
        if not isinstance(answer, bool):
            raise ExpressionError(f"the condition '{edge.condition}' is neither true nor false")
        if answer:
            shown = edge.results[0] if edge.results else edge.condition[:LONGEST_SHOWN]
            return Computed(holds=(number,), shown=shown)
    return Computed(holds=())


def _by_measurement(edges: Sequence[Edge], world: World) -> Computed:
    """By the last value of what an edge names; where no edge names any, by the tolerances."""
    comparing = [(number, edge) for number, edge in enumerate(edges) if edge.config]
    if not comparing:
        return _word(_within_tolerance(world))
    for number, edge in comparing:
        characteristic = str(edge.config.get("measurement_definition") or edge.config.get("measurement_definition_id"))
        value = world.last_value(characteristic)
        if value is not None and _compares(value, str(edge.config["operator"]), Decimal(str(edge.config["value"]))):
            return Computed(holds=(number,), shown=f"{value.normalize():f}")
    return Computed(holds=())


def _compares(value: Decimal, operator: str, limit: Decimal) -> bool:
    return {"gte": value >= limit, "lte": value <= limit, "eq": value == limit}[operator]


def _within_tolerance(world: World) -> str:
    """What was measured at this execution, else where the subject was last measured; nothing measured is a failure."""
    measured = [visit.values for visit in world.visits if visit.values]
    values = world.here.values or (measured[-1] if measured else [])
    return PASS if values and all(_is_good(value) for value in values) else FAIL


def _is_good(value: Mapping[str, Any]) -> bool:
    return bool(value["in_tolerance"]) or (value.get("disposition") or {}).get("decision") in KEPT


def _by_table(graph: Graph, step: Step, prepared: Prepared) -> Computed:
    """The first output is the result; all outputs go into the context where the table says so."""
    table: Mapping[str, Any] = step.config["decision_table"]
    found = outputs_of(table, prepared)
    first = table["outputs"][0]["name"] if table["outputs"] else None
    words = [str(one[first]) for one in found] if first is not None else []
    shown = ", ".join(dict.fromkeys(words))[:LONGEST_SHOWN]
    kept: dict[str, Any] = {}
    if path := table.get("context"):
        kept[path] = _kept(table, found)
    if table.get("hit_policy") == "collect":
        words = _with_an_edge(graph, step, words)
    return Computed(words=tuple(dict.fromkeys(words)), shown=shown, context=kept)


def _kept(table: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> Any:
    """One value where the table has one output, else an object of them; a list of those where it collects."""
    alone = len(table["outputs"]) == 1
    values = [next(iter(one.values())) if alone else dict(one) for one in found]
    if table.get("hit_policy") == "collect":
        return values
    return values[0] if values else None


def _with_an_edge(graph: Graph, step: Step, words: Sequence[str]) -> list[str]:
    taken = {_meaning(word) for word in allowed_results(graph, step)}
    return [word for word in words if _meaning(word) in taken]


def _meaning(word: str) -> str:
    folded = normalise(word)
    return PASS if folded in POSITIVE else FAIL if folded in NEGATIVE else folded
