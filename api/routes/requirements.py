"""The gates of an execution: where they stand, and evidence given and withdrawn."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api import commanding
from api.auth import Principal
from api.commanding import How, person_of
from api.deps import Caller, Db, Held, needs, transaction
from api.once import once
from api.paging import Page, number_after, page
from api.problems import responses
from api.schemas import requirements as shapes
from api.services import Services
from models.requirements.giving import give_evidence, kind_at, withdraw_evidence
from models.requirements.showing import check_requirement, revision_json, show_requirements
from models.store.errors import InvalidCredentialsError
from models.store.evidence import revisions_of
from models.store.gate_errors import ReauthenticationFailedError
from models.store.sessions import reauthenticate

router = APIRouter(tags=["requirements"])

_COMMON = (
    "forbidden", "execution_unknown", "requirement_unknown", "derived_requirement", "instance_closed", "on_hold",
    "execution_closed", "already_claimed", "idempotency_conflict",
)  # fmt: skip


@router.get(
    "/api/executions/{execution_id}/requirements/",
    response_model=shapes.Requirements,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("forbidden", "execution_unknown"),
)
async def list_requirements(execution_id: UUID, caller: Caller, session: Db) -> Any:
    """All requirements of an execution in order, judged now, and the hash of what there is to sign."""
    return await show_requirements(session, caller.tenant_id, execution_id)


@router.get(
    "/api/executions/{execution_id}/requirements/{requirement_id}/revisions/",
    response_model=shapes.Revisions,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("forbidden", "execution_unknown", "requirement_unknown", "cursor_invalid"),
)
async def list_revisions(execution_id: UUID, requirement_id: UUID, caller: Caller, session: Db, asked: Page) -> Any:
    """Everything that was ever given for a requirement of an execution: each save of a form is one revision."""
    await check_requirement(session, caller.tenant_id, execution_id, requirement_id)
    found = await revisions_of(
        session, caller.tenant_id, execution_id, requirement_id, after=number_after(asked), limit=asked.fetch
    )
    return JSONResponse(page(found, asked, key=lambda row: [row["revision"]], show=revision_json))


@router.post(
    "/api/executions/{execution_id}/requirements/{requirement_id}/complete/",
    response_model=shapes.Requirement,
    responses=responses(
        *_COMMON, "already_done", "evidence_invalid", "requirement_out_of_order", "reauthentication_failed",
        "account_locked", "signature_role_required", "already_signed", "no_self_signature", "content_changed",
        "self_disposition", "gauge_overdue", "impersonation_forbidden",
    ),
)  # fmt: skip
async def complete_requirement(
    execution_id: UUID, requirement_id: UUID, caller: Caller, held: Held, how: How, body: shapes.Completion
) -> Any:
    """Give evidence. What was given before stays and is added to; a form is saved anew.

    A signature asks for the password once more; failures count towards locking the account.
    """
    evidence = dict(body.evidence)
    proven = await _proven(held, caller, execution_id, requirement_id, evidence)
    person = person_of(caller, body.on_behalf_of)

    async def work(session: AsyncSession) -> dict[str, Any]:
        now = datetime.now(UTC)
        await give_evidence(session, person, execution_id, requirement_id, evidence, now, proven=proven)
        return await _one(session, caller.tenant_id, execution_id, requirement_id)

    asked = {"evidence": evidence, "on_behalf_of": body.on_behalf_of}
    mark = commanding.fingerprint(f"requirements/{execution_id}/{requirement_id}", asked)
    return await once(held, caller, person, how, mark, work)


@router.post(
    "/api/executions/{execution_id}/requirements/{requirement_id}/withdraw/",
    response_model=shapes.Requirement,
    responses=responses(*_COMMON, "nothing_to_withdraw", "reason_required"),
)
async def withdraw_requirement(
    execution_id: UUID,
    requirement_id: UUID,
    caller: Caller,
    held: Held,
    how: How,
    body: Annotated[shapes.Withdrawal | None, Body()] = None,
) -> Any:
    """Take back what was given, with a reason; an execution that waits is reopened."""
    reason = (body or shapes.Withdrawal()).reason

    async def work(session: AsyncSession) -> dict[str, Any]:
        await withdraw_evidence(session, caller.person, execution_id, requirement_id, reason, datetime.now(UTC))
        return await _one(session, caller.tenant_id, execution_id, requirement_id)

    mark = commanding.fingerprint(f"requirements/{execution_id}/{requirement_id}/withdraw", {"reason": reason})
    return await once(held, caller, caller.person, how, mark, work)


async def _proven(
    held: Services, caller: Principal, execution_id: UUID, requirement_id: UUID, evidence: dict[str, Any]
) -> bool:
    """Whether the caller proves who they are; a password leaves the evidence here, also where none is asked for.

    Before the request's own transaction and in one of its own: a failure counts although nothing is signed, and the
    slow hash is computed without holding any lock.
    """
    async with transaction(held, caller) as session:
        kind = await kind_at(session, caller.tenant_id, execution_id, requirement_id)
    password = evidence.pop("password", None)
    if not kind.needs_password:
        return False
    if not isinstance(password, str) or not password:
        raise ReauthenticationFailedError
    try:
        await reauthenticate(held.app, caller.tenant_id, caller.user_id, password, source=caller.source)
    except InvalidCredentialsError as error:
        raise ReauthenticationFailedError from error
    return True


async def _one(session: AsyncSession, tenant_id: UUID, execution_id: UUID, requirement_id: UUID) -> dict[str, Any]:
    everything = await show_requirements(session, tenant_id, execution_id)
    shown: dict[str, Any] = next(one for one in everything["items"] if one["id"] == str(requirement_id))
    return {**shown, "content_hash": everything["content_hash"]}
