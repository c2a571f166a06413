"""What happened to an instance. Past tense; the same events drive state, rows, audit and notices.

Every event that concerns one execution has `ref`; `at` is workflow time in UTC. `by` is a user id, None for the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from models.flow.state import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStarted:
    """All subjects are about to enter the first step."""

    kind: Literal["instance_started"] = "instance_started"
    at: datetime
    subjects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHeld:
    """Work stopped; deadlines are frozen from `at` on."""

    kind: Literal["instance_held"] = "instance_held"
    at: datetime
    by: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceResumed:
    """Work goes on; every open deadline moved by the time held (`at` - `held_at`)."""

    kind: Literal["instance_resumed"] = "instance_resumed"
    at: datetime
    held_at: datetime
    by: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceCancelled:
    """Ended by a person, or because every subject ended scrapped or cancelled."""

    kind: Literal["instance_cancelled"] = "instance_cancelled"
    at: datetime
    by: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceCompleted:
    """No execution is open any more."""

    kind: Literal["instance_completed"] = "instance_completed"
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceAmended:
    """Name, owner, due date or context changed."""

    kind: Literal["instance_amended"] = "instance_amended"
    at: datetime
    by: str | None
    changes: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecovered:
    """A new run took over from the journal because the one before was gone."""

    kind: Literal["instance_recovered"] = "instance_recovered"
    at: datetime
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionEntered:
    """A subject came to a step."""

    kind: Literal["execution_entered"] = "execution_entered"
    ref: Ref
    at: datetime
    due_at: datetime | None = None
    limit_at: datetime | None = None
    hop: bool = False
    """The step may move by itself, so the engine looks at it next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionClaimed:
    """A person took it."""

    kind: Literal["execution_claimed"] = "execution_claimed"
    ref: Ref
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionStarted:
    """Work began; `by` holds it from now on."""

    kind: Literal["execution_started"] = "execution_started"
    ref: Ref
    at: datetime
    by: str
    hop: bool = False
    """The step may move by itself once it is started, so the engine looks at it next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReleased:
    """Given back to the pool."""

    kind: Literal["execution_released"] = "execution_released"
    ref: Ref
    at: datetime
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionChecked:
    """The engine looked whether it moves by itself; it does not yet."""

    kind: Literal["execution_checked"] = "execution_checked"
    ref: Ref
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignoffAwaited:
    """The work is given; a person with the QA permission must accept it."""

    kind: Literal["signoff_awaited"] = "signoff_awaited"
    ref: Ref
    at: datetime
    by: str | None
    result: str = ""
    notes: str = ""
    forced: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSignedOff:
    """QA accepted it."""

    kind: Literal["execution_signed_off"] = "execution_signed_off"
    ref: Ref
    at: datetime
    by: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAwaited:
    """Ready; waits until the rest of its batch at this step is ready or has left."""

    kind: Literal["batch_awaited"] = "batch_awaited"
    ref: Ref
    at: datetime
    by: str | None
    result: str = ""
    notes: str = ""
    forced: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReopened:
    """Evidence went away while it waited, so the work is open again."""

    kind: Literal["execution_reopened"] = "execution_reopened"
    ref: Ref
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCompleted:
    """The subject left the step: to `next_step` by `route`, or to its end (`next_step` None)."""

    kind: Literal["execution_completed"] = "execution_completed"
    ref: Ref
    at: datetime
    by: str | None
    result: str = ""
    next_step: str | None = None
    route: str = ""
    notes: str = ""
    forced: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCancelled:
    """Closed without being done."""

    kind: Literal["execution_cancelled"] = "execution_cancelled"
    ref: Ref
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFinished:
    """The subject at `ref` reached its end with `terminal_status`."""

    kind: Literal["subject_finished"] = "subject_finished"
    ref: Ref
    at: datetime
    terminal_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionOverdue:
    """Its due time passed at `due_at`; `escalate` asks for a notice to those above."""

    kind: Literal["execution_overdue"] = "execution_overdue"
    ref: Ref
    at: datetime
    due_at: datetime
    escalate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitExceeded:
    """Its hard limit passed."""

    kind: Literal["limit_exceeded"] = "limit_exceeded"
    ref: Ref
    at: datetime
    limit_at: datetime


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
class CommandRepeated:
    """A command that asked for what already holds; it is accepted and changes nothing."""

    kind: Literal["command_repeated"] = "command_repeated"
    ref: Ref
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """A command that must not happen; kept, because attempts belong to the record (21 CFR 11.10(d))."""

    kind: Literal["command_refused"] = "command_refused"
    ref: Ref | None
    at: datetime
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


InstanceEvent = (
    InstanceStarted
    | InstanceHeld
    | InstanceResumed
    | InstanceCancelled
    | InstanceCompleted
    | InstanceAmended
    | InstanceRecovered
)
ExecutionEvent = (
    ExecutionEntered
    | ExecutionClaimed
    | ExecutionStarted
    | ExecutionReleased
    | ExecutionChecked
    | SignoffAwaited
    | ExecutionSignedOff
    | BatchAwaited
    | ExecutionReopened
    | ExecutionCompleted
    | ExecutionCancelled
    | SubjectFinished
    | ExecutionOverdue
    | LimitExceeded
    | IncidentOpened
    | IncidentResolved
    | ChildRequested
    | ChildStarted
    | ChildEnded
)
CommandEvent = CommandRepeated | CommandRefused
Event = InstanceEvent | ExecutionEvent | CommandEvent
