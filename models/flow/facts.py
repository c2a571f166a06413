"""What the core needs from outside to decide: read in one activity, passed in as values.

Everything is sparse: an execution without an entry has no unmet requirement, a step never visited has no visit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models.flow.graph import Graph
from models.flow.state import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A mandatory requirement that still blocks, and why."""

    requirement_id: str
    key: str
    name: str
    reason: str

    def shown(self) -> dict[str, str]:
        """As the API shows it."""
        return {"requirement_id": self.requirement_id, "name": self.name, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBack:
    """An approval of an execution was rejected, and its requirement says where the work then goes back to.

    Attributes:
        by: the name of the approver; `comment` is theirs.
    """

    to_step: str
    by: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """How often a subject was at a step: the last visit number, and how many count to `max_visits`."""

    last: int = 0
    counted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When an execution that is entered now becomes due, its hard limit, reminders and levels, and its timer; UTC."""

    due_at: datetime | None = None
    limit_at: datetime | None = None
    marks: tuple[datetime, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Why a person may not do a step: the code of a refusal and what fills its sentence."""

    code: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Whose a new execution is from the start; `instead_of` is who is away, and why."""

    user: str
    instead_of: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What was computed for an execution whose step asks for it: a decision, a moment, an awaited message, values.

    Attributes:
        words: results of a decision; several where a table collects.
        holds: numbers of the edges out of the step whose own condition holds; None where words decide.
        shown: the result as it is written down.
        context: path in the instance's context → value to be set there when the subject goes on.
        wake_at: when a timer step goes on.
        name, key: the message that is waited for, `awaited` where that is in the journal already.
        message_id: the message that came; empty where none did.
        error: why nothing could be computed; it stops the subject.
    """

    words: tuple[str, ...] = ()
    holds: tuple[int, ...] | None = None
    shown: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    wake_at: datetime | None = None
    name: str = ""
    key: str = ""
    awaited: bool = False
    message_id: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A subject's last visit to a step that still counts, and what it did since and is over, in that order."""

    visit: Ref
    since: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The version that a migration leads to, and the one that the instance is pinned to now."""

    process_id: str
    from_process_id: str
    graph: Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """An execution that a subject entered after another was completed.

    Attributes:
        open: whether it still is.
        built_on: what was done there: a status, `evidence`, `child`; empty where nothing was.
    """

    ref: Ref
    open: bool
    built_on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A completed execution, as it would be opened again, and what followed from it.

    Attributes:
        at: when it was completed, UTC; `by` whom (None: the engine).
        assignee, due_at, limit_at, overdue, wake_at, lot: as they were.
        limit_passed: whether it was told that the limit has passed.
        attempts: calls that were made of its automatic action.
        marks: its reminders and escalation levels, of which `mark` were behind when it was completed.
        successors: of its subject, in the order in which they were entered.
        with_it: successors of the others of its batch, who went on together.
        ended_as: the terminal status of its subject, where that has ended.
    """

    at: datetime
    by: str | None
    assignee: str | None = None
    due_at: datetime | None = None
    limit_at: datetime | None = None
    overdue: bool = False
    limit_passed: bool = False
    wake_at: datetime | None = None
    attempts: int = 0
    marks: tuple[datetime, ...] = ()
    mark: int = 0
    lot: str = ""
    successors: tuple[Successor, ...] = ()
    with_it: tuple[Successor, ...] = ()
    ended_as: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A nested instance that an execution asked for: its number within the requirement, and how it stands."""

    number: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedChild:
    """A nested instance at its end; its context does not change any more."""

    identifier: str
    context: Mapping[str, Any] = field(default_factory=dict)


EVERY_SUBJECT = -1
"""Stands for the subject in a problem that concerns all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The outside world at one moment, for the commands of one batch."""

    permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """User id → what they may do now."""
    names: Mapping[str, str] = field(default_factory=dict)
    """User id → the name to show in a refusal."""
    unmet: Mapping[Ref, tuple[Unmet, ...]] = field(default_factory=dict)
    sent_back: Mapping[Ref, SentBack] = field(default_factory=dict)
    """Of executions that are looked at, whose approval was rejected; only where the step sends back."""
    workers: Mapping[Ref, frozenset[str]] = field(default_factory=dict)
    """Who claimed, worked, completed or gave evidence at an execution (four-eyes rules)."""
    approvers: Mapping[Ref, frozenset[str]] = field(default_factory=dict)
    """Who approved an execution, or signed it as independent: they may not do its work as well (DESIGN §3.1)."""
    visits: Mapping[tuple[int, str], Visits] = field(default_factory=dict)
    deadlines: Mapping[str, Deadlines] = field(default_factory=dict)
    """Step key → deadlines of an execution entered now, by the site's calendar."""
    snoozed: Mapping[tuple[Ref, str], Deadlines] = field(default_factory=dict)
    """(execution, until) → what its deadlines become when it is put off."""
    moved: Mapping[datetime, datetime] = field(default_factory=dict)
    """Deadline before a hold that ends now → after it, where a calendar makes that another span than the time held."""
    barred: Mapping[Ref, Barred] = field(default_factory=dict)
    """Why the person whom a command is about may not do the execution; only where the step restricts."""
    assigned: Mapping[tuple[int, str], Assigned] = field(default_factory=dict)
    """(subject, step) → whose it becomes on entry; only where the step puts work into hands."""
    escalated_to: Mapping[tuple[Ref, int], str] = field(default_factory=dict)
    """(execution, level) → the person to whom that level gives it."""
    stand_ins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Actor → those who are away now and for whom the actor stands in."""
    computed: Mapping[Ref, Computed] = field(default_factory=dict)
    """Of executions whose step asks for it: decisions without a person, timers, messages, values of expressions."""
    closed: Mapping[Ref, str] = field(default_factory=dict)
    """The status of executions that are no longer open."""
    past: Mapping[tuple[int, str], Past] = field(default_factory=dict)
    """(Subject, step) → the past from that step on; for those who are to go back there."""
    done: Mapping[Ref, Done] = field(default_factory=dict)
    """Completed executions that are to be opened again."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Subject id → its number, of those named by a command who belong to the instance."""
    target: Target | None = None
    """Where a migration leads; deadlines and visits are then those of its steps."""
    child_problems: Mapping[tuple[int, str, str], str] = field(default_factory=dict)
    """(subject or `EVERY_SUBJECT`, step, requirement) → why its nested process cannot be started there."""
    children: Mapping[Ref, Mapping[str, tuple[Child, ...]]] = field(default_factory=dict)
    """Requirement key → its children so far, of executions whose children are to be started again."""
    incidents: Mapping[Ref, str] = field(default_factory=dict)
    """The code of the open incident, of the same executions."""
    ended: Mapping[str, EndedChild] = field(default_factory=dict)
    """Children of which this batch brings the end."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """The instance's context, where children have ended."""

    def child_problem(self, subject: int, step: str, requirement: str) -> str | None:
        """Why a requirement cannot start its process for a subject; None where it can."""
        of_all = self.child_problems.get((EVERY_SUBJECT, step, requirement))
        return of_all or self.child_problems.get((subject, step, requirement))

    def may(self, actor: str, permission: str) -> bool:
        """Whether the actor holds the permission now."""
        return permission in self.permissions.get(actor, frozenset())
