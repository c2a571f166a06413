"""ISO 8601 durations of fixed length (weeks to seconds); years and months have none and are refused."""

import re
from datetime import timedelta

LONGEST = timedelta(days=36_500)

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
_PATTERN = re.compile(
    rf"P(?!$)(?:(?P<weeks>{_NUMBER})W)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=[0-9])(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?)?"
)


def parse_duration(text: str) -> timedelta:
    """Read `P1W`, `P5D`, `PT8H30M`, … as a timedelta.

    Raises:
        ValueError: where the text is no such duration, is not longer than nothing, or is longer than a hundred years.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"not an ISO 8601 duration of weeks, days, hours, minutes or seconds: {text!r}")
    duration = timedelta(**{unit: float(amount) for unit, amount in match.groupdict().items() if amount})
    if not timedelta() < duration <= LONGEST:
        raise ValueError(f"a duration must be longer than nothing and at most a hundred years: {text!r}")
    return duration


def format_duration(duration: timedelta) -> str:
    """The one text of a duration (`PT24H` and `P1D` are the same), which `parse_duration` reads back."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{duration.microseconds:06}".rstrip("0") if duration.microseconds else ""
    second = f"{seconds}{fraction}S" if seconds or fraction else ""
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + second
    return "P" + (f"{duration.days}D" if duration.days else "") + (f"T{time}" if time else "")
