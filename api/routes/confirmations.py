"""The second person of a deviation: confirm or reject what another one proposed."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api import commanding
from api.commanding import How
from api.deps import Caller, Held, transaction
from api.executing import LATER
from api.problems import responses
from api.schemas.deviations import Rejection
from api.schemas.executions import Command
from models.store.commands import command_view
from models.store.proposals import confirm, reject

router = APIRouter(tags=["deviations"])

_PROBLEMS = ("forbidden", "not_found", "not_proposed")


@router.post(
    "/api/commands/{command_id}/confirm/",
    response_model=Command,
    responses={
        **LATER,
        **responses(
            *_PROBLEMS, "self_confirmation", "second_person_required", "on_hold", "instance_closed",
        ),
    },
)  # fmt: skip
async def confirm_deviation(command_id: UUID, caller: Caller, held: Held, how: How) -> Response:
    """Confirm a deviation that another person proposed, with the permission that it needs; it then takes effect.

    What the engine says to it is in `outcome` and `response`; it may refuse it still.
    """
    async with transaction(held, caller) as session:
        row = await confirm(session, caller.person, command_id)
    settled = await commanding.resend(held, caller, command_id, row["workflow_instance_id"], how)
    place = {"Location": f"/api/commands/{command_id}/"}
    if settled is None:
        return JSONResponse({"command_id": str(command_id), "outcome": "accepted"}, 202, headers=place)
    async with transaction(held, caller) as session:
        return JSONResponse(await command_view(session, caller.tenant_id, command_id))


@router.post(
    "/api/commands/{command_id}/reject/",
    response_model=Command,
    responses=responses(*_PROBLEMS, "reason_required", "deviation_rejected"),
)
async def reject_deviation(command_id: UUID, caller: Caller, held: Held, body: Rejection) -> Response:
    """Reject a proposed deviation, or take one's own back; nothing happens, and both persons are in the audit trail."""
    async with transaction(held, caller) as session:
        await reject(session, caller.person, command_id, body.reason)
        shown = await command_view(session, caller.tenant_id, command_id)
    return JSONResponse(shown)
