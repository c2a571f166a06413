"""CEL expressions with limits: on their text, on the data, on both together. No `eval`, no clock, no I/O.

The library evaluates while it holds the interpreter and cannot be stopped, so what could run long is refused before it
runs. By its text, in an expression with a comprehension (`all`, `exists`, `exists_one`, `filter`):

- at most four of them, and at most one inside another;
- no `map`: what it makes can grow without end, and a condition says the same with `exists` or `filter`;
- no `+`, which would double texts and lists; compare by `-` (`a > b - c`) or outside;
- no `matches`, which compiles its pattern at every turn; `startsWith`, `endsWith` and `contains` are there.

So nothing in it is larger than the data, and the work is at most words × entries × turns: beyond `MOST_WORK` it is
refused when the data is known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

import cel

from models.json_values import TOO_DEEP, is_too_deep

LONGEST: Final = 2_000
"""Characters of an expression."""
LONGEST_REASON: Final = 500
"""Characters of why an expression has no answer."""
DEEPEST: Final = 2
"""Comprehensions inside comprehensions; each level multiplies the time."""
MOST_MACROS: Final = 4
"""Comprehensions of one expression."""
LONGEST_LIST: Final = 1_000
"""Entries of one list or object that an expression may see."""
MOST_ENTRIES: Final = 50_000
"""Entries of all of them together."""
MOST_WORK: Final = 300_000_000
"""Words of an expression × entries of the data × turns of its comprehensions; some seconds at the very worst."""
CHARACTERS: Final = 64
"""Of a text take as long as one entry."""

_TEXT = re.compile(
    r"//[^\n]*"
    r"|[bB]?[rR][bB]?(?P<raw>\"{3}|'{3}|[\"']).*?(?P=raw)"
    r"|(?P<sign>\"{3}|'{3}|[\"'])(?:\\.|(?!(?P=sign))[^\\])*(?P=sign)",
    re.DOTALL,
)
"""Comments and texts of all kinds: raw ones know no escapes. What is hidden in one must not hide what follows it."""
_COMPREHENSION: Final = r"\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*"
_MACRO = re.compile(rf"{_COMPREHENSION}$")
_BINDING = re.compile(rf"{_COMPREHENSION}\(\s*(?P<name>[A-Za-z_]\w*)\s*,")
_TYPES: Final = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint", "optional"}
)
"""Names of CEL itself."""
_GROWING = re.compile(r"\+|\b(?:map|matches)\s*\(")
_WORD = re.compile(r"[A-Za-z_]\w*")
_HIDDEN: Final = "\0"
"""In place of each character of a text; no expression has it elsewhere."""
_QUOTES: Final = ("'", '"')
_MEMBER: Final = rf"\s*(?:\.\s*(?P<name>[A-Za-z_]\w*)\b\s*(?P<call>\()?|\[\s*(?P<text>{_HIDDEN}+)\s*\])"


class ExpressionError(Exception):
    """The expression cannot be evaluated; the message says why, for a person."""


class _Text(NamedTuple):
    """What an expression's text says about how long it may run.

    Attributes:
        macros: comprehensions.
        depth: how deep they are nested.
        growing: what must not stand beside a comprehension, where it does.
        words: names; each looks at all data once per turn at most.
        longest: entries that a list written in it may have.
        names: every word, among them the variables it looks at.
    """

    macros: int
    depth: int
    growing: str | None
    words: int
    longest: int
    names: tuple[str, ...]


@dataclass(slots=True)
class _Data:
    """How large the data is: entries and texts together, and the longest list."""

    entries: int = 0
    texts: int = 0
    longest: int = 0


def problem_in(expression: str) -> str | None:
    """What keeps an expression from being published; None where it can."""
    if len(expression) > LONGEST:
        return f"An expression may have at most {LONGEST} characters."
    seen = _read(expression)
    if seen.depth > DEEPEST:
        return f"Comprehensions may be nested {DEEPEST} deep at most."
    if seen.macros > MOST_MACROS:
        return f"An expression may have at most {MOST_MACROS} comprehensions."
    if seen.macros and seen.growing is not None:
        return f"An expression with a comprehension may not use '{seen.growing}': it could run without end."
    try:
        _compiled(expression)
    except ExpressionError as error:
        return str(error)
    return None


def members_of(expression: str, variable: str) -> tuple[str, ...]:
    """The members of a variable that an expression names, as `steps.inspect` or `steps["inspect"]`; each once.

    Read from the text, for the library shows no syntax tree. So where the variable's name is used for something else,
    too, or a text is escaped, nothing is said rather than something wrong.
    """
    bare = _TEXT.sub(lambda found: (" " if found[0].startswith("//") else _HIDDEN) * len(found[0]), expression)
    if re.search(rf"\(\s*{variable}\s*,", bare):
        return ()
    found = []
    for one in re.finditer(rf"\b{variable}{_MEMBER}", bare):
        written = expression[slice(*one.span("text"))] if one["text"] else ""
        name = one["name"] or (written.strip(written[0]) if written[0] in _QUOTES and "\\" not in written else None)
        if name is not None and one["call"] is None and not bare[: one.start()].rstrip().endswith("."):
            found.append(name)
    return tuple(dict.fromkeys(found))


def variables_of(expression: str) -> tuple[str, ...]:
    """The variables that an expression looks at, in alphabetical order, without those that it makes itself.

    Raises:
        ExpressionError: it does not parse.
    """
    bound = {one["name"] for one in _BINDING.finditer(_TEXT.sub(" ", expression))}
    return tuple(sorted(set(_compiled(expression).variables()) - bound - _TYPES))


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression over JSON-like values.

    Raises:
        ExpressionError: it does not parse, names what is not there, mixes types, or is too large.
    """
    return Prepared(values).evaluate(expression)


class Prepared:
    """Values that many expressions look at: turned into CEL's once, and only those that an expression names."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take JSON-like values by the names of variables."""
        self._values = values
        self._known: dict[str, tuple[Any, _Data]] = {}

    def evaluate(self, expression: str, **more: Any) -> Any:
        """The value of an expression over these values and `more`.

        Raises:
            ExpressionError: it does not parse, names what is not there, mixes types, or is too large.
        """
        problem = problem_in(expression)
        if problem is not None:
            raise ExpressionError(problem)
        seen = _read(expression)
        data, known = _Data(), {}
        for name in seen.names:
            if name in more:
                known[name] = _value(more[name], data)
            elif name in self._values:
                if name not in self._known:
                    own = _Data()
                    self._known[name] = _value(self._values[name], own), own
                known[name], size = self._known[name]
                _add(size, data)
        _check_work(seen, data)
        try:
            found = _compiled(expression).execute(known)
        except KeyError as error:
            raise ExpressionError(f"there is no {error}") from error
        except Exception as error:
            raise ExpressionError(in_whole_sentences(str(error))) from error
        if is_too_deep(found):
            raise ExpressionError(TOO_DEEP)
        return found


def _add(size: _Data, data: _Data) -> None:
    data.entries += size.entries
    data.texts += size.texts
    data.longest = max(data.longest, size.longest)
    if data.entries > MOST_ENTRIES:
        raise ExpressionError("there is too much data to look at")


def _check_work(seen: _Text, data: _Data) -> None:
    turns = max(data.longest, seen.longest) ** seen.depth
    size = data.entries + (data.texts + LONGEST) // CHARACTERS
    if seen.macros and seen.words * turns * size > MOST_WORK:
        raise ExpressionError("there is too much data to look at with comprehensions")


def in_whole_sentences(said: str) -> str:
    """What CEL says, in whole sentences: where it is long, those that have room; where none has, its beginning."""
    if len(said) <= LONGEST_REASON:
        return said
    begun = said[:LONGEST_REASON]
    whole, stop, _ = begun.rpartition(". ")
    return whole + stop.strip() if whole else begun[:-1] + "…"


@lru_cache(maxsize=512)
def _compiled(expression: str) -> cel.Program:
    try:
        return cel.compile(expression)
    except Exception as error:
        raise ExpressionError(in_whole_sentences(str(error))) from error


@lru_cache(maxsize=512)
def _read(expression: str) -> _Text:
    """Comprehensions are found by their parentheses; texts and comments are left out."""
    macros, deepest, open_macros, parentheses = 0, 0, 0, list[bool]()
    bare = _TEXT.sub(" ", expression)
    for place, sign in enumerate(bare):
        if sign == "(":
            is_macro = _MACRO.search(bare, 0, place) is not None
            parentheses.append(is_macro)
            macros += is_macro
            open_macros += is_macro
            deepest = max(deepest, open_macros)
        elif sign == ")" and parentheses:
            open_macros -= parentheses.pop()
    growing = _GROWING.search(bare)
    words = _WORD.findall(bare)
    return _Text(
        macros=macros,
        depth=deepest,
        growing=growing and growing[0].rstrip("( \t\r\n"),
        words=len(words),
        longest=bare.count(",") + 1,
        names=tuple(dict.fromkeys(words)),
    )


def _value(value: Any, data: _Data) -> Any:
    match value:
        case Mapping():
            _count(len(value), data)
            return {_as_text(name, data): _value(one, data) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            _count(len(value), data)
            return [_value(one, data) for one in value]
        case Decimal():
            return float(value)
        case bool() | int() | float() | None | datetime():
            return value
        case _:
            return _as_text(value, data)


def _as_text(value: Any, data: _Data) -> str:
    shown = str(value)
    data.texts += len(shown)
    return shown


def _count(entries: int, data: _Data) -> None:
    data.entries += entries
    data.longest = max(data.longest, entries)
    if entries > LONGEST_LIST or data.entries > MOST_ENTRIES:
        raise ExpressionError("there is too much data to look at")
