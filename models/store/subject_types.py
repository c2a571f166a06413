"""Kinds of subject: what their attributes may be (JSON Schema) and how their identifiers look (a regex)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.patterns import pattern_problem
from models.store.audit import Actor, AuditDraft, audit_tenant
from models.store.errors import (
    NotFoundError,
    PatternInvalidError,
    SchemaInvalidError,
    SubjectTypeTakenError,
    SubjectTypeUnknownError,
)
from models.store.json_schema import schema_problem
from models.tables import SubjectType

Json = dict[str, Any]


async def create_subject_type(
    session: AsyncSession,
    actor: Actor,
    *,
    key: str,
    name: str,
    attributes_schema: Json | None = None,
    identifier_pattern: str = "",
    type_id: UUID | None = None,
) -> SubjectType:
    """Define a kind of subject.

    Raises:
        StoreError: subject_type_taken, schema_invalid, pattern_invalid.
    """
    row = SubjectType(
        tenant_id=actor.tenant_id,
        id=type_id or uuid4(),
        key=key,
        name=name,
        attributes_schema=attributes_schema or {},
        identifier_pattern=identifier_pattern,
    )
    _check(row)
    try:
        async with session.begin_nested():
            session.add(row)
            await session.flush()
    except IntegrityError as error:
        if "uq_subject_type_tenant_id_key" not in str(error.orig):
            raise
        raise SubjectTypeTakenError(key=key) from error
    new = {
        "key": key,
        "name": name,
        "attributes_schema": row.attributes_schema,
        "identifier_pattern": identifier_pattern,
    }
    draft = AuditDraft(action="subject_type.created", object_type="subject_type", object_id=row.id, new=new)
    await audit_tenant(session, actor, draft)
    return row


async def change_subject_type(
    session: AsyncSession,
    actor: Actor,
    type_id: UUID,
    *,
    name: str | None = None,
    attributes_schema: Json | None = None,
    identifier_pattern: str | None = None,
) -> SubjectType:
    """Change a kind of subject. Subjects that exist are checked when they are next edited.

    Raises:
        StoreError: not_found, schema_invalid, pattern_invalid.
    """
    query = select(SubjectType).where(SubjectType.tenant_id == actor.tenant_id, SubjectType.id == type_id)
    row = (await session.exec(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise NotFoundError(what="subject type", id=str(type_id))
    given = {"name": name, "attributes_schema": attributes_schema, "identifier_pattern": identifier_pattern}
    new = {field: value for field, value in given.items() if value is not None and value != getattr(row, field)}
    if not new:
        return row
    old = {field: getattr(row, field) for field in new}
    for field, value in new.items():
        setattr(row, field, value)
    _check(row)
    await session.flush()
    draft = AuditDraft(action="subject_type.changed", object_type="subject_type", object_id=type_id, old=old, new=new)
    await audit_tenant(session, actor, draft)
    return row


async def list_subject_types(session: AsyncSession, tenant_id: UUID) -> Sequence[SubjectType]:
    """All kinds of subject, by key."""
    query = select(SubjectType).where(SubjectType.tenant_id == tenant_id).order_by(col(SubjectType.key))
    return (await session.exec(query)).all()


async def subject_type_by_key(session: AsyncSession, tenant_id: UUID, key: str) -> SubjectType:
    """The kind of subject with this key.

    Raises:
        StoreError: subject_type_unknown.
    """
    query = select(SubjectType).where(SubjectType.tenant_id == tenant_id, SubjectType.key == key)
    found = (await session.exec(query)).one_or_none()
    if found is None:
        allowed = [one.key for one in await list_subject_types(session, tenant_id)]
        raise SubjectTypeUnknownError(key=key, allowed=allowed)
    return found


def _check(row: SubjectType) -> None:
    problem = schema_problem(row.attributes_schema)
    if problem is not None:
        raise SchemaInvalidError(detail=problem)
    problem = pattern_problem(row.identifier_pattern)
    if problem is not None:
        raise PatternInvalidError(detail=problem)
