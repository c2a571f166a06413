"""Commands to executions: claim, start, complete, release, sign off, one or many at once."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Response
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api import commanding
from api.commanding import How
from api.deps import Caller, Db, Held, needs
from api.executing import COMMON, LATER, authorise, send_one, user_named
from api.problems import document, responses
from api.schemas import executions as shapes
from models.flow.status import INSTANCE_CLOSED
from models.store.commands import Wanted, check_bulk, command_view, locate, slices
from models.store.gate_errors import ExecutionUnknownError
from models.store.views import execution_views

router = APIRouter(tags=["executions"])

BEARING = ("not_candidate", "four_eyes", "revisit_by_same", "revisit_by_another")
"""Problems of whoever would take the work into their hands."""


@router.get(
    "/api/executions/{execution_id}/",
    response_model=shapes.Execution,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("execution_unknown", "forbidden"),
)
async def get_execution(execution_id: UUID, caller: Caller, session: Db) -> Any:
    """One execution."""
    found = await execution_views(session, caller.tenant_id, [execution_id])
    if execution_id not in found:
        raise ExecutionUnknownError(execution_id=str(execution_id))
    return JSONResponse(found[execution_id])


@router.post(
    "/api/executions/{execution_id}/claim/",
    response_model=shapes.CommandAnswer,
    responses={**LATER, **responses(*COMMON, *BEARING, "already_claimed", "already_done")},
)
async def claim_execution(
    execution_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Claim | None, Body()] = None
) -> Response:
    """Take an execution; a second claim by the same person has the same outcome."""
    given = body or shapes.Claim()
    return await send_one(held, caller, how, execution_id, "claim", {}, given.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/start/",
    response_model=shapes.CommandAnswer,
    responses={**LATER, **responses(*COMMON, *BEARING, "already_claimed", "already_done")},
)
async def start_execution(
    execution_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Claim | None, Body()] = None
) -> Response:
    """Say that work begins; claims where nobody holds it."""
    given = body or shapes.Claim()
    return await send_one(held, caller, how, execution_id, "start", {}, given.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/complete/",
    response_model=shapes.CommandAnswer,
    responses={
        **LATER,
        **responses(
            *COMMON, "already_claimed", "already_done", "not_started", "requirements_unmet", "decision_required",
            "decision_unknown", "decision_computed", "decision_failed", "engine_step", "no_route",
            "visit_limit_reached", "reason_required", "own_approval", *BEARING, "delegated_by_another",
        ),
    },
)  # fmt: skip
async def complete_execution(
    execution_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Complete | None, Body()] = None
) -> Response:
    """Complete and advance. Unmet requirements refuse it, unless a supervisor forces it with a reason."""
    given = body or shapes.Complete()
    return await send_one(held, caller, how, execution_id, "complete", _complete_args(given), given.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/release/",
    response_model=shapes.CommandAnswer,
    responses={**LATER, **responses(*COMMON, "already_claimed", "not_claimed", "already_done")},
)
async def release_execution(
    execution_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Release | None, Body()] = None
) -> Response:
    """Give an execution back to the pool; the reason is kept in its notes."""
    given = body or shapes.Release()
    return await send_one(held, caller, how, execution_id, "release", {"reason": given.reason}, given.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/signoff/",
    response_model=shapes.CommandAnswer,
    responses={**LATER, **responses(*COMMON, "not_awaiting_signoff", "self_signoff", "requirements_unmet")},
)
async def sign_off_execution(
    execution_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.SignOff | None, Body()] = None
) -> Response:
    """QA accepts the work of another person; where the step batches, everything that awaits it there."""
    given = body or shapes.SignOff()
    return await send_one(held, caller, how, execution_id, "signoff", {"comment": given.comment}, given.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/retry-children/",
    response_model=shapes.CommandAnswer,
    responses={**LATER, **responses(*COMMON, "no_failed_child", "child_unusable")},
)
async def retry_children(
    execution_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Claim | None, Body()] = None
) -> Response:
    """Start again the nested workflows of an execution that were cancelled or could not be started."""
    given = body or shapes.Claim()
    return await send_one(held, caller, how, execution_id, "retry_child", {}, given.on_behalf_of)


@router.post(
    "/api/executions/bulk/",
    response_model=shapes.BulkAnswer,
    responses={
        207: {"model": shapes.BulkAnswer, "description": "They came out differently, or some are not settled yet."},
        **responses("forbidden", "impersonation_forbidden", "executions_invalid", "idempotency_conflict"),
    },
)
async def bulk_executions(caller: Caller, held: Held, how: How, body: shapes.Bulk) -> Response:
    """The same command for up to 10,000 executions; each has a result of its own."""
    args = _bulk_args(body)
    authorise(caller, body.action, args)
    if body.to is not None:
        args["to"] = await user_named(held, caller, body.to)
    person = commanding.person_of(caller, body.on_behalf_of)
    check_bulk(body.execution_ids)
    refused: list[dict[str, Any]] = []

    async def plan(session: AsyncSession) -> list[Wanted]:
        found = await locate(session, caller.tenant_id, body.execution_ids)
        by_instance: dict[UUID, list[UUID]] = {}
        for one in body.execution_ids:
            if one not in found:
                problem = document("execution_unknown", {"execution_id": str(one)})
            elif found[one][1] in INSTANCE_CLOSED:
                problem = document("instance_closed", {"status": found[one][1]})
            else:
                by_instance.setdefault(found[one][0], []).append(one)
                continue
            refused.append({"execution_id": str(one), "status": problem["status"], "problem": problem})
        return slices(body.action, args, by_instance)

    mark = commanding.fingerprint("bulk", body.model_dump(mode="json"))
    sent = await commanding.send(held, caller, person, plan, how, mark)
    order = {str(one): number for number, one in enumerate(body.execution_ids)}
    answered = commanding.items(sent)
    known = {one["execution_id"] for one in answered}
    answered += [one for one in refused if one["execution_id"] not in known]
    shown = sorted(answered, key=lambda one: order.get(one["execution_id"], len(order)))
    answer = {"items": shown, "command_ids": [str(one) for one in sent.ids]}
    if not sent.complete:
        return commanding.later(sent, answer)
    return JSONResponse(answer, 200 if all(one["status"] == 200 for one in shown) else 207)


@router.get(
    "/api/commands/{command_id}/",
    response_model=shapes.Command,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("not_found", "forbidden"),
)
async def get_command(command_id: UUID, caller: Caller, session: Db) -> Any:
    """A command, and its outcome once it is settled."""
    return JSONResponse(await command_view(session, caller.tenant_id, command_id))


def _complete_args(body: shapes.Complete | shapes.Bulk) -> dict[str, Any]:
    return {
        "decision_result": body.decision_result,
        "notes": body.notes,
        "force": None if body.force is None else body.force.reason,
    }


def _bulk_args(body: shapes.Bulk) -> dict[str, Any]:
    match body.action:
        case "complete":
            return _complete_args(body)
        case "release":
            return {"reason": body.reason}
        case "signoff":
            return {"comment": body.comment}
        case "skip":
            return {"reason": body.reason, "to_step": body.to_step, "decision_result": body.decision_result}
        case "move" | "rewind":
            return {"reason": body.reason, "to_step": body.to_step}
        case "reassign":
            return {"reason": body.reason, "to": body.to}
        case "prioritise":
            return {"reason": body.reason, "priority": body.priority}
        case _:
            return {}
