"""What a problem says names the step, word, field or number that it is about."""

import pytest

from models.flow.graph import DecisionType, EdgeType, RequirementType, StepType
from models.flow.problems import PROBLEMS
from models.flow.shape import EDGE_FIELDS
from models.flow.validate import problems_of
from tests.flow.scene import edge, end, raw_graph, step
from tests.flow.test_problems import CASES

SAID: dict[str, list[dict[str, str]]] = {
    "alternate_without_decision": [
        {"step": "A"},
    ],
    "ambiguous_edge": [
        {"step": "A", "edge_type": "default", "word": "pass"},
        {"step": "A", "edge_type": "default", "word": "yes"},
        {"step": "A", "edge_type": "alternate", "word": "fail"},
    ],
    "bad_header": [
        {"header": "X Plant"},
    ],
    "condition_without_decision": [
        {"condition": "ok", "step": "A"},
    ],
    "config_misplaced": [
        {"family": "timer", "field": "step_type", "word": "timer"},
        {"family": "event", "field": "step_type", "word": "message"},
        {"family": "action", "field": "step_type", "word": "automatic"},
        {"family": "join", "field": "step_type", "word": "join"},
        {"family": "decision_table", "field": "decision_type", "word": "decision_table"},
    ],
    "decision_needs_operator": [
        {"step": "A"},
    ],
    "decision_result_without_edge": [
        {"step": "A", "allowed": "pass"},
        {"step": "A", "allowed": "fail"},
        {"step": "A", "allowed": "maybe"},
        {"step": "A", "allowed": "no"},
    ],
    "decision_without_edges": [
        {"step": "A"},
    ],
    "duplicate_condition": [
        {"step": "A", "condition": "mend "},
    ],
    "duplicate_item": [
        {"item": "a "},
    ],
    "duplicate_key": [
        {"key": "g"},
        {"key": "r1"},
        {"key": "a"},
    ],
    "edge_from_terminal": [
        {"step": "END"},
    ],
    "escalation_to_itself": [
        {"step": "A"},
    ],
    "escalation_without_limit": [
        {"step": "A"},
    ],
    "four_eyes_unknown": [
        {"value": "x"},
    ],
    "levels_without_due": [
        {"step": "A"},
    ],
    "missing_field": [
        {"field": "name"},
        {"field": "key"},
        {"field": "from_step"},
        {"field": "to_step"},
    ],
    "no_way_to_end": [
        {"step": "A"},
        {"step": "B"},
    ],
    "out_of_range": [
        {"field": "max_visits", "minimum": "1", "maximum": "10000"},
        {"field": "order", "minimum": "0", "maximum": "2147483647"},
        {"field": "min_count", "minimum": "1", "maximum": "10000"},
        {"field": "count", "minimum": "1", "maximum": "1000"},
    ],
    "reserved_condition": [
        {"condition": "Approved", "meant": "default", "edge_type": "alternate"},
        {"condition": "no", "meant": "alternate", "edge_type": "default"},
    ],
    "route_without_edge": [
        {"step": "A"},
    ],
    "several_defaults": [
        {"step": "A", "count": "2"},
    ],
    "several_escalations": [
        {"step": "A", "count": "2"},
    ],
    "several_starts": [
        {"step": "B"},
    ],
    "step_type_contradiction": [
        {"step_type": "terminal", "flag": "is_terminal"},
        {"step_type": "decision", "flag": "is_decision_point"},
    ],
    "terminal_decision": [
        {"step": "END"},
    ],
    "too_deep": [
        {"maximum": "40"},
    ],
    "too_long": [
        {"field": "description", "maximum": "10000"},
        {"field": "key", "maximum": "100"},
    ],
    "too_many": [
        {"field": "steps", "maximum": "500"},
        {"field": "items", "maximum": "500"},
    ],
    "unknown_step": [
        {"value": "ghost"},
    ],
    "unknown_word": [
        {"value": "fairly", "allowed": "none, least_loaded"},
    ],
    "unreachable_step": [
        {"step": "B"},
        {"step": "X"},
        {"step": "Y"},
        {"step": "A"},
        {"step": "END"},
    ],
    "wrong_type": [
        {"field": "steps", "expected": "a list"},
        {"field": "steps[0]", "expected": "an object"},
        {"field": "name", "expected": "a text"},
        {"field": "is_terminal", "expected": "true or false"},
        {"field": "max_visits", "expected": "a whole number"},
        {"field": "expected_duration", "expected": "a text"},
        {"field": "step_type", "expected": "a text"},
        {"field": "config", "expected": "an object"},
        {"field": "requirements", "expected": "a list"},
        {"field": "steps[0].requirements[0]", "expected": "an object"},
        {"field": "edges", "expected": "a list"},
        {"field": "min_count", "expected": "a whole number"},
    ],
    "unknown_decision_type": [{"value": "dice", "allowed": ", ".join(DecisionType)}],
    "unknown_edge_type": [{"value": "sideways", "allowed": ", ".join(EdgeType)}],
    "unknown_requirement_type": [{"value": "crystal_ball", "allowed": ", ".join(RequirementType)}],
    "unknown_step_type": [{"value": "tusk", "allowed": ", ".join(StepType)}],
}
"""By code: the words that fill its sentence in the cases of `test_problems`."""


def test_a_problem_names_what_it_is_about() -> None:
    found = {(one.code, one.message) for raw, _, _ in CASES for one in problems_of(raw)}
    said = {(code, PROBLEMS[code].format_map(words)) for code, cases in SAID.items() for words in cases}
    assert said - found == set()


def test_an_unknown_field_is_told_the_fields_there_are() -> None:
    (found,) = problems_of(raw_graph(step("a"), end(), edge("a", "end") | {"when": "x"}))
    assert found.message == PROBLEMS["unknown_field"].format(field="when", allowed=", ".join(sorted(EDGE_FIELDS)))


@pytest.mark.parametrize("words", [("yes", "approved"), ("no", "rejected"), ("", "fail")])
def test_two_words_of_one_meaning_are_one_result(words: tuple[str, str]) -> None:
    kind = "default" if words[0] == "yes" else "alternate"
    drawn = [edge("a", key, kind, word) for key, word in zip(("end", "x"), words, strict=True)]
    found = {one.code for one in problems_of(raw_graph(step("a", is_decision_point=True), end(), end("x"), *drawn))}
    assert "decision_result_without_edge" in found
