"""Think a command through before it is sent."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from api.deps import Caller, Held, needs, transaction
from api.previewing import previewed
from api.problems import responses
from api.schemas.previews import Preview, PreviewAnswer
from models.store.commands import check_bulk
from models.store.instance_lists import require_instance

router = APIRouter(tags=["deviations"])

_ON_EXECUTIONS = {"complete", "force", "skip", "move", "rewind", "undo"}


@router.post(
    "/api/workflows/{workflow_id}/preview/",
    response_model=PreviewAnswer,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses(
        "forbidden", "not_found", "executions_invalid", "subjects_required", "subjects_too_many", "subjects_duplicate",
        "subject_type_mismatch",
    ),
)  # fmt: skip
async def preview_command(workflow_id: UUID, caller: Caller, held: Held, body: Preview) -> Any:
    """What a command by the caller would come to now, for each subject; nothing is written.

    What the engine does by itself afterwards is in it, up to where an expression, a message, a timer or an action
    decides. Refusals are part of the answer. Somebody else may act before the command itself is sent.
    """
    if body.action in _ON_EXECUTIONS:
        check_bulk(body.execution_ids)
    async with transaction(held, caller) as session:
        await require_instance(session, caller.tenant_id, workflow_id)
    return JSONResponse(await previewed(held, caller, workflow_id, body))
