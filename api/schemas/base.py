"""What all schemas share."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, Secret, StringConstraints

from models.json_values import TOO_DEEP, is_too_deep

Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

AS_GIVEN = StringConstraints(strip_whitespace=False)
"""For what proves who somebody is: a blank at its end belongs to it, whatever holds for the body."""
Password = Annotated[
    Secret[Annotated[str, Field(max_length=200), AS_GIVEN]],
    Field(json_schema_extra={"format": "password", "writeOnly": True}),
]


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL keeps no NUL, no half surrogate pairs, no NaN and no infinity; no workflow reads what is too deep."""
    if is_too_deep(value):
        raise ValueError(TOO_DEEP)
    if "\\u0000" in json.dumps(value, allow_nan=False):
        raise ValueError("it contains a NUL character")
    json.dumps(value, ensure_ascii=False).encode()
    return value


Json = Annotated[dict[str, Any], AfterValidator(_storable)]


def _in_utc(moment: datetime) -> datetime:
    """A time without a zone is in UTC. The first and the last hours of the calendar may lie outside of it there."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC this lies outside of the years 1 to 9999") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
LocalMoment = Annotated[datetime, AfterValidator(_in_utc)]
"""A moment that may be written without its zone: it is then in UTC."""


class Body(BaseModel):
    """A request's body: unknown fields are refused, so that a typing error is not silently ignored.

    Texts lose the blanks around them; what proves who somebody is does not (`AS_GIVEN`).
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Shape(BaseModel):
    """An answer, for the description of the API; what is sent is built by the store."""

    model_config = ConfigDict(extra="allow")


class UserRef(Shape):
    """A user in short."""

    id: str
    username: str


class StepRef(Shape):
    """A step in short."""

    key: str
    name: str
