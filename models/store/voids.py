"""What no longer covers what is there: signatures are voided, approvals are asked for again, visibly.

Called by whatever changes what was signed: evidence, a subject's attributes. A signature or approval stays where the
content hash is still the one that was shown.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EvidenceAction
from models.flow.status import INSTANCE_CLOSED, OPEN
from models.store.approvals import settle_request
from models.store.audit import Actor
from models.store.content import content_hashes
from models.store.evidence import (
    Locked,
    Projected,
    Sealing,
    append_evidence,
    bump,
    last_evidence,
    lock_executions,
    project,
    sealing,
)
from models.store.next_round import ask_again
from models.store.reading import fetch
from models.store.signatures import valid_signatures
from models.tables import SignatureVoid

_OPEN_OF_SUBJECT = text(
    "SELECT id FROM step_execution WHERE tenant_id = :tenant AND subject_id = :subject AND exited_at IS NULL"
)
_REQUESTS = text(
    """
    SELECT id, execution_id, requirement_id, round, state, content_hash FROM approval_request
    WHERE tenant_id = :tenant AND execution_id = ANY(:executions)
      AND state IN ('pending', 'approved') AND content_hash <> ''
    ORDER BY id
    """
)


async def void_stale(
    session: AsyncSession, actor: Actor, execution_ids: Collection[UUID], reason: str, now: datetime
) -> None:
    """Look again at open executions after something that their signatures cover has changed.

    Locks them (instance → executions by id), counts the change, voids what does not fit any more.

    Args:
        session: The transaction that has already written the change.
        actor: Who changed it.
        execution_ids: Of any instances of the actor's tenant; closed ones are left alone.
        reason: Shown beside what was voided.
        now: UTC.
    """
    locked = [one for one in await lock_executions(session, actor.tenant_id, execution_ids) if _is_open(one)]
    links = {one.execution.id: await sealing(session, one) for one in locked}
    await void_outdated(session, actor, links, reason, now)
    await bump(session, actor.tenant_id, locked)
    for link in links.values():
        await link.finish(session, actor, now)


def _is_open(one: Locked) -> bool:
    return one.execution.status in OPEN and one.instance.status not in INSTANCE_CLOSED


async def void_outdated(
    session: AsyncSession, actor: Actor, links: Mapping[UUID, Sealing], reason: str, now: datetime
) -> None:
    """Void what covers another content than there is; the caller has locked the executions and seals the links."""
    ids = list(links)
    signatures = await valid_signatures(session, actor.tenant_id, ids)
    requests = await fetch(session, _REQUESTS, tenant=actor.tenant_id, executions=ids)
    exposed = {row["execution_id"] for row in (*signatures, *requests)}
    if not exposed:
        return
    hashes = await content_hashes(session, actor.tenant_id, exposed)
    stale = [row for row in signatures if row["content_hash"] != hashes[row["execution_id"]]]
    await void_signatures(session, actor, links, stale, reason, now)
    for row in requests:
        if row["content_hash"] != hashes[row["execution_id"]]:
            await _reopen(session, actor, links[row["execution_id"]], row, reason, now)


async def void_all(
    session: AsyncSession, actor: Actor, execution_ids: Collection[UUID], reason: str, now: datetime
) -> None:
    """Void every signature of executions that are opened again: what they attested is no longer done."""
    signatures = await valid_signatures(session, actor.tenant_id, execution_ids)
    if not signatures:
        return
    signed = {row["execution_id"] for row in signatures}
    locked = await lock_executions(session, actor.tenant_id, signed)
    links = {one.execution.id: await sealing(session, one) for one in locked}
    await void_signatures(session, actor, links, signatures, reason, now)
    await bump(session, actor.tenant_id, locked)
    for link in links.values():
        await link.finish(session, actor, now)


async def void_signatures(
    session: AsyncSession,
    actor: Actor,
    links: Mapping[UUID, Sealing],
    signatures: Sequence[RowMapping],
    reason: str,
    now: datetime,
    *,
    keep: bool = False,
) -> None:
    """Void these signatures and reopen the requirements that they met; `keep`: the caller does the latter."""
    voided: dict[tuple[UUID, UUID], list[str]] = {}
    for row in signatures:
        link = links[row["execution_id"]]
        await link.add(session, SignatureVoid, [{"signature_id": row["id"], "at": now, "reason": reason}])
        shown = {"printed_name": row["printed_name"], "meaning": row["meaning"], "content_hash": row["content_hash"]}
        link.tell("signature.voided", "signature", row["id"], old=shown, reason=reason)
        if row["requirement_id"] is not None and not keep:
            voided.setdefault((row["execution_id"], row["requirement_id"]), []).append(str(row["id"]))
    for (execution_id, requirement_id), gone in voided.items():
        await _drop_signatures(session, actor, links[execution_id], requirement_id, gone, reason, now)


async def _drop_signatures(
    session: AsyncSession,
    actor: Actor,
    link: Sealing,
    requirement_id: UUID,
    gone: Sequence[str],
    reason: str,
    now: datetime,
) -> None:
    revision, evidence = await last_evidence(session, link.execution, requirement_id)
    left = [one for one in evidence.get("signature_ids", ()) if one not in gone]
    data: dict[str, Any] = {"signature_ids": left} if left else {}
    await append_evidence(
        session, link, requirement_id,
        revision=revision + 1, action=EvidenceAction.VOIDED, data=data, now=now, actor=actor, reason=reason,
    )  # fmt: skip
    row = Projected(
        execution_id=link.execution.id, requirement_id=requirement_id, complete=False, evidence=data, at=now, by=None
    )
    await project(session, actor.tenant_id, [row])


async def _reopen(
    session: AsyncSession, actor: Actor, link: Sealing, request: RowMapping, reason: str, now: datetime
) -> None:
    """Void a request whose answers cover another content, and ask again by itself where the execution is open."""
    await settle_request(session, actor.tenant_id, request["id"], "voided", now)
    again = request["id"]
    if link.execution.status in OPEN:
        again = await ask_again(session, link, request["id"], now=now, by=None)
    link.tell(
        "approval.voided", "approval_request", request["id"],
        old={"state": request["state"], "round": request["round"], "content_hash": request["content_hash"]},
        new={"state": "voided", "next_request": None if again == request["id"] else str(again)}, reason=reason,
    )  # fmt: skip
    row = Projected(
        execution_id=link.execution.id, requirement_id=request["requirement_id"], complete=False,
        evidence={"approval_request_id": str(again)}, at=now, by=None,
    )  # fmt: skip
    await project(session, actor.tenant_id, [row])


async def lock_open_of_subject(session: AsyncSession, tenant_id: UUID, subject_id: UUID) -> list[UUID]:
    """Lock the open executions of a subject, before it is changed; `void_stale` follows the change.

    In this order (instance → executions → subject → tenant's chain) nothing deadlocks.
    """
    rows = await fetch(session, _OPEN_OF_SUBJECT, tenant=tenant_id, subject=subject_id)
    return [one.execution.id for one in await lock_executions(session, tenant_id, [row["id"] for row in rows])]
