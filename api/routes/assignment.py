"""In whose hands work is, and how urgent: reassign, delegate, hand back, put off, prioritise."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Response

from api.commanding import How
from api.deps import Caller, Held
from api.executing import COMMON, LATER, authorise, send_one, user_named
from api.problems import responses
from api.schemas.executions import CommandAnswer, Delegate, Prioritise, Reassign, Release, Snooze

router = APIRouter(tags=["executions"])

_BEARER = ("unassignable", "not_candidate", "four_eyes", "revisit_by_same", "revisit_by_another", "same_assignee")


@router.post(
    "/api/executions/{execution_id}/reassign/",
    response_model=CommandAnswer,
    responses={**LATER, **responses(*COMMON, *_BEARER, "already_done", "not_claimed", "reason_required")},
)
async def reassign_execution(execution_id: UUID, caller: Caller, held: Held, how: How, body: Reassign) -> Response:
    """Put work into other hands, or back to the pool: a supervisor's deviation with a reason."""
    authorise(caller, "reassign", {})
    to = None if body.to is None else await user_named(held, caller, body.to)
    args = {"to": to, "reason": body.reason}
    return await send_one(held, caller, how, execution_id, "reassign", args, body.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/delegate/",
    response_model=CommandAnswer,
    responses={
        **LATER,
        **responses(*COMMON, *_BEARER, "already_claimed", "already_done", "not_claimed", "delegated_by_another"),
    },
)
async def delegate_execution(execution_id: UUID, caller: Caller, held: Held, how: How, body: Delegate) -> Response:
    """Have another person do one's own work. They hand it back, and whoever delegated it completes it."""
    authorise(caller, "delegate", {})
    args = {"to": await user_named(held, caller, body.to), "reason": body.reason}
    return await send_one(held, caller, how, execution_id, "delegate", args, body.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/hand-back/",
    response_model=CommandAnswer,
    responses={**LATER, **responses(*COMMON, "already_claimed", "already_done", "not_claimed", "not_delegated")},
)
async def hand_back_execution(
    execution_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[Release | None, Body()] = None
) -> Response:
    """Return delegated work to whoever delegated it."""
    given = body or Release()
    return await send_one(held, caller, how, execution_id, "hand_back", {"reason": given.reason}, given.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/snooze/",
    response_model=CommandAnswer,
    responses={
        **LATER,
        **responses(
            *COMMON, "already_claimed", "already_done", "not_due", "due_too_far", "due_in_the_past", "due_beyond_limit",
            "reason_required",
        ),
    },
)  # fmt: skip
async def snooze_execution(execution_id: UUID, caller: Caller, held: Held, how: How, body: Snooze) -> Response:
    """Put the due time off, with a reason; reminders and escalation levels follow it, the hard limit stays."""
    args = {"until": body.until.isoformat(), "reason": body.reason}
    return await send_one(held, caller, how, execution_id, "snooze", args, body.on_behalf_of)


@router.post(
    "/api/executions/{execution_id}/prioritise/",
    response_model=CommandAnswer,
    responses={**LATER, **responses(*COMMON)},
)
async def prioritise_execution(execution_id: UUID, caller: Caller, held: Held, how: How, body: Prioritise) -> Response:
    """Make work more or less urgent; the inbox shows the most urgent first."""
    args = {"priority": body.priority, "reason": body.reason}
    return await send_one(held, caller, how, execution_id, "prioritise", args, body.on_behalf_of)
