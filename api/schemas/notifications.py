"""Notifications, how people want them, webhooks, channels, templates."""

from datetime import time
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from api.schemas.base import Body, Name, Shape
from models.enums import ChannelKind
from models.notices.kinds import NoticeKind
from models.notices.render import LONGEST_TEMPLATE
from models.notices.schedule import Choice, Pace, Preferences


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("this is no time zone; use a name such as Europe/Vienna")
    return ZoneInfo(name).key


def _plain_minute(at: time) -> time:
    if at.tzinfo is not None or at.second or at.microsecond:
        raise ValueError("write hours and minutes of local time, such as 22:00")
    return at


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
Minute = Annotated[
    time,
    AfterValidator(_plain_minute),
    PlainSerializer(lambda at: f"{at:%H:%M}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$", "examples": ["22:00"]}),
]
EventType = Annotated[str, Field(max_length=100, examples=["gatework.instance.completed"])]
EventTypes = Annotated[
    list[EventType], Field(min_length=1, max_length=100, description="`*` for all, `gatework.instance.*` for a family.")
]
Kinds = Annotated[list[NoticeKind], Field(min_length=1, max_length=len(NoticeKind))]
Source = Annotated[str, Field(max_length=LONGEST_TEMPLATE, description="Jinja2; empty: as shipped.")]


class Notification(Shape):
    """What somebody was told."""

    id: str
    kind: NoticeKind
    title: str
    body: str
    url: str | None
    workflow: str | None
    object: dict[str, str] | None
    count: int
    created_at: str
    read_at: str | None


class Notifications(Shape):
    """A page of notifications, newest first."""

    items: list[Notification]
    next_cursor: str | None


class ReadCount(Shape):
    """How many were unread until now."""

    read: int


class Wanted(Body):
    """What somebody wants for one kind."""

    in_app: bool = True
    email: Pace = Pace.IMMEDIATE


class QuietHours(Body):
    """Local times between which no e-mail is sent; they may span midnight."""

    model_config = ConfigDict(populate_by_name=True)

    begin: Minute = Field(alias="from")
    until: Minute

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.begin == self.until:
            raise ValueError("quiet hours begin and end at different times")
        return self


class NewPreferences(Body):
    """How somebody wants to be told; kinds that are not named are as shipped."""

    kinds: dict[NoticeKind, Wanted] = Field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    time_zone: Zone = "UTC"
    daily_at: Minute = Field(default=time(7), json_schema_extra={"default": "07:00"})

    def preferences(self) -> Preferences:
        """As the store keeps them."""
        quiet = self.quiet_hours
        return Preferences(
            choices={kind: Choice(in_app=one.in_app, email=one.email) for kind, one in self.kinds.items()},
            quiet=None if quiet is None else (quiet.begin, quiet.until),
            zone=self.time_zone,
            daily_at=self.daily_at,
        )


class KindPreference(Shape):
    """What holds for one kind, and whether the person chose it."""

    in_app: bool
    email: Pace
    chosen: bool


class PreferencesShown(Shape):
    """How somebody is told."""

    kinds: dict[str, KindPreference]
    quiet_hours: dict[str, str] | None
    time_zone: str
    daily_at: str


class Watching(Shape):
    """Whether the caller watches the workflow."""

    workflow: str
    watching: bool


class NewWebhook(Body):
    """A webhook to be."""

    name: Name
    url: Annotated[str, Field(min_length=1, max_length=2_000, examples=["https://erp.example.com/hooks/gatework"])]
    event_types: EventTypes


class ChangedWebhook(Body):
    """What is to change; `rotate_secret` makes a new secret, the old one signs beside it for 24 hours."""

    name: Name | None = None
    url: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    event_types: EventTypes | None = None
    is_active: bool | None = None
    rotate_secret: bool = False


class WebhookShown(Shape):
    """A webhook."""

    id: str
    name: str
    url: str
    event_types: list[str]
    is_active: bool
    disabled_reason: str
    created_at: str
    created_by: str | None


class WebhookWithSecret(WebhookShown):
    """A webhook with a secret that was made just now; it is never shown again."""

    secret: str | None = None


class Webhooks(Shape):
    """A page of webhooks."""

    items: list[WebhookShown]
    next_cursor: str | None


class Queued(Shape):
    """A message on its way."""

    delivery: UUID


class Delivery(Shape):
    """A message that went out, or is to."""

    id: str
    channel: str
    kind: str
    title: str
    to: str | None
    webhook: str | None
    notification_channel: str | None
    state: str
    digest: str
    attempts: int
    next_attempt_at: str | None
    last_error: str
    answer_status: int | None
    created_at: str
    sent_at: str | None
    event: dict[str, Any] | None


class Deliveries(Shape):
    """A page of messages, newest first."""

    items: list[Delivery]
    next_cursor: str | None


class NewChannel(Body):
    """A channel to be; the target is an Apprise URL, or an address where the kind is `email`."""

    name: Name
    channel_kind: ChannelKind
    target: Annotated[str, Field(min_length=1, max_length=2_000, examples=["slack://TokenA/TokenB/TokenC/#quality"])]
    kinds: Kinds


class ChangedChannel(Body):
    """What is to change."""

    name: Name | None = None
    target: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    kinds: Kinds | None = None
    is_active: bool | None = None


class ChannelShown(Shape):
    """A channel; of an Apprise URL only the service is shown."""

    id: str
    name: str
    channel_kind: ChannelKind
    target: str
    kinds: list[NoticeKind]
    is_active: bool
    created_at: str


class Channels(Shape):
    """A page of channels."""

    items: list[ChannelShown]
    next_cursor: str | None


class NewWording(Body):
    """A tenant's own wording of a kind."""

    subject: Source = ""
    body: Source = ""
    body_html: Source = ""


class WordingShown(Shape):
    """The wording of a kind: the tenant's own, the shipped one, what it may name, and why it last failed."""

    kind: NoticeKind
    subject: str
    body: str
    body_html: str
    shipped: dict[str, str]
    variables: dict[str, str]
    updated_at: str | None
    last_error: str
    last_error_at: str | None


class Preview(Shape):
    """How a wording reads with example values."""

    subject: str
    text: str
    html: str
