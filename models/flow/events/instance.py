"""What happened to the instance as a whole: events without a `ref`, which stand between what happened to subjects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStarted:
    """All subjects are about to enter the first step."""

    kind: Literal["instance_started"] = "instance_started"
    at: datetime
    subjects: int
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Process, name, owner, due date and context at the start, what the instance is (identifier, parent, creator) and
    a digest of its subjects; record adds them, so that a past can be told and rows be proved without those of today."""


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
    moved: tuple[tuple[datetime, datetime], ...] = ()
    """Deadline before the hold → after it, where a working calendar makes that another span than the time held."""
    by_clock: tuple[str, ...] = ()
    """Steps whose timers moved by the time held nevertheless: they count all time."""


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
class InstanceMigrated:
    """Pinned to another version of its process.

    An execution at a step that is in `kept` goes on at the same step of the new version. All others are diverted to
    where `steps` leads, by events of their own.

    Attributes:
        process_id, from_process_id: the versions.
        steps: old step key → new one, of the steps that are left and entered anew.
        kept: step key → keys of the requirements whose evidence goes on counting there.
        looks: keys of the steps at which the engine looks again.
    """

    kind: Literal["instance_migrated"] = "instance_migrated"
    at: datetime
    by: str
    process_id: str
    from_process_id: str
    steps: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    looks: tuple[str, ...] = ()
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectsAdded:
    """Subjects joined the instance; they are numbered from `first` on, and enter their step as events of their own."""

    kind: Literal["subjects_added"] = "subjects_added"
    at: datetime
    by: str
    first: int
    subject_ids: tuple[str, ...]
    reason: str
