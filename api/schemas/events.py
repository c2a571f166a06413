"""Events from outside: messages that subjects wait for."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from api.schemas.base import Body, Json, Shape, UserRef

EventName = Annotated[str, Field(min_length=1, max_length=200)]
EventKey = Annotated[str, Field(min_length=1, max_length=500)]


class NewEvent(Body):
    """Something happened elsewhere: what, to what, and what is to be known of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "goods_received", "key": "PO-4711", "data": {"quantity": 40}, "id": "erp-2026-000123"}
            ]
        }
    )

    name: EventName
    key: EventKey = Field(description="Which order, part or batch it is about: what `config.event.key` comes to.")
    data: Json = Field(default_factory=dict)
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The sender's own name for it; the same one is taken once."
    )


class CloudEvent(BaseModel):
    """The same as a CloudEvent (structured JSON): `type` is the name, `subject` the key, `source` and `id` its id."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    specversion: Annotated[str, Field(pattern=r"^1\.\d+$")]
    type: EventName
    source: Annotated[str, Field(min_length=1, max_length=500)]
    id: Annotated[str, Field(min_length=1, max_length=200)]
    subject: EventKey
    data: Json = Field(default_factory=dict)
    data_base64: None = Field(default=None, description="Data are JSON here; an event with binary ones is refused.")


def _shape_of(body: Any) -> str:
    given = isinstance(body, CloudEvent) or (isinstance(body, dict) and "specversion" in body)
    return "cloud_event" if given else "event"


AnyEvent = Annotated[
    Annotated[NewEvent, Tag("event")] | Annotated[CloudEvent, Tag("cloud_event")], Discriminator(_shape_of)
]


class Event(Shape):
    """A message; `reached` is how many executions waited for it when it came."""

    id: str
    event_id: str | None
    name: str
    key: str
    data: dict[str, Any]
    reached: int
    posted_by: UserRef
    source: str
    received_at: str
    expires_at: str


class EventDelivery(Shape):
    """An execution that a message let go on."""

    execution: str
    workflow: str
    subject_no: int
    at: str


class EventInFull(Event):
    """A message with what it let go on, 1,000 executions at most."""

    deliveries: list[EventDelivery]


class Events(Shape):
    """A page of messages."""

    items: list[Event]
    next_cursor: str | None
