"""Values as JSON that can be stored and read again: no NaN, no NUL, not too deep; as text what JSON has no form for."""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from models.flow.durations import format_duration

MOST_NESTED: Final = 100
"""Levels of objects and lists. Values get a few more on their way, and what reads them in a workflow bears 200: what it
cannot read fails the workflow's task for ever."""
TOO_DEEP: Final = f"it is nested more than {MOST_NESTED} levels deep"


def is_too_deep(value: Any) -> bool:
    """Whether a value has more than `MOST_NESTED` levels; level by level, for recursion would overflow on deep JSON."""
    level = [value]
    for _ in range(MOST_NESTED + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def plain(value: Any) -> Any:
    """The value as JSON tells it.

    Raises:
        ValueError: it has what JSON or PostgreSQL cannot hold.
    """
    return json.loads(encoded(value))


def measured(value: Any) -> tuple[Any, int]:
    """The value as `plain` gives it, and how many bytes its JSON has.

    Raises:
        ValueError: it has what JSON or PostgreSQL cannot hold.
    """
    text = encoded(value)
    return json.loads(text), len(text.encode())


def spelled(value: Any) -> bytes:
    """The value as JSON whose objects have their keys in order, so that equal values are equal bytes.

    Numbers stay as they are, other than in `models.store.canonical`: a receiver may tell 10.0 from 10.

    Raises:
        ValueError: it has what JSON or PostgreSQL cannot hold.
    """
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False).encode()


def encoded(value: Any) -> str:
    """The value as JSON text.

    Raises:
        ValueError: it has what JSON or PostgreSQL cannot hold.
    """
    if is_too_deep(value):
        raise ValueError(TOO_DEEP)
    text = json.dumps(value, default=_as_text, ensure_ascii=False, allow_nan=False)
    if "\\u0000" in text:
        raise ValueError("it contains NUL, which cannot be stored")
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("it contains half a surrogate pair, which cannot be stored")
    return text


def _as_text(value: Any) -> str:
    """Moments in RFC 3339 and UTC, durations in ISO 8601, bytes in Base64; all else as it shows itself."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            sign = "-" if value < timedelta() else ""
            return sign + (format_duration(abs(value)) if value else "PT0S")
        case bytes():
            return b64encode(value).decode()
        case _:
            return str(value)
