"""Checks of single fields, for all shapes that are looked at: types, ranges, words.

Nothing here may raise, whatever JSON comes in: these checks are what the rest of the core relies on.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from models.flow.durations import parse_duration
from models.flow.problems import Problem, problem

MAX_DEPTH = 40

Check = Callable[[str, Any, str], Iterator[Problem]]
"""(field name, value that is not None, path) → what is wrong with it."""


def unstorable(value: Any) -> Iterator[Problem]:
    """What PostgreSQL cannot keep, wherever it hides. Walks with a list: recursion would overflow on deep JSON."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    while waiting:
        path, found, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield problem("too_deep", path, maximum=MAX_DEPTH)
        elif isinstance(found, Mapping):
            waiting += [(f"{path}.{key}".lstrip("."), inner, depth + 1) for key, inner in found.items()]
            if any(_unstorable_text(str(key)) for key in found):
                yield problem("unstorable", path)
        elif isinstance(found, list | tuple):
            waiting += [(f"{path}[{number}]", inner, depth + 1) for number, inner in enumerate(found)]
        elif (isinstance(found, float) and not math.isfinite(found)) or (
            isinstance(found, str) and _unstorable_text(found)
        ):
            yield problem("unstorable", path)


def _unstorable_text(text: str) -> bool:
    return (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)) or "\0" in text


def check_fields(raw: Any, path: str, fields: Mapping[str, Check], required: Iterable[str] = ()) -> Iterator[Problem]:
    """Check one object against its table of fields; null counts as absent."""
    if not isinstance(raw, Mapping):
        yield problem("wrong_type", path, field=path, expected="an object")
        return
    for name in required:
        if raw.get(name) is None or raw[name] == "":
            yield problem("missing_field", _at(path, name), field=name)
    for name, value in raw.items():
        check = fields.get(name)
        if check is None:
            yield problem("unknown_field", _at(path, name), field=name, allowed=sorted(fields))
        elif value is not None:
            yield from check(name, value, _at(path, name))


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def text(maximum: int) -> Check:
    """A text of at most so many characters."""

    def check(name: str, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield problem("wrong_type", path, field=name, expected="a text")
        elif len(value) > maximum:
            yield problem("too_long", path, field=name, maximum=maximum)

    return check


def label(maximum: int) -> Check:
    """A text that says something."""

    def check(name: str, value: Any, path: str) -> Iterator[Problem]:
        yield from text(maximum)(name, value, path)
        if isinstance(value, str) and value and not value.strip():
            yield problem("missing_field", path, field=name)

    return check


def key(name: str, value: Any, path: str) -> Iterator[Problem]:
    """A name that becomes part of ids and paths."""
    yield from text(100)(name, value, path)
    if isinstance(value, str) and (value != value.strip() or "/" in value or any(not c.isprintable() for c in value)):
        yield problem("bad_key", path)


def flag(name: str, value: Any, path: str) -> Iterator[Problem]:
    """True or false, and nothing that merely resembles it."""
    if not isinstance(value, bool):
        yield problem("wrong_type", path, field=name, expected="true or false")


def whole(minimum: int, maximum: int) -> Check:
    """A whole number within bounds."""

    def check(name: str, value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int):
            yield problem("wrong_type", path, field=name, expected="a whole number")
        elif not minimum <= value <= maximum:
            yield problem("out_of_range", path, field=name, minimum=minimum, maximum=maximum)

    return check


def duration(name: str, value: Any, path: str) -> Iterator[Problem]:
    """An ISO 8601 duration; an empty text is none."""
    if not isinstance(value, str):
        yield problem("wrong_type", path, field=name, expected="a text")
    elif value and not is_duration(value):
        yield problem("bad_duration", path)


def is_duration(value: str) -> bool:
    """Whether a text is a duration that the core reads."""
    try:
        parse_duration(value)
    except ValueError:
        return False
    return True


def an_object(name: str, value: Any, path: str) -> Iterator[Problem]:
    """Free-form JSON that others look into."""
    if not isinstance(value, Mapping):
        yield problem("wrong_type", path, field=name, expected="an object")


def a_list(maximum: int) -> Check:
    """A list; its entries are checked by whoever knows them."""

    def check(name: str, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, list | tuple):
            yield problem("wrong_type", path, field=name, expected="a list")
        elif len(value) > maximum:
            yield problem("too_many", path, field=name, maximum=maximum)

    return check


def anything(name: str, value: Any, path: str) -> Iterator[Problem]:  # noqa: ARG001 - a check like the others
    """Whatever it is; somebody else looks closer."""
    return iter(())


def decimal(name: str, value: Any, path: str) -> Iterator[Problem]:
    """A finite number, as such or as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not _is_decimal(value):
        yield problem("wrong_type", path, field=name, expected="a number")


def _is_decimal(value: str | int | float) -> bool:
    try:
        return len(str(value)) <= 40 and Decimal(str(value)).is_finite()
    except (InvalidOperation, ValueError):
        return False


def words(maximum: int, longest: int) -> Check:
    """A list of texts that say something."""

    def check(name: str, value: Any, path: str) -> Iterator[Problem]:
        yield from a_list(maximum)(name, value, path)
        for number, word in enumerate(entries(value)):
            if word is None or word == "":
                yield problem("missing_field", f"{path}[{number}]", field=name)
            else:
                yield from label(longest)(name, word, f"{path}[{number}]")

    return check


def one_of(code: str, allowed: Iterable[str]) -> Check:
    """One word of a closed list."""
    words = tuple(allowed)

    def check(name: str, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield problem("wrong_type", path, field=name, expected="a text")
        elif value not in words:
            yield problem(code, path, value=value[:100], allowed=words)

    return check


def entries(value: Any) -> list[Any]:
    """The entries of what is a list; else none."""
    return list(value) if isinstance(value, list | tuple) else []
