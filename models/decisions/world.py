"""The variables of an expression about an execution: its subject, the context, and all that was given on the way.

    execution   step, visit_number, branch, entered_at, due_at, …
    subject     id, type, identifier, title, attributes
    instance    id, identifier, name
    context     of the instance
    form        what was entered into the forms of this execution
    measurements key of a characteristic → its last value at this execution
    quality     the last quality result about this execution, empty where there is none
    steps       key of a step → the same of its last visit by this subject, with `visits` and `result`
    now         the moment of the decision, UTC

Three queries, however many executions are asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.requirements.custom import world_of
from models.store.quality import reports_of
from models.store.reading import fetch
from models.tables import StepExecution

Json = dict[str, Any]

_WORLD = text(
    """
    SELECT e.id, e.status, e.visit_number, e.branch, e.step_key, e.decision_result, e.notes, e.overdue, e.assigned_to,
           e.entered_at, e.started_at, e.due_at, i.id AS instance_id, i.identifier AS instance_identifier,
           i.name AS instance_name, i.context, i.created_at,
           s.id AS subject_id, s.identifier, s.title, s.attributes, t.key AS subject_type
    FROM step_execution e
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    JOIN subject s ON (s.tenant_id, s.id) = (e.tenant_id, e.subject_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (s.tenant_id, s.subject_type_id)
    WHERE e.tenant_id = :tenant AND e.id = ANY(:executions)
    """
)
_PAST = text(
    """
    SELECT e.id, e.subject_no, e.step_key, e.visit_number, e.branch, e.status, e.decision_result, e.entered_at,
           e.exited_at, r.requirement_type, r.key AS requirement,
           r.config ->> 'measurement_definition' AS characteristic, c.evidence, c.is_complete
    FROM step_execution e
    LEFT JOIN step_requirement_completion c ON (c.tenant_id, c.execution_id) = (e.tenant_id, e.id)
    LEFT JOIN step_requirement r ON (r.tenant_id, r.id) = (c.tenant_id, c.requirement_id)
                                AND r.requirement_type IN ('form', 'measurement')
    WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance AND e.subject_no = ANY(:subjects)
      AND e.status NOT IN ('rolled_back', 'skipped')
    ORDER BY e.entered_at, e.visit_number, r.key
    """
)


@dataclass(slots=True)
class Visit:
    """What was given at one execution."""

    id: UUID
    step: str
    result: str
    entered_at: datetime
    exited_at: datetime | None
    form: Json = field(default_factory=dict)
    measurements: dict[str, Decimal] = field(default_factory=dict)
    values: list[Json] = field(default_factory=list)
    quality: str = ""


@dataclass(slots=True)
class World:
    """All that an expression or a decision may look at for one execution.

    Attributes:
        variables: as the module says.
        visits: the subject's executions in this instance, in the order of their entry.
        reports: quality reports about the subject since the instance was created, oldest first.
    """

    execution: StepExecution
    variables: Json
    visits: list[Visit]
    reports: Sequence[RowMapping]

    @property
    def here(self) -> Visit:
        """The execution itself."""
        return next(visit for visit in self.visits if visit.id == self.execution.id)

    @property
    def taken_before(self) -> datetime | None:
        """When the subject last left the same step."""
        left = [v.exited_at for v in self.visits if v.step == self.execution.step_key and v.exited_at is not None]
        return max(left, default=None)

    def last_value(self, characteristic: str) -> Decimal | None:
        """The newest value of a characteristic, wherever in this instance it was measured."""
        found = [visit.measurements[characteristic] for visit in self.visits if characteristic in visit.measurements]
        return found[-1] if found else None


async def worlds_of(
    session: AsyncSession, tenant_id: UUID, executions: Sequence[StepExecution], steps: Iterable[str], now: datetime
) -> dict[UUID, World]:
    """The world of each execution; all are of one instance. `steps` names every step of its process."""
    if not executions:
        return {}
    ids = [one.id for one in executions]
    rows = {row["id"]: row for row in await fetch(session, _WORLD, tenant=tenant_id, executions=ids)}
    subjects = sorted({one.subject_no for one in executions})
    instance = executions[0].workflow_instance_id
    past = await fetch(session, _PAST, tenant=tenant_id, instance=instance, subjects=subjects)
    since = min(row["created_at"] for row in rows.values())
    reports = await reports_of(session, tenant_id, sorted({one.subject_id for one in executions}), since)
    by_subject = _visits(past)
    known = tuple(steps)
    worlds = {}
    for one in executions:
        visits = by_subject.get(one.subject_no, [])
        own = [report for report in reports if report["subject_id"] == one.subject_id]
        _judge(visits, own)
        variables = world_of(rows[one.id], {})
        del variables["evidence"]
        here = next(visit for visit in visits if visit.id == one.id)
        variables |= _given(here) | {"steps": _by_step(visits, known), "now": now}
        worlds[one.id] = World(execution=one, variables=variables, visits=visits, reports=own)
    return worlds


def _visits(rows: Sequence[RowMapping]) -> dict[int, list[Visit]]:
    found: dict[int, dict[UUID, Visit]] = {}
    for row in rows:
        visit = found.setdefault(row["subject_no"], {}).setdefault(
            row["id"],
            Visit(row["id"], row["step_key"], row["decision_result"], row["entered_at"], row["exited_at"]),
        )
        evidence = row["evidence"] or {}
        if row["requirement_type"] == "form":
            visit.form |= evidence.get("submitted_data") or {}
        elif row["requirement_type"] == "measurement" and evidence.get("values"):
            visit.values += evidence["values"]
            visit.measurements[row["characteristic"] or row["requirement"]] = Decimal(
                str(evidence["values"][-1]["value"])
            )
    return {subject: list(visits.values()) for subject, visits in found.items()}


def _judge(visits: Sequence[Visit], reports: Sequence[RowMapping]) -> None:
    latest = {report["execution_id"]: report["status"] for report in reports}
    for visit in visits:
        visit.quality = latest.get(visit.id, "")


def _given(visit: Visit) -> Json:
    return {"form": visit.form, "measurements": visit.measurements, "quality": visit.quality}


def _by_step(visits: Sequence[Visit], steps: Iterable[str]) -> Json:
    """Every step of the process, so that one that was never visited can be asked about, too."""
    found: Json = {key: {"visits": 0, "result": "", "form": {}, "measurements": {}, "quality": ""} for key in steps}
    for visit in visits:
        before: Mapping[str, Any] = found.get(visit.step, {"visits": 0})
        found[visit.step] = {"visits": before["visits"] + 1, "result": visit.result, **_given(visit)}
    return found
