"""Process versions: drafts and their validation. What becomes of them is in `process_life`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from api.checking import process_problems
from api.deps import Caller, Db, Held, needs
from api.paging import Page, moment_after, page
from api.problems import Problem, responses
from api.schemas import processes as shapes
from models.enums import ProcessStatus
from models.store.definitions import NewProcess, change_process, create_process
from models.store.process_lookup import get_process
from models.store.process_views import ProcessFilter, list_processes, process_json, process_view
from models.store.usable import unusable_references

router = APIRouter(tags=["processes"])

READ = [Depends(needs("process.read"))]
EDIT = [Depends(needs("process.edit"))]
REFERENCES = ("reference_unknown", "config_invalid", "subject_type_unknown")


@router.get(
    "/api/processes/",
    response_model=shapes.Processes,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_processes(
    caller: Caller,
    session: Db,
    asked: Page,
    status: ProcessStatus | None = None,
    category: Annotated[str, Query(max_length=50)] = "",
    key: Annotated[str, Query(max_length=100)] = "",
    subject_type: Annotated[str, Query(max_length=100)] = "",
    template_source: Annotated[str, Query(max_length=50)] = "",
    q: Annotated[str, Query(max_length=200, description="Part of key or name.")] = "",
) -> Any:
    """Versions without their graphs, newest first."""
    narrowed = ProcessFilter(
        status=status,
        category=category,
        key=key,
        subject_type=subject_type,
        template_source=template_source,
        search=q,
    )
    found = await list_processes(session, caller.tenant_id, narrowed, after=moment_after(asked), limit=asked.fetch)
    return JSONResponse(
        page(
            found,
            asked,
            key=lambda one: [one[0].created_at.isoformat(), str(one[0].id)],
            show=lambda one: process_json(one[0], one[1]),
        )
    )


@router.post(
    "/api/processes/",
    status_code=201,
    response_model=shapes.Process,
    dependencies=EDIT,
    responses=responses("forbidden", "process_key_taken", *REFERENCES),
)
async def create_a_process(caller: Caller, session: Db, body: shapes.NewProcess) -> Any:
    """Create a draft. It may still have problems; `validate` lists them."""
    new = NewProcess(
        key=body.key or "",
        name=body.name,
        description=body.description,
        category=body.category,
        subject_type=body.subject_type,
        template_source=body.template_source,
        graph=body.graph,
    )
    process = await create_process(session, caller.actor, new)
    shown = await process_view(session, process)
    return JSONResponse(shown, 201, headers={"Location": f"/api/processes/{process.id}/"})


@router.get(
    "/api/processes/{process_id}/",
    response_model=shapes.Process,
    dependencies=READ,
    responses=responses("forbidden", "not_found"),
)
async def get_a_process(process_id: UUID, caller: Caller, session: Db) -> Any:
    """One version with its graph."""
    process = await get_process(session, caller.tenant_id, process_id)
    return JSONResponse(await process_view(session, process))


@router.patch(
    "/api/processes/{process_id}/",
    response_model=shapes.Process,
    dependencies=EDIT,
    responses=responses(
        "forbidden", "not_found", "process_not_draft", "revision_conflict", "nothing_to_change", *REFERENCES
    ),
)
async def change_a_process(process_id: UUID, caller: Caller, session: Db, body: shapes.ChangedProcess) -> Any:
    """Change a draft; with `revision`, only if nobody else has changed it since."""
    changes = body.model_dump(exclude={"revision"}, exclude_none=True)
    if not changes:
        raise Problem("nothing_to_change")
    process = await change_process(session, caller.actor, process_id, changes, base=body.revision)
    return JSONResponse(await process_view(session, process))


@router.post(
    "/api/processes/{process_id}/validate/",
    response_model=shapes.Validation,
    dependencies=READ,
    responses=responses("forbidden", "not_found"),
)
async def validate_process(process_id: UUID, caller: Caller, held: Held, session: Db) -> Any:
    """Everything that keeps this version from being put into force."""
    process = await get_process(session, caller.tenant_id, process_id)
    problems = process_problems(process.graph, private_allowed=held.settings.private_targets_allowed)
    if not problems:
        problems = await unusable_references(session, process)
    return JSONResponse({"valid": not problems, "problems": problems})
