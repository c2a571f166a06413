"""Decision tables: which rules of a table match the values of its inputs, and what they say.

A cell of `when` is a test of its input, which it sees as `value`: `>= 10`, `value in ["A", "B"]`, `"gold"`, any CEL; a
JSON number, text in a cell that is no CEL is not guessed at. `-` and an empty cell match anything.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from models.requirements.expressions import ExpressionError, Prepared

Json = dict[str, Any]

_COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
_TRUTHS = {"true": True, "false": False}


class TableError(Exception):
    """The table cannot be evaluated; the message says where, for a person."""


def outputs_of(table: Mapping[str, Any], prepared: Prepared) -> list[Json]:
    """What the matching rules say, by the hit policy: one at most for `first` and `unique`, any number for `collect`.

    Raises:
        TableError: an input or a cell cannot be evaluated, or several rules of a `unique` table match.
    """
    values = [_value(one, number, prepared) for number, one in enumerate(table["inputs"], start=1)]
    policy = table.get("hit_policy") or "first"
    names = [one["name"] for one in table["outputs"]]
    found: list[Json] = []
    for number, rule in enumerate(table["rules"], start=1):
        if not _matches(rule["when"], values, number, prepared):
            continue
        if found and policy == "unique":
            raise TableError(f"more than one rule matches; rule {number} is one of them")
        found.append(dict(zip(names, rule["then"], strict=True)))
        if policy == "first":
            break
    return found


def _value(column: Mapping[str, Any], number: int, prepared: Prepared) -> Any:
    try:
        return prepared.evaluate(column["expression"])
    except ExpressionError as error:
        raise TableError(f"input {number}: {error}") from error


def _matches(cells: Sequence[Any], values: Sequence[Any], rule: int, prepared: Prepared) -> bool:
    for column, (cell, value) in enumerate(zip(cells, values, strict=True), start=1):
        try:
            if not cell_holds(cell, value, prepared):
                return False
        except ExpressionError as error:
            raise TableError(f"rule {rule}, input {column}: {error}") from error
    return True


def cell_holds(cell: Any, value: Any, prepared: Prepared) -> bool:
    """Whether a cell's test holds for the value of its input.

    Raises:
        ExpressionError: it cannot be evaluated.
    """
    if cell is None:
        return True
    if not isinstance(cell, str):
        return _same(cell, value)
    expression = test_of(cell)
    if expression is None:
        return True
    if expression in _TRUTHS:
        return _same(_TRUTHS[expression], value)
    answer = prepared.evaluate(expression, value=value)
    return answer if isinstance(answer, bool) else _same(answer, value)


def test_of(cell: str) -> str | None:
    """The CEL of a cell; None where it matches anything."""
    test = cell.strip()
    if test in {"", "-"}:
        return None
    return f"value {test}" if test.startswith(_COMPARISONS) else test


def _same(one: Any, other: Any) -> bool:
    """Equality in which true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
