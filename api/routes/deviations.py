"""Controlled deviations: work goes another way than the process says, by somebody who may, with a reason."""

from uuid import UUID

from fastapi import APIRouter, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from api.commanding import How
from api.deps import Caller, Held
from api.executing import COMMON, LATER, send_one, send_to_workflow
from api.problems import responses
from api.schemas import deviations as shapes
from api.schemas.executions import CommandAnswer, Divert, Skip, Undo
from models.store.commands import Wanted, check_bulk
from models.store.starting import join

router = APIRouter(tags=["deviations"])

_DEVIATION = (*COMMON, "reason_required", "step_unknown")
_OF_INSTANCE = (
    "forbidden", "not_found", "impersonation_forbidden", "instance_closed", "on_hold", "not_begun",
    "idempotency_conflict", "internal_error", "reason_required",
)  # fmt: skip


@router.post(
    "/api/executions/{execution_id}/skip/",
    response_model=CommandAnswer,
    responses={**LATER, **responses(*_DEVIATION, "decision_required", "decision_unknown", "no_route")},
)
async def skip_execution(execution_id: UUID, caller: Caller, held: Held, how: How, body: Skip) -> Response:
    """Leave a step undone: on by the decision given, by the default way, or at `to_step`."""
    args = {"reason": body.reason, "to_step": body.to_step, "decision_result": body.decision_result}
    return await send_one(held, caller, how, execution_id, "skip", args, body.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/move/",
    response_model=CommandAnswer,
    responses={**LATER, **responses(*_DEVIATION)},
)
async def move_execution(execution_id: UUID, caller: Caller, held: Held, how: How, body: Divert) -> Response:
    """Put the subject at another step. Leaving the branches of a fork ends the other branches."""
    args = {"reason": body.reason, "to_step": body.to_step}
    return await send_one(held, caller, how, execution_id, "move", args, body.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/rewind/",
    response_model=CommandAnswer,
    responses={**LATER, **responses(*_DEVIATION, "never_visited", "other_branch")},
)
async def rewind_execution(execution_id: UUID, caller: Caller, held: Held, how: How, body: Divert) -> Response:
    """Go back to before the last visit to a step: what was done since is rolled back, and the step is visited anew."""
    args = {"reason": body.reason, "to_step": body.to_step}
    return await send_one(held, caller, how, execution_id, "rewind", args, body.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/undo/",
    response_model=CommandAnswer,
    responses={
        **LATER,
        **responses(
            *COMMON, "reason_required", "nothing_to_undo", "undo_too_late", "undo_not_last", "undo_built_on",
        ),
    },
)  # fmt: skip
async def undo_completion(execution_id: UUID, caller: Caller, held: Held, how: How, body: Undo) -> Response:
    """Open a completed execution again, with its evidence, within 15 minutes and while nothing was built on it.

    By whoever completed it, or with `execution.undo`. Its signatures are voided.
    """
    return await send_one(held, caller, how, execution_id, "undo", {"reason": body.reason}, body.on_behalf_of)


@router.post(
    "/api/workflows/{workflow_id}/split/",
    response_model=shapes.ControlAnswer,
    responses={
        **LATER,
        **responses(
            *_OF_INSTANCE, "executions_invalid", "execution_closed", "execution_not_found", "step_unknown",
            "decision_required", "decision_unknown", "no_route",
        ),
    },
)  # fmt: skip
async def split_batch(workflow_id: UUID, caller: Caller, held: Held, how: How, body: shapes.Split) -> Response:
    """Make lots of executions that do not wait for each other, and send them where they are to go; all, or nothing."""
    executions = [one for group in body.groups for one in group.execution_ids]
    check_bulk(executions)
    groups = [
        {
            "lot": group.lot,
            "count": len(group.execution_ids),
            "to_step": group.to_step,
            "decision_result": group.decision_result,
        }
        for group in body.groups
    ]
    args = {"reason": body.reason, "groups": groups}

    async def build(_: AsyncSession) -> Wanted:
        return Wanted(kind="split", instance_id=workflow_id, executions=tuple(executions), args=args)

    return await send_to_workflow(held, caller, how, workflow_id, "split", body, build)


@router.post(
    "/api/workflows/{workflow_id}/merge/",
    response_model=shapes.ControlAnswer,
    responses={
        **LATER,
        **responses(
            *_OF_INSTANCE, "executions_invalid", "execution_closed", "execution_not_found", "lots_apart",
            "nothing_to_merge",
        ),
    },
)  # fmt: skip
async def merge_lots(workflow_id: UUID, caller: Caller, held: Held, how: How, body: shapes.Merge) -> Response:
    """Put executions at one step, named or all of some lots, into one lot; the empty one is the undivided batch."""
    if body.execution_ids:
        check_bulk(body.execution_ids)
    executions = tuple(body.execution_ids)
    args = {"reason": body.reason, "lots": body.lots, "into": body.into}

    async def build(_: AsyncSession) -> Wanted:
        return Wanted(kind="merge", instance_id=workflow_id, executions=executions, args=args)

    return await send_to_workflow(held, caller, how, workflow_id, "merge", body, build)


@router.post(
    "/api/workflows/{workflow_id}/subjects/",
    response_model=shapes.ControlAnswer,
    responses={
        **LATER,
        **responses(
            *_OF_INSTANCE, "step_unknown", "subject_present", "instance_full", "subjects_required",
            "subjects_too_many", "subjects_duplicate", "subject_type_mismatch", "subject_identifier_taken",
            "subject_identifier_invalid", "subject_attributes_invalid", "capa_running",
        ),
    },
)  # fmt: skip
async def add_subjects(workflow_id: UUID, caller: Caller, held: Held, how: How, body: shapes.AddSubjects) -> Response:
    """Let subjects join a running workflow, at the first step or at `to_step`: existing ones, or new ones."""
    args = {"reason": body.reason, "to_step": body.to_step}

    async def build(session: AsyncSession) -> Wanted:
        ids = await join(session, caller.actor, workflow_id, [one.named() for one in body.subjects])
        return Wanted(kind="add_subjects", instance_id=workflow_id, subjects=tuple(ids), args=args)

    return await send_to_workflow(held, caller, how, workflow_id, "add_subjects", body, build)


@router.post(
    "/api/workflows/{workflow_id}/subjects/remove/",
    response_model=shapes.ControlAnswer,
    responses={**LATER, **responses(*_OF_INSTANCE, "subject_not_here", "subject_finished")},
)
async def remove_subjects(
    workflow_id: UUID, caller: Caller, held: Held, how: How, body: shapes.RemoveSubjects
) -> Response:
    """Take subjects out of a running workflow; they end as `removed`, and batches go on without them."""
    subjects = tuple(dict.fromkeys(body.subject_ids))

    async def build(_: AsyncSession) -> Wanted:
        return Wanted(kind="remove_subjects", instance_id=workflow_id, subjects=subjects, args={"reason": body.reason})

    return await send_to_workflow(held, caller, how, workflow_id, "remove_subjects", body, build)
