"""What all schemas share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Json = dict[str, Any]


class Body(BaseModel):
    """A request's body: unknown fields are refused, so that a typing error is not silently ignored."""

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
