"""Calendars and absences."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from api.schemas.base import Body, LocalMoment, Shape, Text, UserRef

Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""`08:30`, by the site's clock."""
Key = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Shift(Body):
    """Working time; an end at or before the start is on the next day."""

    start: Clock
    end: Clock


class Week(Body):
    """The shifts that begin on each day."""

    monday: list[Shift] = Field(default_factory=list, max_length=10)
    tuesday: list[Shift] = Field(default_factory=list, max_length=10)
    wednesday: list[Shift] = Field(default_factory=list, max_length=10)
    thursday: list[Shift] = Field(default_factory=list, max_length=10)
    friday: list[Shift] = Field(default_factory=list, max_length=10)
    saturday: list[Shift] = Field(default_factory=list, max_length=10)
    sunday: list[Shift] = Field(default_factory=list, max_length=10)


class CalendarException(Body):
    """A day with other shifts than the week says; without any the site is closed."""

    date: date
    shifts: list[Shift] = Field(default_factory=list, max_length=10)
    name: str = Field(default="", max_length=200)


class NewCalendar(Body):
    """The working calendar of a site."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "munich",
                    "name": "Munich plant",
                    "time_zone": "Europe/Berlin",
                    "week": {"monday": [{"start": "06:00", "end": "14:00"}, {"start": "14:00", "end": "22:00"}]},
                    "country": "DE",
                    "subdivision": "BY",
                    "exceptions": [{"date": "2026-12-24", "name": "Company holiday"}],
                }
            ]
        }
    )

    key: Key = Field(description="Key of the site; `default` is for all that have no calendar of their own.")
    name: str = Field(min_length=1, max_length=200)
    time_zone: str = Field(max_length=100, description="IANA name, such as Europe/Berlin.")
    week: Week
    country: str = Field(default="", max_length=10, description="Whose public holidays are kept: ISO 3166-1 alpha-2.")
    subdivision: str = Field(default="", max_length=10, description="State or province within the country.")
    exceptions: list[CalendarException] = Field(default_factory=list, max_length=2_000)


class ChangedCalendar(Body):
    """What changes; the key stays."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    time_zone: str | None = Field(default=None, max_length=100)
    week: Week | None = None
    country: str | None = Field(default=None, max_length=10)
    subdivision: str | None = Field(default=None, max_length=10)
    exceptions: list[CalendarException] | None = Field(default=None, max_length=2_000)


class Calendar(Shape):
    """The working calendar of a site."""

    id: str
    key: str
    name: str
    time_zone: str
    week: dict[str, Any]
    country: str
    subdivision: str
    exceptions: list[dict[str, Any]]
    created_at: str


class Calendars(Shape):
    """A page of calendars."""

    items: list[Calendar]
    next_cursor: str | None


class NewAbsence(Body):
    """Somebody is away; without `user_id` it is oneself."""

    user_id: UUID | None = None
    delegate_id: UUID | None = Field(default=None, description="Who stands in.")
    starts_at: LocalMoment
    ends_at: LocalMoment
    reason: Text = ""


class Absence(Shape):
    """Somebody is away, and who stands in."""

    id: str
    user: UserRef
    delegate: UserRef | None
    starts_at: str
    ends_at: str
    reason: str
    created_at: str


class Absences(Shape):
    """A page of absences."""

    items: list[Absence]
    next_cursor: str | None
