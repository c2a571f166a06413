"""Starting an instance: which process version, which subjects, whose it is. Everything is checked before it is written.

A number is taken between `plan_start` and `start` (`models.store.identifiers`), in a transaction of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import Chain
from models.store.audit import Actor, AuditDraft, write_audit
from models.store.capas import capas_to_start
from models.store.chain import lock_chain
from models.store.commands import instance_of
from models.store.errors import NotFoundError
from models.store.instances import PendingInstance, create_instance
from models.store.process_lookup import latest_approved, process_to_start
from models.store.reading import fetch
from models.store.refusals import (
    OwnerUnknownError,
    SubjectsDuplicateError,
    SubjectsRequiredError,
    SubjectsTooManyError,
    SubjectTypeMismatchError,
)
from models.store.subjects import NewSubject, create_subjects
from models.tables import Capa, Process, SubjectType, UserAccount, WorkflowInstance

Json = dict[str, Any]

MOST_SUBJECTS: Final = 10_000

_SUBJECTS = text("SELECT id, subject_type_id FROM subject WHERE tenant_id = :tenant AND id = ANY(:ids)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSubject:
    """A subject of the instance to be: an existing one (`id`), or a new one. `subject_type` is a key, or empty."""

    subject_type: str = ""
    id: UUID | None = None
    identifier: str = ""
    title: str = ""
    attributes: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What was asked for."""

    process_id: UUID | None = None
    process_key: str | None = None
    template_source: str | None = None
    subjects: Sequence[NamedSubject]
    name: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    owner_id: UUID | None = None
    due_date: date | None = None
    parent_execution: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What it comes to, as far as it can be told without writing."""

    process: Process
    subject_type: SubjectType


async def plan_start(session: AsyncSession, tenant_id: UUID, start: Start) -> Plan:
    """Choose the process version and look at the subjects' shape.

    Raises:
        StoreError: not_found, process_not_approved, subjects_required, subjects_too_many, subjects_duplicate,
            subject_type_mismatch.
    """
    if start.process_id is not None:
        process = await process_to_start(session, tenant_id, start.process_id)
    else:
        process = await latest_approved(
            session, tenant_id, key=start.process_key, template_source=start.template_source
        )
    kind = await session.get_one(SubjectType, (tenant_id, process.subject_type_id))
    _check_shape(kind, start.subjects)
    return Plan(process=process, subject_type=kind)


def _check_shape(kind: SubjectType, subjects: Sequence[NamedSubject]) -> None:
    if not subjects:
        raise SubjectsRequiredError
    if len(subjects) > MOST_SUBJECTS:
        raise SubjectsTooManyError(maximum=MOST_SUBJECTS, given=len(subjects))
    seen: set[object] = set()
    for one in subjects:
        mark = one.id or (one.identifier and ("new", one.identifier))
        if mark and mark in seen:
            raise SubjectsDuplicateError(subject=str(one.id or one.identifier))
        seen.add(mark)
        if one.subject_type and one.subject_type != kind.key:
            raise SubjectTypeMismatchError(
                expected=kind.key, actual=one.subject_type, subject=str(one.id or one.identifier)
            )


async def check_joining(
    session: AsyncSession, tenant_id: UUID, instance_id: UUID, subjects: Sequence[NamedSubject]
) -> None:
    """Whether existing subjects could join a running instance, as far as it is not for the engine to say.

    Raises:
        StoreError: not_found, subjects_required, subjects_too_many, subjects_duplicate, subject_type_mismatch.
    """
    kind = await _kind_of(session, tenant_id, instance_id)
    _check_shape(kind, subjects)
    await _check_existing(session, tenant_id, kind, subjects)


async def join(session: AsyncSession, actor: Actor, instance_id: UUID, subjects: Sequence[NamedSubject]) -> list[UUID]:
    """Ids of subjects that are to join a running instance; new ones are created, a CAPA is linked to it.

    Raises:
        StoreError: those of `plan_start` and `start` that concern subjects.
    """
    kind = await _kind_of(session, actor.tenant_id, instance_id)
    _check_shape(kind, subjects)
    ids, capas = await _subjects_of(session, actor, kind, subjects)
    for capa in capas:
        capa.workflow_instance_id = instance_id
    return ids


async def _kind_of(session: AsyncSession, tenant_id: UUID, instance_id: UUID) -> SubjectType:
    """The type of subjects that an instance takes."""
    instance = await session.get_one(WorkflowInstance, (tenant_id, instance_id))
    process = await session.get_one(Process, (tenant_id, instance.process_id))
    return await session.get_one(SubjectType, (tenant_id, process.subject_type_id))


async def _subjects_of(
    session: AsyncSession, actor: Actor, kind: SubjectType, subjects: Sequence[NamedSubject]
) -> tuple[list[UUID], Sequence[Capa]]:
    """Ids in order, of existing subjects and of those created here; and the CAPAs among them, locked."""
    await _check_existing(session, actor.tenant_id, kind, subjects)
    new = [
        NewSubject(identifier=one.identifier, title=one.title, attributes=one.attributes)
        for one in subjects
        if one.id is None
    ]
    created = iter([one.id for one in new])
    ids = [one.id or next(created) for one in subjects]
    if new:
        await create_subjects(session, actor, kind, new)
    return ids, await capas_to_start(session, actor.tenant_id, ids) if kind.key == "CAPA" else ()


async def start(
    session: AsyncSession, actor: Actor, plan: Plan, asked: Start, identifier: str, *, instance_id: UUID | None = None
) -> WorkflowInstance:
    """Write the instance with its subjects, its audit entry and the outbox row that starts its workflow.

    Raises:
        StoreError: not_found (a subject, the parent execution), subject_type_mismatch, owner_unknown, capa_running, and
            those of creating subjects.
    """
    if asked.owner_id is not None:
        await check_owner(session, actor.tenant_id, asked.owner_id)
    parent = None
    if asked.parent_execution is not None:
        parent, _ = await instance_of(session, actor.tenant_id, asked.parent_execution)
    subjects, capas = await _subjects_of(session, actor, plan.subject_type, asked.subjects)
    new = PendingInstance(
        id=instance_id or uuid4(),
        process_id=plan.process.id,
        identifier=identifier,
        subjects=subjects,
        name=asked.name,
        context=asked.context,
        owner_id=asked.owner_id or actor.user_id,
        due_date=asked.due_date,
        created_by=actor.user_id,
        parent_instance_id=parent,
        triggered_by=asked.parent_execution,
    )
    instance = await create_instance(session, actor.tenant_id, new)
    for capa in capas:
        capa.workflow_instance_id = instance.id
    draft = AuditDraft(
        action="instance.created",
        object_type="workflow_instance",
        object_id=instance.id,
        instance_id=instance.id,
        new={
            "identifier": identifier,
            "name": asked.name,
            "process": {"key": plan.process.key, "version": plan.process.version},
            "subjects": len(subjects),
            "context": dict(asked.context),
        },
    )
    head = await lock_chain(session, actor.tenant_id, Chain.INSTANCE, instance.id)
    await write_audit(session, actor, [draft], head=head)
    return instance


async def check_owner(session: AsyncSession, tenant_id: UUID, owner_id: UUID) -> None:
    """Whoever owns an instance is an active user.

    Raises:
        OwnerUnknownError: owner_unknown.
    """
    owner = await session.get(UserAccount, (tenant_id, owner_id))
    if owner is None or not owner.is_active:
        raise OwnerUnknownError(owner=str(owner_id))


async def _check_existing(
    session: AsyncSession, tenant_id: UUID, kind: SubjectType, subjects: Sequence[NamedSubject]
) -> None:
    """Subjects named by id exist and are of the process's kind; one query for all."""
    wanted = [one.id for one in subjects if one.id is not None]
    if not wanted:
        return
    rows = await fetch(session, _SUBJECTS, tenant=tenant_id, ids=wanted)
    found = {row["id"]: row["subject_type_id"] for row in rows}
    for one in wanted:
        if one not in found:
            raise NotFoundError(what="subject", id=str(one))
        if found[one] != kind.id:
            actual = await session.get_one(SubjectType, (tenant_id, found[one]))
            raise SubjectTypeMismatchError(expected=kind.key, actual=actual.key, subject=str(one))
