"""Statuses of executions and instances, and which of them count as open (DESIGN §3, "Statuses and commands")."""

from enum import StrEnum


class ExecutionStatus(StrEnum):
    """Where one subject stands at one step and visit."""

    PENDING = "pending"
    CLAIMED = "claimed"
    IN_PROGRESS = "in_progress"
    AWAITING_SIGNOFF = "awaiting_signoff"
    WAITING = "waiting"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"


class InstanceStatus(StrEnum):
    """Where a whole workflow instance stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


WORKABLE = frozenset({ExecutionStatus.PENDING, ExecutionStatus.CLAIMED, ExecutionStatus.IN_PROGRESS})
"""Open and still in the hands of whoever does the work."""

DONE_BUT_OPEN = frozenset({ExecutionStatus.AWAITING_SIGNOFF, ExecutionStatus.WAITING})
"""The work is given; a signature or the rest of the batch is awaited."""

OPEN = WORKABLE | DONE_BUT_OPEN

INSTANCE_CLOSED = frozenset({InstanceStatus.COMPLETED, InstanceStatus.CANCELLED})
