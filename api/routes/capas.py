"""CAPAs: starting their 8D workflow."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Response
from fastapi.responses import JSONResponse

from api import commanding
from api.commanding import How
from api.deps import Caller, Held, needs, transaction
from api.problems import responses
from api.schemas.subjects import StartCapa
from api.schemas.workflows import WorkflowDetail
from api.starting import begin
from models.store.capas import capa_to_start
from models.store.commands import repeated
from models.store.starting import NamedSubject, Start

router = APIRouter(tags=["workflows"])

TEMPLATE = "CAPA_8D"


@router.post(
    "/api/capas/{capa_id}/start-workflow/",
    status_code=201,
    response_model=WorkflowDetail,
    dependencies=[Depends(needs("capa.start"))],
    responses=responses(
        "forbidden",
        "not_found",
        "capa_running",
        "process_not_approved",
        "process_not_effective",
        "owner_unknown",
        "idempotency_conflict",
    ),
)
async def start_capa_workflow(
    capa_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[StartCapa | None, Body()] = None
) -> Response:
    """Start the latest approved process made from the CAPA 8D template; its severity goes into the context."""
    given = body or StartCapa()
    mark = commanding.fingerprint(f"capas/{capa_id}", given.model_dump(mode="json"))
    async with transaction(held, caller) as session:
        fresh = await repeated(session, caller.person, how.key, mark) is None
        capa = await capa_to_start(session, caller.tenant_id, capa_id) if fresh else None
    severity = {} if capa is None else {"severity": str(capa.severity)}
    asked = Start(
        template_source=TEMPLATE,
        subjects=[NamedSubject(id=capa_id)],
        name=given.name or ("" if capa is None else capa.capa_number),
        context={**given.context, **severity},
        owner_id=given.owner,
    )
    shown = await begin(held, caller, asked, how, mark, capa_id=capa_id)
    return JSONResponse(shown, 201, headers={"Location": f"/api/workflows/{shown['id']}/"})
