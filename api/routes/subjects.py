"""What moves through processes, and its kinds."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.deps import Caller, Db, needs
from api.paging import Page, moment_after, page
from api.problems import responses
from api.schemas import subjects as shapes
from models.store.subject_types import create_subject_type, list_subject_types, subject_type_by_key
from models.store.subjects import (
    NewSubject,
    change_subject,
    create_subjects,
    current_executions,
    get_subject,
    list_subjects,
)
from models.store.views import moment
from models.store.voids import lock_open_of_subject, void_stale
from models.tables import Subject, SubjectType

router = APIRouter(tags=["subjects"])

READ = [Depends(needs("subject.read"))]
EDIT = [Depends(needs("subject.edit"))]


@router.get(
    "/api/subjects/",
    response_model=shapes.Subjects,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_subjects(
    caller: Caller,
    session: Db,
    asked: Page,
    subject_type: Annotated[str, Query(max_length=100, description="Key of a kind.")] = "",
    q: Annotated[str, Query(max_length=200, description="Part of identifier or title.")] = "",
) -> Any:
    """Subjects, newest first."""
    found = await list_subjects(
        session,
        caller.tenant_id,
        type_key=subject_type,
        search=q,
        after=moment_after(asked),
        limit=asked.fetch,
    )
    current = await current_executions(session, caller.tenant_id, [subject.id for subject, _ in found])
    shown = page(
        found,
        asked,
        key=lambda one: [one[0].created_at.isoformat(), str(one[0].id)],
        show=lambda one: subject_json(*one, current.get(one[0].id)),
    )
    return JSONResponse(shown)


@router.post(
    "/api/subjects/",
    status_code=201,
    response_model=shapes.Subject,
    dependencies=EDIT,
    responses=responses(
        "forbidden", "subject_type_unknown", "subject_identifier_taken", "subject_identifier_invalid",
        "subject_attributes_invalid",
    ),
)  # fmt: skip
async def create_subject(caller: Caller, session: Db, body: shapes.NewSubject) -> Any:
    """Create a subject; one of type CAPA or Part gets its domain record too."""
    kind = await subject_type_by_key(session, caller.tenant_id, body.subject_type)
    new = NewSubject(identifier=body.identifier, title=body.title, attributes=body.attributes)
    [subject_id] = await create_subjects(session, caller.actor, kind, [new])
    shown = await _shown(session, caller.tenant_id, subject_id)
    return JSONResponse(shown, 201, headers={"Location": f"/api/subjects/{subject_id}/"})


@router.get(
    "/api/subjects/{subject_id}/",
    response_model=shapes.Subject,
    dependencies=READ,
    responses=responses("forbidden", "not_found"),
)
async def get_one_subject(subject_id: UUID, caller: Caller, session: Db) -> Any:
    """One subject."""
    return JSONResponse(await _shown(session, caller.tenant_id, subject_id))


@router.patch(
    "/api/subjects/{subject_id}/",
    response_model=shapes.Subject,
    dependencies=EDIT,
    responses=responses("forbidden", "not_found", "subject_attributes_invalid"),
)
async def change_one_subject(subject_id: UUID, caller: Caller, session: Db, body: shapes.ChangedSubject) -> Any:
    """Change title or attributes; signatures and approvals that cover them are voided."""
    touched = await lock_open_of_subject(session, caller.tenant_id, subject_id) if body.attributes is not None else []
    await change_subject(
        session, caller.actor, subject_id, title=body.title, attributes=body.attributes, reason=body.reason
    )
    why = f"The subject was changed by {caller.username}. {body.reason}".strip()
    await void_stale(session, caller.actor, touched, why, datetime.now(UTC))
    return JSONResponse(await _shown(session, caller.tenant_id, subject_id))


@router.get(
    "/api/subject-types/",
    response_model=shapes.SubjectTypes,
    dependencies=READ,
    responses=responses("forbidden"),
)
async def list_kinds(caller: Caller, session: Db) -> Any:
    """All kinds of subject."""
    rows = await list_subject_types(session, caller.tenant_id)
    return JSONResponse({"items": [_kind_json(row) for row in rows], "next_cursor": None})


@router.post(
    "/api/subject-types/",
    status_code=201,
    response_model=shapes.SubjectType,
    dependencies=[Depends(needs("catalog.edit"))],
    responses=responses("forbidden", "subject_type_taken", "schema_invalid", "pattern_invalid"),
)
async def create_kind(caller: Caller, session: Db, body: shapes.NewSubjectType) -> Any:
    """Define a kind of subject: what its attributes may be, and how its identifiers look."""
    row = await create_subject_type(
        session,
        caller.actor,
        key=body.key,
        name=body.name,
        attributes_schema=body.attributes_schema,
        identifier_pattern=body.identifier_pattern,
    )
    return JSONResponse(_kind_json(row), 201)


async def _shown(session: AsyncSession, tenant_id: UUID, subject_id: UUID) -> dict[str, Any]:
    subject, kind = await get_subject(session, tenant_id, subject_id)
    current = await current_executions(session, tenant_id, [subject_id])
    return subject_json(subject, kind, current.get(subject_id))


def subject_json(subject: Subject, kind: SubjectType, current_execution: UUID | None) -> dict[str, Any]:
    """A subject as the API shows it."""
    return {
        "id": str(subject.id),
        "type": kind.key,
        "subject_type": kind.key,
        "identifier": subject.identifier,
        "title": subject.title,
        "attributes": subject.attributes,
        "created_at": moment(subject.created_at),
        "current_execution": None if current_execution is None else str(current_execution),
    }


def _kind_json(row: SubjectType) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "key": row.key,
        "name": row.name,
        "attributes_schema": row.attributes_schema,
        "identifier_pattern": row.identifier_pattern,
        "created_at": moment(row.created_at),
    }
