"""Deciding an approval request: approve, reject, request again. Four eyes, the stage's approvers, the content shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ApprovalDecision, ApprovalState
from models.flow.errors import FlowError
from models.requirements.giving import check_order, gate_at
from models.store.approvals import (
    newest_requests,
    open_next_round,
    request_of,
    responses_of,
    set_stage,
    settle_request,
)
from models.store.content import content_hash
from models.store.evidence import Locked, Projected, Sealing, bump, check_workable, lock_execution, project, sealing
from models.store.gate_errors import (
    AlreadyAnsweredError,
    ApprovalClosedError,
    ApprovalUnknownError,
    ContentChangedError,
    NotAnApproverError,
    NotReRequestableError,
    SelfApprovalError,
)
from models.store.people import Person
from models.store.stages import Answer, Stage, is_passed
from models.store.workers import workers_of
from models.tables import ApprovalResponse

SELF_APPROVAL_REASON: Final = 10
"""Characters of the reason for deciding on one's own work, where the template allows it at all."""
ANSWERING: Final = frozenset({"approval.decide", "evidence.give"})
"""Who may answer where a stage names them; a reader of records may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an approver says; `content_hash` is that of what they were shown."""

    decision: ApprovalDecision
    comment: str = ""
    content_hash: str | None = None


async def decide_approval(
    session: AsyncSession, person: Person, approval_id: UUID, said: Decision, now: datetime
) -> UUID:
    """Answer the current stage of a request; the id of the request.

    One rejection ends the request. A stage that is passed opens the next one; the last one approves the request.

    Raises:
        StoreError: approval_unknown, approval_closed, not_an_approver, already_answered, self_approval,
            content_changed, requirement_out_of_order.
        FlowError: forbidden, reason_required (a rejection says why), instance_closed, on_hold, execution_closed,
            already_done.
    """
    if said.decision is ApprovalDecision.REJECTED and not said.comment.strip():
        raise FlowError("reason_required", minimum=1)
    locked, request = await _locked(session, person, approval_id)
    if request["state"] != ApprovalState.PENDING:
        raise ApprovalClosedError(state=request["state"])
    stage = Stage.model_validate(request["stages"][request["stage"]])
    reason = await _check_approver(session, person, request, stage, said)
    gate, gates = await gate_at(session, locked.execution, request["requirement_id"])
    await check_order(session, locked, gate, gates)
    shown = await content_hash(session, locked.execution)
    if said.content_hash is not None and said.content_hash != shown:
        raise ContentChangedError(content_hash=shown)
    link = await sealing(session, locked)
    await link.add(session, ApprovalResponse, [_response(person, request, said, shown, reason, now)])
    state = await _advance(session, request, stage, said, shown, now)
    link.tell(
        f"approval.{said.decision.value}", "approval_request", approval_id,
        old={"state": request["state"], "stage": request["stage"]},
        new={"state": state.value, "round": request["round"], "content_hash": shown, "self_approval": bool(reason)},
        reason=said.comment.strip(),
    )  # fmt: skip
    await _finish(session, person, locked, link, request["requirement_id"], approval_id, state, now)
    return approval_id


async def request_again(session: AsyncSession, person: Person, approval_id: UUID, comment: str, now: datetime) -> UUID:
    """Open the next round of a rejected or withdrawn request; the id of the new request.

    Raises:
        StoreError: approval_unknown, not_re_requestable.
        FlowError: forbidden, instance_closed, on_hold, execution_closed, already_done.
    """
    person.must("evidence.give")
    locked, request = await _locked(session, person, approval_id)
    newest = await newest_requests(session, person.tenant_id, [locked.execution.id])
    is_newest = newest[locked.execution.id, request["requirement_id"]]["id"] == approval_id
    if request["state"] not in {ApprovalState.REJECTED, ApprovalState.WITHDRAWN} or not is_newest:
        raise NotReRequestableError(state=request["state"])
    again = await open_next_round(session, person.tenant_id, approval_id, now=now, by=person.id)
    link = await sealing(session, locked)
    link.tell(
        "approval.requested_again", "approval_request", again,
        old={"request": str(approval_id), "state": request["state"], "round": request["round"]},
        new={"round": request["round"] + 1, "state": "pending"}, reason=comment.strip(),
    )  # fmt: skip
    await _finish(session, person, locked, link, request["requirement_id"], again, ApprovalState.PENDING, now)
    return again


async def _locked(session: AsyncSession, person: Person, approval_id: UUID) -> tuple[Locked, RowMapping]:
    """Lock the execution that the request is for, then read the request: nobody changes it without that lock."""
    found = await request_of(session, person.tenant_id, approval_id)
    if found is None:
        raise ApprovalUnknownError(approval_id=str(approval_id))
    locked = await lock_execution(session, person.tenant_id, found["execution_id"])
    await check_workable(session, locked, person, only_by_holder=False)
    request = await request_of(session, person.tenant_id, approval_id)
    assert request is not None  # noqa: S101 - requests are never deleted
    return locked, request


async def _check_approver(
    session: AsyncSession, person: Person, request: RowMapping, stage: Stage, said: Decision
) -> str:
    """The reason for deciding on one's own work; empty where it is somebody else's."""
    if not ANSWERING & set(person.permissions):
        raise FlowError("forbidden", permission="approval.decide")
    if not stage.takes((str(person.id), person.username), person.roles):
        raise NotAnApproverError(stage=stage.name or str(request["stage"] + 1), approvers=stage.approvers)
    answers = (await responses_of(session, person.tenant_id, [request["id"]])).get(request["id"], [])
    if any(one["user_id"] == person.id and one["stage"] == request["stage"] for one in answers):
        raise AlreadyAnsweredError
    workers = await workers_of(session, person.tenant_id, [request["execution_id"]])
    if str(person.id) not in workers.get(request["execution_id"], frozenset()):
        return ""
    reason = said.comment.strip()
    if not request["allow_self_approval"]:
        raise SelfApprovalError
    if len(reason) < SELF_APPROVAL_REASON:
        raise FlowError("reason_required", minimum=SELF_APPROVAL_REASON)
    return reason


def _response(
    person: Person, request: RowMapping, said: Decision, shown: str, reason: str, now: datetime
) -> dict[str, object]:
    return {
        "request_id": request["id"],
        "round": request["round"],
        "stage": request["stage"],
        "decision": said.decision,
        "user_id": person.id,
        "delegated_from": None,
        "comment": said.comment.strip(),
        "content_hash": shown,
        "self_approval_reason": reason,
        "at": now,
        "source": person.source,
    }


async def _advance(
    session: AsyncSession, request: RowMapping, stage: Stage, said: Decision, shown: str, now: datetime
) -> ApprovalState:
    tenant_id, request_id, number = request["tenant_id"], request["id"], request["stage"]
    if said.decision is ApprovalDecision.REJECTED:
        await set_stage(session, tenant_id, request_id, number, shown)
        await settle_request(session, tenant_id, request_id, ApprovalState.REJECTED, now)
        return ApprovalState.REJECTED
    responses = (await responses_of(session, tenant_id, [request_id]))[request_id]
    answers = [
        Answer(names=(str(one["user_id"]), one["username"]), roles=tuple(one["roles"]))
        for one in responses
        if one["stage"] == number and one["decision"] == ApprovalDecision.APPROVED
    ]
    passed = is_passed(stage, answers)
    is_last = number + 1 == len(request["stages"])
    await set_stage(session, tenant_id, request_id, number + (passed and not is_last), shown)
    if passed and is_last:
        await settle_request(session, tenant_id, request_id, ApprovalState.APPROVED, now)
        return ApprovalState.APPROVED
    return ApprovalState.PENDING


async def _finish(
    session: AsyncSession, person: Person, locked: Locked, link: Sealing, requirement_id: UUID, request_id: UUID,
    state: ApprovalState, now: datetime,
) -> None:  # fmt: skip
    row = Projected(
        execution_id=locked.execution.id,
        requirement_id=requirement_id,
        complete=state is ApprovalState.APPROVED,
        evidence={"approval_request_id": str(request_id)},
        at=now,
        by=person.id,
    )
    await project(session, person.tenant_id, [row])
    await bump(session, person.tenant_id, [locked])
    await link.finish(session, person.actor, now)
