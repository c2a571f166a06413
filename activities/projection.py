"""Rows as the fold of the journal: what each event does to `workflow_instance`, `step_execution` and their kin, in SQL.

One statement per cohort, whatever its size. The twin of `models.flow.evolve`: a test folds both and compares.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, assert_never
from uuid import UUID

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.contract import Cohort
from models.flow import events as ev
from models.flow.errors import describe
from models.flow.ids import requirement_id, step_id
from models.flow.state import Ref, execution_ids
from models.wire import Statement

_RUNNING = text(
    "UPDATE workflow_instance SET status = 'in_progress', started_at = :at WHERE tenant_id = :tenant AND id = :instance"
)
_HOLD = text(
    "UPDATE workflow_instance SET status = 'on_hold', held_at = :at, reason = :reason"
    " WHERE tenant_id = :tenant AND id = :instance"
)
_RESUME = text(
    "UPDATE workflow_instance SET status = 'in_progress', held_at = NULL, reason = :reason"
    " WHERE tenant_id = :tenant AND id = :instance"
)
_MOVE_DEADLINES = text(
    """
    WITH moved AS (
        SELECT * FROM unnest(CAST(:sooner AS timestamptz[]), CAST(:later AS timestamptz[])) AS given (sooner, later)
    )
    UPDATE step_execution e
    SET due_at = COALESCE((SELECT m.later FROM moved m WHERE m.sooner = e.due_at), e.due_at + :held),
        limit_at = COALESCE((SELECT m.later FROM moved m WHERE m.sooner = e.limit_at), e.limit_at + :held),
        wake_at = COALESCE((SELECT m.later FROM moved m WHERE m.sooner = e.wake_at AND e.step_key <> ALL(:by_clock)),
                           e.wake_at + :held)
    WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance AND e.exited_at IS NULL
    """
)
_CLOSE = text(
    "UPDATE workflow_instance SET status = :status, completed_at = :at, held_at = NULL, reason = :reason"
    " WHERE tenant_id = :tenant AND id = :instance"
)
_INTO = """
    INSERT INTO step_execution (tenant_id, id, workflow_instance_id, step_id, step_key, subject_type_id, subject_id,
                                subject_no, branch, visit_number, entered_at, status, due_at, limit_at,
                                assigned_to, priority, wake_at, counts, lot)
"""
_NEW = """
           :instance, :step_id, :step, u.subject_type_id, u.id,
           w.subject_no, :branch, :visit, :at, :status, :due_at, :limit_at,
           :assignee, :priority, :wake_at, :counts, :lot
"""
# By key, subject after subject (OFFSET 0 keeps the planner from turning it round): statistics that are older than an
# instance promise no subject of it, and 10,000 of them would be compared with as many array elements each (seen).
_ENTER = text(
    f"""{_INTO}
    SELECT :tenant, given.id, {_NEW}
    FROM unnest(CAST(:ids AS uuid[]), CAST(:subjects AS int[])) AS given (id, subject_no)
    CROSS JOIN LATERAL (SELECT * FROM workflow_subject w WHERE w.tenant_id = :tenant AND w.instance_id = :instance
                        AND w.subject_no = given.subject_no OFFSET 0) AS w
    CROSS JOIN LATERAL (SELECT * FROM subject u WHERE u.tenant_id = :tenant AND u.id = w.subject_id OFFSET 0) AS u
    """  # noqa: S608 - constants only
)
_ENTER_ONE = text(
    f"""{_INTO}
    SELECT :tenant, CAST(:execution AS uuid), {_NEW}
    FROM workflow_subject w JOIN subject u ON (u.tenant_id, u.id) = (w.tenant_id, w.subject_id)
    WHERE w.tenant_id = :tenant AND w.instance_id = :instance AND w.subject_no = :subject
    """  # noqa: S608 - constants only
)
"""The same for a single subject: planned once, while a list is planned anew each time, for its length."""
_NOTE = "notes = concat_ws(E'\\n', NULLIF(notes, ''), NULLIF(:notes, ''))"
_FINISH_SUBJECT = text(
    "UPDATE workflow_subject SET terminal_status = :status, finished_at = :at"
    " WHERE tenant_id = :tenant AND instance_id = :instance AND subject_no = ANY(:subjects)"
)
_RESUME_SUBJECT = text(
    "UPDATE workflow_subject SET terminal_status = NULL, finished_at = NULL"
    " WHERE tenant_id = :tenant AND instance_id = :instance AND subject_no = ANY(:subjects)"
)
_ADD_SUBJECTS = text(
    """
    INSERT INTO workflow_subject (tenant_id, instance_id, subject_no, subject_id)
    SELECT :tenant, :instance, :first + given.n - 1, given.id
    FROM unnest(CAST(:added AS uuid[])) WITH ORDINALITY AS given (id, n)
    """
)
_MIGRATE = text("UPDATE workflow_instance SET process_id = :process WHERE tenant_id = :tenant AND id = :instance")
_KEEP = text(
    """
    UPDATE step_execution e
    SET step_id = m.step_id,
        kept_gates = CAST(m.given AS jsonb)
                     || COALESCE((SELECT jsonb_object_agg(k.key, k.value) FROM jsonb_each(e.kept_gates) k
                                  WHERE CAST(m.given AS jsonb) ? k.key), '{}'::jsonb)
    FROM unnest(CAST(:steps AS text[]), CAST(:step_ids AS uuid[]), CAST(:given AS text[])) AS m (step, step_id, given)
    WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance AND e.exited_at IS NULL AND e.step_key = m.step
    """
)
"""Executions that stay belong to the step of the new version, and know by which ids their evidence goes on counting."""
_OPEN_INCIDENT = text(
    """
    INSERT INTO incident (tenant_id, id, instance_id, execution_id, code, message, params, opened_at)
    VALUES (:tenant, :incident, :instance, :execution, :code, :message, :params, :at)
    """
).bindparams(bindparam("params", type_=JSONB))
_RESOLVE_INCIDENT = text(
    "UPDATE incident SET resolved_at = :at, resolved_by = :by, resolution = :resolution"
    " WHERE tenant_id = :tenant AND id = :incident AND resolved_at IS NULL"
)
_RESOLVE_LOST_RUN = text(
    "UPDATE incident SET resolved_at = :at, resolution = 'a new run took over'"
    " WHERE tenant_id = :tenant AND instance_id = :instance AND code = 'run_gone' AND resolved_at IS NULL"
)
_OPEN_PATH = text(
    "UPDATE workflow_instance SET context = jsonb_set(context, CAST(:path AS text[]), '{}')"
    " WHERE tenant_id = :tenant AND id = :instance"
    " AND jsonb_typeof(context #> CAST(:path AS text[])) IS DISTINCT FROM 'object'"
)
_SET_AT = text(
    "UPDATE workflow_instance SET context = jsonb_set(context, CAST(:path AS text[]), :value)"
    " WHERE tenant_id = :tenant AND id = :instance"
).bindparams(bindparam("value", type_=JSONB))
"""A value at a path in the context; what is no object on the way gives way to one (`models.flow.paths.placed`)."""
_AMENDABLE: Mapping[str, str] = {"name": "name", "owner": "owner_id", "due_date": "due_date", "context": "context"}
_AMENDS = {
    column: text(
        f"UPDATE workflow_instance SET {column} = :value WHERE tenant_id = :tenant AND id = :instance"  # noqa: S608
    ).bindparams(*([bindparam("value", type_=JSONB)] if column == "context" else []))
    for column in _AMENDABLE.values()
}


_IDS = "id = ANY(:ids)"


def _executions(assignments: str) -> TextClause:
    return text(f"UPDATE step_execution SET {assignments} WHERE tenant_id = :tenant AND {_IDS}")  # noqa: S608


_CLAIM = _executions("status = 'claimed', assigned_to = :by")
_START = _executions("status = 'in_progress', assigned_to = :by, started_at = COALESCE(started_at, :at)")
_RELEASE = _executions(f"status = 'pending', assigned_to = NULL, delegated_by = NULL, started_at = NULL, {_NOTE}")
_AWAIT_SIGNOFF = _executions(f"status = 'awaiting_signoff', completed_by = :by, decision_result = :result, {_NOTE}")
_AWAIT_BATCH = _executions(
    "status = 'waiting', ready_at = :at, ready_rev = evidence_rev, completed_by = :by, decision_result = :result,"
    f" {_NOTE}"
)
_REOPEN = _executions(
    "status = CASE WHEN assigned_to IS NULL THEN 'pending' ELSE 'in_progress' END, completed_by = NULL,"
    " decision_result = '', ready_at = NULL, ready_rev = NULL"
)
_COMPLETE = _executions(
    "status = 'completed', exited_at = :at, completed_by = :by, decision_result = :result, next_step_id = :next,"
    f" {_NOTE}"
)
_ROLL_BACK = _executions("status = 'rolled_back'")
_CANCEL = _executions("status = 'cancelled', exited_at = :at")
_DIVERT = _executions(f"status = :status, exited_at = :at, next_step_id = :next, {_NOTE}")
_RESTORE = _executions(
    "status = CASE WHEN CAST(:assignee AS uuid) IS NULL THEN 'pending' ELSE 'in_progress' END, exited_at = NULL,"
    " assigned_to = :assignee, completed_by = NULL, decision_result = '', next_step_id = NULL, ready_at = NULL,"
    " ready_rev = NULL, due_at = :due_at, limit_at = :limit_at, overdue = :overdue, delegated_by = NULL, lot = :lot"
)
_REASSIGN = _executions(
    "assigned_to = :to, delegated_by = :owner, status = CASE WHEN CAST(:to AS uuid) IS NULL THEN 'pending'"
    " WHEN status = 'pending' THEN 'claimed' ELSE status END"
)
_LOT = _executions("lot = :lot")
_LEVEL = _executions("escalation_level = GREATEST(escalation_level, :level)")
_DUE = _executions("due_at = :due_at, limit_at = :limit_at, overdue = false")
_PRIORITY = _executions("priority = :priority")
_WAKE = _executions("wake_at = :wake_at")
_AWAIT_MESSAGE = _executions("awaited_event = :name, awaited_key = :key")
_GOT_MESSAGE = _executions("awaited_event = NULL, awaited_key = NULL")
_OVERDUE = _executions("overdue = true, escalation_level = GREATEST(escalation_level, :level)")
_LIMIT = _executions("escalation_level = GREATEST(escalation_level, 2)")

_GIVEN = (ev.ExecutionCompleted, ev.SignoffAwaited, ev.BatchAwaited)
_BEGUN = "assigned_to = :starter, started_at = COALESCE(started_at, :started)"


def _after_start(given: TextClause) -> TextClause:
    """The same for executions that were started in this record: one change of each row and its indexes, not two."""
    return text(given.text.replace(" WHERE ", f", {_BEGUN} WHERE ", 1))


_AFTER_START = {given: _after_start(given) for given in (_COMPLETE, _AWAIT_SIGNOFF, _AWAIT_BATCH)}


@dataclass(frozen=True, slots=True)
class Place:
    """Which instance is projected: tenant, instance, and its process version."""

    tenant: UUID
    instance: UUID
    process: UUID
    _known: dict[tuple[str, int, str], dict[int, UUID]] = field(default_factory=dict, compare=False, repr=False)
    """Ids by place and subject: a record asks for the same ones a dozen times, and each costs a hash."""

    def ids(self, ref: Ref, subjects: Sequence[int]) -> list[UUID]:
        """The executions of a cohort."""
        known = self._known.setdefault(ref[1:], {})
        missing = [subject for subject in subjects if subject not in known]
        if missing:
            known.update(zip(missing, execution_ids(self.instance, ref, missing), strict=True))
        return [known[subject] for subject in subjects]

    def id(self, ref: Ref) -> UUID:
        """One execution."""
        return self.ids(ref, (ref.subject,))[0]


def starts_to_join(cohorts: Sequence[Cohort]) -> dict[int, int]:
    """Of cohorts that were started and given in one record: position of the giving → position of the start."""
    started: dict[Ref, dict[int, int]] = {}
    joined: dict[int, int] = {}
    for position, cohort in enumerate(cohorts):
        event = cohort.event
        if isinstance(event, ev.ExecutionStarted):
            started.setdefault(event.ref, {}).update(dict.fromkeys(cohort.subjects, position))
        elif here := started.get(getattr(event, "ref", None) or _NOWHERE):
            found = [here.pop(subject, None) for subject in cohort.subjects]
            first = found[0] if isinstance(event, _GIVEN) else None
            if first is not None and found == [first] * len(cohorts[first].subjects):
                joined[position] = first
    return joined


_NOWHERE = Ref(-1, "")


async def project(connection: AsyncConnection, place: Place, cohort: Cohort, start: ev.Event | None = None) -> None:
    """Apply one cohort to the rows; see `projected`."""
    for statement in projected(place, cohort, start):
        await connection.execute(statement.clause, statement.parameters)


def projected(place: Place, cohort: Cohort, start: ev.Event | None = None) -> Iterator[Statement]:
    """What one cohort does to the rows; together with the `start` of the same executions, where that was left out."""
    statement, parameters = _statement(place, cohort)
    if statement is not None and isinstance(start, ev.ExecutionStarted):
        statement = _AFTER_START[statement]
        parameters |= {"starter": _user(start.by), "started": start.at}
    keys = {"tenant": place.tenant, "instance": place.instance}
    if statement is not None:
        if len(ids := parameters.get("ids", ())) == 1:
            statement, parameters = _of_one(statement), parameters | {"execution": ids[0]}
        names = _parameters(statement)
        yield Statement(statement, {k: v for k, v in (keys | parameters).items() if k in names})
    match cohort.event:
        case ev.InstanceStarted(at=at):
            yield Statement(_RESOLVE_LOST_RUN, keys | {"at": at})
        case ev.InstanceResumed(at=at, held_at=held_at):
            shift = {
                "held": at - held_at,
                "sooner": [sooner for sooner, _ in cohort.event.moved],
                "later": [later for _, later in cohort.event.moved],
                "by_clock": list(cohort.event.by_clock),
            }
            yield Statement(_MOVE_DEADLINES, keys | shift)
        case ev.InstanceAmended(changes=changes):
            yield from _amended(place, changes)
        case ev.InstanceMigrated() if cohort.event.kept:
            yield Statement(_KEEP, keys | _kept(cohort.event))
        case _:
            pass


def _kept(event: ev.InstanceMigrated) -> dict[str, list[Any]]:
    """For each step at which executions stay: its row now, and requirement key → id under which evidence was given."""
    before, after = UUID(event.from_process_id), UUID(event.process_id)
    given = [{key: str(requirement_id(before, step, key)) for key in keys} for step, keys in event.kept.items()]
    return {
        "steps": list(event.kept),
        "step_ids": [step_id(after, step) for step in event.kept],
        "given": [json.dumps(one) for one in given],
    }


@cache
def _of_one(statement: TextClause) -> TextClause:
    """The same for one execution: a list is planned anew each time, for its length."""
    return text(statement.text.replace(_IDS, "id = :execution"))


@cache
def _parameters(statement: TextClause) -> frozenset[str]:
    return frozenset(statement.compile().params)


def _statement(place: Place, cohort: Cohort) -> tuple[TextClause | None, dict[str, Any]]:
    event = cohort.event
    match event:
        case ev.InstanceStarted(at=at):
            return _RUNNING, {"at": at}
        case ev.InstanceHeld(at=at, reason=reason):
            return _HOLD, {"at": at, "reason": reason}
        case ev.InstanceResumed(reason=reason):
            return _RESUME, {"reason": reason}
        case ev.InstanceCancelled(at=at, reason=reason):
            return _CLOSE, {"status": "cancelled", "at": at, "reason": reason}
        case ev.InstanceCompleted(at=at):
            return _CLOSE, {"status": "completed", "at": at, "reason": ""}
        case ev.InstanceRecovered(at=at):
            return _RESOLVE_LOST_RUN, {"at": at}
        case ev.InstanceMigrated(process_id=process):
            return _MIGRATE, {"process": UUID(process)}
        case ev.SubjectsAdded(first=first, subject_ids=added):
            return _ADD_SUBJECTS, {"first": first, "added": [UUID(one) for one in added]}
        case ev.SubjectResumed():
            return _RESUME_SUBJECT, {"subjects": list(cohort.subjects)}
        case ev.IncidentResolved():
            return _RESOLVE_INCIDENT, {
                "at": event.at,
                "incident": UUID(event.incident_id),
                "by": _user(event.by),
                "resolution": event.resolution,
            }
        case ev.IncidentOpened():
            return _OPEN_INCIDENT, {
                "incident": UUID(event.incident_id),
                "execution": place.ids(event.ref, cohort.subjects)[0],
                "code": event.code,
                "message": describe(event.code, event.params),
                "params": dict(event.params),
                "at": event.at,
            }
        case ev.SubjectFinished(at=at, terminal_status=status):
            return _FINISH_SUBJECT, {"status": status, "at": at, "subjects": list(cohort.subjects)}
        case (
            ev.InstanceAmended()
            | ev.CommandRefused()
            | ev.CommandRepeated()
            | ev.DeviationConfirmed()
            | ev.ExecutionChecked()
            | ev.ExecutionSignedOff()
            | ev.ChildRequested()
            | ev.ChildStarted()
            | ev.ChildEnded()
            | ev.BranchArrived()
            | ev.ReminderSent()
            | ev.ActionRequested()
            | ev.ActionEnded()
        ):
            return None, {}
        case _:
            statement, parameters = _on_executions(place, event)
            ids = place.ids(event.ref, cohort.subjects)
            if statement is _ENTER and len(ids) == 1:
                return _ENTER_ONE, {"execution": ids[0], "subject": cohort.subjects[0], **parameters}
            return statement, {"ids": ids, "subjects": list(cohort.subjects), **parameters}


def _on_executions(place: Place, event: Any) -> tuple[TextClause, dict[str, Any]]:
    match event:
        case ev.ExecutionEntered(ref=ref):
            return _ENTER, {
                "step_id": step_id(place.process, ref.step),
                "step": ref.step,
                "branch": ref.branch,
                "visit": ref.visit,
                "at": event.at,
                "due_at": event.due_at,
                "limit_at": event.limit_at,
                "status": "pending" if event.assignee is None else "claimed",
                "assignee": _user(event.assignee),
                "priority": event.priority,
                "wake_at": event.wake_at,
                "counts": event.counts,
                "lot": event.lot,
            }
        case ev.ExecutionClaimed(by=by):
            return _CLAIM, {"by": _user(by)}
        case ev.ExecutionStarted(at=at, by=by):
            return _START, {"by": _user(by), "at": at}
        case ev.ExecutionReleased(reason=reason):
            return _RELEASE, {"notes": released(reason)}
        case ev.SignoffAwaited():
            return _AWAIT_SIGNOFF, {"by": _user(event.by), "result": event.result, "notes": event.notes}
        case ev.BatchAwaited():
            given = {"at": event.at, "by": _user(event.by), "result": event.result, "notes": event.notes}
            return _AWAIT_BATCH, given
        case ev.ExecutionReopened():
            return _REOPEN, {}
        case ev.ExecutionCompleted():
            following = None if event.next_step is None else step_id(place.process, event.next_step)
            return _COMPLETE, {
                "at": event.at,
                "by": _user(event.by),
                "result": event.result,
                "next": following,
                "notes": event.notes,
            }
        case ev.ExecutionCancelled(at=at):
            return _CANCEL, {"at": at}
        case (
            ev.VisitRolledBack()
            | ev.ExecutionDiverted()
            | ev.ExecutionRestored()
            | ev.ExecutionReassigned()
            | ev.LotChanged()
        ):
            return _on_deviation(place, event)
        case ev.ExecutionEscalated(level=level):
            return _LEVEL, {"level": level}
        case ev.DueChanged(due_at=due_at, limit_at=limit_at):
            return _DUE, {"due_at": due_at, "limit_at": limit_at}
        case ev.PriorityChanged(priority=priority):
            return _PRIORITY, {"priority": priority}
        case ev.TimerSet() | ev.MessageAwaited() | ev.MessageReceived():
            return _on_engines(event)
        case ev.ExecutionOverdue(escalate=escalate):
            return _OVERDUE, {"level": 1 if escalate else 0}
        case ev.LimitExceeded():
            return _LIMIT, {}
        case _:
            raise TypeError(f"no projection for {event.kind}")


def released(reason: str) -> str:
    """What a release adds to the notes."""
    return f"[Released: {reason}]" if reason else "[Released]"


def _on_engines(event: ev.TimerSet | ev.MessageAwaited | ev.MessageReceived) -> tuple[TextClause, dict[str, Any]]:
    match event:
        case ev.TimerSet(wake_at=wake_at):
            return _WAKE, {"wake_at": wake_at}
        case ev.MessageAwaited(name=name, key=key):
            return _AWAIT_MESSAGE, {"name": name, "key": key}
        case ev.MessageReceived():
            return _GOT_MESSAGE, {}
        case _:
            assert_never(event)


def _on_deviation(
    place: Place,
    event: ev.VisitRolledBack | ev.ExecutionDiverted | ev.ExecutionRestored | ev.ExecutionReassigned | ev.LotChanged,
) -> tuple[TextClause, dict[str, Any]]:
    match event:
        case ev.VisitRolledBack():
            return _ROLL_BACK, {}
        case ev.ExecutionDiverted(at=at, status=status, to_step=to_step):
            following = None if to_step is None else step_id(place.process, to_step)
            notes = f"[{event.how.capitalize()}: {event.reason}]" if event.reason else ""
            return _DIVERT, {"at": at, "status": status, "next": following, "notes": notes}
        case ev.ExecutionRestored(due_at=due_at, limit_at=limit_at, overdue=overdue, lot=lot):
            clock = {"due_at": due_at, "limit_at": limit_at, "overdue": overdue}
            return _RESTORE, {"assignee": _user(event.assignee), "lot": lot, **clock}
        case ev.ExecutionReassigned(to=to, owner=owner):
            return _REASSIGN, {"to": _user(to), "owner": _user(owner)}
        case ev.LotChanged(lot=lot):
            return _LOT, {"lot": lot}
        case _:
            assert_never(event)


def _amended(place: Place, changes: Mapping[str, Any]) -> Iterator[Statement]:
    keys = {"tenant": place.tenant, "instance": place.instance}
    for target, value in changes.get("context_at", {}).items():
        path = target.split(".")
        for depth in range(1, len(path)):
            yield Statement(_OPEN_PATH, {**keys, "path": path[:depth]})
        yield Statement(_SET_AT, {**keys, "path": path, "value": value})
    for name, column in _AMENDABLE.items():
        if name not in changes:
            continue
        value = _column_value(name, changes[name])
        yield Statement(_AMENDS[column], {"tenant": place.tenant, "instance": place.instance, "value": value})


def _column_value(name: str, value: Any) -> Any:
    if value is None:
        return {} if name == "context" else "" if name == "name" else None
    if name == "owner":
        return UUID(value)
    return date.fromisoformat(value) if name == "due_date" else value


def _user(user_id: str | None) -> UUID | None:
    return None if user_id is None else UUID(user_id)
