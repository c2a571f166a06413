"""The edges of decisions: has each result exactly one, and a decision that nobody takes one for whatever it may say?"""

from collections.abc import Iterator, Mapping
from typing import Any

from models.flow.graph import DecisionType, Edge, EdgeType, Graph, Step
from models.flow.problems import Problem, problem
from models.flow.routing import NEGATIVE, POSITIVE, allowed_results, normalise

Drawn = tuple[tuple[str, Edge], ...]


def computed_decision(graph: Graph, step: Step, path: str, leaving: Drawn) -> Iterator[Problem]:
    """The edges of a decision by expression, table, measurement or quality result."""
    ordinary = tuple((place, edge) for place, edge in leaving if edge.edge_type != EdgeType.ESCALATION)
    if not ordinary:
        yield problem("decision_without_edges", path, step=step.name)
    elif step.decision_type == DecisionType.EXPRESSION:
        yield from _unconditional(step, [(place, edge) for place, edge in ordinary if not edge.condition])
    elif step.decision_type == DecisionType.MEASUREMENT and any(edge.config for _, edge in ordinary):
        yield from _measured(step, ordinary)
    elif step.decision_type == DecisionType.DECISION_TABLE:
        yield from _table(graph, step, path, ordinary)
    else:
        yield from _pass_and_fail(graph, step, path, ordinary)


def _unconditional(step: Step, edges: list[tuple[str, Edge]]) -> Iterator[Problem]:
    """One at most, and it is the default: where no condition holds, nothing else may be taken."""
    for place, edge in edges:
        if edge.edge_type != EdgeType.DEFAULT:
            yield problem("missing_field", f"{place}.condition", field="condition")
    for place, _ in [pair for pair in edges if pair[1].edge_type == EdgeType.DEFAULT][1:]:
        yield problem("several_unconditional", place, step=step.name)


def _measured(step: Step, ordinary: Drawn) -> Iterator[Problem]:
    for place, edge in ordinary:
        if edge.words:
            yield problem("measurement_decision_mixed", place, step=step.name)
    yield from _unconditional(step, [(place, edge) for place, edge in ordinary if not edge.config])


def _pass_and_fail(graph: Graph, step: Step, path: str, ordinary: Drawn) -> Iterator[Problem]:
    yield from decision_words(step, ordinary)
    taken = [normalise(word) for word in allowed_results(graph, step)]
    for words, word in ((POSITIVE, "pass"), (NEGATIVE, "fail")):
        if not any(one in words for one in taken):
            allowed = ", ".join(taken)
            yield problem("decision_result_without_edge", path, step=step.name, allowed=allowed or word)


def _table(graph: Graph, step: Step, path: str, ordinary: Drawn) -> Iterator[Problem]:
    """Every result that a rule may say has an edge. What a collecting table says besides is only for the context."""
    yield from decision_words(step, ordinary)
    table: Mapping[str, Any] = step.config["decision_table"]
    if table.get("hit_policy") == "collect" or not table["outputs"]:
        return
    taken = [meaning(word) for word in allowed_results(graph, step)]
    for number, rule in enumerate(table["rules"]):
        said = str(rule["then"][0])
        if meaning(said) not in taken:
            place = f"{path}.config.decision_table.rules[{number}].then[0]"
            yield problem("table_result_without_edge", place, step=step.name, result=said[:100])


def meaning(word: str) -> str:
    """A result as it counts: `yes` is `pass`."""
    folded = normalise(word)
    return "pass" if folded in POSITIVE else "fail" if folded in NEGATIVE else folded


def decision_words(step: Step, leaving: Drawn) -> Iterator[Problem]:
    """Each result has one edge."""
    yield from _conditions(step, leaving)
    for edge_type, words in ((EdgeType.DEFAULT, POSITIVE), (EdgeType.ALTERNATE, NEGATIVE)):
        plain = [
            (place, edge)
            for place, edge in of_type(leaving, edge_type)
            if not edge.words or any(normalise(word) in words for word in edge.words)
        ]
        for place, edge in plain[1:]:
            word = edge.words[0] if edge.words else "pass" if edge_type == EdgeType.DEFAULT else "fail"
            yield problem("ambiguous_edge", place, step=step.name, edge_type=edge_type.value, word=word)


def _conditions(step: Step, leaving: Drawn) -> Iterator[Problem]:
    """Words on edges: each its own, and none that means the other edge."""
    seen: set[str] = set()
    for place, edge in leaving:
        if edge.edge_type == EdgeType.ESCALATION:
            continue
        for written in edge.words:
            word = normalise(written)
            if word in seen:
                yield problem("duplicate_condition", place, step=step.name, condition=written)
            seen.add(word)
            for words, meant in ((POSITIVE, EdgeType.DEFAULT), (NEGATIVE, EdgeType.ALTERNATE)):
                if word in words and edge.edge_type != meant:
                    yield problem(
                        "reserved_condition", place, condition=written, meant=meant.value, edge_type=edge.edge_type
                    )


def of_type(leaving: Drawn, edge_type: str) -> Drawn:
    """Those of one type."""
    return tuple((path, edge) for path, edge in leaving if edge.edge_type == edge_type)
