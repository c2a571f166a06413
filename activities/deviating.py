"""Facts that only deviations need: the past to go back to, other branches, and the numbers of subjects."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import Batch, ref_of
from activities.contract import CommandRow
from models.flow.facts import Past
from models.flow.graph import Graph
from models.flow.state import Ref
from models.store.reading import fetch
from models.tables import StepExecution

_NUMBERS = text(
    """
    SELECT subject_id, subject_no FROM workflow_subject
    WHERE tenant_id = :tenant AND instance_id = :instance AND subject_id = ANY(CAST(:subjects AS uuid[]))
    """
)
_PAST = text(
    """
    WITH target AS (
        SELECT DISTINCT ON (subject_no) subject_no, id, visit_number, branch, entered_at FROM step_execution
        WHERE tenant_id = :tenant AND workflow_instance_id = :instance AND subject_no = ANY(:subjects)
          AND step_key = :step AND status <> 'rolled_back'
        ORDER BY subject_no, entered_at DESC, visit_number DESC
    )
    SELECT t.subject_no, t.visit_number AS last_visit, t.branch AS last_branch, e.step_key, e.visit_number, e.branch
    FROM target t
    LEFT JOIN step_execution e
      ON e.tenant_id = :tenant AND e.workflow_instance_id = :instance AND e.subject_no = t.subject_no
     AND e.exited_at IS NOT NULL AND e.status <> 'rolled_back'
     AND (e.id = t.id OR (e.entered_at >= t.entered_at AND e.exited_at > t.entered_at))
     AND (t.branch = '' OR e.branch = t.branch OR starts_with(e.branch, t.branch || '/'))
    ORDER BY t.subject_no, e.entered_at, e.exited_at, e.step_key
    """
)
"""What began since the last visit that counts and is over; an automatic step that took no time before it is not."""


def targets_of(graph: Graph, rows: Iterable[CommandRow]) -> list[str]:
    """The steps that deviations name, or where subjects that join would enter."""
    named = [str(row.args.get("to_step")) for row in rows]
    joining = [graph.first.key for row in rows if row.kind == "add_subjects" and not row.args.get("to_step")]
    return [*(key for key in named if key in graph.steps), *joining]


async def past_of(
    session: AsyncSession, tenant: UUID, instance: UUID, rows: Iterable[CommandRow]
) -> dict[tuple[int, str], Past]:
    """For each subject that is to go back, the past from that step on; one query for each step."""
    going_back: dict[str, list[int]] = {}
    for row in rows:
        if row.kind == "rewind":
            going_back.setdefault(str(row.args.get("to_step")), []).extend(ref.subject for ref in row.refs)
    found: dict[tuple[int, str], Past] = {}
    for step, subjects in going_back.items():
        for one in await fetch(session, _PAST, tenant=tenant, instance=instance, step=step, subjects=subjects):
            subject = one["subject_no"]
            visit = Ref(subject, step, one["last_visit"], one["last_branch"])
            before = found.get((subject, step), Past(visit=visit))
            over = (
                [] if one["step_key"] is None else [Ref(subject, one["step_key"], one["visit_number"], one["branch"])]
            )
            found[subject, step] = Past(visit=visit, since=(*before.since, *over))
    return found


async def add_beside(session: AsyncSession, tenant: UUID, instance: UUID, batch: Batch) -> None:
    """Other branches of subjects that leave theirs; the numbers and executions of subjects named by id."""
    subjects = {ref.subject for ref in batch.diverted if ref.branch}
    named = [one for row in batch.rows for one in row.args.get("subject_ids", ())]
    if named:
        rows = await fetch(session, _NUMBERS, tenant=tenant, instance=instance, subjects=named)
        batch.numbers.update({str(row["subject_id"]): row["subject_no"] for row in rows})
        subjects.update(batch.numbers.values())
    for execution in await _open_of(session, tenant, instance, sorted(subjects)):
        ref = ref_of(execution)
        batch.executions[ref] = batch.diverted[ref] = execution


async def _open_of(
    session: AsyncSession, tenant: UUID, instance: UUID, subjects: Sequence[int]
) -> Sequence[StepExecution]:
    if not subjects:
        return ()
    query = select(StepExecution).where(
        StepExecution.tenant_id == tenant,
        StepExecution.workflow_instance_id == instance,
        col(StepExecution.subject_no).in_(subjects),
        col(StepExecution.exited_at).is_(None),
    )
    return (await session.exec(query)).all()
