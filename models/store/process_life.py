"""The life of a process version beside its editing: review by another person, retirement, the next version.

draft → (submit) → in review → (approve, `models.store.definitions`) → approved → deprecated → retired; withdraw and
reject lead from review back to the draft. A version in review is frozen.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.flow.errors import FlowError
from models.notices.kinds import NoticeKind
from models.permissions import roles_with
from models.store.audit import Actor, AuditDraft, audit_tenant
from models.store.definitions import check_revision, check_status
from models.store.notices import About, Recipients, put_notice
from models.store.process_lookup import get_process
from models.store.reading import fetch
from models.store.refusals import (
    DraftExistsError,
    ProcessInUseError,
    ProcessInvalidError,
    ProcessNotInReviewError,
    ProcessRetiredError,
    SelfApprovalOfProcessError,
    VersionNotApprovedError,
)
from models.store.usable import unusable_references
from models.tables import Process

REASON: Final = 10
"""Characters of the reason for putting one's own work into force, sending a version back, or retiring it."""

_PARENTS = text(
    """
    SELECT DISTINCT p.name, p.version FROM step s
    JOIN process p ON (p.tenant_id, p.id) = (s.tenant_id, s.process_id)
    LEFT JOIN step_requirement r ON (r.tenant_id, r.step_id) = (s.tenant_id, s.id)
                                AND r.requirement_type = 'child_workflow' AND r.config->>'process_id' = :process
    WHERE s.tenant_id = :tenant AND (r.id IS NOT NULL OR s.config->'action'->>'process_id' = :process)
      AND (p.status = 'approved' OR EXISTS (SELECT FROM workflow_instance i WHERE i.tenant_id = p.tenant_id
                                            AND i.process_id = p.id AND i.completed_at IS NULL))
    ORDER BY 1, 2
    """
)


class Level(StrEnum):
    """How far a new version goes: 1.0 → 1.1, or 1.0 → 2.0."""

    MINOR = "minor"
    MAJOR = "major"


async def submit_process(
    session: AsyncSession, actor: Actor, process_id: UUID, *, base: int | None = None, note: str = ""
) -> Process:
    """Hand a validated draft over for review; from now on it is frozen.

    Raises:
        StoreError: not_found, process_not_draft, revision_conflict, process_invalid.
    """
    process = await get_process(session, actor.tenant_id, process_id, lock=True)
    check_status(process, ProcessStatus.DRAFT)
    check_revision(process, base)
    if problems := await unusable_references(session, process):
        raise ProcessInvalidError(problems=problems)
    process.submitted_at, process.submitted_by = datetime.now(UTC), actor.user_id
    recipients = Recipients(roles=roles_with("process.approve"), but=[actor.name])
    about = About(object_type="process", object_id=process_id)
    said = {"actor": actor.name, "reason": note}
    await put_notice(session, actor.tenant_id, NoticeKind.PROCESS_SUBMITTED, recipients, about, said)
    return await _move(session, actor, process, ProcessStatus.IN_REVIEW, "process.submitted", note)


async def withdraw_process(session: AsyncSession, actor: Actor, process_id: UUID, *, reason: str = "") -> Process:
    """Take a version back from review, to work on it again.

    Raises:
        StoreError: not_found, process_not_in_review.
    """
    process = await _in_review(session, actor, process_id)
    return await _move(session, actor, process, ProcessStatus.DRAFT, "process.withdrawn", reason)


async def reject_process(session: AsyncSession, actor: Actor, process_id: UUID, *, reason: str) -> Process:
    """Send a version back from review, with the reason.

    Raises:
        StoreError: not_found, process_not_in_review.
        FlowError: reason_required.
    """
    _check_reason(reason)
    process = await _in_review(session, actor, process_id)
    return await _move(session, actor, process, ProcessStatus.DRAFT, "process.rejected", reason)


async def retire_process(session: AsyncSession, actor: Actor, process_id: UUID, *, reason: str) -> Process:
    """Nothing is started by this version any more; a draft is given up. What runs goes on to its end.

    Raises:
        StoreError: not_found, process_retired, process_in_use (a process in force starts this very version).
        FlowError: reason_required.
    """
    _check_reason(reason)
    process = await get_process(session, actor.tenant_id, process_id, lock=True)
    if process.status == ProcessStatus.RETIRED:
        raise ProcessRetiredError
    parents = await fetch(session, _PARENTS, tenant=actor.tenant_id, process=str(process_id))
    if parents:
        raise ProcessInUseError(parents=[f"{row['name']} {row['version']}" for row in parents])
    return await _move(session, actor, process, ProcessStatus.RETIRED, "process.retired", reason)


async def new_version(session: AsyncSession, actor: Actor, source_id: UUID, level: Level, note: str) -> Process:
    """Copy a version that was approved once into a draft under the next free label.

    Raises:
        StoreError: not_found, version_not_approved, draft_exists.
    """
    source = await get_process(session, actor.tenant_id, source_id)
    if source.graph_hash is None:
        raise VersionNotApprovedError(status=source.status)
    versions = await _versions(session, actor.tenant_id, source.key)
    for other in versions:
        if other.status in {ProcessStatus.DRAFT, ProcessStatus.IN_REVIEW}:
            raise DraftExistsError(version=other.version, status=other.status, process=str(other.id))
    process = Process(
        tenant_id=actor.tenant_id,
        id=uuid4(),
        key=source.key,
        name=source.name,
        description=source.description,
        category=source.category,
        subject_type_id=source.subject_type_id,
        version=next_label(source.version, level, [one.version for one in versions]),
        version_no=versions[-1].version_no + 1,
        template_source=source.template_source,
        graph=source.graph,
        created_by=actor.user_id,
        editors=[] if actor.user_id is None else [actor.user_id],
        based_on=source.id,
        change_note=note,
    )
    session.add(process)
    await session.flush()
    made = AuditDraft(
        action="process.version_created",
        object_type="process",
        object_id=process.id,
        new={"key": process.key, "version": process.version, "based_on": source.version},
        reason=note,
    )
    await audit_tenant(session, actor, made)
    return process


def next_label(label: str, level: Level, taken: Collection[str]) -> str:
    """The label after `label`: 1.0 → 1.1 or 2.0, whichever is free."""
    major, minor = (int(part) for part in label.split("."))
    while label in taken:
        major, minor = (major, minor + 1) if level is Level.MINOR else (major + 1, 0)
        label = f"{major}.{minor}"
    return label


async def check_second_person(
    session: AsyncSession, process: Process, user_id: UUID, permissions: Collection[str], reason: str
) -> bool:
    """Nobody puts into force what they wrote or submitted themselves, but for the exception of the permission table.

    The exception needs a reason, except for the first version of a process that was never in review: how a site is set
    up, and how an import brings its process along.

    Returns:
        Whether it is such an exception.

    Raises:
        StoreError: process_not_draft, process_self_approval.
        FlowError: reason_required.
    """
    check_status(process, ProcessStatus.DRAFT, ProcessStatus.IN_REVIEW)
    if user_id not in {*process.editors, process.submitted_by}:
        return False
    if "process.self_approve" not in permissions:
        raise SelfApprovalOfProcessError
    if process.status == ProcessStatus.IN_REVIEW or await _was_in_force(session, process):
        _check_reason(reason)
    return True


async def _was_in_force(session: AsyncSession, process: Process) -> bool:
    versions = await _versions(session, process.tenant_id, process.key, lock=False)
    return any(one.graph_hash is not None for one in versions)


async def _versions(session: AsyncSession, tenant_id: UUID, key: str, *, lock: bool = True) -> list[Process]:
    """All versions of a key, oldest first; locked, so that the next label is taken once."""
    query = (
        select(Process)
        .where(col(Process.tenant_id) == tenant_id, col(Process.key) == key)
        .order_by(col(Process.version_no))
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return list(await session.exec(query))


async def _in_review(session: AsyncSession, actor: Actor, process_id: UUID) -> Process:
    process = await get_process(session, actor.tenant_id, process_id, lock=True)
    if process.status != ProcessStatus.IN_REVIEW:
        raise ProcessNotInReviewError(status=process.status)
    return process


async def _move(
    session: AsyncSession, actor: Actor, process: Process, to: ProcessStatus, action: str, reason: str
) -> Process:
    before, process.status = process.status, to
    await session.flush()
    shown: dict[str, Any] = {"status": to, "version": process.version, "revision": process.revision}
    draft = AuditDraft(
        action=action,
        object_type="process",
        object_id=process.id,
        old={"status": before},
        new=shown,
        reason=reason.strip(),
    )
    await audit_tenant(session, actor, draft)
    return process


def _check_reason(reason: str) -> None:
    if len(reason.strip()) < REASON:
        raise FlowError("reason_required", minimum=REASON)
