"""Facts that only deviations need: the past to go back to, other branches, and the numbers of subjects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import Batch, ref_of
from activities.command_rows import CommandRow
from activities.definitions import Definition
from models.flow.facts import Done, Past, Successor
from models.flow.graph import Graph
from models.flow.state import Ref
from models.flow.status import ExecutionStatus
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


_TOGETHER = text(
    """
    SELECT d.id AS done_id, e.id FROM step_execution d JOIN step_execution e
      ON (e.tenant_id, e.workflow_instance_id, e.step_key, e.lot) =
         (d.tenant_id, d.workflow_instance_id, d.step_key, d.lot)
     AND e.exited_at = d.exited_at AND e.id <> d.id AND e.status = 'completed'
    WHERE d.tenant_id = :tenant AND d.id = ANY(:ids)
    """
)
_SUCCESSORS = text(
    """
    SELECT d.id AS done_id, e.subject_no, e.step_key, e.visit_number, e.branch, e.exited_at,
           CASE WHEN e.evidence_rev > 0 THEN 'evidence'
                WHEN e.status IN ('in_progress', 'awaiting_signoff', 'waiting') THEN e.status
                WHEN e.status = 'claimed' AND EXISTS (
                    SELECT FROM journal j
                    WHERE j.tenant_id = e.tenant_id AND j.instance_id = e.workflow_instance_id
                      AND j.kind IN ('execution_claimed', 'execution_reassigned') AND e.subject_no = ANY(j.subjects)
                      AND j.data #>> '{ref,1}' = e.step_key AND j.data #>> '{ref,3}' = e.branch
                      AND CAST(j.data #>> '{ref,2}' AS int) = e.visit_number) THEN 'claimed'
                WHEN EXISTS (SELECT FROM workflow_instance c WHERE c.tenant_id = e.tenant_id AND c.triggered_by = e.id
                             AND c.record_no > 1) THEN 'child'
                ELSE '' END AS built_on
    FROM step_execution d JOIN step_execution e
      ON (e.tenant_id, e.workflow_instance_id, e.subject_no) = (d.tenant_id, d.workflow_instance_id, d.subject_no)
     AND e.id <> d.id AND e.status <> 'rolled_back' AND e.entered_at >= d.exited_at
     AND (e.exited_at IS NULL OR e.exited_at > d.entered_at)
     AND (e.branch = d.branch OR d.branch = '' OR e.branch = ''
          OR starts_with(e.branch, d.branch || '/') OR starts_with(d.branch, e.branch || '/'))
    WHERE d.tenant_id = :tenant AND d.id = ANY(:ids)
    ORDER BY d.id, e.entered_at, e.exited_at, e.step_key, e.branch
    """
)
"""What a subject entered after an execution of its was completed, in that branch, in those it opened or led to; a step
that was assigned on entry is not claimed by anybody."""
_TOLD = text(
    """
    SELECT e.id, bool_or(j.kind = 'limit_exceeded') AS limit_passed,
           count(*) FILTER (WHERE j.kind = 'action_requested') AS attempts
    FROM step_execution e JOIN journal j
      ON (j.tenant_id, j.instance_id) = (e.tenant_id, e.workflow_instance_id)
     AND j.kind IN ('limit_exceeded', 'action_requested')
     AND e.subject_no = ANY(j.subjects) AND j.data #>> '{ref,1}' = e.step_key
     AND CAST(j.data #>> '{ref,2}' AS int) = e.visit_number AND j.data #>> '{ref,3}' = e.branch
    WHERE e.tenant_id = :tenant AND e.id = ANY(:ids)
    GROUP BY e.id
    """
)
"""Of executions, what only the journal tells: that their limit has passed, and calls of their action."""
_ENDS = text(
    """
    SELECT subject_no, terminal_status FROM workflow_subject
    WHERE tenant_id = :tenant AND instance_id = :instance AND subject_no = ANY(:subjects)
      AND terminal_status IS NOT NULL
    """
)


_MIGRATED = text(
    "SELECT max(at) AS at FROM journal WHERE tenant_id = :tenant AND instance_id = :instance"
    " AND kind = 'instance_migrated'"
)


def lots_of(rows: Iterable[CommandRow]) -> list[str]:
    """Lots that executions are put into, and whose members may be waiting only for them."""
    into = [str(row.args.get("into", "")) for row in rows if row.kind == "merge"]
    return [*into, *(str(group["lot"]) for row in rows if row.kind == "split" for group in row.args["groups"])]


def targets_of(graph: Graph, rows: Iterable[CommandRow]) -> list[str]:
    """The steps that deviations name, or where subjects that join would enter."""
    named = [str(row.args.get("to_step")) for row in rows]
    named += [str(group.get("to_step")) for row in rows for group in row.args.get("groups", ())]
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


async def add_beside(session: AsyncSession, tenant: UUID, instance: UUID, pinned: Definition, batch: Batch) -> None:
    """Other branches of subjects that leave theirs; the numbers and executions of subjects named by id."""
    await _add_done(session, tenant, instance, pinned, batch)
    await _add_lots(session, tenant, instance, batch)
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


async def _add_lots(session: AsyncSession, tenant: UUID, instance: UUID, batch: Batch) -> None:
    """The open executions of lots that are to be merged."""
    lots = [lot for row in batch.rows for lot in row.args.get("lots", ())]
    if not lots:
        return
    query = select(StepExecution).where(
        StepExecution.tenant_id == tenant,
        StepExecution.workflow_instance_id == instance,
        col(StepExecution.lot).in_(lots),
        col(StepExecution.exited_at).is_(None),
    )
    for execution in (await session.exec(query)).all():
        ref = ref_of(execution)
        batch.executions[ref] = batch.diverted[ref] = execution


async def _add_done(session: AsyncSession, tenant: UUID, instance: UUID, pinned: Definition, batch: Batch) -> None:
    """What is to be undone, as it was, and everything that followed from it."""
    completed = await _since_the_migration(session, tenant, instance, _completed(batch))
    if not completed:
        return
    keys = {"tenant": tenant, "instance": instance}
    subjects = [execution.subject_no for execution in completed.values()]
    ends = {row["subject_no"]: row["terminal_status"] for row in await fetch(session, _ENDS, **keys, subjects=subjects)}
    together: dict[UUID, list[UUID]] = {}
    batched = [one for one, at in completed.items() if pinned.graph.steps[at.step_key].requires_batch_completion]
    for row in await fetch(session, _TOGETHER, tenant=tenant, ids=batched):
        together.setdefault(row["done_id"], []).append(row["id"])
    everyone = [*completed, *(one for others in together.values() for one in others)]
    followed = await _successors(session, tenant, everyone)
    told = {row["id"]: row for row in await fetch(session, _TOLD, tenant=tenant, ids=list(completed))}
    for one, execution in completed.items():
        with_it = (successor for other in together.get(one, ()) for successor in followed.get(other, ()))
        done = _done(execution, followed.get(one, ()), tuple(with_it), ends)
        if one in told:
            done = replace(done, limit_passed=told[one]["limit_passed"], attempts=told[one]["attempts"])
        batch.done[ref_of(execution)] = done
    # They are left again, and somebody else's batch may have been waiting for them meanwhile.
    opened = {one.ref for done in batch.done.values() for one in done.successors if one.open}
    for execution in await _open_of(session, tenant, instance, sorted({ref.subject for ref in opened})):
        if (ref := ref_of(execution)) in opened:
            batch.executions[ref] = batch.diverted[ref] = execution


def _completed(batch: Batch) -> dict[UUID, StepExecution]:
    """What is to be undone, as far as it is completed."""
    asked = {ref for row in batch.rows if row.kind == "undo" for ref in row.refs}
    return {
        execution.id: execution
        for ref, execution in batch.executions.items()
        if ref in asked and execution.status == ExecutionStatus.COMPLETED
    }


async def _since_the_migration(
    session: AsyncSession, tenant: UUID, instance: UUID, completed: Mapping[UUID, StepExecution]
) -> Mapping[UUID, StepExecution]:
    """What was completed before a migration stays, also where another one led back: it was built on it."""
    if not completed:
        return {}
    (row,) = await fetch(session, _MIGRATED, tenant=tenant, instance=instance)
    since = row["at"]
    return {one: at for one, at in completed.items() if since is None or (at.exited_at and at.exited_at > since)}


async def _successors(
    session: AsyncSession, tenant: UUID, executions: Sequence[UUID]
) -> dict[UUID, tuple[Successor, ...]]:
    found: dict[UUID, tuple[Successor, ...]] = {}
    for row in await fetch(session, _SUCCESSORS, tenant=tenant, ids=list(executions)):
        ref = Ref(row["subject_no"], row["step_key"], row["visit_number"], row["branch"])
        one = Successor(ref=ref, open=row["exited_at"] is None, built_on=row["built_on"])
        found[row["done_id"]] = (*found.get(row["done_id"], ()), one)
    return found


def _done(
    execution: StepExecution,
    successors: tuple[Successor, ...],
    with_it: tuple[Successor, ...],
    ends: Mapping[int, str],
) -> Done:
    assert execution.exited_at is not None  # noqa: S101 - completed
    return Done(
        at=execution.exited_at,
        by=None if execution.completed_by is None else str(execution.completed_by),
        assignee=None if execution.assigned_to is None else str(execution.assigned_to),
        due_at=execution.due_at,
        limit_at=execution.limit_at,
        overdue=execution.overdue,
        wake_at=execution.wake_at,
        lot=execution.lot,
        successors=successors,
        with_it=with_it,
        ended_as=ends.get(execution.subject_no),
    )
