"""Read the timestamps of logs: ISO 8601, the usual spreadsheet styles, and seconds (or less) since 1970.

A column has one style, chosen on a sample of its values and never per value, so that 03/04/2026 is not read in
two ways. A time without a zone is taken as UTC.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

Reader = Callable[[str], datetime | None]
"""Reads one value as UTC; None where it is not in the reader's style."""

_DATES = (
    "%d.%m.%Y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%Y.%m.%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y",
)  # fmt: skip
_TIMES = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%H:%M:%S.%f%z", "%H:%M:%S%z", "%I:%M:%S %p", "%I:%M %p")
_NUMBER = re.compile(r"-?\d{1,19}(\.\d+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_iso(text: str) -> datetime | None:
    """Read ISO 8601."""
    try:
        return _utc(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        return None


def reader_for(values: Sequence[str], pattern: str = "") -> Reader:
    """Choose the style that reads most of the values; `pattern` (strptime) settles it beforehand."""
    if pattern:
        return _with_pattern(pattern)
    given = [text for text in values if text.strip()]
    styles: list[Reader] = [read_iso, _read_number, *(_any_time(date) for date in _DATES)]
    for size in (20, 3000):  # a glance at all styles, then a closer look at those that still tie
        sample = given[:: max(1, len(given) // size)]
        counts = [sum(style(text) is not None for text in sample) for style in styles]
        styles = [style for style, count in zip(styles, counts, strict=True) if count == max(counts)]
    return styles[0]


def _with_pattern(pattern: str) -> Reader:
    def read(text: str) -> datetime | None:
        try:
            return _utc(datetime.strptime(text.strip(), pattern))  # noqa: DTZ007 - _utc adds the zone
        except (ValueError, OverflowError):
            return None

    return read


def _any_time(date: str) -> Reader:
    """One date style with any time of day, or none; the style that worked last is tried first."""
    readers = [_with_pattern(date + between + time) for between in (" ", "T") for time in _TIMES]
    readers.append(_with_pattern(date))

    def read(text: str) -> datetime | None:
        for place, one in enumerate(readers):
            found = one(text)
            if found is not None:
                readers.insert(0, readers.pop(place))
                return found
        return None

    return read


def _read_number(text: str) -> datetime | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    seconds = float(text)
    while abs(seconds) > 1e11:  # milli-, micro- or nanoseconds: no log is of the year 5138
        seconds /= 1000
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
