"""Unary tests and literals of FEEL (DMN 1.3, chapter 10.3) as cells of a decision table; nothing but text goes in.

What is translated: `-`, literals, comparisons, intervals, lists of those with commas, `not(…)`, `date("2026-01-01")`
or `@"2026-01-01"`, and `null`. A date stands for its day in UTC; the input of its column is a moment (see
`models.decisions.dmn`).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

Value = str | Decimal | bool | date | None
Cell = str | int | float | bool

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\s*(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?!\w))'
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|\.\.|[<>\[\](),@]))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{6})|(.))", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS: Final[dict[str, Value]] = {"true": True, "false": False, "null": None}
_ABOVE: Final = {"[": ">=", "(": ">", "]": ">"}
_BELOW: Final = {"]": "<=", ")": "<", "[": "<"}
_INT64: Final = 2**63
_GUARDS: Final[Mapping[str, str]] = {
    "number": "type(value) in [int, double]",
    "text": "type(value) == string",
    "date": "value != null",
}


class NotTranslatedError(Exception):
    """This is not translated; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Compared:
    """`value <op> <to>`."""

    op: str
    to: Value

    @property
    def orders(self) -> bool:
        """Whether it needs values of one kind."""
        return self.op != "=="


@dataclass(frozen=True, slots=True)
class Tests:
    """Tests of which one has to hold, or with `negated` none. Each is one comparison, or two that hold together.

    No test at all is `-`.
    """

    any_of: tuple[tuple[Compared, ...], ...] = ()
    negated: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        """Of the values named: text, number, truth, date, null."""
        return frozenset(kind_of(one.to) for both in self.any_of for one in both)


def kind_of(value: Value) -> str:
    """The kind of a value of FEEL."""
    match value:
        case None:
            return "null"
        case bool():
            return "truth"
        case Decimal():
            return "number"
        case date():
            return "date"
        case str():
            return "text"


def read_tests(written: str) -> Tests:
    """The unary tests of an input entry.

    Raises:
        NotTranslatedError: they say more than what is translated.
    """
    if written.strip() in {"", "-"}:
        return Tests()
    reading = _Reading(written)
    negated = reading.follows("not")
    if negated:
        reading.expect("(")
    found = [reading.test()]
    while reading.follows(","):
        found.append(reading.test())
    if negated:
        reading.expect(")")
    reading.end()
    return Tests(tuple(found), negated)


def read_output(written: str) -> Cell:
    """The literal of an output entry: a text, a number, true or false.

    Raises:
        NotTranslatedError: it is none of these.
    """
    if not written.strip():
        raise NotTranslatedError("it is empty; an output is a text in quotes, a number, true or false")
    reading = _Reading(written)
    value = reading.value()
    reading.end()
    match value:
        case bool() | str():
            return value
        case Decimal():
            return _plain(value)
        case _:
            raise NotTranslatedError("an output is a text in quotes, a number, true or false")


def cell_of(tests: Tests, column: frozenset[str]) -> Cell:
    """The cell that tests the same.

    In FEEL, no comparison of values of different kinds holds, nor its negation; in CEL it is an error. Where the tests
    of a column name several kinds, all of them are expected, and a comparison asks for its own kind first.

    Args:
        tests: Of one input entry.
        column: The kinds that all entries of its column name.
    """
    if not tests.any_of:
        return "-"
    guards = _GUARDS if len(column) > 1 else {}
    alone = tests.any_of[0][0] if len(tests.any_of) == len(tests.any_of[0]) == 1 else None
    if alone is not None and not guards and not tests.negated and not isinstance(alone.to, date):
        return _short(alone)
    if tests.negated:
        ordered = dict.fromkeys(kind_of(one.to) for both in tests.any_of for one in both if one.orders)
        return " && ".join([*(guards[kind] for kind in ordered if guards), f"!({_any(tests, guards)})"])
    return _any(tests, guards)


def _short(alone: Compared) -> Cell:
    if alone.orders:
        return f"{alone.op} {_literal(alone.to)}"
    match alone.to:
        case bool():
            return alone.to
        case Decimal():
            return _plain(alone.to)
        case None:
            return "== null"
        case _:
            return _literal(alone.to)


def _any(tests: Tests, guards: Mapping[str, str]) -> str:
    """Plain values become one list; dates are days, not moments."""
    plain = [
        _literal(one.to)
        for both in tests.any_of
        for one in both
        if not one.orders and one.to is not None and not isinstance(one.to, date)
    ]
    parts = [f"value in [{', '.join(plain)}]"] if plain else []
    for both in tests.any_of:
        first = both[0]
        if first.orders or isinstance(first.to, date):
            guard = guards.get(kind_of(first.to))
            parts.append(" && ".join([*([guard] if guard else []), *(_compared(one) for one in both)]))
        elif first.to is None:
            parts.append("value == null")
    return parts[0] if len(parts) == 1 else " || ".join(f"({part})" for part in parts)


def _compared(one: Compared) -> str:
    """For a day, `<=` reaches up to the day behind it."""
    if not isinstance(one.to, date):
        return f"value {one.op} {_literal(one.to)}"
    this, behind = _moment(one.to), _moment(one.to + timedelta(days=1))
    match one.op:
        case "==":
            return f"value >= {this} && value < {behind}"
        case ">":
            return f"value >= {behind}"
        case "<=":
            return f"value < {behind}"
        case _:
            return f"value {one.op} {this}"


def _moment(day: date) -> str:
    return f'timestamp("{day.isoformat()}T00:00:00Z")'


def _literal(value: Value) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False)


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() and "." not in str(number) else float(number)


class _Reading:
    """Goes through the text of one cell, from the left to the right."""

    def __init__(self, written: str) -> None:
        self._tokens = _split(written)
        self._at = 0

    def follows(self, sign: str) -> bool:
        """Go past this sign or word, if it is next."""
        found = self._kind_and_text()[1] == sign
        self._at += found
        return found

    def expect(self, sign: str) -> None:
        """Go past this sign."""
        if not self.follows(sign):
            raise NotTranslatedError(f"'{sign}' is expected {self._where()}")

    def end(self) -> None:
        """Nothing may come any more."""
        if self._at < len(self._tokens):
            raise NotTranslatedError(f"nothing more is expected {self._where()}")

    def test(self) -> tuple[Compared, ...]:
        """One comparison, interval or literal."""
        _, sign = self._kind_and_text()
        if sign in {"<", "<=", ">", ">="}:
            self._at += 1
            return (_ordered(sign, self.value()),)
        if sign not in _ABOVE:
            return (Compared("==", self.value()),)
        self._at += 1
        low = self.value()
        self.expect("..")
        high = self.value()
        _, closing = self._kind_and_text()
        if closing not in _BELOW:
            raise NotTranslatedError(f"the end of an interval is expected {self._where()}")
        self._at += 1
        if kind_of(low) != kind_of(high):
            raise NotTranslatedError("the ends of an interval are of different kinds")
        return _ordered(_ABOVE[sign], low), _ordered(_BELOW[closing], high)

    def value(self) -> Value:
        """One literal."""
        kind, said = self._kind_and_text()
        where = self._where()
        self._at += 1
        match kind:
            case "text":
                return _unquoted(said)
            case "number":
                return _number(said)
            case "word" if said in _WORDS:
                return _WORDS[said]
            case "sign" if said == "@":
                return _day(self.value())
            case "word" if said == "date":
                if self.follows("and"):
                    raise NotTranslatedError("a date with its time is not translated, only a whole day")
                self.expect("(")
                day = self.value()
                self.expect(")")
                return _day(day)
            case _:
                raise NotTranslatedError(
                    f"a text in quotes, a number, true, false, null or date(…) is expected {where}"
                )

    def _kind_and_text(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _where(self) -> str:
        said = self._kind_and_text()[1]
        return f"at '{said[:50]}'" if said else "at the end"


def _split(written: str) -> Sequence[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place, text = 0, written.rstrip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise NotTranslatedError(f"'{text[place:].strip()[:50]}' is not translated")
        kind = str(token.lastgroup)
        found.append((kind, token[kind]))
        place = token.end()
    return found


def _ordered(op: str, value: Value) -> Compared:
    if kind_of(value) in {"null", "truth"}:
        raise NotTranslatedError(f"nothing is larger or smaller than {_literal(value)}")
    return Compared(op, value)


def _number(said: str) -> Decimal:
    number = Decimal("".join(said.split()))
    whole = "." not in said
    if abs(number) >= (_INT64 if whole else Decimal(10) ** 300):
        raise NotTranslatedError("the number is too large")
    return number


def _day(said: Any) -> date:
    try:
        day = date.fromisoformat(said) if isinstance(said, str) and _DAY.fullmatch(said) else None
    except ValueError:
        day = None
    if day is None or day == date.max:
        raise NotTranslatedError('a date is written date("2026-01-31") or @"2026-01-31"; no other @ is translated')
    return day


def _unquoted(said: str) -> str:
    def plain(escape: re.Match[str]) -> str:
        code = escape[1] or escape[2]
        if code is None and escape[3] in _ESCAPED:
            return _ESCAPED[escape[3]]
        if code is None or int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) <= 0xDFFF or int(code, 16) == 0:
            raise NotTranslatedError(f"the escape '{escape[0]}' is not translated")
        return chr(int(code, 16))

    return _ESCAPE.sub(plain, said[1:-1])
