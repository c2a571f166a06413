"""Values of expressions as JSON that can be stored: no NaN, no NUL, moments and numbers as text where JSON has none."""

import json
from typing import Any


def plain(value: Any) -> Any:
    """The value as JSON tells it.

    Raises:
        ValueError: it has what JSON or PostgreSQL cannot hold.
    """
    return json.loads(encoded(value))


def encoded(value: Any) -> str:
    """The value as JSON text.

    Raises:
        ValueError: it has what JSON or PostgreSQL cannot hold.
    """
    text = json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)
    if "\\u0000" in text:
        raise ValueError("it contains NUL, which cannot be stored")
    return text
