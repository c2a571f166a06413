"""Deciding an approval request: approve or reject. Four eyes, the stage's approvers, the content shown.

Asking again, recalling and delegating are in `models.requirements.asking`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ApprovalDecision, ApprovalState
from models.flow.errors import FlowError
from models.notices.kinds import NoticeKind
from models.permissions import permissions_of
from models.requirements.giving import check_order, gate_at
from models.store.absences import absent_whom
from models.store.approvals import request_of, responses_of, set_stage, settle_request
from models.store.content import content_hash
from models.store.delegations import delegations_of, possible_answers
from models.store.evidence import Locked, Projected, Sealing, bump, check_workable, lock_execution, project, sealing
from models.store.gate_errors import (
    AlreadyAnsweredError,
    ApprovalClosedError,
    ApprovalDelegatedError,
    ApprovalUnknownError,
    ContentChangedError,
    NotAnApproverError,
    SelfApprovalError,
)
from models.store.next_round import ANSWERING
from models.store.notices import About, Recipients, put_notice
from models.store.people import Person
from models.store.stages import Answer, Stage, is_passed
from models.store.views import moment
from models.store.workers import workers_of
from models.tables import ApprovalResponse

SELF_APPROVAL_REASON: Final = 10
"""Characters of the reason for deciding on one's own work, where the template allows it at all."""


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

    A rejection by somebody with a veto ends the request, any other one once the stage cannot be passed any more. A
    stage that is passed opens the next one; the last one approves the request.

    Raises:
        StoreError: approval_unknown, approval_closed, not_an_approver, approval_delegated, already_answered,
            self_approval, content_changed, requirement_out_of_order.
        FlowError: forbidden, reason_required (a rejection says why), instance_closed, on_hold, execution_closed,
            already_done.
    """
    if said.decision is ApprovalDecision.REJECTED and not said.comment.strip():
        raise FlowError("reason_required", minimum=1)
    rejects = said.decision is ApprovalDecision.REJECTED
    locked, request = await lock_request(session, person, approval_id, rejecting=rejects)
    stage = pending_stage(request)
    seat = await _check_approver(session, person, request, stage, said, now)
    gate, gates = await gate_at(session, locked.execution, request["requirement_id"])
    await check_order(session, locked, gate, gates)
    shown = await content_hash(session, locked.execution)
    if said.content_hash is not None and said.content_hash != shown:
        raise ContentChangedError(content_hash=shown)
    link = await sealing(session, locked)
    await link.add(session, ApprovalResponse, [_response(person, request, said, shown, seat, now)])
    state = await _advance(session, request, stage, said, seat, shown, now)
    if state is ApprovalState.PENDING:
        await _tell_next_stage(session, person, locked, request)
    takes_back = bool(request["back_to"]) and state is ApprovalState.REJECTED
    link.tell(
        f"approval.{said.decision.value}", "approval_request", approval_id,
        old={"state": request["state"], "stage": request["stage"]},
        new={
            "state": state.value, "round": request["round"], "content_hash": shown,
            "self_approval": bool(seat.self_approval_reason),
            **({"delegated_from": str(seat.owner)} if seat.owner is not None else {}),
            **({"back_to": request["back_to"]} if takes_back else {}),
        },
        reason=said.comment.strip(),
    )  # fmt: skip
    requirement = request["requirement_id"]
    await finish_request(session, person, locked, link, requirement, approval_id, state, now, takes_back=takes_back)
    return approval_id


async def lock_request(
    session: AsyncSession, person: Person, approval_id: UUID, *, rejecting: bool = False
) -> tuple[Locked, RowMapping]:
    """Lock the execution that a request is for, then read the request: nobody changes it without that lock.

    Work that was given already can still be rejected where that takes it back: an optional approval, say, of what
    awaits its sign-off.

    Raises:
        StoreError: approval_unknown.
        FlowError: instance_closed, on_hold, execution_closed, already_done.
    """
    found = await request_of(session, person.tenant_id, approval_id)
    if found is None:
        raise ApprovalUnknownError(approval_id=str(approval_id))
    locked = await lock_execution(session, person.tenant_id, found["execution_id"])
    takes_back = rejecting and bool(found["back_to"])
    await check_workable(session, locked, person, withdrawing=takes_back, only_by_holder=False)
    request = await request_of(session, person.tenant_id, approval_id)
    assert request is not None  # noqa: S101 - requests are never deleted
    return locked, request


def pending_stage(request: RowMapping) -> Stage:
    """The stage that a request waits for.

    Raises:
        ApprovalClosedError: approval_closed.
    """
    if request["state"] != ApprovalState.PENDING:
        raise ApprovalClosedError(state=request["state"])
    return Stage.model_validate(request["stages"][request["stage"]])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seat:
    """In which capacity somebody answers.

    Attributes:
        owner: whose answer it is where it was delegated, or where the person stands in for somebody who is away.
        ends_it: whether a rejection ends the request at once.
        answered: user ids (as text) of those whose answer in this stage is given, this one included.
        workers: user ids of those who did the work, and may not agree to it.
    """

    owner: UUID | None = None
    ends_it: bool
    answered: frozenset[str]
    workers: frozenset[str]
    self_approval_reason: str = ""


async def _check_approver(
    session: AsyncSession, person: Person, request: RowMapping, stage: Stage, said: Decision, now: datetime
) -> _Seat:
    if not ANSWERING & set(person.permissions):
        raise FlowError("forbidden", permission="approval.decide")
    names = (str(person.id), person.username)
    # What was handed on to somebody who has left since is with its owner again.
    given_away = [
        one for one in (await delegations_of(session, person.tenant_id, [request["id"]])).get(request["id"], ())
        if one["stage"] == request["stage"] and one["delegate_is_active"]
    ]  # fmt: skip
    mine = next((one for one in given_away if one["user_id"] == person.id), None)
    if mine is not None:
        raise ApprovalDelegatedError(delegate=mine["delegate_username"])
    received = next((one for one in given_away if one["delegate_id"] == person.id), None)
    vetoes = said.decision is ApprovalDecision.REJECTED and stage.has_veto(names, person.roles)
    answers = (await responses_of(session, person.tenant_id, [request["id"]])).get(request["id"], [])
    here = [one for one in answers if one["stage"] == request["stage"]]
    if any(person.id in (one["user_id"], one["owner_id"]) for one in here):
        raise AlreadyAnsweredError
    found = await workers_of(session, person.tenant_id, [request["execution_id"]])
    workers = found.get(request["execution_id"], frozenset())
    owner = None if received is None else received["user_id"]
    if owner is None and not stage.takes(names, person.roles) and not vetoes:
        taken = {str(one["owner_id"]) for one in here} | {str(one["user_id"]) for one in given_away}
        kept_off = taken if request["allow_self_approval"] else taken | workers
        owner = await _absent_owner(session, person, request, stage, kept_off, now)
    return _Seat(
        owner=owner,
        ends_it=vetoes or (owner is not None and stage.veto),
        answered=frozenset({str(one["owner_id"]) for one in here} | {str(owner or person.id)}),
        workers=frozenset() if request["allow_self_approval"] else workers,
        self_approval_reason=_self_approval_reason(person, request, said, workers),
    )


async def _absent_owner(
    session: AsyncSession,
    person: Person,
    request: RowMapping,
    stage: Stage,
    kept_off: Collection[str],
    now: datetime,
) -> UUID:
    """Who is asked, is away, and for whom this person stands in: the first by name whose answer is not given yet.

    Raises:
        NotAnApproverError: there is nobody, or the answers of this request are not handed on.
    """
    absent = await absent_whom(session, person.tenant_id, person.id, now) if request["allow_delegation"] else ()
    for one in absent:
        asked = stage.takes((str(one["id"]), one["username"]), one["roles"]) and ANSWERING & permissions_of(
            one["roles"]
        )
        if asked and str(one["id"]) not in kept_off:
            found: UUID = one["id"]
            return found
    raise NotAnApproverError(stage=stage.name or str(request["stage"] + 1), approvers=stage.approvers)


def _self_approval_reason(person: Person, request: RowMapping, said: Decision, workers: Collection[str]) -> str:
    """The reason for deciding on one's own work; empty where it is somebody else's."""
    if str(person.id) not in workers:
        return ""
    reason = said.comment.strip()
    if not request["allow_self_approval"]:
        raise SelfApprovalError
    if len(reason) < SELF_APPROVAL_REASON:
        raise FlowError("reason_required", minimum=SELF_APPROVAL_REASON)
    return reason


def _response(
    person: Person, request: RowMapping, said: Decision, shown: str, seat: _Seat, now: datetime
) -> dict[str, object]:
    return {
        "request_id": request["id"],
        "round": request["round"],
        "stage": request["stage"],
        "decision": said.decision,
        "user_id": person.id,
        "delegated_from": seat.owner,
        "comment": said.comment.strip(),
        "content_hash": shown,
        "self_approval_reason": seat.self_approval_reason,
        "at": now,
        "source": person.source,
    }


async def _advance(
    session: AsyncSession, request: RowMapping, stage: Stage, said: Decision, seat: _Seat, shown: str, now: datetime
) -> ApprovalState:
    tenant_id, request_id, number = request["tenant_id"], request["id"], request["stage"]
    responses = (await responses_of(session, tenant_id, [request_id]))[request_id]
    agreed = [
        Answer(names=(str(one["owner_id"]), one["owner_username"]), roles=tuple(one["roles"]))
        for one in responses
        if one["stage"] == number and one["decision"] == ApprovalDecision.APPROVED
    ]
    if said.decision is ApprovalDecision.REJECTED:
        await set_stage(session, tenant_id, request_id, number, shown)
        if not seat.ends_it and await _still_possible(session, tenant_id, stage, agreed, seat):
            return ApprovalState.PENDING
        await settle_request(session, tenant_id, request_id, ApprovalState.REJECTED, now)
        return ApprovalState.REJECTED
    passed = is_passed(stage, agreed)
    is_last = number + 1 == len(request["stages"])
    await set_stage(session, tenant_id, request_id, number + (passed and not is_last), shown)
    if passed and is_last:
        await settle_request(session, tenant_id, request_id, ApprovalState.APPROVED, now)
        return ApprovalState.APPROVED
    return ApprovalState.PENDING


async def _still_possible(
    session: AsyncSession, tenant_id: UUID, stage: Stage, agreed: Sequence[Answer], seat: _Seat
) -> bool:
    """Whether those who have not answered could still pass the stage."""
    left = await possible_answers(session, tenant_id, stage, but=seat.answered | seat.workers)
    return is_passed(stage, [*agreed, *left])


async def _tell_next_stage(session: AsyncSession, person: Person, locked: Locked, before: RowMapping) -> None:
    """Let the approvers of a stage know that it has come to them."""
    request = await request_of(session, person.tenant_id, before["id"])
    if request is None or request["stage"] == before["stage"]:
        return
    stage = pending_stage(request)
    execution = locked.execution
    about = About(
        instance=locked.instance.id, executions=[execution.id],
        object_type="approval_request", object_id=request["id"],
    )  # fmt: skip
    recipients = Recipients(users=stage.users, roles=stage.roles, but=[person.id])
    params = {"stage": stage.name, "due_at": moment(request["due_at"])}
    await put_notice(session, person.tenant_id, NoticeKind.APPROVAL_REQUESTED, recipients, about, params)


async def finish_request(
    session: AsyncSession, person: Person, locked: Locked, link: Sealing, requirement_id: UUID, request_id: UUID,
    state: ApprovalState, now: datetime, *, takes_back: bool = False,
) -> None:  # fmt: skip
    """Project where the requirement stands now, count the change, and seal it by one link.

    `takes_back`: it was rejected, and the engine takes the work back.
    """
    row = Projected(
        execution_id=locked.execution.id,
        requirement_id=requirement_id,
        complete=state is ApprovalState.APPROVED,
        evidence={"approval_request_id": str(request_id)},
        at=now,
        by=person.id,
    )
    await project(session, person.tenant_id, [row])
    await bump(session, person.tenant_id, [locked], moves_work=takes_back)
    await link.finish(session, person.actor, now)
