"""What the engine noticed: incidents, nested instances, branches, messages, automatic actions, and settled commands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from models.flow.state import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened:
    """The subject cannot go on until a person acts; `code` is one of `errors.REFUSALS`."""

    kind: Literal["incident_opened"] = "incident_opened"
    ref: Ref
    at: datetime
    incident_id: str
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentResolved:
    """What stopped the subject is out of the way."""

    kind: Literal["incident_resolved"] = "incident_resolved"
    ref: Ref
    at: datetime
    incident_id: str
    by: str | None
    resolution: str
    hop: bool = False
    """What stopped is to be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRequested:
    """A requirement asks for a nested instance; record creates its row, effects start its workflow."""

    kind: Literal["child_requested"] = "child_requested"
    ref: Ref
    at: datetime
    requirement: str
    child_id: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStarted:
    """The child's workflow runs."""

    kind: Literal["child_started"] = "child_started"
    ref: Ref
    at: datetime
    child_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnded:
    """The child completed or was cancelled."""

    kind: Literal["child_ended"] = "child_ended"
    ref: Ref
    at: datetime
    child_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchArrived:
    """`branch`, whose last execution is `ref`, came to its join and waits there for the others."""

    kind: Literal["branch_arrived"] = "branch_arrived"
    ref: Ref
    at: datetime
    branch: str
    join: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAwaited:
    """The execution waits for the event `name` with the correlation key `key`."""

    kind: Literal["message_awaited"] = "message_awaited"
    ref: Ref
    at: datetime
    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """The event that the execution waits for came."""

    kind: Literal["message_received"] = "message_received"
    ref: Ref
    at: datetime
    message_id: str
    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequested:
    """An automatic step asks for its action; `call_id` names this attempt once and for all."""

    kind: Literal["action_requested"] = "action_requested"
    ref: Ref
    at: datetime
    call_id: str
    action: str
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEnded:
    """The action came back: with its output, or with why it failed for good.

    `request_sha256` is of what was asked; empty where nothing was sent, and in journals from before it was kept.
    """

    kind: Literal["action_ended"] = "action_ended"
    ref: Ref
    at: datetime
    call_id: str
    succeeded: bool
    output: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    request_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRepeated:
    """A command that asked for what already holds; it is accepted and changes nothing."""

    kind: Literal["command_repeated"] = "command_repeated"
    ref: Ref
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationConfirmed:
    """A second person confirmed what another proposed; it takes effect by the events that follow."""

    kind: Literal["deviation_confirmed"] = "deviation_confirmed"
    ref: Ref | None
    at: datetime
    deviation: str
    proposed_by: str
    confirmed_by: str
    confirmer: str
    """The name by which the trail shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """A command that must not happen; kept, because attempts belong to the record (21 CFR 11.10(d))."""

    kind: Literal["command_refused"] = "command_refused"
    ref: Ref | None
    at: datetime
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
