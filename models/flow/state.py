"""The state of one instance: its open executions as tokens, what is still to be set off, and nothing else.

Rows live in PostgreSQL; this is what the workflow needs to decide. A subject is its number within the instance
(0 … n-1), so the state of 10,000 subjects stays small; `execution_id` turns a token's place into the row's id.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha1
from typing import NamedTuple, NewType
from uuid import UUID, uuid5

from models.flow.status import ExecutionStatus, InstanceStatus

UserId = NewType("UserId", str)


class Ref(NamedTuple):
    """The place of a token: which subject, at which step, on which visit, in which branch of a fork."""

    subject: int
    step: str
    visit: int = 1
    branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One open execution."""

    status: ExecutionStatus = ExecutionStatus.PENDING
    assignee: str | None = None
    done_by: str | None = None
    result: str = ""
    forced: bool = False
    due_at: datetime | None = None
    limit_at: datetime | None = None
    overdue: bool = False
    incident: str | None = None
    incident_code: str = ""
    """Why it stopped; empty where a release carried it here that did not know."""
    owner: str | None = None
    """Who delegated it and gets it back."""
    wake_at: datetime | None = None
    """When a timer step goes on by itself."""
    marks: tuple[datetime, ...] = ()
    """When reminders and escalation levels are due, ascending; shared by all who entered together."""
    mark: int = 0
    """How many of the marks are behind."""
    lot: str = ""
    """Which part of a split batch it belongs to."""

    @property
    def next_mark(self) -> datetime | None:
        """The next reminder or escalation level."""
        return self.marks[self.mark] if self.mark < len(self.marks) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A nested instance that has not ended yet."""

    ref: Ref
    requirement: str
    started: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The automatic action of an open execution; `call_id` names the attempt, `outcome` how it came back."""

    call_id: str
    action: str
    attempt: int = 1
    outcome: str = ""
    """Empty while it runs, then `succeeded` or `failed`."""


class Arrival(NamedTuple):
    """A branch that came to its join."""

    join: str
    branch: str


@dataclass(slots=True, kw_only=True)
class State:
    """Folded from the journal by `evolve`.

    `seq` is the journal position of the fold. The journal counts records, not events, so the shell sets it to what
    record returned; folding leaves it alone.
    """

    instance_id: str
    status: InstanceStatus = InstanceStatus.PENDING
    seq: int = 0
    tokens: dict[Ref, Token] = field(default_factory=dict)
    hops: dict[Ref, None] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    held_at: datetime | None = None
    process_id: str = ""
    """The process version since the last migration; empty: the one that it was started with."""
    subjects: int = 0
    """How many there ever were; the next one to be added gets this number."""
    arrived: dict[int, tuple[Arrival, ...]] = field(default_factory=dict)
    """Subject → its branches that wait at a join, in the order of their arrival."""
    calls: dict[Ref, Call] = field(default_factory=dict)
    """Automatic actions of open executions; one at a time for each."""
    busy: dict[tuple[str, str], int] = field(default_factory=dict)
    """(step, lot) → open executions there that do not wait for their batch; derived from `tokens`."""
    forked: dict[int, tuple[Ref, ...]] = field(default_factory=dict)
    """Subject → its open executions in branches of forks, sorted; derived from `tokens`."""

    def copy(self) -> "State":
        """A state that can be changed without changing this one; the values inside are immutable."""
        return replace(
            self,
            tokens=dict(self.tokens),
            hops=dict(self.hops),
            children=dict(self.children),
            finished=dict(self.finished),
            arrived=dict(self.arrived),
            calls=dict(self.calls),
            busy=dict(self.busy),
            forked=dict(self.forked),
        )

    def at_step(self, step: str, lot: str | None = None) -> Iterator[tuple[Ref, Token]]:
        """The open executions at one step, of one lot or of all."""
        return (
            (ref, token) for ref, token in self.tokens.items() if ref.step == step and (lot is None or token.lot == lot)
        )


def execution_id(instance_id: str | UUID, ref: Ref) -> UUID:
    """The deterministic id of an execution: uuid5 of instance, subject, step, visit and branch."""
    return uuid5(UUID(str(instance_id)), f"execution/{ref.subject}/{ref.step}/{ref.visit}/{ref.branch}")


def execution_ids(instance_id: UUID, place: Ref, subjects: Iterable[int]) -> list[UUID]:
    """`execution_id` of many subjects at one place, at a third of the price: what they share is hashed once."""
    namespace = sha1(instance_id.bytes + b"execution/", usedforsecurity=False)
    rest = f"/{place.step}/{place.visit}/{place.branch}".encode()
    found = []
    for subject in subjects:
        hashed = namespace.copy()
        hashed.update(b"%d%b" % (subject, rest))
        found.append(UUID(bytes=hashed.digest()[:16], version=5))
    return found


def child_instance_id(instance_id: str | UUID, ref: Ref, requirement: str, number: int) -> UUID:
    """The deterministic id of the `number`-th child that a requirement of an execution starts."""
    return uuid5(
        UUID(str(instance_id)),
        f"child/{ref.subject}/{ref.step}/{ref.visit}/{ref.branch}/{requirement}/{number}",
    )


def call_id(instance_id: str | UUID, ref: Ref, attempt: int) -> UUID:
    """The deterministic id of the `attempt`-th call of an execution's automatic action."""
    return uuid5(UUID(str(instance_id)), f"call/{ref.subject}/{ref.step}/{ref.visit}/{ref.branch}/{attempt}")


def incident_id(instance_id: str | UUID, ref: Ref, seq: int) -> UUID:
    """The deterministic id of an incident: one per execution and journal position."""
    return uuid5(UUID(str(instance_id)), f"incident/{ref.subject}/{ref.step}/{ref.visit}/{ref.branch}/{seq}")
