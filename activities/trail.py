"""The audit entries of a record: one for each execution that an event changed, one for each event of the instance.

Old values come from the rows before the record; what happens within it is followed along.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from activities.batching import Batch, Stored
from activities.contract import Cohort
from activities.journal import event_data
from activities.projection import Place
from models.flow import events as ev
from models.flow.batch import Happened
from models.flow.graph import Graph
from models.flow.state import Ref, execution_id
from models.store.audit import Actor, AuditDraft, Json, engine_actor
from models.tables import StepExecution
from models.wire import Statement, Wire

_BEFORE = text(
    """
    SELECT e.subject_no, e.step_key, e.visit_number, e.branch, e.status, u.username
    FROM step_execution e LEFT JOIN user_account u ON (u.tenant_id, u.id) = (e.tenant_id, e.assigned_to)
    WHERE e.tenant_id = :tenant AND e.id = ANY(:ids)
    """
)

_BECOMES: Mapping[str, str] = {
    "execution_entered": "pending",
    "execution_claimed": "claimed",
    "execution_started": "in_progress",
    "execution_released": "pending",
    "signoff_awaited": "awaiting_signoff",
    "batch_awaited": "waiting",
    "execution_completed": "completed",
    "execution_cancelled": "cancelled",
    "execution_restored": "in_progress",
    "visit_rolled_back": "rolled_back",
}
_SILENT = frozenset({"execution_checked", "child_started", "reminder_sent"})
"""Events of the engine's own bookkeeping: in the journal, not in the audit trail."""
_OWN_FIELDS = frozenset({"ref", "at", "by", "reason", "forced", "hop", "counts", "marks", "mark", "looks", "origin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A command of this record: who asked for it, and whether it was settled before."""

    id: UUID
    kind: str
    actor: Actor
    body: Mapping[str, Any]
    settled: bool

    @classmethod
    def of(cls, tenant_id: UUID, row: Mapping[str, Any]) -> "Asked":
        """From its row, joined with the actor's username."""
        actor = Actor(
            tenant_id=tenant_id,
            user_id=row["actor_id"],
            name=row["username"],
            on_behalf_of=row["on_behalf_of"] or "",
            source=row["source"],
        )
        return cls(id=row["id"], kind=row["kind"], actor=actor, body=row["body"], settled=row["outcome"] is not None)

    @classmethod
    def by(cls, tenant_id: UUID, row: Stored) -> "Asked":
        """From a command of a batch."""
        actor = Actor(
            tenant_id=tenant_id,
            user_id=row.actor_id,
            name=row.actor_name,
            on_behalf_of=row.on_behalf_of or "",
            source=row.source,
        )
        return cls(id=row.id, kind=row.kind, actor=actor, body=row.body, settled=False)

    @property
    def reason(self) -> str:
        """Why, in the words of whoever asked."""
        args = self.body.get("args", {})
        return str(args.get("reason") or args.get("force") or args.get("notes") or args.get("comment") or "")


class Before(NamedTuple):
    """An execution as it was before a record."""

    status: str
    username: str | None

    @classmethod
    def of(cls, row: StepExecution, names: Mapping[str, str]) -> "Before":
        """From its row, with the names of whoever holds one."""
        return cls(row.status, None if row.assigned_to is None else names[str(row.assigned_to)])


async def look_before(
    wire: Wire, place: Place, happened: Sequence[Happened], batch: Batch | None = None
) -> dict[Ref, Before]:
    """The executions that a record changes, as they were; those its batch did not read come in one query."""
    known = {} if batch is None else {ref: Before.of(row, batch.names) for ref, row in batch.executions.items()}
    changed: dict[Ref, bool] = {}
    for item in happened:
        ref: Ref | None = getattr(item.event, "ref", None)
        if ref is not None and ref.step and ref not in known:
            changed.setdefault(ref, item.event.kind != "execution_entered")
    ids = [execution_id(place.instance, ref) for ref, was_there in changed.items() if was_there]
    if not ids:
        return known
    (rows,) = await wire.fetch(Statement(_BEFORE, {"tenant": place.tenant, "ids": sorted(ids)}))
    return known | {
        Ref(row.subject_no, row.step_key, row.visit_number, row.branch): Before(row.status, row.username)
        for row in rows
    }


@dataclass(slots=True)
class Trail:
    """Collects drafts while a record is projected."""

    place: Place
    graph: Graph
    asked: Mapping[str, Asked]
    before: Mapping[Ref, Before]
    drafts: list[AuditDraft] = field(default_factory=list)
    former: Graph | None = None
    """The graph before a migration in this record."""
    _values: dict[Ref, Json | None] = field(default_factory=dict)
    """What each execution shows now; equal ones are the same object."""
    _known: dict[tuple[str, str | None], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what the executions were."""
        self._values = {ref: self._shown(one.status, one.username) for ref, one in self.before.items()}

    def note(self, cohort: Cohort) -> None:
        """Draft the entries of one cohort: one for those that were alike and became alike."""
        event = cohort.event
        if event.kind in _SILENT:
            return
        asked = self.asked.get(cohort.command_id or "")
        actor = engine_actor(self.place.tenant) if asked is None else asked.actor
        reason = str(getattr(event, "reason", "") or getattr(event, "forced", "") or (asked.reason if asked else ""))
        ref: Ref | None = getattr(event, "ref", None)
        if ref is None or not ref.step:
            self._note_instance(event, actor, reason)
            return
        details = self._details(event)
        status = event.status if isinstance(event, ev.ExecutionDiverted) else _BECOMES.get(event.kind)
        for old, subjects in self._alike(ref, cohort.subjects):
            new = old if status is None else self._become(ref, subjects, status, _holder(event, old, actor))
            self.drafts.append(
                AuditDraft(
                    action=event.kind,
                    object_type="execution",
                    old=old,
                    new={**(new or {}), **details} if details else new,
                    reason=reason,
                    instance_id=self.place.instance,
                    actor=actor,
                    executions=self.place.ids(ref, subjects),
                )
            )

    def _alike(self, place: Ref, subjects: Sequence[int]) -> list[tuple[Json | None, list[int]]]:
        """The subjects by what their executions at one place show now."""
        _, step, visit, branch = place
        groups: dict[int, tuple[Json | None, list[int]]] = {}
        for subject in subjects:
            shown = self._values.get(Ref(subject, step, visit, branch))
            groups.setdefault(id(shown), (shown, []))[1].append(subject)
        return list(groups.values())

    def _become(self, place: Ref, subjects: Sequence[int], status: str, holder: str | None) -> Json:
        _, step, visit, branch = place
        shown = self._shown(status, holder)
        self._values.update((Ref(subject, step, visit, branch), shown) for subject in subjects)
        return shown

    def _shown(self, status: str, assigned_to: str | None) -> Json:
        known = self._known.get((status, assigned_to))
        if known is None:
            known = {"status": status} if assigned_to is None else {"status": status, "assigned_to": assigned_to}
            self._known[status, assigned_to] = known
        return known

    def _note_instance(self, event: ev.Event, actor: Actor, reason: str) -> None:
        self.drafts.append(
            AuditDraft(
                action=event.kind,
                object_type="instance",
                object_id=self.place.instance,
                new=self._details(event) or None,
                reason=reason,
                instance_id=self.place.instance,
                actor=actor,
            )
        )

    def _details(self, event: ev.Event) -> dict[str, Any]:
        """What the event says beyond who, when, why and status: step, result, way on, incident."""
        details = {name: value for name, value in event_data(event).items() if name not in _OWN_FIELDS and value}
        ref: Ref | None = getattr(event, "ref", None)
        if ref is not None and ref.step:
            graph = self.graph if self.former is None or ref.step in self.graph.steps else self.former
            details["step"] = graph.name_of(ref.step)
            details["visit"] = ref.visit
        return details


def _holder(event: ev.Event, old: Json | None, actor: Actor) -> str | None:
    """Who has it in their hands after the event."""
    if event.kind in {"execution_claimed", "execution_started", "execution_restored"}:
        return actor.name
    if event.kind in {"execution_released", "execution_entered"}:
        return None
    return (old or {}).get("assigned_to")
