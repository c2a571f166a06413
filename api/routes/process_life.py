"""The life of a process version: review, approval by another person, retirement, the next version and its changes."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import Principal
from api.checking import process_problems
from api.deps import Caller, Db, Held, needs, require, transaction
from api.paging import Page, moment_after, page
from api.problems import responses
from api.schemas import process_life as asked
from api.schemas.processes import Process as Shown
from api.schemas.workflows import AuditTrail
from api.services import Services
from models.enums import ProcessStatus
from models.flow.diff import Difference, difference
from models.store.audit_views import audit_json, list_object_audit
from models.store.definitions import approve_process
from models.store.effectivity import Effective
from models.store.errors import InvalidCredentialsError
from models.store.gate_errors import ReauthenticationFailedError
from models.store.process_life import (
    check_second_person,
    new_version,
    reject_process,
    retire_process,
    submit_process,
    withdraw_process,
)
from models.store.process_lookup import get_process
from models.store.process_views import process_json, process_view
from models.store.refusals import ProcessInvalidError
from models.store.sessions import reauthenticate
from models.tables import Process, SubjectType

router = APIRouter(tags=["processes"])

EDIT = [Depends(needs("process.edit"))]
APPROVE = [Depends(needs("process.approve"))]
UNREADY = ("not_found", "process_not_draft", "revision_conflict", "process_invalid")


@router.post(
    "/api/processes/{process_id}/submit/",
    response_model=Shown,
    dependencies=EDIT,
    responses=responses("forbidden", *UNREADY),
)
async def submit_a_process(
    process_id: UUID, caller: Caller, held: Held, session: Db, body: Annotated[asked.Submit | None, Body()] = None
) -> Any:
    """Hand a draft over for review. It is frozen until it is approved, rejected or withdrawn."""
    given = body or asked.Submit()
    await _checked(session, held, caller, process_id)
    process = await submit_process(session, caller.actor, process_id, base=given.revision, note=given.note)
    return JSONResponse(await process_view(session, process))


@router.post(
    "/api/processes/{process_id}/withdraw/",
    response_model=Shown,
    dependencies=EDIT,
    responses=responses("forbidden", "not_found", "process_not_in_review"),
)
async def withdraw_a_process(
    process_id: UUID, caller: Caller, session: Db, body: Annotated[asked.Withdraw | None, Body()] = None
) -> Any:
    """Take a version back from review, to work on it again."""
    given = body or asked.Withdraw()
    process = await withdraw_process(session, caller.actor, process_id, reason=given.reason)
    return JSONResponse(await process_view(session, process))


@router.post(
    "/api/processes/{process_id}/reject/",
    response_model=Shown,
    dependencies=APPROVE,
    responses=responses("forbidden", "not_found", "process_not_in_review", "reason_required"),
)
async def reject_a_process(process_id: UUID, caller: Caller, session: Db, body: asked.Reason) -> Any:
    """Send a version back from review to its authors, with the reason."""
    process = await reject_process(session, caller.actor, process_id, reason=body.reason)
    return JSONResponse(await process_view(session, process))


@router.post(
    "/api/processes/{process_id}/approve/",
    response_model=Shown,
    dependencies=APPROVE,
    responses=responses(
        "forbidden",
        *UNREADY,
        "process_self_approval",
        "reason_required",
        "effective_dates_invalid",
        "reauthentication_failed",
        "account_locked",
    ),
)
async def approve_a_process(
    process_id: UUID, caller: Caller, held: Held, body: Annotated[asked.Approve | None, Body()] = None
) -> Any:
    """Put a version into force, now or from `effective_from` on. From now on it never changes.

    Whoever wrote or submitted it may not approve it, unless they hold `process.self_approve` and say why. With
    `password` the approval is signed: the caller has just proven who they are, and the audit trail says so.
    """
    given = body or asked.Approve()
    if given.password is not None:
        await _prove(held, caller, given.password.get_secret_value())
    async with transaction(held, caller) as session:
        process = await _checked(session, held, caller, process_id)
        is_exception = await check_second_person(session, process, caller.user_id, caller.permissions, given.reason)
        seen = {"self_approval": is_exception, "signed": given.password is not None}
        process = await approve_process(
            session,
            caller.actor,
            process_id,
            base=given.revision,
            reason=given.reason,
            effective=Effective(since=given.effective_from, until=given.effective_until),
            seen=seen,
        )
        shown = await process_view(session, process)
    return JSONResponse(shown)


@router.post(
    "/api/processes/{process_id}/retire/",
    response_model=Shown,
    dependencies=EDIT,
    responses=responses("forbidden", "not_found", "process_retired", "process_in_use", "reason_required"),
)
async def retire_a_process(process_id: UUID, caller: Caller, session: Db, body: asked.Reason) -> Any:
    """Nothing is started by this version any more; what runs goes on to its end. A draft is given up by its editors."""
    found = await get_process(session, caller.tenant_id, process_id, lock=True)
    if found.status != ProcessStatus.DRAFT:
        require(caller, "process.approve")
    process = await retire_process(session, caller.actor, process_id, reason=body.reason)
    return JSONResponse(await process_view(session, process))


@router.post(
    "/api/processes/{process_id}/new-version/",
    status_code=201,
    response_model=Shown,
    dependencies=EDIT,
    responses=responses("forbidden", "not_found", "version_not_approved", "draft_exists"),
)
async def make_a_new_version(process_id: UUID, caller: Caller, session: Db, body: asked.NewVersion) -> Any:
    """Copy an approved version into a draft with the next label, 1.1 or 2.0. A process has one open draft at most."""
    process = await new_version(session, caller.actor, process_id, body.level, body.note)
    shown = await process_view(session, process)
    return JSONResponse(shown, 201, headers={"Location": f"/api/processes/{process.id}/"})


@router.get(
    "/api/processes/{process_id}/diff/",
    response_model=asked.Differences,
    dependencies=[Depends(needs("process.read"))],
    responses=responses("forbidden", "not_found"),
)
async def compare_processes(
    process_id: UUID,
    caller: Caller,
    session: Db,
    against: Annotated[
        UUID | None, Query(description="The older version; what it was copied from unless given.")
    ] = None,
) -> Any:
    """What this version changes: steps, requirements and edges that were added, removed or changed.

    A first version is compared with nothing, so that all of it is new.
    """
    process = await get_process(session, caller.tenant_id, process_id)
    older = against or process.based_on
    other = None if older is None else await get_process(session, caller.tenant_id, older)
    found = difference({} if other is None else other.graph, process.graph)
    return JSONResponse(
        {
            "process": await _short(session, process),
            "against": None if other is None else await _short(session, other),
            "same": not found,
            "items": [_shown(one) for one in found],
        }
    )


@router.get(
    "/api/processes/{process_id}/audit/",
    response_model=AuditTrail,
    dependencies=[Depends(needs("audit.read"))],
    responses=responses("forbidden", "not_found", "cursor_invalid"),
)
async def list_process_audit(process_id: UUID, caller: Caller, session: Db, asked_page: Page) -> Any:
    """Who drafted, changed, submitted, approved, deprecated or retired this version, when and why."""
    await get_process(session, caller.tenant_id, process_id)
    found = await list_object_audit(
        session, caller.tenant_id, "process", process_id, after=moment_after(asked_page), limit=asked_page.fetch
    )
    return JSONResponse(
        page(found, asked_page, key=lambda one: [one["at"].isoformat(), str(one["id"])], show=audit_json)
    )


async def _checked(session: AsyncSession, held: Services, caller: Principal, process_id: UUID) -> Process:
    """The version, locked; refused while its graph has problems.

    Raises:
        StoreError: not_found, process_invalid.
    """
    process = await get_process(session, caller.tenant_id, process_id, lock=True)
    private = held.settings.private_targets_allowed
    if process.graph_hash is None and (problems := process_problems(process.graph, private_allowed=private)):
        raise ProcessInvalidError(problems=problems)
    return process


async def _prove(held: Services, caller: Principal, password: str) -> None:
    """Before the request's own transaction, for a failure counts although nothing is approved."""
    try:
        await reauthenticate(held.app, caller.tenant_id, caller.user_id, password, source=caller.source)
    except InvalidCredentialsError as error:
        raise ReauthenticationFailedError from error


async def _short(session: AsyncSession, process: Process) -> dict[str, Any]:
    return process_json(process, await session.get_one(SubjectType, (process.tenant_id, process.subject_type_id)))


def _shown(one: Difference) -> dict[str, Any]:
    return {
        "what": one.what,
        "change": one.change,
        "key": one.key,
        "name": one.name,
        "fields": {name: {"before": before, "after": after} for name, (before, after) in one.fields.items()},
    }
