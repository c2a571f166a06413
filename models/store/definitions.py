"""Process versions: drafts that are edited, and approved ones, whose steps are rows and never change again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.flow.canonical import canonical, graph_hash
from models.flow.graph import ProcessCategory, parse_graph
from models.notices.kinds import NoticeKind
from models.store.audit import Actor, AuditDraft, audit_tenant
from models.store.effectivity import Effective, supersede
from models.store.freezing import with_definitions
from models.store.notices import About, Recipients, put_notice
from models.store.process_lookup import free_key, get_process, key_is_taken
from models.store.process_rows import write_steps
from models.store.references import Resolver, slug
from models.store.refusals import (
    ProcessInvalidError,
    ProcessKeyTakenError,
    ProcessNotDraftError,
    RevisionConflictError,
)
from models.store.subject_types import subject_type_by_key
from models.store.usable import unusable_references
from models.tables import Process

Json = dict[str, Any]

EDITABLE: Final = ("name", "description", "category", "subject_type", "graph")
"""What a PATCH of a draft may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProcess:
    """A draft to be; `subject_type` is a key, `key` is made from the name where it is empty."""

    name: str
    category: ProcessCategory
    subject_type: str
    graph: Json
    key: str = ""
    description: str = ""
    template_source: str = ""
    children: Mapping[str, UUID] = field(default_factory=dict)
    reuse: bool = False


async def create_process(session: AsyncSession, actor: Actor, new: NewProcess) -> Process:
    """Write a draft, and what its requirements define in place.

    Raises:
        StoreError: process_key_taken, subject_type_unknown, reference_unknown, config_invalid.
    """
    key = new.key or await free_key(session, actor.tenant_id, slug(new.name))
    if new.key and await key_is_taken(session, actor.tenant_id, key):
        raise ProcessKeyTakenError(key=key)
    subject_type = await subject_type_by_key(session, actor.tenant_id, new.subject_type)
    resolver = Resolver(session=session, tenant_id=actor.tenant_id, children=new.children, reuse=new.reuse)
    process = Process(
        tenant_id=actor.tenant_id,
        id=uuid4(),
        key=key,
        name=new.name,
        description=new.description,
        category=new.category,
        subject_type_id=subject_type.id,
        template_source=new.template_source,
        graph=await resolver.resolve(new.graph),
        created_by=actor.user_id,
        editors=[] if actor.user_id is None else [actor.user_id],
    )
    session.add(process)
    await session.flush()
    made = _draft("process.created", process, new={"key": key, "name": new.name, "graph": process.graph})
    await audit_tenant(session, actor, *resolver.created, made)
    return process


async def change_process(
    session: AsyncSession, actor: Actor, process_id: UUID, changes: Mapping[str, Any], *, base: int | None
) -> Process:
    """Change a draft.

    Args:
        changes: Some of `EDITABLE`.
        base: The revision that the editor saw; None: whatever is there.

    Raises:
        StoreError: not_found, process_not_draft, revision_conflict, and those of `create_process`.
    """
    process = await get_process(session, actor.tenant_id, process_id, lock=True)
    check_status(process, ProcessStatus.DRAFT)
    check_revision(process, base)
    resolver = Resolver(session=session, tenant_id=actor.tenant_id)
    values = dict(changes)
    if "graph" in values:
        values["graph"] = await resolver.resolve(values["graph"])
    if "subject_type" in values:
        values["subject_type_id"] = (await subject_type_by_key(session, actor.tenant_id, values.pop("subject_type"))).id
    old = {name: _shown(getattr(process, name)) for name in values}
    for name, value in values.items():
        setattr(process, name, value)
    process.revision += 1
    if actor.user_id is not None and actor.user_id not in process.editors:
        process.editors = [*process.editors, actor.user_id]
    await session.flush()
    changed = {name: _shown(value) for name, value in values.items()}
    await audit_tenant(session, actor, *resolver.created, _draft("process.changed", process, old=old, new=changed))
    return process


async def approve_process(
    session: AsyncSession,
    actor: Actor,
    process_id: UUID,
    *,
    base: int | None = None,
    reason: str = "",
    effective: Effective | None = None,
    seen: Mapping[str, Any] | None = None,
) -> Process:
    """Put a validated draft into force: copy its steps into rows, keep its canonical graph and hash.

    The caller has checked the graph with `models.flow.validate`, and who may approve it
    (`models.store.process_life.check_second_person`); here only what needs the database is checked. Versions that it
    replaces are deprecated, now or when it becomes effective.

    Args:
        session: Not committed here.
        actor: Who approves.
        process_id: A draft, or a version in review.
        base: The revision that was looked at; None: whatever is there.
        reason: For the audit trail.
        effective: From when and until when it is chosen for new workflows; from now on unless given.
        seen: Further words about the approval for the audit trail, such as that it was signed.

    Raises:
        StoreError: not_found, process_not_draft, revision_conflict, process_invalid, effective_dates_invalid.
    """
    process = await get_process(session, actor.tenant_id, process_id, lock=True)
    check_status(process, ProcessStatus.DRAFT, ProcessStatus.IN_REVIEW)
    check_revision(process, base)
    if problems := await unusable_references(session, process):
        raise ProcessInvalidError(problems=problems)
    now, before = (await session.exec(select(func.now()))).one(), process.status
    dates = effective or Effective()
    process.effective_from, process.effective_until = dates.checked(now)
    text = canonical(await with_definitions(session, actor.tenant_id, process.graph))
    process.graph = json.loads(text)
    process.graph_hash = graph_hash(process.graph)
    process.status = ProcessStatus.APPROVED
    process.approved_at = now
    process.approved_by = actor.user_id
    await session.flush()
    await write_steps(session, process, parse_graph(process.graph))
    await _tell_authors(session, actor, process, reason)
    shown = {"version": process.version, "graph_hash": process.graph_hash, **_dates(process), **(seen or {})}
    approved = _draft(
        "process.approved",
        process,
        old={"status": before},
        new={"status": ProcessStatus.APPROVED, **shown},
        reason=reason,
    )
    replaced = await supersede(session, actor.tenant_id, now, key=process.key)
    await audit_tenant(session, actor, approved, *replaced)
    return process


async def _tell_authors(session: AsyncSession, actor: Actor, process: Process, reason: str) -> None:
    """Whoever made or submitted the version hears that it is in force, unless they approved it themselves."""
    authors = {one for one in (process.created_by, process.submitted_by) if one is not None} - {actor.user_id}
    if not authors:
        return
    about = About(object_type="process", object_id=process.id)
    said = {"actor": actor.name, "reason": reason}
    recipients = Recipients(users=sorted(authors))
    await put_notice(session, actor.tenant_id, NoticeKind.PROCESS_APPROVED, recipients, about, said)


def check_status(process: Process, *allowed: ProcessStatus) -> None:
    """A draft is changed, a version in review is decided about, and nothing else is.

    Raises:
        ProcessNotDraftError: process_not_draft.
    """
    if process.status not in allowed:
        raise ProcessNotDraftError(status=process.status)


def check_revision(process: Process, base: int | None) -> None:
    """Nobody changed it since it was read.

    Raises:
        RevisionConflictError: revision_conflict.
    """
    if base is not None and base != process.revision:
        raise RevisionConflictError(revision=process.revision)


def _dates(process: Process) -> Json:
    moments = {"effective_from": process.effective_from, "effective_until": process.effective_until}
    return {name: at.isoformat() for name, at in moments.items() if at is not None}


def _draft(action: str, process: Process, **what: Any) -> AuditDraft:
    return AuditDraft(action=action, object_type="process", object_id=process.id, **what)


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
