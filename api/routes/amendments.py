"""Evidence of completed work that is amended."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlmodel.ext.asyncio.session import AsyncSession

from api import commanding
from api.commanding import How
from api.deps import Caller, Held
from api.once import once
from api.problems import responses
from api.schemas import requirements as shapes
from models.requirements.amending import amend_evidence
from models.requirements.showing import show_requirements

router = APIRouter(tags=["requirements"])


@router.post(
    "/api/executions/{execution_id}/requirements/{requirement_id}/amend/",
    response_model=shapes.Requirement,
    responses=responses(
        "forbidden", "execution_unknown", "requirement_unknown", "not_amendable", "evidence_invalid", "reason_required",
        "gauge_overdue", "self_disposition", "idempotency_conflict",
    ),
)  # fmt: skip
async def amend_requirement(
    execution_id: UUID, requirement_id: UUID, caller: Caller, held: Held, how: How, body: shapes.Amendment
) -> Any:
    """Give other evidence for completed work, with a reason.

    It is a new revision; signatures and approvals of the old content are voided, and an incident is opened.
    """
    evidence, reason = dict(body.evidence), body.reason
    evidence.pop("password", None)

    async def work(session: AsyncSession) -> dict[str, Any]:
        now = datetime.now(UTC)
        await amend_evidence(session, caller.person, execution_id, requirement_id, evidence, reason, now)
        everything = await show_requirements(session, caller.tenant_id, execution_id)
        shown: dict[str, Any] = next(one for one in everything["items"] if one["id"] == str(requirement_id))
        return {**shown, "content_hash": everything["content_hash"]}

    asked = {"evidence": evidence, "reason": reason}
    mark = commanding.fingerprint(f"requirements/{execution_id}/{requirement_id}/amend", asked)
    return await once(held, caller, caller.person, how, mark, work)
