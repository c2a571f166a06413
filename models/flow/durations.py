"""ISO 8601 durations of fixed length (weeks to seconds); years and months have none and are refused."""

import re
from datetime import timedelta

_PATTERN = re.compile(
    r"P(?!$)(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def parse_duration(text: str) -> timedelta:
    """Read `P1W`, `P5D`, `PT8H30M`, … as a timedelta.

    Raises:
        ValueError: where the text is no such duration or is not longer than nothing.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"not an ISO 8601 duration of weeks, days, hours, minutes or seconds: {text!r}")
    duration = timedelta(**{unit: float(amount) for unit, amount in match.groupdict().items() if amount})
    if duration <= timedelta():
        raise ValueError(f"a duration must be longer than nothing: {text!r}")
    return duration
