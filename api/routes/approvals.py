"""Approval requests: whose turn it is, and their answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import JSONResponse
from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from api import commanding
from api.auth import Principal
from api.commanding import How
from api.deps import Caller, Db, Held, needs
from api.once import once
from api.paging import Page, moment_after, page
from api.problems import responses
from api.schemas import approvals as shapes
from api.services import Services
from models.enums import ApprovalDecision, ApprovalState
from models.requirements.approval import request_json
from models.requirements.asking import delegate_request, recall_request, request_again
from models.requirements.deciding import Decision, decide_approval
from models.store.approvals import list_requests, responses_of
from models.store.content import content_hashes
from models.store.delegations import delegations_of
from models.store.gate_errors import ApprovalUnknownError

router = APIRouter(tags=["approvals"])

READ = [Depends(needs("instance.read"))]
_COMMON = (
    "forbidden", "approval_unknown", "instance_closed", "on_hold", "execution_closed", "already_done",
    "idempotency_conflict",
)  # fmt: skip
_DECIDING = (
    "approval_closed", "not_an_approver", "approval_delegated", "already_answered", "self_approval", "content_changed",
    "reason_required", "requirement_out_of_order",
)  # fmt: skip


@router.get(
    "/api/approvals/",
    response_model=shapes.Approvals,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_approvals(
    caller: Caller,
    session: Db,
    asked: Page,
    state: ApprovalState | None = None,
    mine: Annotated[bool, Query(description="Only pending ones that I am asked to answer now.")] = False,
    execution: UUID | None = None,
    workflow: UUID | None = None,
) -> Any:
    """Approval requests, oldest first."""
    wanted = ApprovalState.PENDING if mine and state is None else state
    found = await list_requests(
        session, caller.tenant_id,
        limit=asked.fetch, state=None if wanted is None else wanted.value, mine=caller.person if mine else None,
        execution_id=execution, instance_id=workflow, after=moment_after(asked),
    )  # fmt: skip
    answer = page(found, asked, key=lambda row: [row["requested_at"].isoformat(), str(row["id"])])
    return JSONResponse({**answer, "items": await _shown(session, caller.tenant_id, answer["items"])})


@router.get(
    "/api/approvals/{approval_id}/",
    response_model=shapes.Approval,
    dependencies=READ,
    responses=responses("forbidden", "approval_unknown"),
)
async def get_approval(approval_id: UUID, caller: Caller, session: Db) -> Any:
    """One request with its answers, and the hash of what is there to be approved."""
    return JSONResponse(await _one(session, caller.tenant_id, approval_id))


@router.post(
    "/api/approvals/{approval_id}/approve/",
    response_model=shapes.Approval,
    responses=responses(*_COMMON, *_DECIDING),
)
async def approve_request(
    approval_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Answer | None, Body()] = None
) -> Any:
    """Agree. Nobody approves what they did or wrote, unless the template allows it and a reason is given."""
    return await _decide(held, caller, how, approval_id, ApprovalDecision.APPROVED, body or shapes.Answer())


@router.post(
    "/api/approvals/{approval_id}/reject/",
    response_model=shapes.Approval,
    responses=responses(*_COMMON, *_DECIDING),
)
async def reject_request(
    approval_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Answer | None, Body()] = None
) -> Any:
    """Refuse, with a comment; the request ends and can be requested again."""
    return await _decide(held, caller, how, approval_id, ApprovalDecision.REJECTED, body or shapes.Answer())


@router.post(
    "/api/approvals/{approval_id}/re-request/",
    status_code=201,
    response_model=shapes.Approval,
    responses=responses(*_COMMON, "not_re_requestable"),
)
async def re_request_approval(
    approval_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Again | None, Body()] = None
) -> Any:
    """Open the next round of a rejected request; the answer is the new request."""
    comment = (body or shapes.Again()).comment

    async def work(session: AsyncSession) -> dict[str, Any]:
        again = await request_again(session, caller.person, approval_id, comment, datetime.now(UTC))
        return await _one(session, caller.tenant_id, again)

    mark = commanding.fingerprint(f"approvals/{approval_id}/re-request", {"comment": comment})
    return await once(held, caller, caller.person, how, mark, work, status=201)


@router.post(
    "/api/approvals/{approval_id}/recall/",
    response_model=shapes.Approval,
    responses=responses(*_COMMON, "approval_closed", "not_the_requester", "already_claimed", "reason_required"),
)
async def recall_a_request(
    approval_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Recall | None, Body()] = None
) -> Any:
    """Take a pending request back, with a reason; it can be requested again."""
    reason = (body or shapes.Recall()).reason

    async def work(session: AsyncSession) -> dict[str, Any]:
        await recall_request(session, caller.person, approval_id, reason, datetime.now(UTC))
        return await _one(session, caller.tenant_id, approval_id)

    mark = commanding.fingerprint(f"approvals/{approval_id}/recall", {"reason": reason})
    return await once(held, caller, caller.person, how, mark, work)


@router.post(
    "/api/approvals/{approval_id}/delegate/",
    response_model=shapes.Approval,
    responses=responses(
        *_COMMON, "approval_closed", "not_an_approver", "already_answered", "delegation_not_allowed",
        "delegation_invalid", "reason_required",
    ),
)  # fmt: skip
async def delegate_a_request(approval_id: UUID, caller: Caller, held: Held, how: How, body: shapes.Delegation) -> Any:
    """Hand my answer in the current stage on to another person, where the template allows it."""

    async def work(session: AsyncSession) -> dict[str, Any]:
        await delegate_request(session, caller.person, approval_id, body.to, body.reason, datetime.now(UTC))
        return await _one(session, caller.tenant_id, approval_id)

    mark = commanding.fingerprint(f"approvals/{approval_id}/delegate", body.model_dump())
    return await once(held, caller, caller.person, how, mark, work)


async def _decide(
    held: Services, caller: Principal, how: How, approval_id: UUID, decision: ApprovalDecision, body: shapes.Answer
) -> JSONResponse:
    said = Decision(decision=decision, comment=body.comment, content_hash=body.content_hash)

    async def work(session: AsyncSession) -> dict[str, Any]:
        await decide_approval(session, caller.person, approval_id, said, datetime.now(UTC))
        return await _one(session, caller.tenant_id, approval_id)

    mark = commanding.fingerprint(f"approvals/{approval_id}/{decision.value}", body.model_dump())
    return await once(held, caller, caller.person, how, mark, work)


async def _one(session: AsyncSession, tenant_id: UUID, approval_id: UUID) -> dict[str, Any]:
    found = await list_requests(session, tenant_id, limit=1, request=approval_id)
    if not found:
        raise ApprovalUnknownError(approval_id=str(approval_id))
    return (await _shown(session, tenant_id, found))[0]


async def _shown(session: AsyncSession, tenant_id: UUID, rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    answers, given_away = await responses_of(session, tenant_id, ids), await delegations_of(session, tenant_id, ids)
    hashes = await content_hashes(session, tenant_id, {row["execution_id"] for row in rows})
    return [
        {
            **request_json(row, answers.get(row["id"], ()), given_away.get(row["id"], ())),
            "execution": str(row["execution_id"]),
            "requirement": {
                "id": str(row["requirement_id"]),
                "key": row["requirement_key"],
                "name": row["requirement_name"],
            },
            "workflow": {
                "id": str(row["workflow_instance_id"]),
                "identifier": row["workflow_identifier"],
                "name": row["workflow_name"],
            },
            "step": {"key": row["step_key"], "name": row["step_name"]},
            "subject": {
                "type": row["subject_type"],
                "id": str(row["subject_id"]),
                "identifier": row["identifier"],
                "title": row["title"],
            },
            "visit_number": row["visit_number"],
            "content_hash": hashes[row["execution_id"]],
        }
        for row in rows
    ]
