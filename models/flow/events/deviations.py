"""Controlled deviations and what else people do beside the ordinary way: journaled like all else (DESIGN §3.7)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.flow.state import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionDiverted:
    """Left the step by another way than by being done.

    Attributes:
        how: `skip`, `move`, `rewind`, `remove`, `undo`, `migrate`, `escalate`, `reject` (of an approval), or
            `join` (other branches were enough).
        status: what the execution is from now on: `skipped`, `cancelled` or `rolled_back`.
        to_step: where the subject goes next; None where it goes nowhere.
    """

    kind: Literal["execution_diverted"] = "execution_diverted"
    ref: Ref
    at: datetime
    by: str | None
    how: str
    status: Literal["skipped", "cancelled", "rolled_back"]
    to_step: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRolledBack:
    """A visit that was over counts no longer, because the subject went back to before it (`rewind`, `undo`)."""

    kind: Literal["visit_rolled_back"] = "visit_rolled_back"
    ref: Ref
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReassigned:
    """Put into other hands, or back to the pool (`to` None).

    Attributes:
        how: `reassign`, `delegate` (to be handed back), `hand_back`, `escalation` or `absence`.
        owner: who gets it back, where it was delegated.
    """

    kind: Literal["execution_reassigned"] = "execution_reassigned"
    ref: Ref
    at: datetime
    by: str | None
    to: str | None
    how: str
    owner: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRestored:
    """A completion was undone: the same execution is open again, with its evidence, in the hands of `assignee`.

    Its clock goes on: of its reminders and escalation levels `mark` are behind, and those whose moment came while it
    was completed are caught up with; what was told already (`overdue`, `limit_passed`) is not told again, and a timer
    rings at `wake_at`. What was withdrawn at `completed_at`, because it was done, is asked for again. Where the engine
    works, it looks at the execution again (`hop`); of an automatic action `attempts` calls were made before.
    """

    kind: Literal["execution_restored"] = "execution_restored"
    ref: Ref
    at: datetime
    by: str
    reason: str
    assignee: str | None = None
    due_at: datetime | None = None
    limit_at: datetime | None = None
    marks: tuple[datetime, ...] = ()
    mark: int = 0
    lot: str = ""
    completed_at: datetime | None = None
    overdue: bool = False
    limit_passed: bool = False
    wake_at: datetime | None = None
    hop: bool = False
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectResumed:
    """A subject that had ended with `terminal_status` is under way again, at `ref`."""

    kind: Literal["subject_resumed"] = "subject_resumed"
    ref: Ref
    at: datetime
    terminal_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LotChanged:
    """Part of another lot from now on: subjects wait for their batch within their lot. Empty is the undivided batch."""

    kind: Literal["lot_changed"] = "lot_changed"
    ref: Ref
    at: datetime
    by: str
    lot: str
    reason: str
