"""Cursor paging: an opaque keyset cursor in, `{"items": [...], "next_cursor": null}` out."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from api.problems import Problem

Row = TypeVar("Row")

LARGEST_PAGE = 200
USUAL_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """What the client asked for; `after` is the key of the last row it has seen, None for the first page."""

    limit: int
    after: list[Any] | None

    @property
    def fetch(self) -> int:
        """One row more than asked for tells whether there is a next page."""
        return self.limit + 1


async def paging(
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Rows per page.")] = USUAL_PAGE,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="`next_cursor` of the page before; opaque.")
    ] = None,
) -> Paging:
    """Read `?limit=&cursor=`."""
    return Paging(limit=limit, after=None if cursor is None else decode(cursor))


Page = Annotated[Paging, Depends(paging)]


def encode(key: Sequence[Any]) -> str:
    """A keyset (JSON-ready values) as an opaque word."""
    raw = json.dumps(list(key), separators=(",", ":"), default=str).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(cursor: str) -> list[Any]:
    """The keyset behind a cursor.

    Raises:
        Problem: cursor_invalid.
    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise Problem("cursor_invalid") from error
    if not isinstance(key, list) or not key:
        raise Problem("cursor_invalid")
    return key


def page(
    rows: Sequence[Row],
    asked: Paging,
    *,
    key: Callable[[Row], Sequence[Any]],
    show: Callable[[Row], Any] | None = None,
) -> dict[str, Any]:
    """The answer for up to `asked.fetch` rows in order.

    Args:
        rows: At most one row more than a page.
        asked: The page that was asked for.
        key: The keyset of a row, JSON-ready.
        show: What the client gets for a row; the row itself unless told.
    """
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit
    return {
        "items": [row if show is None else show(row) for row in shown],
        "next_cursor": encode(key(shown[-1])) if more else None,
    }


def word_after(asked: Paging) -> str:
    """The one text of the keyset; empty for the first page.

    Raises:
        Problem: cursor_invalid.
    """
    if asked.after is None:
        return ""
    if len(asked.after) != 1 or not isinstance(asked.after[0], str):
        raise Problem("cursor_invalid")
    return asked.after[0]


def number_after(asked: Paging) -> int:
    """The one whole number of the keyset; 0 for the first page.

    Raises:
        Problem: cursor_invalid.
    """
    if asked.after is None:
        return 0
    match asked.after:
        case [int() as number] if 0 <= number < 2**31 and not isinstance(number, bool):
            return number
        case _:
            raise Problem("cursor_invalid")


def moment_after(asked: Paging) -> tuple[datetime, UUID] | None:
    """The moment and id of the keyset; None for the first page.

    Raises:
        Problem: cursor_invalid.
    """
    if asked.after is None:
        return None
    try:
        at, last = asked.after
        when = datetime.fromisoformat(at)
        if when.tzinfo is None:
            raise Problem("cursor_invalid")
        return when, UUID(last)
    except (ValueError, TypeError, AttributeError) as error:
        raise Problem("cursor_invalid") from error
