"""Working calendars: when a site works, and what "five working days" and "eight hours" mean there.

Pure arithmetic over shifts, holidays and a time zone; no database, no clock. A duration is counted in working time:
its whole days (24 hours of it) are working days, what is left are hours within shifts. Shifts are wall-clock times of
the site, so an hour that a change to summer time skips is not worked, and one that it repeats is worked twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

DAY: Final = timedelta(days=1)
HORIZON: Final = 3_660
"""Days that are looked through for the next shift; a calendar without any within ten years counts as never open."""


class NeverOpenError(ValueError):
    """The calendar has no shift within ten years."""


@dataclass(frozen=True, slots=True)
class Shift:
    """From `start` to `end` by the site's clock; an end at or before the start is on the next day."""

    start: time
    end: time


Interval = tuple[datetime, datetime]
"""Working time from … to …, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCalendar:
    """When a site works.

    Attributes:
        zone: IANA name of the site's time zone.
        week: the shifts of Monday to Sunday.
        country: ISO 3166-1 alpha-2 code of whose public holidays the site keeps; empty for none.
        subdivision: state or province within it.
        exceptions: days with other shifts than the week says: none where the site is closed.
    """

    zone: str
    week: tuple[tuple[Shift, ...], ...]
    country: str = ""
    subdivision: str = ""
    exceptions: Mapping[date, tuple[Shift, ...]] = field(default_factory=dict)

    def shifts_on(self, day: date) -> tuple[Shift, ...]:
        """The shifts that begin on a day."""
        if day in self.exceptions:
            return self.exceptions[day]
        if self.country and day in _public_holidays(self.country, self.subdivision, day.year):
            return ()
        return self.week[day.weekday()]

    def intervals(self, moment: datetime) -> Iterator[Interval]:
        """Working time that ends after `moment`, in order, overlapping shifts as one."""
        first = moment.astimezone(ZoneInfo(self.zone)).date() - DAY
        current: Interval | None = None
        for number in range(HORIZON):
            for begins, ends in self._on(first + number * DAY):
                if ends <= moment:
                    continue
                if current is None:
                    current = begins, ends
                elif begins < current[1]:
                    current = current[0], max(current[1], ends)
                else:
                    yield current
                    current = begins, ends
        if current is not None:
            yield current

    def intervals_before(self, moment: datetime) -> Iterator[Interval]:
        """Working time that begins before `moment`, latest first, overlapping shifts as one."""
        last = moment.astimezone(ZoneInfo(self.zone)).date()
        current: Interval | None = None
        for number in range(HORIZON):
            for begins, ends in reversed(self._on(last - number * DAY)):
                if begins >= moment:
                    continue
                if current is None:
                    current = begins, ends
                elif ends > current[0]:
                    current = min(current[0], begins), max(current[1], ends)
                else:
                    yield current
                    current = begins, ends
        if current is not None:
            yield current

    def _on(self, day: date) -> list[Interval]:
        """The shifts that begin on a day, in UTC, by their beginning."""
        zone = ZoneInfo(self.zone)
        found = []
        for shift in self.shifts_on(day):
            end_day = day if shift.end > shift.start else day + DAY
            begins = datetime.combine(day, shift.start, zone).astimezone(UTC)
            ends = datetime.combine(end_day, shift.end, zone).astimezone(UTC)
            if ends > begins:
                found.append((begins, ends))
        return sorted(found)


@lru_cache(maxsize=256)
def _public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))


def unknown_holidays(country: str, subdivision: str) -> str | None:
    """What is wrong with a country and its subdivision; None where their holidays are known."""
    if not country:
        return "a subdivision needs its country" if subdivision else None
    try:
        _public_holidays(country, subdivision, 2026)
    except (NotImplementedError, KeyError) as error:
        return str(error)
    return None


def add(calendar: WorkingCalendar | None, start: datetime, working: timedelta) -> datetime:
    """The moment when `working` time has passed since `start`; without a calendar all time is working time.

    Raises:
        NeverOpenError: the calendar has not so much working time ahead.
    """
    if calendar is None:
        return start + working
    left = working
    for begins, ends in calendar.intervals(start):
        begins = max(begins, start)  # noqa: PLW2901 - what is before `start` does not count
        if ends - begins >= left:
            return begins + left
        left -= ends - begins
    raise NeverOpenError("the calendar has no working time ahead")


def due_after(calendar: WorkingCalendar | None, start: datetime, duration: timedelta) -> datetime:
    """When something that takes `duration` is due: whole days are working days, the rest working hours.

    Work that arrives outside of working time begins with the next shift. A working day later is the same time of day on
    the next day with a shift; where nobody works at that time, the next moment at which somebody does.

    Raises:
        NeverOpenError: the calendar has not so much working time ahead.
    """
    if calendar is None:
        return start + duration
    begins = add(calendar, start, timedelta())
    if duration.days:
        begins = add(calendar, _days_later(calendar, begins, duration.days), timedelta())
    return add(calendar, begins, duration - timedelta(days=duration.days))


def _days_later(calendar: WorkingCalendar, moment: datetime, days: int) -> datetime:
    zone = ZoneInfo(calendar.zone)
    local = moment.astimezone(zone)
    day = local.date()
    for _ in range(HORIZON):
        day += DAY
        days -= bool(calendar.shifts_on(day))
        if not days:
            return datetime.combine(day, local.time(), zone).astimezone(UTC)
    raise NeverOpenError("the calendar has no working day ahead")


def before(calendar: WorkingCalendar | None, moment: datetime, working: timedelta) -> datetime:
    """The moment from which `working` time passes until `moment`.

    Raises:
        NeverOpenError: the calendar has not so much working time behind.
    """
    if calendar is None:
        return moment - working
    left = working
    for begins, ends in calendar.intervals_before(moment):
        ends = min(ends, moment)  # noqa: PLW2901 - what is after `moment` does not count
        if ends - begins >= left:
            return ends - left
        left -= ends - begins
    raise NeverOpenError("the calendar has no working time behind")


def between(calendar: WorkingCalendar | None, start: datetime, end: datetime) -> timedelta:
    """Working time from `start` to `end`; negative where `end` is earlier."""
    if calendar is None:
        return end - start
    if end < start:
        return -between(calendar, end, start)
    total = timedelta()
    for begins, ends in calendar.intervals(start):
        if begins >= end:
            break
        total += min(ends, end) - max(begins, start)
    return total


def moved_by_hold(
    calendar: WorkingCalendar | None, deadlines: tuple[datetime, ...], held_at: datetime, resumed_at: datetime
) -> dict[datetime, datetime]:
    """Each deadline → where it lies after a hold that froze the working time left (DESIGN §3.6).

    What had passed before the hold moves by the time held, so that it stays as late as it was. Nothing where all time
    is working time: then everything moves by the time held.
    """
    if calendar is None:
        return {}
    after: dict[datetime, datetime] = {}
    for deadline in sorted(set(deadlines)):
        left = between(calendar, held_at, deadline)
        after[deadline] = add(calendar, resumed_at, left) if deadline > held_at else deadline + (resumed_at - held_at)
    return after
