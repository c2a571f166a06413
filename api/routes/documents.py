"""Controlled documents: upload, find, download, put into and out of force."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import RowMapping

from api.deps import Caller, Db, Held, needs, transaction
from api.paging import Page, moment_after, page
from api.problems import responses
from api.schemas import documents as shapes
from api.uploads import Upload, Uploaded
from models.enums import DocumentState
from models.files import DiskStore
from models.store.document_life import (
    make_effective,
    obsolete_document,
    release_document,
    return_document,
    submit_document,
)
from models.store.documents import (
    add_document,
    document_of,
    document_type_of,
    list_documents,
)
from models.store.gate_errors import ContentMissingError, UploadInvalidError
from models.store.identifiers import next_number
from models.store.subjects import get_subject
from models.store.views import moment

router = APIRouter(tags=["documents"])

READ = [Depends(needs("document.read"))]
RELEASE = [Depends(needs("document.release"))]
LONGEST = {"number": 100, "revision": 20, "title": 500, "document_type": 100, "document_type_id": 36, "subject_id": 36}


@router.post(
    "/api/documents/",
    status_code=201,
    response_model=shapes.Document,
    openapi_extra=shapes.UPLOAD,
    responses=responses(
        "forbidden", "document_too_large", "document_empty", "document_type_unknown", "document_number_taken",
        "upload_invalid", "not_found",
    ),
)  # fmt: skip
async def upload_document(caller: Caller, held: Held, upload: Uploaded) -> Any:
    """Upload a file as a draft document; what is too large leaves nothing behind."""
    fields = _fields(upload)
    named = fields.get("document_type_id") or fields.get("document_type") or ""
    subject_id = _subject_id(fields)
    async with transaction(held, caller) as session:
        await document_type_of(session, caller.tenant_id, named)
        if subject_id is not None:
            await get_subject(session, caller.tenant_id, subject_id)
    store = DiskStore(held.settings.state_dir)
    stored = await store.put(upload.chunks(), maximum=held.settings.document_max_bytes)
    now = datetime.now(UTC)
    number = fields.get("number") or await next_number(held.app, caller.tenant_id, "DOC", now.year)
    async with transaction(held, caller) as session:
        document_id = await add_document(
            session, caller.person,
            document_type=named, number=number, title=fields.get("title") or upload.filename,
            revision=fields.get("revision") or "A", filename=upload.filename, media_type=upload.media_type,
            sha256=stored.sha256, size_bytes=stored.size_bytes, now=now, subject_id=subject_id,
        )  # fmt: skip
        shown = document_json(await document_of(session, caller.tenant_id, document_id))
    return JSONResponse(shown, 201, headers={"Location": f"/api/documents/{document_id}/"})


@router.get(
    "/api/documents/",
    response_model=shapes.Documents,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_documents(
    caller: Caller,
    session: Db,
    asked: Page,
    state: DocumentState | None = None,
    document_type: Annotated[str | None, Query(max_length=100, description="Key or id of a type.")] = None,
    number: Annotated[str | None, Query(max_length=100)] = None,
    subject: UUID | None = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of number, title or file name.")] = None,
) -> Any:
    """Documents, newest first."""
    found = await list_documents(
        session, caller.tenant_id,
        limit=asked.fetch, after=moment_after(asked), state=None if state is None else state.value,
        document_type=document_type, number=number, subject_id=subject, q=q,
    )  # fmt: skip
    return JSONResponse(
        page(found, asked, key=lambda row: [row["created_at"].isoformat(), str(row["id"])], show=document_json)
    )


@router.get(
    "/api/documents/{document_id}/",
    response_model=shapes.Document,
    dependencies=READ,
    responses=responses("forbidden", "document_unknown"),
)
async def get_document(document_id: UUID, caller: Caller, session: Db) -> Any:
    """One document."""
    return JSONResponse(document_json(await document_of(session, caller.tenant_id, document_id)))


@router.get(
    "/api/documents/{document_id}/content/",
    response_class=StreamingResponse,
    dependencies=READ,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file, always as an attachment."},
        304: {"description": "The client has it already (`If-None-Match`)."},
        **responses("forbidden", "document_unknown", "content_missing"),
    },
)
async def download_document(
    document_id: UUID, caller: Caller, held: Held, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The content, never shown inline; its `ETag` is its SHA-256."""
    async with transaction(held, caller) as session:
        row = await document_of(session, caller.tenant_id, document_id)
    tag = f'"{row["sha256"]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Document-State": row["state"]}
    if if_none_match is not None and tag in {one.strip().removeprefix("W/") for one in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    store = DiskStore(held.settings.state_dir)
    if not await store.has(row["sha256"]):
        raise ContentMissingError(sha256=row["sha256"])
    headers |= {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row['filename'], safe='')}",
        "Content-Length": str(row["size_bytes"]),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(store.read(row["sha256"]), media_type=row["media_type"], headers=headers)


@router.post(
    "/api/documents/{document_id}/submit/",
    response_model=shapes.Document,
    dependencies=[Depends(needs("document.upload"))],
    responses=responses("forbidden", "document_unknown", "document_state", "too_busy"),
)
async def submit_a_document(
    document_id: UUID, caller: Caller, session: Db, body: Annotated[shapes.Reason | None, Body()] = None
) -> Any:
    """Hand a draft in for review."""
    reason = (body or shapes.Reason()).reason
    await submit_document(session, caller.person, document_id, datetime.now(UTC), reason)
    return JSONResponse(document_json(await document_of(session, caller.tenant_id, document_id)))


@router.post(
    "/api/documents/{document_id}/return/",
    response_model=shapes.Document,
    dependencies=RELEASE,
    responses=responses("forbidden", "document_unknown", "document_state", "reason_required", "too_busy"),
)
async def return_a_document(
    document_id: UUID, caller: Caller, session: Db, body: Annotated[shapes.Reason | None, Body()] = None
) -> Any:
    """Give what is in review back to its author, with a reason."""
    reason = (body or shapes.Reason()).reason
    await return_document(session, caller.person, document_id, datetime.now(UTC), reason)
    return JSONResponse(document_json(await document_of(session, caller.tenant_id, document_id)))


@router.post(
    "/api/documents/{document_id}/effective/",
    response_model=shapes.Document,
    dependencies=RELEASE,
    responses=responses("forbidden", "document_unknown", "document_state", "too_busy"),
)
async def put_a_document_into_effect(
    document_id: UUID, caller: Caller, session: Db, body: Annotated[shapes.Reason | None, Body()] = None
) -> Any:
    """Put a released document into effect now; the revision before is obsolete."""
    reason = (body or shapes.Reason()).reason
    await make_effective(session, caller.person.actor, document_id, datetime.now(UTC), reason)
    return JSONResponse(document_json(await document_of(session, caller.tenant_id, document_id)))


@router.post(
    "/api/documents/{document_id}/release/",
    response_model=shapes.Document,
    dependencies=RELEASE,
    responses=responses("forbidden", "document_unknown", "document_state", "self_release", "too_busy"),
)
async def release_a_document(
    document_id: UUID, caller: Caller, held: Held, session: Db, body: Annotated[shapes.Release | None, Body()] = None
) -> Any:
    """Put a draft, or what is in review, into force, now or from a later moment on.

    Who did it is recorded, the revision that it replaces is obsolete, and open executions that cite one of them are
    looked at again.
    """
    asked = body or shapes.Release()
    await release_document(
        session, caller.person, document_id, datetime.now(UTC),
        four_eyes=held.settings.document_release_four_eyes, reason=asked.reason, effective_at=asked.effective_at,
    )  # fmt: skip
    return JSONResponse(document_json(await document_of(session, caller.tenant_id, document_id)))


@router.post(
    "/api/documents/{document_id}/obsolete/",
    response_model=shapes.Document,
    dependencies=RELEASE,
    responses=responses("forbidden", "document_unknown", "document_state", "too_busy"),
)
async def obsolete_a_document(
    document_id: UUID, caller: Caller, session: Db, body: Annotated[shapes.Obsolete | None, Body()] = None
) -> Any:
    """Take a document out of force; it stays readable and marked."""
    reason = (body or shapes.Obsolete()).reason
    await obsolete_document(session, caller.person, document_id, datetime.now(UTC), reason)
    return JSONResponse(document_json(await document_of(session, caller.tenant_id, document_id)))


def document_json(row: RowMapping) -> dict[str, Any]:
    """A document as the API shows it."""
    ids = ("id", "document_type_id", "subject_id", "uploaded_by", "released_by")
    words = ("document_type", "number", "title", "revision", "state", "sha256", "size_bytes", "media_type", "filename")
    moments = ("created_at", "released_at", "effective_at", "obsoleted_at")
    return {
        **{name: None if row[name] is None else str(row[name]) for name in ids},
        **{name: row[name] for name in words},
        **{name: moment(row[name]) for name in moments},
    }


def _fields(upload: Upload) -> dict[str, str]:
    unknown = sorted(set(upload.fields) - set(LONGEST))
    if unknown:
        raise UploadInvalidError(detail=f"unknown fields: {', '.join(unknown)[:200]}")
    for name, value in upload.fields.items():
        if len(value) > LONGEST[name]:
            raise UploadInvalidError(detail=f"`{name}` may have at most {LONGEST[name]} characters")
    if not (upload.fields.get("document_type_id") or upload.fields.get("document_type")):
        raise UploadInvalidError(detail="name the `document_type_id` or the `document_type`")
    return upload.fields


def _subject_id(fields: dict[str, str]) -> UUID | None:
    given = fields.get("subject_id")
    try:
        return UUID(given) if given else None
    except ValueError as error:
        raise UploadInvalidError(detail="`subject_id` is no UUID") from error
