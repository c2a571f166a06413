"""What happened to one execution on its ordinary way: entered, worked on, given, left."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.flow.state import Ref


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
    assignee: str | None = None
    """Whose it is from the start, by the step's assignment rule."""
    priority: int = 0
    wake_at: datetime | None = None
    """When a timer step goes on."""
    marks: tuple[datetime, ...] = ()
    """When reminders and escalation levels are due, ascending."""
    counts: bool = True
    """Whether the visit counts to `max_visits`."""
    lot: str = ""


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
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFinished:
    """The subject at `ref` reached its end with `terminal_status`."""

    kind: Literal["subject_finished"] = "subject_finished"
    ref: Ref
    at: datetime
    terminal_status: str
