"""Decision tables: hit policies, what a cell may say, and what goes wrong."""

from typing import Any

import pytest

from models.decisions.tables import TableError, cell_holds, outputs_of
from models.requirements.expressions import ExpressionError, Prepared, evaluate

WORLD = Prepared({"subject": {"attributes": {"size": 12.5, "grade": "A"}}, "context": {"limit": 10}})


@pytest.mark.parametrize(
    ("cell", "value", "holds"),
    [
        ("-", 1, True), ("", None, True), (None, 1, True),
        (">= 10", 10, True), (">= 10", 9.5, False), ("< context.limit", 9, True),
        ("value >= 10 && value < 20", 15, True), ("value in [1, 2]", 2, True),
        ('"gold"', "gold", True), ('"gold"', "silver", False), ('!= "gold"', "silver", True),
        (5, 5, True), (5, 5.0, True), (1, True, False), (True, 1, False), (True, True, True),
        ("true", True, True), ("true", False, False), ("false", False, True), ("false", 0, False),
        ("[1, 2]", [1, 2], True),
    ],
)  # fmt: skip
def test_a_cell(cell: Any, value: Any, holds: bool) -> None:
    assert cell_holds(cell, value, WORLD) is holds


def test_a_word_without_quotes_is_not_guessed_to_be_a_text() -> None:
    with pytest.raises(ExpressionError):
        cell_holds("gold", "gold", WORLD)


def table(policy: str, *rules: tuple[str, str, Any]) -> dict[str, Any]:
    return {
        "hit_policy": policy,
        "inputs": [{"expression": "subject.attributes.size"}, {"expression": "subject.attributes.grade"}],
        "outputs": [{"name": "result"}],
        "rules": [{"when": [first, second], "then": [said]} for first, second, said in rules],
    }


RULES = ((">= 10", "-", "big"), ("-", '"A"', "good"), ("< 10", "-", "small"))


def test_first_takes_the_first_rule_that_matches() -> None:
    assert outputs_of(table("first", *RULES), WORLD) == [{"result": "big"}]
    assert outputs_of(table("first", RULES[2]), WORLD) == []


def test_collect_takes_all_and_unique_bears_only_one() -> None:
    assert outputs_of(table("collect", *RULES), WORLD) == [{"result": "big"}, {"result": "good"}]
    assert outputs_of(table("unique", RULES[0], RULES[2]), WORLD) == [{"result": "big"}]
    with pytest.raises(TableError, match="rule 2"):
        outputs_of(table("unique", *RULES), WORLD)


def test_what_cannot_be_evaluated_is_named_with_its_cell() -> None:
    with pytest.raises(TableError, match="rule 1, input 2"):
        outputs_of(table("first", (">= 10", "value.x > 1", "big")), WORLD)
    missing = {**table("first"), "inputs": [{"expression": "subject.attributes.weight"}]}
    with pytest.raises(TableError, match=r"input 1.*weight"):
        outputs_of(missing, WORLD)


def test_values_are_turned_over_once_and_only_where_they_are_named() -> None:
    crowded = Prepared({"much": list(range(5_000)), "n": 3})
    assert crowded.evaluate("n + 1") == 4
    with pytest.raises(ExpressionError, match="too much data"):
        crowded.evaluate("much.size() > n")
    assert evaluate("a + b", {"a": 1, "b": 2}) == 3
    assert crowded.evaluate("n + value", value=2) == 5
