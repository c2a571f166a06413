"""Running instances: start, list, show, hold, resume, cancel, change; their executions, audit trail."""

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic_core import to_jsonable_python
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.agreement import differences
from api import commanding
from api.commanding import How
from api.deps import Caller, Db, Held, needs, require, snapshot
from api.paging import Page, moment_after, page, word_after
from api.past import AsOf, past
from api.problems import Problem, responses
from api.schemas import workflows as shapes
from api.starting import begin
from models.enums import Chain
from models.flow.status import INSTANCE_CLOSED
from models.store.audit_views import audit_json, list_audit
from models.store.commands import Wanted, repeated
from models.store.instance_lists import (
    InstanceFilter,
    instance_detail,
    list_executions,
    list_instances,
    require_instance,
)
from models.store.nested import descendant_json, list_descendants
from models.store.starting import Start, check_owner
from models.store.verify import verify_chain
from models.store.views import execution_json, instance_json

router = APIRouter(tags=["workflows"])

READ = [Depends(needs("instance.read"))]
KINDS = {"on_hold": "hold", "in_progress": "resume", "cancelled": "cancel"}


@router.post(
    "/api/workflows/",
    status_code=201,
    response_model=shapes.WorkflowDetail,
    dependencies=[Depends(needs("instance.start"))],
    responses=responses(
        "forbidden", "not_found", "process_not_approved", "process_not_effective", "subjects_required",
        "subjects_too_many", "subjects_duplicate", "subject_type_mismatch", "capa_running", "subject_identifier_taken",
        "subject_identifier_invalid", "subject_attributes_invalid", "owner_unknown", "execution_unknown",
        "idempotency_conflict",
    ),
)  # fmt: skip
async def start_workflow(caller: Caller, held: Held, how: How, body: shapes.StartWorkflow) -> Response:
    """Start a process. Status `pending` says that it is committed and will begin by itself."""
    asked = Start(
        process_id=body.process,
        process_key=body.process_key,
        subjects=[one.named() for one in body.subjects],
        name=body.name,
        context=body.context,
        owner_id=body.owner,
        due_date=body.due_date,
        parent_execution=body.parent_execution,
    )
    mark = commanding.fingerprint("workflows", body.model_dump(mode="json"))
    shown = await begin(held, caller, asked, how, mark)
    return JSONResponse(shown, 201, headers={"Location": f"/api/workflows/{shown['id']}/"})


@router.get(
    "/api/workflows/",
    response_model=shapes.Workflows,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_workflows(
    caller: Caller,
    session: Db,
    asked: Page,
    status: Annotated[str, Query(max_length=100, description="One status or several with commas.")] = "",
    category: Annotated[str, Query(max_length=50)] = "",
    process: Annotated[str, Query(max_length=100, description="Id or key.")] = "",
    owner: Annotated[str, Query(max_length=100, description="Id or username; `me`.")] = "",
    overdue: bool | None = None,
    q: Annotated[str, Query(max_length=200, description="Part of an identifier or name, also of subjects.")] = "",
) -> Any:
    """Instances, newest first."""
    narrowed = InstanceFilter(
        status=status,
        category=category,
        process=process,
        owner=caller.username if owner == "me" else owner,
        overdue=overdue,
        search=q,
    )
    found = await list_instances(session, caller.tenant_id, narrowed, after=moment_after(asked), limit=asked.fetch)
    return JSONResponse(
        page(found, asked, key=lambda one: [one["created_at"].isoformat(), str(one["id"])], show=instance_json)
    )


@router.get(
    "/api/workflows/{workflow_id}/",
    response_model=shapes.WorkflowDetail,
    dependencies=READ,
    responses=responses("forbidden", "not_found", "as_of_before_start", "as_of_in_future", "history_damaged"),
)
async def get_workflow(workflow_id: UUID, caller: Caller, session: Db, as_of: AsOf = None) -> Any:
    """One instance with counts per step, open incidents, parent and children; now, or as of a moment of the past."""
    if as_of is not None:
        async with past(session, caller, workflow_id, as_of, related=True) as stamp:
            shown = await instance_detail(session, caller.tenant_id, workflow_id)
        return JSONResponse({**shown, **stamp})
    return JSONResponse(await instance_detail(session, caller.tenant_id, workflow_id))


@router.patch(
    "/api/workflows/{workflow_id}/",
    response_model=shapes.WorkflowDetail,
    responses={
        202: {"description": "Accepted; the outcome will be at `Location`."},
        **responses(
            "forbidden", "not_found", "instance_closed", "already_on_hold", "not_on_hold", "reason_required",
            "owner_unknown", "nothing_to_change", "idempotency_conflict", "impersonation_forbidden",
        ),
    },
)  # fmt: skip
async def change_workflow(
    workflow_id: UUID, caller: Caller, held: Held, how: How, body: shapes.ChangeWorkflow
) -> Response:
    """Hold, resume or cancel with a reason; or change name, context, owner, due date. Each is a command."""
    require(caller, "instance.control")
    person = commanding.person_of(caller, body.on_behalf_of)
    mark = commanding.fingerprint(f"workflows/{workflow_id}", body.model_dump(mode="json", exclude_unset=True))
    wanted = _wanted(workflow_id, body)

    async def plan(session: AsyncSession) -> list[Wanted]:
        row = await require_instance(session, caller.tenant_id, workflow_id)
        if body.owner is not None:
            await check_owner(session, caller.tenant_id, body.owner)
        if row["status"] in INSTANCE_CLOSED and await repeated(session, person, how.key, mark) is None:
            raise Problem("instance_closed", status=row["status"])
        return wanted

    sent = await commanding.send(held, caller, person, plan, how, mark)
    for one in sent.ids:
        if one in sent.settled and sent.settled[one].outcome == "refused":
            raise commanding.refusal(sent.settled[one].response, command_id=str(one))
    if not sent.complete:
        return commanding.later(sent)
    async with snapshot(held, caller) as session:
        shown = await instance_detail(session, caller.tenant_id, workflow_id)
    return JSONResponse({**shown, "command_id": str(sent.ids[-1])})


@router.get(
    "/api/workflows/{workflow_id}/executions/",
    response_model=shapes.Executions,
    dependencies=READ,
    responses=responses(
        "forbidden", "not_found", "cursor_invalid", "as_of_before_start", "as_of_in_future", "history_damaged",
    ),
)  # fmt: skip
async def list_workflow_executions(
    workflow_id: UUID,
    caller: Caller,
    session: Db,
    asked: Page,
    status: Annotated[str, Query(max_length=200, description="One status or several with commas.")] = "",
    step: Annotated[str, Query(max_length=100, description="Key of a step.")] = "",
    as_of: AsOf = None,
) -> Any:
    """All executions, in the order in which they were entered; now, or as of a moment of the past."""

    async def read() -> dict[str, Any]:
        found = await list_executions(
            session,
            caller.tenant_id,
            workflow_id,
            status=status,
            step=step,
            after=moment_after(asked),
            limit=asked.fetch,
        )
        return page(found, asked, key=lambda one: [one["entered_at"].isoformat(), str(one["id"])], show=execution_json)

    if as_of is not None:
        async with past(session, caller, workflow_id, as_of) as stamp:
            shown = await read()
        return JSONResponse({**shown, **stamp})
    await require_instance(session, caller.tenant_id, workflow_id)
    return JSONResponse(await read())


@router.get(
    "/api/workflows/{workflow_id}/audit/",
    response_model=shapes.AuditTrail,
    dependencies=[Depends(needs("audit.read"))],
    responses=responses("forbidden", "not_found", "cursor_invalid"),
)
async def list_workflow_audit(
    workflow_id: UUID, caller: Caller, session: Db, asked: Page, order: Literal["asc", "desc"] = "asc"
) -> Any:
    """Who did what to the workflow and its executions, when, from what to what, and why."""
    await require_instance(session, caller.tenant_id, workflow_id)
    found = await list_audit(
        session,
        caller.tenant_id,
        workflow_id,
        newest_first=order == "desc",
        after=moment_after(asked),
        limit=asked.fetch,
    )
    return JSONResponse(page(found, asked, key=lambda one: [one["at"].isoformat(), str(one["id"])], show=audit_json))


@router.get(
    "/api/workflows/{workflow_id}/children/",
    response_model=shapes.Descendants,
    dependencies=READ,
    responses=responses("forbidden", "not_found", "cursor_invalid"),
)
async def list_workflow_children(
    workflow_id: UUID,
    caller: Caller,
    session: Db,
    asked: Page,
    status: Annotated[str, Query(max_length=200, description="One status or several with commas.")] = "",
    depth: Annotated[int | None, Query(ge=1, le=100, description="Levels to show; all unless told.")] = None,
) -> Any:
    """The tree of nested workflows, each followed by its own children."""
    await require_instance(session, caller.tenant_id, workflow_id)
    found = await list_descendants(
        session, caller.tenant_id, workflow_id, status=status, depth=depth, after=word_after(asked), limit=asked.fetch
    )
    return JSONResponse(page(found, asked, key=lambda one: [one["path"]], show=descendant_json))


@router.get(
    "/api/workflows/{workflow_id}/verify/",
    response_model=shapes.Verification,
    dependencies=[Depends(needs("audit.read"))],
    responses=responses("forbidden", "not_found"),
)
async def verify_workflow(workflow_id: UUID, caller: Caller, held: Held) -> Any:
    """Whether the workflow's rows are the fold of its journal, and whether its hash chain is as it was written."""
    async with snapshot(held, caller) as session:
        row = await require_instance(session, caller.tenant_id, workflow_id)
        found = await differences(await session.connection(), caller.tenant_id, workflow_id)
        problems = await verify_chain(session, caller.tenant_id, Chain.INSTANCE, workflow_id)
    shown = {
        "workflow": {"id": str(row["id"]), "identifier": row["identifier"]},
        "clean": not found and not problems,
        "differences": [asdict(one) for one in found],
        "chain_problems": [asdict(one) for one in problems],
    }
    return JSONResponse(to_jsonable_python(shown, fallback=str))


def _wanted(workflow_id: UUID, body: shapes.ChangeWorkflow) -> list[Wanted]:
    """The commands of a PATCH: first what it is called, then its status.

    Raises:
        Problem: nothing_to_change.
    """
    changes = body.model_dump(mode="json", exclude_unset=True, include={"name", "context", "owner", "due_date"})
    wanted = []
    if changes:
        args = {"changes": changes, "reason": body.reason}
        wanted.append(Wanted(kind="amend", instance_id=workflow_id, args=args))
    if body.status is not None:
        args = {"reason": body.reason}
        wanted.append(Wanted(kind=KINDS[body.status], instance_id=workflow_id, args=args))
    if not wanted:
        raise Problem("nothing_to_change")
    return wanted
