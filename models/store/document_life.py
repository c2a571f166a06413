"""The life of a document revision: draft → in review → released → effective → obsolete (ISO 13485 4.2.4).

Released and effective are in force. When a revision comes into force, the one before is obsolete from that moment;
where a revision is released for a later day, the one before stays in force until then. Each step is audited and counts
as a change of evidence at every open execution that cites the document.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DocumentState
from models.flow.errors import FlowError
from models.store.audit import Actor, AuditDraft, audit_tenant, engine_actor
from models.store.evidence import Locked, bump, lock_executions
from models.store.gate_errors import DocumentStateError, DocumentUnknownError, SelfReleaseError, TooBusyError
from models.store.people import Person
from models.store.reading import fetch, run
from models.store.views import moment

ATTEMPTS: Final = 5
AT_ONCE: Final = 200
"""Documents that come into force by the clock in one transaction."""
MINIMUM_REASON: Final = 3

_FAMILY = text(
    """
    SELECT f.id FROM document d JOIN document f ON (f.tenant_id, f.number) = (d.tenant_id, d.number)
    WHERE d.tenant_id = :tenant AND d.id = :document ORDER BY f.id
    """
)
_CITING = text(
    """
    SELECT DISTINCT l.document_id, e.id FROM document_link l
    JOIN step_execution e ON (e.tenant_id, e.id) = (l.tenant_id, l.execution_id)
    WHERE l.tenant_id = :tenant AND l.document_id = ANY(:documents) AND e.exited_at IS NULL
    """
)
_LOCK = text(
    """
    SELECT id, state, revision, uploaded_by, effective_at FROM document
    WHERE tenant_id = :tenant AND id = ANY(:documents) ORDER BY id FOR NO KEY UPDATE
    """
)
_CHANGE = text(
    """
    UPDATE document SET state = :state,
        released_by = CASE WHEN CAST(:released_by AS uuid) IS NULL THEN released_by ELSE :released_by END,
        released_at = CASE WHEN CAST(:released_by AS uuid) IS NULL THEN released_at ELSE :now END,
        effective_at = coalesce(CAST(:effective_at AS timestamptz), effective_at),
        obsoleted_at = CASE WHEN :state = 'obsolete' THEN :now ELSE obsoleted_at END
    WHERE tenant_id = :tenant AND id = :id
    """
)
_DUE = text(
    "SELECT id FROM document WHERE tenant_id = :tenant AND state = 'released' AND effective_at <= :now"
    " ORDER BY id LIMIT :limit"
)


class _Family:
    """All revisions of one document number, locked, with the open executions that cite each."""

    def __init__(self, rows: Sequence[RowMapping], citing: Mapping[UUID, list[Locked]], named: UUID) -> None:
        self.rows = {row["id"]: row for row in rows}
        self.citing = citing
        self.named = named

    @property
    def own(self) -> RowMapping:
        """The revision that is to change."""
        return self.rows[self.named]

    @property
    def state(self) -> DocumentState:
        """Its state before the change."""
        return DocumentState(self.own["state"])

    def others_in_force(self) -> list[UUID]:
        """Revisions that this one replaces; one that waits for its own day is not in force yet."""
        return [found for found, row in self.rows.items() if found != self.named and _is_in_force(row)]


def _is_in_force(row: RowMapping) -> bool:
    return row["state"] == DocumentState.EFFECTIVE or (
        row["state"] == DocumentState.RELEASED and row["effective_at"] is None
    )


async def submit_document(
    session: AsyncSession, person: Person, document_id: UUID, now: datetime, reason: str = ""
) -> list[UUID]:
    """Hand a draft in for review; the ids of open executions that cite it.

    Raises:
        StoreError: document_unknown, document_state.
    """
    family = await _lock(session, person.tenant_id, document_id, expected="a draft", states=(DocumentState.DRAFT,))
    return await _change(session, person.actor, family, DocumentState.IN_REVIEW, now, reason=reason)


async def return_document(
    session: AsyncSession, person: Person, document_id: UUID, now: datetime, reason: str
) -> list[UUID]:
    """Give a document that is in review back to its author, with a reason.

    Raises:
        StoreError: document_unknown, document_state.
        FlowError: reason_required.
    """
    if len(reason.strip()) < MINIMUM_REASON:
        raise FlowError("reason_required", minimum=MINIMUM_REASON)
    states = (DocumentState.IN_REVIEW,)
    family = await _lock(session, person.tenant_id, document_id, expected="in review", states=states)
    return await _change(session, person.actor, family, DocumentState.DRAFT, now, reason=reason.strip())


async def release_document(
    session: AsyncSession,
    person: Person,
    document_id: UUID,
    now: datetime,
    *,
    four_eyes: bool = False,
    reason: str = "",
    effective_at: datetime | None = None,
) -> list[UUID]:
    """Release a draft or what is in review; the ids of open executions that cite it.

    Args:
        session: The request's transaction.
        person: Recorded as the one who released it (ISO 13485 4.2.4).
        document_id: A draft, or one in review.
        now: UTC.
        four_eyes: Refuse the person who uploaded it.
        reason: For the audit trail.
        effective_at: From when it is in force, and the revision before is not; from now on unless told.

    Raises:
        StoreError: document_unknown, document_state, self_release.
    """
    states = (DocumentState.DRAFT, DocumentState.IN_REVIEW)
    family = await _lock(session, person.tenant_id, document_id, expected="a draft or in review", states=states)
    if four_eyes and family.own["uploaded_by"] == person.id:
        raise SelfReleaseError
    is_later = effective_at is not None and effective_at > now
    state = DocumentState.EFFECTIVE if effective_at is not None and not is_later else DocumentState.RELEASED
    return await _change(
        session, person.actor, family, state, now,
        reason=reason, released_by=person.id, effective_at=effective_at, replaces=not is_later,
    )  # fmt: skip


async def make_effective(
    session: AsyncSession, actor: Actor, document_id: UUID, now: datetime, reason: str = ""
) -> list[UUID]:
    """Put a released document into effect now, whatever day it was released for.

    Raises:
        StoreError: document_unknown, document_state.
    """
    states = (DocumentState.RELEASED,)
    family = await _lock(session, actor.tenant_id, document_id, expected="released", states=states)
    return await _change(
        session, actor, family, DocumentState.EFFECTIVE, now, reason=reason, effective_at=now, replaces=True
    )


async def obsolete_document(
    session: AsyncSession, person: Person, document_id: UUID, now: datetime, reason: str
) -> list[UUID]:
    """Take a document out of force; the ids of open executions that cite it. It stays readable and marked.

    Raises:
        StoreError: document_unknown, document_state.
    """
    states = tuple(one for one in DocumentState if one is not DocumentState.OBSOLETE)
    family = await _lock(session, person.tenant_id, document_id, expected="not obsolete yet", states=states)
    return await _change(session, person.actor, family, DocumentState.OBSOLETE, now, reason=reason)


async def make_due_effective(session: AsyncSession, tenant_id: UUID, now: datetime) -> int:
    """Put into effect what was released for a day that has come; for a worker to call.

    Returns:
        How many documents; as many as `AT_ONCE` where there may be more.
    """
    due = await fetch(session, _DUE, tenant=tenant_id, now=now, limit=AT_ONCE)
    for row in due:
        family = await _lock(session, tenant_id, row["id"], expected="released", states=tuple(DocumentState))
        planned = family.own["effective_at"]
        if family.state is DocumentState.RELEASED and planned is not None and planned <= now:
            actor, why = engine_actor(tenant_id), "The day for which it was released has come."
            await _change(session, actor, family, DocumentState.EFFECTIVE, now, reason=why, replaces=True)
    return len(due)


async def _change(
    session: AsyncSession,
    actor: Actor,
    family: _Family,
    new: DocumentState,
    now: datetime,
    *,
    reason: str = "",
    released_by: UUID | None = None,
    effective_at: datetime | None = None,
    replaces: bool = False,
) -> list[UUID]:
    """Change one revision and what it replaces; audited on the tenant's chain, which is locked last."""
    replaced = family.others_in_force() if replaces else []
    common = {"tenant": actor.tenant_id, "now": now}
    own = {"id": family.named, "state": new.value, "released_by": released_by, "effective_at": effective_at}
    drafts = [_draft(family, family.named, new, reason, effective_at)]
    await run(session, _CHANGE, {**common, **own})
    for one in replaced:
        gone = {"id": one, "state": DocumentState.OBSOLETE.value, "released_by": None, "effective_at": None}
        await run(session, _CHANGE, {**common, **gone})
        why = f"Superseded by revision {family.own['revision']}."
        drafts.append(_draft(family, one, DocumentState.OBSOLETE, why))
    touched = {one.execution.id: one for found in (family.named, *replaced) for one in family.citing.get(found, ())}
    await bump(session, actor.tenant_id, list(touched.values()))
    await audit_tenant(session, actor, *drafts)
    return [one.execution.id for one in family.citing.get(family.named, ())]


def _draft(
    family: _Family, document_id: UUID, new: DocumentState, reason: str, effective_at: datetime | None = None
) -> AuditDraft:
    shown: dict[str, Any] = {"state": new.value}
    if effective_at is not None:
        shown["effective_at"] = moment(effective_at)
    return AuditDraft(
        action=f"document.{new.value}", object_type="document", object_id=document_id,
        old={"state": family.rows[document_id]["state"]}, new=shown, reason=reason,
    )  # fmt: skip


async def _lock(
    session: AsyncSession, tenant_id: UUID, document_id: UUID, *, expected: str, states: Sequence[DocumentState]
) -> _Family:
    """Lock the open executions that cite any revision of a document, then the revisions themselves.

    Who attaches one locks in the same order (executions, then the document). An execution that has come in between is
    found by looking again, and then all is tried anew: locking it last could deadlock.
    """
    for _ in range(ATTEMPTS):
        ids = [row["id"] for row in await fetch(session, _FAMILY, tenant=tenant_id, document=document_id)]
        if not ids:
            raise DocumentUnknownError(document_id=str(document_id))
        known = {row["id"] for row in await fetch(session, _CITING, tenant=tenant_id, documents=ids)}
        savepoint = await session.begin_nested()
        locked = {one.execution.id: one for one in await lock_executions(session, tenant_id, known)}
        rows = await fetch(session, _LOCK, tenant=tenant_id, documents=ids)
        now_citing = await fetch(session, _CITING, tenant=tenant_id, documents=ids)
        if {row["id"] for row in now_citing} <= locked.keys():
            await savepoint.commit()
            citing: dict[UUID, list[Locked]] = {}
            for row in now_citing:
                citing.setdefault(row["document_id"], []).append(locked[row["id"]])
            family = _Family(rows, citing, document_id)
            if family.state not in states:
                raise DocumentStateError(state=family.state.value, expected=expected)
            return family
        await savepoint.rollback()
    raise TooBusyError
