"""What the clock brought about, and what people did about it: reminders, overdue work, escalation, snooze."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.flow.state import Ref


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
class ReminderSent:
    """The `mark`-th moment of the execution came: it is due soon."""

    kind: Literal["reminder_sent"] = "reminder_sent"
    ref: Ref
    at: datetime
    mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionEscalated:
    """The `mark`-th moment of the execution came: level `level` of its escalation policy applies.

    Attributes:
        action: `notify`, `reassign`, `raise_priority`, `start_process` or `route`; what it changes is another event.
        to: roles and users whom the level names, as `role:quality_manager`, `user:ann`.
    """

    kind: Literal["execution_escalated"] = "execution_escalated"
    ref: Ref
    at: datetime
    mark: int
    level: int
    action: str
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueChanged:
    """Deadlines moved. `how`: `snooze`, `amend`, or `reset` where a new assignee starts anew."""

    kind: Literal["due_changed"] = "due_changed"
    ref: Ref
    at: datetime
    by: str | None
    how: str
    due_at: datetime | None
    limit_at: datetime | None
    marks: tuple[datetime, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityChanged:
    """More or less urgent than before; the higher the number, the more urgent."""

    kind: Literal["priority_changed"] = "priority_changed"
    ref: Ref
    at: datetime
    by: str | None
    priority: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerSet:
    """The timer of a step rings at `wake_at`, which an expression said."""

    kind: Literal["timer_set"] = "timer_set"
    ref: Ref
    at: datetime
    wake_at: datetime
