"""Everything that cannot go on: what stopped and why, what to do about it, and trying again."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Response
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.commanding import How, fingerprint
from api.deps import Caller, Db, Held, needs, require, transaction
from api.executing import COMMON, LATER, send_one
from api.once import once
from api.paging import Page, moment_after, page
from api.problems import Problem, responses
from api.schemas import incidents as shapes
from api.schemas.workflows import Incidents
from models.flow.incidents import RESOLVING
from models.store.incidents import NOTED, incident_detail, resolve_noted
from models.store.instance_lists import incident_json, list_incidents

router = APIRouter(tags=["incidents"])

READ = [Depends(needs("instance.read"))]


@router.get(
    "/api/incidents/",
    response_model=Incidents,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_incidents(
    caller: Caller,
    session: Db,
    asked: Page,
    state: Literal["open", "resolved"] | None = None,
    workflow: UUID | None = None,
    code: Annotated[str, Query(max_length=100, description="Code of the cause.")] = "",
) -> Any:
    """What stopped and needs a person, newest first."""
    found = await list_incidents(
        session,
        caller.tenant_id,
        instance=workflow,
        is_open=None if state is None else state == "open",
        code=code,
        after=moment_after(asked),
        limit=asked.fetch,
    )
    return JSONResponse(
        page(found, asked, key=lambda one: [one["opened_at"].isoformat(), str(one["id"])], show=incident_json)
    )


@router.get(
    "/api/incidents/{incident_id}/",
    response_model=shapes.IncidentDetail,
    dependencies=READ,
    responses=responses("forbidden", "not_found"),
)
async def get_incident(incident_id: UUID, caller: Caller, session: Db) -> Any:
    """One incident: its cause, what to do about it, and what happened around it."""
    return JSONResponse(await incident_detail(session, caller.tenant_id, incident_id))


_PROBLEMS = (*COMMON, "not_found", "incident_closed", "incident_of_engine")


@router.post(
    "/api/incidents/{incident_id}/retry/",
    response_model=shapes.IncidentAnswer,
    responses={**LATER, **responses(*_PROBLEMS, "nothing_stopped", "no_failed_child", "child_unusable")},
)
async def retry_incident(
    incident_id: UUID, caller: Caller, held: Held, how: How, body: Annotated[shapes.Note | None, Body()] = None
) -> Response:
    """Try again what stopped. At a step that a person completes, they complete it again."""
    return await _send(incident_id, caller, held, how, "retry_incident", body or shapes.Note())


@router.post(
    "/api/incidents/{incident_id}/resolve/",
    response_model=shapes.IncidentAnswer,
    responses={**LATER, **responses(*_PROBLEMS, "reason_required")},
)
async def resolve_incident(incident_id: UUID, caller: Caller, held: Held, how: How, body: shapes.Note) -> Response:
    """Say that what stopped it is out of the way, and how; the engine tries nothing."""
    return await _send(incident_id, caller, held, how, "resolve_incident", body)


async def _send(incident_id: UUID, caller: Caller, held: Held, how: How, kind: str, body: shapes.Note) -> Response:
    require(caller, RESOLVING)
    async with transaction(held, caller) as session:
        found = await incident_detail(session, caller.tenant_id, incident_id)
    if found["code"] in NOTED:
        return await _resolve_noted(incident_id, caller, held, how, kind, body)
    if found["execution"] is None:
        raise Problem("incident_of_engine")
    args = {"incident_id": str(incident_id), "note": body.note}
    if kind == "retry_incident":
        args["code"] = found["code"]
    return await send_one(held, caller, how, UUID(found["execution"]), kind, args, None)


async def _resolve_noted(
    incident_id: UUID, caller: Caller, held: Held, how: How, kind: str, body: shapes.Note
) -> Response:
    """One that stopped nothing: the engine has no part in it."""
    if kind == "retry_incident":
        raise Problem("nothing_stopped")

    async def work(session: AsyncSession) -> dict[str, Any]:
        shown = await resolve_noted(session, caller.person, incident_id, body.note, datetime.now(UTC))
        return {"command_id": None, "outcome": "resolved", "execution": shown, "next": []}

    mark = fingerprint(f"incidents/{incident_id}/resolve", {"note": body.note})
    return await once(held, caller, caller.person, how, mark, work)
