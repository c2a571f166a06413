"""Working time against calendars whose answer one can count on one's fingers, and laws for all of them."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.working_time import (
    NeverOpenError,
    Shift,
    WorkingCalendar,
    add,
    before,
    between,
    due_after,
    moved_by_hold,
    unknown_holidays,
)

BERLIN = ZoneInfo("Europe/Berlin")
DAY_SHIFT = (Shift(time(8), time(12)), Shift(time(13), time(17)))
OFFICE = WorkingCalendar(zone="Europe/Berlin", week=(DAY_SHIFT,) * 5 + ((), ()), country="DE", subdivision="BY")
NIGHT = WorkingCalendar(zone="Europe/Berlin", week=((Shift(time(22), time(6)),),) * 7)
ALWAYS = WorkingCalendar(zone="UTC", week=((Shift(time(0), time(0)),),) * 7)


def at(day: int, hour: int = 0, minute: int = 0, *, month: int = 3) -> datetime:
    """A moment of 2026 by Berlin's clock; 2 March is a Monday, summer time begins on the 29th."""
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.mark.parametrize(
    ("start", "duration", "due"),
    [
        (at(2, 9), hours(2), at(2, 11)),
        (at(2, 11), hours(2), at(2, 14)),
        (at(2, 16), hours(2), at(3, 9)),
        (at(6, 16), hours(2), at(9, 9)),
        (at(7, 10), hours(1), at(9, 9)),
        (at(2, 10), timedelta(days=5), at(9, 10)),
        (at(7, 10), timedelta(days=1), at(10, 8)),
        (at(5, 15), timedelta(days=1, hours=3), at(9, 9)),
        (at(5, 10, month=1), timedelta(days=1), at(7, 10, month=1)),
    ],
    ids=[
        "within a shift", "over the lunch break", "over the night", "over the weekend", "arrives on a Saturday",
        "a week of working days", "a day from Saturday begins on Monday", "days first, then hours", "Epiphany",
    ],
)  # fmt: skip
def test_when_it_is_due(start: datetime, duration: timedelta, due: datetime) -> None:
    assert due_after(OFFICE, start, duration) == due


def test_without_a_calendar_all_time_is_working_time() -> None:
    assert due_after(None, at(6, 16), timedelta(days=2)) == at(8, 16)
    assert moved_by_hold(None, (at(6),), at(2), at(3)) == {}


def test_the_night_in_which_summer_time_begins_is_an_hour_shorter() -> None:
    """28 to 29 March: 22:00 to 06:00 are seven hours, so eight hours of work last into the next night."""
    assert between(NIGHT, at(28, 20), at(29, 20)) == hours(7)
    assert add(NIGHT, at(28, 22), hours(8)) == at(29, 23)


def test_the_night_in_which_summer_time_ends_is_an_hour_longer() -> None:
    assert between(NIGHT, at(24, 20, month=10), at(25, 20, month=10)) == hours(9)


def test_a_day_later_is_the_same_time_of_day_also_where_the_clocks_change() -> None:
    assert due_after(ALWAYS_BERLIN, at(28, 12), timedelta(days=1)) == at(29, 12)
    assert at(29, 12) - at(28, 12).astimezone(UTC) == hours(23)


ALWAYS_BERLIN = WorkingCalendar(zone="Europe/Berlin", week=((Shift(time(0), time(0)),),) * 7)


def test_an_exception_outweighs_the_week_and_the_holiday() -> None:
    saturday = WorkingCalendar(
        zone="Europe/Berlin", week=OFFICE.week, country="DE", subdivision="BY",
        exceptions={date(2026, 3, 7): (Shift(time(8), time(12)),), date(2026, 1, 6): DAY_SHIFT, date(2026, 3, 9): ()},
    )  # fmt: skip
    assert due_after(saturday, at(6, 16), hours(3)) == at(7, 10)
    assert due_after(saturday, at(5, 10, month=1), timedelta(days=1)) == at(6, 10, month=1)
    assert due_after(saturday, at(7, 11), hours(2)) == at(10, 9)


def test_overlapping_shifts_are_not_counted_twice() -> None:
    both = WorkingCalendar(zone="UTC", week=((Shift(time(6), time(14)), Shift(time(12), time(22))),) * 7)
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    assert between(both, monday, monday + timedelta(days=1)) == hours(16)
    assert before(both, monday + hours(24), hours(16)) == monday + hours(6)


def test_a_hold_freezes_the_working_time_that_is_left() -> None:
    """Held on Friday at 15:00 with four working hours left, resumed on Wednesday at noon."""
    due = due_after(OFFICE, at(6, 13), hours(6))
    assert due == at(9, 10)
    moved = moved_by_hold(OFFICE, (due, at(5, 9)), at(6, 15), at(11, 12))
    assert moved[due] == at(11, 17)
    assert moved[at(5, 9)] == at(5, 9).astimezone(UTC) + (at(11, 12) - at(6, 15))


def test_a_calendar_that_never_opens_says_so() -> None:
    never = WorkingCalendar(zone="UTC", week=((),) * 7)
    with pytest.raises(NeverOpenError):
        add(never, at(2), hours(1))
    with pytest.raises(NeverOpenError):
        before(never, at(2), hours(1))
    with pytest.raises(NeverOpenError):
        due_after(
            WorkingCalendar(zone="UTC", week=((),) * 7, exceptions={date(2026, 3, 2): DAY_SHIFT}), at(2), 3 * hours(24)
        )
    with pytest.raises(NeverOpenError):
        add(never, at(2), timedelta())
    assert between(never, at(2), at(9)) == timedelta()


def test_which_holidays_are_known() -> None:
    assert unknown_holidays("DE", "BY") is None
    assert unknown_holidays("", "") is None
    assert unknown_holidays("XX", "") is not None
    assert unknown_holidays("DE", "QQ") is not None
    assert unknown_holidays("", "BY") is not None


CALENDARS = st.sampled_from([OFFICE, NIGHT, ALWAYS, ALWAYS_BERLIN])
MOMENTS = st.integers(0, 200 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
SPANS = st.integers(0, 60 * 60).map(lambda minutes: timedelta(minutes=minutes))


@settings(max_examples=200, deadline=None)
@given(CALENDARS, MOMENTS, SPANS)
def test_working_time_that_is_added_is_there_again(calendar: WorkingCalendar, start: datetime, span: timedelta) -> None:
    end = add(calendar, start, span)
    assert end >= start
    assert between(calendar, start, end) == span
    back = before(calendar, end, span)
    assert between(calendar, back, end) == span


@settings(max_examples=200, deadline=None)
@given(CALENDARS, MOMENTS, st.integers(0, 40), st.integers(0, 40))
def test_more_days_are_never_due_earlier(calendar: WorkingCalendar, start: datetime, days: int, more: int) -> None:
    assert due_after(calendar, start, timedelta(days=days)) <= due_after(calendar, start, timedelta(days=days + more))


@settings(max_examples=200, deadline=None)
@given(CALENDARS, MOMENTS, SPANS, SPANS)
def test_what_is_left_before_a_hold_is_left_after_it(
    calendar: WorkingCalendar, held_at: datetime, left: timedelta, held: timedelta
) -> None:
    deadline = add(calendar, held_at, left)
    moved = moved_by_hold(calendar, (deadline,), held_at, held_at + held)[deadline]
    assert between(calendar, held_at + held, moved) == between(calendar, held_at, deadline) or deadline <= held_at
