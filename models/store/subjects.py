"""Subjects: the things that move through processes, checked against their kind."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import CapaSeverity
from models.patterns import matches
from models.store.audit import Actor, AuditDraft, audit_tenant
from models.store.bulk import insert_rows
from models.store.errors import (
    NotFoundError,
    SubjectAttributesInvalidError,
    SubjectIdentifierInvalidError,
    SubjectIdentifierTakenError,
)
from models.store.identifiers import take_numbers
from models.store.json_schema import misfits
from models.store.reading import fetch
from models.tables import Capa, Part, Subject, SubjectType

Json = dict[str, Any]
LONGEST_IDENTIFIER: Final = 200

_CURRENT = text(
    """
    SELECT s.id AS subject_id, (array_agg(e.id))[1] AS current_execution
    FROM subject s
    JOIN step_execution e ON (e.tenant_id, e.subject_type_id, e.subject_id) = (s.tenant_id, s.subject_type_id, s.id)
    WHERE s.tenant_id = :tenant AND s.id = ANY(:subjects) AND e.exited_at IS NULL
    GROUP BY s.id HAVING count(*) = 1
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubject:
    """A subject to be; without an identifier it gets a number such as `CAPA-2026-0001`."""

    identifier: str = ""
    title: str = ""
    attributes: Json = field(default_factory=dict)
    id: UUID = field(default_factory=uuid4)


async def create_subjects(
    session: AsyncSession, actor: Actor, kind: SubjectType, new: Sequence[NewSubject]
) -> list[UUID]:
    """Create subjects of one kind, each with the domain row that shares its id (part, CAPA). All of them or none.

    Raises:
        StoreError: subject_identifier_invalid, subject_identifier_taken, subject_attributes_invalid.
    """
    await audit_tenant(session, actor, *await insert_subjects(session, actor, kind, new))
    return [one.id for one in new]


async def insert_subjects(
    session: AsyncSession, actor: Actor, kind: SubjectType, new: Sequence[NewSubject]
) -> list[AuditDraft]:
    """As `create_subjects`; the audit entries are left to the caller's own chain.

    Raises:
        StoreError: subject_identifier_invalid, subject_identifier_taken, subject_attributes_invalid.
    """
    identifiers = await _identifiers(session, actor.tenant_id, kind, new)
    for one, identifier in zip(new, identifiers, strict=True):
        _check_identifier(kind, identifier)
        check_attributes(kind, one.attributes)
    await _check_free(session, actor.tenant_id, kind, identifiers)
    rows: list[Json] = [
        {
            "tenant_id": actor.tenant_id,
            "id": one.id,
            "subject_type_id": kind.id,
            "identifier": identifier,
            "title": one.title,
            "attributes": one.attributes,
            "created_by": actor.user_id,
        }
        for one, identifier in zip(new, identifiers, strict=True)
    ]
    try:
        async with session.begin_nested():
            await insert_rows(session, Subject, rows)
    except IntegrityError as error:  # somebody else took one between the check and now
        if "uq_subject_identifier" not in str(error.orig):
            raise
        raise SubjectIdentifierTakenError(identifier=", ".join(identifiers[:3]), subject_type=kind.key) from error
    await _add_domain_rows(session, kind, rows)
    shown = ("identifier", "title", "attributes")
    return [
        AuditDraft(
            action="subject.created",
            object_type="subject",
            object_id=row["id"],
            new={"subject_type": kind.key} | {name: row[name] for name in shown},
        )
        for row in rows
    ]


async def change_subject(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    *,
    title: str | None = None,
    attributes: Json | None = None,
    reason: str = "",
) -> Subject:
    """Change title or attributes; the identifier stays for good.

    Attributes belong to what approvals and signatures cover, so the caller bumps the evidence revision of the
    subject's open executions (DESIGN §3.1), before this locks the tenant's chain.

    Raises:
        StoreError: not_found, subject_attributes_invalid.
    """
    query = select(Subject).where(Subject.tenant_id == actor.tenant_id, Subject.id == subject_id)
    row = (await session.exec(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise NotFoundError(what="subject", id=str(subject_id))
    given = {"title": title, "attributes": attributes}
    new = {name: value for name, value in given.items() if value is not None and value != getattr(row, name)}
    if not new:
        return row
    if attributes is not None:
        check_attributes(await session.get_one(SubjectType, (actor.tenant_id, row.subject_type_id)), attributes)
    old = {name: getattr(row, name) for name in new}
    for name, value in new.items():
        setattr(row, name, value)
    await session.flush()
    draft = AuditDraft(
        action="subject.changed", object_type="subject", object_id=subject_id, old=old, new=new, reason=reason
    )
    await audit_tenant(session, actor, draft)
    return row


async def get_subject(session: AsyncSession, tenant_id: UUID, subject_id: UUID) -> tuple[Subject, SubjectType]:
    """A subject with its kind.

    Raises:
        StoreError: not_found.
    """
    subject = await session.get(Subject, (tenant_id, subject_id))
    if subject is None:
        raise NotFoundError(what="subject", id=str(subject_id))
    return subject, await session.get_one(SubjectType, (tenant_id, subject.subject_type_id))


async def current_executions(session: AsyncSession, tenant_id: UUID, subject_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Subject → its open execution, in whichever workflow; left out are subjects with several, and with none."""
    rows = await fetch(session, _CURRENT, tenant=tenant_id, subjects=list(subject_ids))
    return {row["subject_id"]: row["current_execution"] for row in rows}


async def find_subjects(
    session: AsyncSession, tenant_id: UUID, type_id: UUID, identifiers: Sequence[str]
) -> dict[str, UUID]:
    """The ids of the subjects of one kind that have these identifiers; those that do not exist are left out."""
    query = select(Subject.identifier, Subject.id).where(
        Subject.tenant_id == tenant_id, Subject.subject_type_id == type_id, col(Subject.identifier).in_(identifiers)
    )
    return dict((await session.exec(query)).all())


async def list_subjects(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    type_key: str = "",
    search: str = "",
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> Sequence[tuple[Subject, SubjectType]]:
    """Subjects with their kinds, newest first, from the one behind `after` (created_at, id)."""
    same_type = (col(SubjectType.tenant_id) == Subject.tenant_id) & (col(SubjectType.id) == Subject.subject_type_id)
    query = select(Subject, SubjectType).join(SubjectType, same_type).where(Subject.tenant_id == tenant_id)
    if type_key:
        query = query.where(SubjectType.key == type_key)
    if search:
        names = (col(Subject.identifier), col(Subject.title))
        query = query.where(or_(*(name.icontains(search, autoescape=True) for name in names)))
    if after is not None:
        at, last = after
        earlier = col(Subject.created_at) < at
        query = query.where(or_(earlier, (col(Subject.created_at) == at) & (col(Subject.id) < last)))
    query = query.order_by(col(Subject.created_at).desc(), col(Subject.id).desc()).limit(limit)
    return (await session.exec(query)).all()


def check_attributes(kind: SubjectType, attributes: Json) -> None:
    """Refuse attributes that do not fit the kind.

    Raises:
        StoreError: subject_attributes_invalid, with `errors` as paths and messages.
    """
    errors = misfits(kind.attributes_schema, attributes)
    if errors:
        raise SubjectAttributesInvalidError(subject_type=kind.key, errors=errors)


def _check_identifier(kind: SubjectType, identifier: str) -> None:
    fits = not kind.identifier_pattern or matches(kind.identifier_pattern, identifier)
    if not identifier or len(identifier) > LONGEST_IDENTIFIER or not fits:
        raise SubjectIdentifierInvalidError(
            identifier=identifier, subject_type=kind.key, pattern=kind.identifier_pattern
        )


async def _identifiers(
    session: AsyncSession, tenant_id: UUID, kind: SubjectType, new: Sequence[NewSubject]
) -> list[str]:
    """The identifiers, with numbers where none was given."""
    missing = sum(not one.identifier for one in new)
    if not missing:
        return [one.identifier for one in new]
    prefix = re.sub(r"[^A-Z0-9]", "", kind.key.upper()) or "SUBJECT"
    numbers = iter(await take_numbers(session, tenant_id, prefix, datetime.now(UTC).year, missing))
    return [one.identifier or next(numbers) for one in new]


async def _check_free(session: AsyncSession, tenant_id: UUID, kind: SubjectType, identifiers: list[str]) -> None:
    repeated = [identifier for identifier, times in Counter(identifiers).items() if times > 1]
    taken = repeated or sorted(await find_subjects(session, tenant_id, kind.id, identifiers))
    if taken:
        raise SubjectIdentifierTakenError(identifier=", ".join(taken[:3]), subject_type=kind.key)


async def _add_domain_rows(session: AsyncSession, kind: SubjectType, rows: Sequence[Json]) -> None:
    """The rows of part and CAPA that share the subject's id."""
    if kind.key == "Part":
        parts = [
            {**_key(row), "requires_sampling": bool(row["attributes"].get("requires_sampling", False))} for row in rows
        ]
        await insert_rows(session, Part, parts)
    if kind.key == "CAPA":
        capas = [{**_key(row), "capa_number": row["identifier"], "severity": _severity(row)} for row in rows]
        await insert_rows(session, Capa, capas)


def _key(row: Json) -> Json:
    return {"tenant_id": row["tenant_id"], "id": row["id"]}


def _severity(row: Json) -> CapaSeverity:
    given = str(row["attributes"].get("severity", "")).lower()
    return CapaSeverity(given) if given in set(CapaSeverity) else CapaSeverity.MINOR
