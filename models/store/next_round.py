"""The next round of an approval: the same stages and the same time to answer, asked of the same people.

Whoever had handed on their answer does not have to do so again: a delegation goes on where the delegate may still give
that answer. Where not, it is with its owner again, so that nobody is asked who cannot agree.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from models.notices.kinds import NoticeKind
from models.permissions import permissions_of
from models.store.approvals import open_next_round, request_of
from models.store.delegations import active_person, add_delegation, delegations_of
from models.store.evidence import Sealing
from models.store.notices import About, Recipients, put_notice
from models.store.stages import Stage
from models.store.views import moment
from models.store.workers import workers_of

ANSWERING: Final = frozenset({"approval.decide", "evidence.give"})
"""Who may answer where a stage names them; a reader of records may not."""


async def ask_again(session: AsyncSession, link: Sealing, request: UUID, *, now: datetime, by: UUID | None) -> UUID:
    """Open the round after that of a request which is over, carry delegations on, and tell who is asked first.

    Args:
        session: The transaction that has locked the request's execution.
        link: The end of that execution's chain; the caller finishes it.
        request: Of the newest round, and not pending.
        now: UTC.
        by: Who asks again; None: the engine.

    Returns:
        The id of the new request.
    """
    tenant = link.execution.tenant_id
    again = await open_next_round(session, tenant, request, now=now, by=by)
    opened = await request_of(session, tenant, again)
    assert opened is not None  # noqa: S101 - just opened
    kept = await _delegations_that_go_on(session, request, opened)
    for row in kept:
        await _carry_on(session, link, again, row, now)
    delegates = [row["delegate_id"] for row in kept if row["stage"] == opened["stage"]]
    await _tell(session, link, opened, delegates, by)
    return again


async def _tell(
    session: AsyncSession, link: Sealing, request: RowMapping, delegates: Sequence[UUID], by: UUID | None
) -> None:
    """Who is asked first hears of it, but not whoever asks."""
    if not request["stages"]:
        return
    stage = Stage.model_validate(request["stages"][request["stage"]])
    recipients = Recipients(users=[*stage.users, *delegates], roles=stage.roles, but=() if by is None else (by,))
    about = About(
        instance=link.execution.workflow_instance_id, executions=[link.execution.id],
        object_type="approval_request", object_id=request["id"],
    )  # fmt: skip
    said = {"stage": stage.name, "due_at": moment(request["due_at"])}
    await put_notice(session, link.execution.tenant_id, NoticeKind.APPROVAL_REQUESTED, recipients, about, said)


async def _delegations_that_go_on(session: AsyncSession, before: UUID, opened: RowMapping) -> list[RowMapping]:
    """Those whose delegate is there, may answer, and did not do the work that is to be approved."""
    tenant, execution = opened["tenant_id"], opened["execution_id"]
    found = (await delegations_of(session, tenant, [before])).get(before, [])
    if not found or not opened["allow_delegation"]:
        return []
    workers: Collection[str] = ()
    if not opened["allow_self_approval"]:
        workers = (await workers_of(session, tenant, [execution])).get(execution, frozenset())
    return [row for row in found if await _may_answer(session, tenant, row["delegate_id"], workers)]


async def _may_answer(session: AsyncSession, tenant: UUID, user: UUID, workers: Collection[str]) -> bool:
    person = await active_person(session, tenant, str(user))
    return person is not None and bool(ANSWERING & permissions_of(person["roles"])) and str(user) not in workers


async def _carry_on(session: AsyncSession, link: Sealing, request: UUID, row: RowMapping, now: datetime) -> None:
    kept = {name: row[name] for name in ("stage", "user_id", "delegate_id", "reason", "source")}
    await add_delegation(session, link, {"id": uuid4(), "request_id": request, "at": now, **kept})
    link.tell(
        "approval.delegation_kept", "approval_request", request,
        new={"stage": row["stage"], "user": row["username"], "delegate": row["delegate_username"]},
        reason=row["reason"],
    )  # fmt: skip
