"""Process versions: drafts that are edited, and approved ones, whose steps are rows and never change again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.flow.canonical import canonical, graph_hash
from models.flow.graph import ProcessCategory, parse_graph
from models.store.audit import Actor, AuditDraft, audit_tenant
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
    if process.status != ProcessStatus.DRAFT:
        raise ProcessNotDraftError(status=process.status)
    if base is not None and base != process.revision:
        raise RevisionConflictError(revision=process.revision)
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
    await session.flush()
    changed = {name: _shown(value) for name, value in values.items()}
    await audit_tenant(session, actor, *resolver.created, _draft("process.changed", process, old=old, new=changed))
    return process


async def approve_process(
    session: AsyncSession, actor: Actor, process_id: UUID, *, base: int | None = None, reason: str = ""
) -> Process:
    """Put a validated draft into force: copy its steps into rows, keep its canonical graph and hash.

    The caller has checked the graph with `models.flow.validate`; here only what needs the database is checked.

    Raises:
        StoreError: not_found, process_not_draft, revision_conflict, process_invalid.
    """
    process = await get_process(session, actor.tenant_id, process_id, lock=True)
    if process.status != ProcessStatus.DRAFT:
        raise ProcessNotDraftError(status=process.status)
    if base is not None and base != process.revision:
        raise RevisionConflictError(revision=process.revision)
    if problems := await unapproved_children(session, actor.tenant_id, process.graph):
        raise ProcessInvalidError(problems=problems)
    text = canonical(process.graph)
    process.graph = json.loads(text)
    process.graph_hash = graph_hash(process.graph)
    process.status = ProcessStatus.APPROVED
    process.version = f"{process.version_no}.0"
    process.approved_at = datetime.now(UTC)
    process.approved_by = actor.user_id
    await session.flush()
    await write_steps(session, process, parse_graph(process.graph))
    approved = _draft(
        "process.approved",
        process,
        old={"status": ProcessStatus.DRAFT},
        new={"status": ProcessStatus.APPROVED, "version": process.version, "graph_hash": process.graph_hash},
        reason=reason,
    )
    await audit_tenant(session, actor, approved)
    return process


async def unapproved_children(session: AsyncSession, tenant_id: UUID, graph: Json) -> list[Json]:
    """A problem for each nested process that is not in force yet: its parent could never start it."""
    problems = []
    for number, step in enumerate(graph.get("steps") or ()):
        for place, requirement in enumerate(step.get("requirements") or ()):
            given = (requirement.get("config") or {}).get("process_id")
            if requirement.get("requirement_type") != "child_workflow" or given is None:
                continue
            child = await get_process(session, tenant_id, UUID(str(given)))
            if child.status != ProcessStatus.APPROVED:
                path = f"steps[{number}].requirements[{place}].config.process_id"
                message = f"'{child.name}' is {child.status}. Have it approved first."
                problems.append({"code": "child_not_approved", "path": path, "message": message})
    return problems


def _draft(action: str, process: Process, **what: Any) -> AuditDraft:
    return AuditDraft(action=action, object_type="process", object_id=process.id, **what)


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
