"""CEL expressions with limits: length, nesting of comprehensions, size of the data. No `eval`, no clock, no I/O.

The library evaluates while it holds the interpreter, so what could run long is refused before it runs.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import cel

LONGEST: Final = 2_000
"""Characters of an expression."""
DEEPEST: Final = 2
"""Comprehensions inside comprehensions; each level multiplies the time."""
LONGEST_LIST: Final = 1_000
"""Entries of one list or object that an expression may see."""
MOST_ENTRIES: Final = 50_000
"""Entries of all of them together."""

_TEXT = re.compile(
    r"//[^\n]*"
    r"|[bB]?[rR][bB]?(?P<raw>\"{3}|'{3}|[\"']).*?(?P=raw)"
    r"|(?P<sign>\"{3}|'{3}|[\"'])(?:\\.|(?!(?P=sign))[^\\])*(?P=sign)",
    re.DOTALL,
)
"""Comments and texts of all kinds: raw ones know no escapes. What is hidden in one must not hide what follows it."""
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*$")


class ExpressionError(Exception):
    """The expression cannot be evaluated; the message says why, for a person."""


def problem_in(expression: str) -> str | None:
    """What keeps an expression from being published; None where it can."""
    if len(expression) > LONGEST:
        return f"An expression may have at most {LONGEST} characters."
    if _nesting(expression) > DEEPEST:
        return f"Comprehensions may be nested {DEEPEST} deep at most."
    try:
        _compiled(expression)
    except ExpressionError as error:
        return str(error)
    return None


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression over JSON-like values.

    Raises:
        ExpressionError: it does not parse, names what is not there, mixes types, or is too large.
    """
    problem = problem_in(expression)
    if problem is not None:
        raise ExpressionError(problem)
    left = [MOST_ENTRIES]
    known = {name: _value(value, left) for name, value in values.items()}
    try:
        return _compiled(expression).execute(known)
    except KeyError as error:
        raise ExpressionError(f"there is no {error}") from error
    except Exception as error:
        raise ExpressionError(str(error)[:300]) from error


@lru_cache(maxsize=512)
def _compiled(expression: str) -> cel.Program:
    try:
        return cel.compile(expression)
    except Exception as error:
        raise ExpressionError(str(error)[:300]) from error


def _nesting(expression: str) -> int:
    """How deep comprehensions are nested, by their parentheses; texts are left out."""
    deepest, open_macros, parentheses = 0, 0, list[bool]()
    bare = _TEXT.sub(" ", expression)
    for place, sign in enumerate(bare):
        if sign == "(":
            is_macro = _MACRO.search(bare, 0, place) is not None
            parentheses.append(is_macro)
            open_macros += is_macro
            deepest = max(deepest, open_macros)
        elif sign == ")" and parentheses:
            open_macros -= parentheses.pop()
    return deepest


def _value(value: Any, left: list[int]) -> Any:
    match value:
        case Mapping():
            _count(len(value), left)
            return {str(name): _value(one, left) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            _count(len(value), left)
            return [_value(one, left) for one in value]
        case UUID():
            return str(value)
        case Decimal():
            return float(value)
        case bool() | int() | float() | None | datetime():
            return value
        case _:
            return str(value)


def _count(entries: int, left: list[int]) -> None:
    left[0] -= entries
    if entries > LONGEST_LIST or left[0] < 0:
        raise ExpressionError("there is too much data to look at")
