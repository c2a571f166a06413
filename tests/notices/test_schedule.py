"""When an e-mail goes out: table of choices, hours and zones."""

from datetime import UTC, datetime, time

import pytest

from models.notices.kinds import NoticeKind
from models.notices.schedule import Choice, Digest, Pace, Preferences, Slot, email_slot, is_quiet

OVERDUE = NoticeKind.EXECUTION_OVERDUE
NIGHT = (time(22), time(6))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wanting(pace: Pace, **more: object) -> Preferences:
    return Preferences(choices={OVERDUE: Choice(email=pace)}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "now", "expected"),
    [
        (wanting(Pace.OFF), "2026-03-02T10:20", None),
        (wanting(Pace.IMMEDIATE), "2026-03-02T10:20", ("2026-03-02T10:20", "")),
        (wanting(Pace.HOURLY), "2026-03-02T10:20", ("2026-03-02T11:00", "hourly")),
        (wanting(Pace.HOURLY), "2026-03-02T10:00", ("2026-03-02T11:00", "hourly")),
        # A zone that is half an hour off: its full hours are half past in UTC.
        (wanting(Pace.HOURLY, zone="Asia/Kolkata"), "2026-03-02T10:20", ("2026-03-02T10:30", "hourly")),
        (wanting(Pace.DAILY), "2026-03-02T06:59", ("2026-03-02T07:00", "daily")),
        (wanting(Pace.DAILY), "2026-03-02T07:00", ("2026-03-03T07:00", "daily")),
        # Seven in Vienna is six in UTC in winter and five in summer; the clocks change on 29 March 2026.
        (wanting(Pace.DAILY, zone="Europe/Vienna"), "2026-03-27T08:00", ("2026-03-28T06:00", "daily")),
        (wanting(Pace.DAILY, zone="Europe/Vienna"), "2026-03-28T08:00", ("2026-03-29T05:00", "daily")),
        # Half past two does not exist that night.
        (wanting(Pace.DAILY, zone="Europe/Vienna", daily_at=time(2, 30)), "2026-03-29T00:00",
         ("2026-03-29T01:30", "daily")),
        # Quiet hours move it to their end, and what comes together then is one message.
        (wanting(Pace.IMMEDIATE, quiet=NIGHT), "2026-03-02T23:00", ("2026-03-03T06:00", "quiet")),
        (wanting(Pace.IMMEDIATE, quiet=NIGHT), "2026-03-02T05:59", ("2026-03-02T06:00", "quiet")),
        (wanting(Pace.IMMEDIATE, quiet=NIGHT), "2026-03-02T06:00", ("2026-03-02T06:00", "")),
        (wanting(Pace.HOURLY, quiet=NIGHT), "2026-03-02T21:30", ("2026-03-03T06:00", "hourly")),
        (wanting(Pace.DAILY, quiet=(time(6), time(8))), "2026-03-02T01:00", ("2026-03-02T08:00", "daily")),
    ],
)  # fmt: skip
def test_when_it_goes_out(wanted: Preferences, now: str, expected: tuple[str, str] | None) -> None:
    slot = None if expected is None else Slot(at(expected[0]), Digest(expected[1]))
    assert email_slot(wanted, OVERDUE, at(now)) == slot


@pytest.mark.parametrize(
    ("quiet", "inside", "outside"),
    [((time(22), time(6)), (time(22), time(0), time(5, 59)), (time(6), time(21, 59))),
     ((time(12), time(13)), (time(12), time(12, 59)), (time(13), time(11, 59)))],
)  # fmt: skip
def test_quiet_hours_may_span_midnight(
    quiet: tuple[time, time], inside: tuple[time, ...], outside: tuple[time, ...]
) -> None:
    assert [is_quiet(quiet, one) for one in (*inside, *outside)] == [True] * len(inside) + [False] * len(outside)


def test_a_security_notice_is_never_turned_off_delayed_or_collected() -> None:
    kind = NoticeKind.SECURITY_NOTICE
    wanted = Preferences(choices={kind: Choice(in_app=False, email=Pace.OFF)}, quiet=NIGHT)
    now = at("2026-03-02T23:00")
    assert email_slot(wanted, kind, now) == Slot(now, Digest.NONE)
    assert wanted.choice(kind).in_app


def test_what_nobody_chose_is_as_shipped() -> None:
    assert Preferences().choice(NoticeKind.INSTANCE_COMPLETED).email is Pace.DAILY
    assert Preferences().choice(NoticeKind.APPROVAL_REQUESTED).email is Pace.IMMEDIATE
