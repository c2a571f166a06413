"""Which commands may be decided together: one per subject, instance commands alone, no more than one batch may carry.

Pure: what it cuts has been read before (`activities/facts.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from activities.children import ENGINE_SOURCE
from activities.command_rows import INSTANCE_KINDS, CommandRow
from activities.contract import BATCH_EXECUTIONS
from models.flow.facts import Done
from models.flow.graph import Graph
from models.flow.nesting import CHILD_INCIDENTS
from models.flow.state import Ref
from models.permissions import permissions_of
from models.tables import StepExecution

GATED = frozenset({"complete", "signoff"})
"""Commands that look at evidence."""
DIVERTING = frozenset({"skip", "move", "rewind", "split", "merge"})
"""Commands that take subjects elsewhere without the work being done."""
MOVING = GATED | DIVERTING | {"undo"}
DEVIATING = DIVERTING | {"undo", "add_subjects", "remove_subjects"}
NOWHERE = Ref(-1, "")
"""Stands for an execution that this instance does not have."""


class Stored(NamedTuple):
    """A command's row, as far as it matters here."""

    id: UUID
    kind: str
    actor_id: UUID
    body: dict[str, Any]
    source: str
    on_behalf_of: str | None
    actor_name: str
    roles: tuple[str, ...]
    """Of the actor, now; none where the account was shut."""
    confirmed_by: UUID | None = None
    """The second person of a deviation, with their name and roles."""
    confirmer_name: str = ""
    confirmer_roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Any) -> "Stored":
        """From its row, joined with the actor's account and roles."""
        roles = tuple(row.roles) * row.is_active
        known = (row.id, row.kind, row.actor_id, row.body, row.source, row.on_behalf_of, row.username, roles)
        if row.confirmed_by is None:
            return cls(*known)
        return cls(*known, row.confirmed_by, row.confirmer, tuple(row.confirmer_roles) * row.confirmer_is_active)


@dataclass(slots=True)
class Batch:
    """The commands that go together, as stored and as the core takes them, and the executions they concern."""

    stored: list[Stored] = field(default_factory=list)
    rows: list[CommandRow] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    permissions: dict[str, frozenset[str]] = field(default_factory=dict)
    deferred: list[str] = field(default_factory=list)
    executions: dict[Ref, StepExecution] = field(default_factory=dict)
    gated: dict[Ref, StepExecution] = field(default_factory=dict)
    looked: dict[Ref, StepExecution] = field(default_factory=dict)
    """Those that the engine looks at by itself."""
    signed: dict[Ref, StepExecution] = field(default_factory=dict)
    diverted: dict[Ref, StepExecution] = field(default_factory=dict)
    """Those that are left without a look at their evidence."""
    done: dict[Ref, Done] = field(default_factory=dict)
    """What completed executions were, that are to be opened again."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Subject id → number, of those that commands name."""
    retried: dict[Ref, StepExecution] = field(default_factory=dict)
    """Executions whose nested instances are to be started again."""
    gone: dict[Ref, StepExecution] = field(default_factory=dict)
    """At steps of an earlier version: over since the migration, so that nothing but their status is known."""

    def add(self, row: Stored, refs: tuple[Ref, ...]) -> None:
        """Take a command, and what its actor may do now.

        One that the engine itself gave (a cascade, a cancel in Temporal's Web UI) may control the instance.
        """
        self.stored.append(row)
        self.rows.append(_row(row, refs))
        actor = str(row.actor_id)
        by_engine = row.source == ENGINE_SOURCE and row.kind in INSTANCE_KINDS
        held = permissions_of(row.roles) | ({"instance.control"} if by_engine else frozenset())
        self.names[actor] = row.actor_name
        self.permissions[actor] = held
        if row.confirmed_by is not None:
            second = str(row.confirmed_by)
            self.names[second] = row.confirmer_name
            self.permissions.setdefault(second, permissions_of(row.confirmer_roles))

    def take(self, row: Stored, found: Sequence[StepExecution | None]) -> None:
        """Take a command with its executions; None where the instance has no such execution."""
        refs: list[Ref] = []
        for execution in found:
            if execution is None:
                refs.append(NOWHERE)
                continue
            ref = ref_of(execution)
            refs.append(ref)
            self.executions[ref] = execution
            if row.kind in GATED:
                self.gated[ref] = execution
            if row.kind in DIVERTING:
                self.diverted[ref] = execution
            if row.kind == "signoff":
                self.signed[ref] = execution
            if row.kind == "retry_child" or row.body.get("args", {}).get("code") in CHILD_INCIDENTS:
                self.retried[ref] = execution
        self.add(row, tuple(refs))

    def set_apart(self, graph: Graph) -> None:
        """Put away what the version that the instance is pinned to now does not know.

        Whoever reads executions by name calls it; whatever else looks at `executions` may then ask the graph.
        """
        for ref in [ref for ref in self.executions if ref.step not in graph.steps]:
            self.gone[ref] = self.executions.pop(ref)
            for held in (self.gated, self.looked, self.signed, self.diverted, self.retried):
                held.pop(ref, None)

    def everything(self) -> Iterator[tuple[Ref, StepExecution]]:
        """All executions that the batch read."""
        return chain(self.executions.items(), self.gone.items())


def cut(stored: Sequence[Stored], by_id: Mapping[UUID, StepExecution]) -> Batch:
    """Take commands in order; what must wait is deferred, and so is what follows it for the same subjects."""
    batch = Batch()
    taken: set[int] = set()
    for number, row in enumerate(stored):
        if row.kind in INSTANCE_KINDS:
            if not batch.rows and not batch.deferred:
                batch.take(row, [by_id.get(one) for one in execution_ids(row)])
                number += 1  # noqa: PLW2901 - what follows it waits
            batch.deferred += [str(later.id) for later in stored[number:]]
            break
        found = [by_id.get(one) for one in execution_ids(row)]
        subjects = {execution.subject_no for execution in found if execution is not None}
        may_come_yet = None in found and any(earlier.kind in MOVING for earlier in stored[:number])
        if taken & subjects or may_come_yet:
            batch.deferred.append(str(row.id))
        else:
            batch.take(row, found)
        taken |= subjects
    return batch


def ref_of(execution: StepExecution) -> Ref:
    """The token of an execution's row."""
    return Ref(execution.subject_no, execution.step_key, execution.visit_number, execution.branch)


def fitting(stored: Sequence[Stored]) -> tuple[Sequence[Stored], Sequence[Stored]]:
    """As many commands from the front as one batch may carry executions, at least one; and the rest."""
    count = 0
    for number, row in enumerate(stored):
        count += len(execution_ids(row))
        if number and count > BATCH_EXECUTIONS:
            return stored[:number], stored[number:]
    return stored, ()


def execution_ids(row: Stored) -> list[UUID]:
    """The executions that a command names."""
    return [UUID(one) for one in row.body.get("execution_ids", ())]


def _row(row: Stored, refs: tuple[Ref, ...]) -> CommandRow:
    args: dict[str, Any] = row.body.get("args", {})
    if "subject_ids" in row.body:
        args = {**args, "subject_ids": tuple(row.body["subject_ids"])}
    second = None if row.confirmed_by is None else str(row.confirmed_by)
    return CommandRow(id=str(row.id), kind=row.kind, actor=str(row.actor_id), refs=refs, args=args, confirmed_by=second)
