"""Shipped templates, and processes made of them."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from fastapi.responses import JSONResponse

from api.deps import Caller, Db, needs, require
from api.problems import responses
from api.schemas import processes as shapes
from models.store.process_views import process_view
from models.store.templates import instantiate
from models.templates import get_templates

router = APIRouter(tags=["processes"])


@router.get(
    "/api/templates/",
    response_model=shapes.Templates,
    dependencies=[Depends(needs("process.read"))],
    responses=responses("forbidden"),
)
async def list_templates() -> Any:
    """The processes that ship with the product."""
    return JSONResponse({"items": [asdict(one) for one in get_templates().values()], "next_cursor": None})


@router.post(
    "/api/templates/{key}/instantiate/",
    status_code=201,
    response_model=shapes.Process,
    dependencies=[Depends(needs("process.edit"))],
    responses=responses("forbidden", "not_found", "process_key_taken", "subject_type_unknown", "config_invalid"),
)
async def instantiate_template(
    key: str, caller: Caller, session: Db, body: Annotated[shapes.InstantiateTemplate | None, Body()] = None
) -> Any:
    """Make a process of a template, with the document types, approval templates and children that it names."""
    given = body or shapes.InstantiateTemplate()
    if given.approve:
        require(caller, "process.approve")
    process = await instantiate(
        session,
        caller.actor,
        get_templates(),
        key,
        approve=given.approve,
        key=given.key or "",
        name=given.name or "",
    )
    shown = await process_view(session, process)
    return JSONResponse(shown, 201, headers={"Location": f"/api/processes/{process.id}/"})
