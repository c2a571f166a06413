"""When a notice goes out to a person: their choices per kind, digests and quiet hours. Pure; all moments in UTC.

Hours and days are those of the person's time zone, so that a daily digest stays at seven through summer time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from models.notices.kinds import NoticeKind


class Pace(StrEnum):
    """How soon an e-mail follows the notice."""

    OFF = "off"
    IMMEDIATE = "immediate"
    HOURLY = "hourly"
    DAILY = "daily"


class Digest(StrEnum):
    """What an e-mail waits for, to be sent together with others."""

    NONE = ""
    QUIET = "quiet"
    HOURLY = "hourly"
    DAILY = "daily"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person wants for one kind."""

    in_app: bool = True
    email: Pace = Pace.IMMEDIATE


ALWAYS: Final = frozenset({NoticeKind.SECURITY_NOTICE})
"""What nobody can turn off, delay or collect: it warns of a misuse of their account (21 CFR 11.300(d))."""

SHIPPED: Final[Mapping[NoticeKind, Choice]] = {
    NoticeKind.EXECUTION_AVAILABLE: Choice(in_app=False, email=Pace.OFF),
    NoticeKind.EXECUTION_DUE_SOON: Choice(email=Pace.DAILY),
    NoticeKind.INSTANCE_HELD: Choice(email=Pace.HOURLY),
    NoticeKind.INSTANCE_RESUMED: Choice(email=Pace.HOURLY),
    NoticeKind.INSTANCE_COMPLETED: Choice(email=Pace.DAILY),
    NoticeKind.INSTANCE_CANCELLED: Choice(email=Pace.HOURLY),
    NoticeKind.PROCESS_APPROVED: Choice(email=Pace.DAILY),
}
"""Kinds that are not e-mailed at once unless a person wants it."""
OPT_IN: Final = frozenset(kind for kind, choice in SHIPPED.items() if not choice.in_app and choice.email is Pace.OFF)
"""Kinds of which nobody hears unless they want to; while nobody does, nothing is put down for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """How one person wants to be told.

    Attributes:
        choices: only the kinds for which they chose.
        quiet: from and until, local time; it may span midnight. None: never quiet.
        zone: IANA name.
        daily_at: local time of the daily digest.
    """

    choices: Mapping[NoticeKind, Choice] = field(default_factory=dict)
    quiet: tuple[time, time] | None = None
    zone: str = "UTC"
    daily_at: time = time(7)

    def choice(self, kind: NoticeKind) -> Choice:
        """What holds for a kind: their own choice, else the shipped one."""
        if kind in ALWAYS:
            return Choice()
        return self.choices.get(kind) or SHIPPED.get(kind) or Choice()


@dataclass(frozen=True, slots=True)
class Slot:
    """When an e-mail goes out, and what it waits for."""

    at: datetime
    digest: Digest


def email_slot(wanted: Preferences, kind: NoticeKind, now: datetime) -> Slot | None:
    """When the e-mail of a notice goes out; None where the person wants none."""
    zone = ZoneInfo(wanted.zone)
    slot = _slot(wanted, kind, now, zone)
    if slot is None or wanted.quiet is None or kind in ALWAYS:
        return slot
    if not is_quiet(wanted.quiet, slot.at.astimezone(zone).time()):
        return slot
    return Slot(_next(slot.at, wanted.quiet[1], zone), slot.digest or Digest.QUIET)


def _slot(wanted: Preferences, kind: NoticeKind, now: datetime, zone: ZoneInfo) -> Slot | None:
    """As above, quiet hours left aside."""
    match wanted.choice(kind).email:
        case Pace.OFF:
            return None
        case Pace.IMMEDIATE:
            return Slot(now, Digest.NONE)
        case Pace.HOURLY:
            return Slot(_next_hour(now, zone), Digest.HOURLY)
        case Pace.DAILY:
            return Slot(_next(now, wanted.daily_at, zone), Digest.DAILY)
        case never:
            assert_never(never)


def is_quiet(quiet: tuple[time, time], at: time) -> bool:
    """Whether a local time lies in the quiet hours; their end is not quiet any more."""
    begin, end = quiet
    return begin <= at < end if begin <= end else at >= begin or at < end


def _next_hour(now: datetime, zone: ZoneInfo) -> datetime:
    local = now.astimezone(zone)
    passed = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return now + timedelta(hours=1) - passed


def _next(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The next moment at which the person's clock shows `at`, strictly after `now`.

    A time that summer time skips comes when the clock has jumped over it.
    """
    day = now.astimezone(zone).date()
    for later in range(3):
        moment = datetime.combine(day + timedelta(days=later), at, zone).astimezone(UTC)
        if moment > now:
            return moment
    raise AssertionError("a day has a next one")
