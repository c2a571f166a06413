"""Asking for an approval: again after a rejection, taken back by who asked, or handed on by who was asked."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ApprovalState
from models.flow.errors import FlowError
from models.notices.kinds import NoticeKind
from models.permissions import permissions_of
from models.requirements.deciding import finish_request, lock_request, pending_stage
from models.store.approvals import newest_requests, responses_of, settle_request
from models.store.delegations import active_person, add_delegation, delegations_of
from models.store.evidence import bump, check_workable, sealing
from models.store.gate_errors import (
    AlreadyAnsweredError,
    DelegationInvalidError,
    DelegationNotAllowedError,
    NotAnApproverError,
    NotReRequestableError,
    NotTheRequesterError,
)
from models.store.next_round import ANSWERING, ask_again
from models.store.notices import About, Recipients, put_notice
from models.store.people import Person
from models.store.stages import Stage

MINIMUM_REASON: Final = 3
"""Characters that say why a request is taken back or handed on."""


async def request_again(session: AsyncSession, person: Person, approval_id: UUID, comment: str, now: datetime) -> UUID:
    """Open the next round of a rejected or withdrawn request; the id of the new request.

    Raises:
        StoreError: approval_unknown, not_re_requestable.
        FlowError: forbidden, instance_closed, on_hold, execution_closed, already_done.
    """
    person.must("evidence.give")
    locked, request = await lock_request(session, person, approval_id)
    newest = await newest_requests(session, person.tenant_id, [locked.execution.id])
    is_newest = newest[locked.execution.id, request["requirement_id"]]["id"] == approval_id
    if request["state"] not in {ApprovalState.REJECTED, ApprovalState.WITHDRAWN} or not is_newest:
        raise NotReRequestableError(state=request["state"])
    link = await sealing(session, locked)
    again = await ask_again(session, link, approval_id, now=now, by=person.id)
    link.tell(
        "approval.requested_again", "approval_request", again,
        old={"request": str(approval_id), "state": request["state"], "round": request["round"]},
        new={"round": request["round"] + 1, "state": "pending"}, reason=comment.strip(),
    )  # fmt: skip
    await finish_request(session, person, locked, link, request["requirement_id"], again, ApprovalState.PENDING, now)
    return again


async def recall_request(session: AsyncSession, person: Person, approval_id: UUID, reason: str, now: datetime) -> UUID:
    """Take a pending request back; it can be requested again.

    Only who asked for it may; where the engine did, on entry, whoever may work on the execution.

    Raises:
        StoreError: approval_unknown, approval_closed, not_the_requester.
        FlowError: forbidden, reason_required, instance_closed, on_hold, execution_closed, already_done,
            already_claimed.
    """
    person.must("evidence.give")
    _check_reason(reason)
    locked, request = await lock_request(session, person, approval_id)
    pending_stage(request)
    if request["requested_by"] not in {None, person.id}:
        raise NotTheRequesterError
    if request["requested_by"] is None:
        await check_workable(session, locked, person)
    await settle_request(session, person.tenant_id, approval_id, ApprovalState.WITHDRAWN, now)
    link = await sealing(session, locked)
    link.tell(
        "approval.recalled", "approval_request", approval_id,
        old={"state": request["state"], "stage": request["stage"]}, new={"state": "withdrawn"}, reason=reason.strip(),
    )  # fmt: skip
    state = ApprovalState.WITHDRAWN
    await finish_request(session, person, locked, link, request["requirement_id"], approval_id, state, now)
    return approval_id


async def delegate_request(
    session: AsyncSession, person: Person, approval_id: UUID, to: str, reason: str, now: datetime
) -> UUID:
    """Hand one's answer in the current stage on to another person, for good.

    Args:
        session: The request's transaction.
        person: Asked to agree in this stage, and has not answered.
        approval_id: A pending request whose template allows it.
        to: Id or username of somebody active who may answer approvals and is not asked in this stage already.
        reason: Kept with the delegation and in the audit trail.
        now: UTC.

    Raises:
        StoreError: approval_unknown, approval_closed, not_an_approver, already_answered, delegation_not_allowed,
            delegation_invalid.
        FlowError: forbidden, reason_required, instance_closed, on_hold, execution_closed, already_done.
    """
    if not ANSWERING & set(person.permissions):
        raise FlowError("forbidden", permission="approval.decide")
    _check_reason(reason)
    locked, request = await lock_request(session, person, approval_id)
    stage = pending_stage(request)
    if not request["allow_delegation"]:
        raise DelegationNotAllowedError
    await _check_delegator(session, person, request, stage)
    delegate = await _delegate(session, person, request, stage, to)
    link = await sealing(session, locked)
    row = {
        "id": uuid4(), "request_id": approval_id, "stage": request["stage"], "user_id": person.id,
        "delegate_id": delegate["id"], "reason": reason.strip(), "at": now, "source": person.source,
    }  # fmt: skip
    await add_delegation(session, link, row)
    link.tell(
        "approval.delegated", "approval_request", approval_id,
        new={"stage": request["stage"], "delegate": delegate["username"]}, reason=reason.strip(),
    )  # fmt: skip
    about = About(
        instance=locked.instance.id, executions=[locked.execution.id],
        object_type="approval_request", object_id=approval_id,
    )  # fmt: skip
    params = {"stage": stage.name, "delegated_by": person.printed_name, "reason": reason.strip()}
    recipients = Recipients(users=[delegate["id"]])
    await put_notice(session, person.tenant_id, NoticeKind.APPROVAL_REQUESTED, recipients, about, params)
    await bump(session, person.tenant_id, [locked])
    await link.finish(session, person.actor, now)
    return approval_id


async def _check_delegator(session: AsyncSession, person: Person, request: RowMapping, stage: Stage) -> None:
    if not stage.takes((str(person.id), person.username), person.roles):
        raise NotAnApproverError(stage=stage.name or str(request["stage"] + 1), approvers=stage.approvers)
    answers = (await responses_of(session, person.tenant_id, [request["id"]])).get(request["id"], [])
    if any(one["stage"] == request["stage"] and one["user_id"] == person.id for one in answers):
        raise AlreadyAnsweredError


async def _delegate(session: AsyncSession, person: Person, request: RowMapping, stage: Stage, to: str) -> RowMapping:
    found = await active_person(session, person.tenant_id, to.strip())
    if found is None:
        raise DelegationInvalidError(detail=f"there is no active user '{to}'")
    if not ANSWERING & permissions_of(found["roles"]):
        raise DelegationInvalidError(detail=f"{found['username']} may not answer approvals")
    if stage.takes((str(found["id"]), found["username"]), found["roles"]):
        raise DelegationInvalidError(detail=f"{found['username']} is asked in this stage already")
    earlier = (await delegations_of(session, person.tenant_id, [request["id"]])).get(request["id"], ())
    here = [one for one in earlier if one["stage"] == request["stage"]]
    if any(one["user_id"] == person.id for one in here):
        raise DelegationInvalidError(detail="you have delegated your answer already")
    if any(one["delegate_id"] == found["id"] for one in here):
        raise DelegationInvalidError(detail=f"{found['username']} answers for somebody else in this stage already")
    return found


def _check_reason(reason: str) -> None:
    if len(reason.strip()) < MINIMUM_REASON:
        raise FlowError("reason_required", minimum=MINIMUM_REASON)
