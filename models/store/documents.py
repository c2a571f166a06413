"""Controlled documents: their rows, and the executions that cite them. The content is in `models.files`.

From draft to obsolete: `models.store.document_life`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DocumentState
from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows
from models.store.gate_errors import (
    DocumentNumberTakenError,
    DocumentTypeUnknownError,
    DocumentUnknownError,
)
from models.store.people import Person
from models.store.reading import beyond, fetch, fetch_one, run
from models.tables import Document, StepExecution

COLUMNS = """
    d.id, d.document_type_id, t.key AS document_type, d.subject_id, d.number, d.title, d.revision, d.state, d.sha256,
    d.size_bytes, d.media_type, d.filename, d.uploaded_by, d.created_at, d.released_by, d.released_at,
    d.effective_at, d.obsoleted_at
"""
_FROM = "FROM document d JOIN document_type t ON (t.tenant_id, t.id) = (d.tenant_id, d.document_type_id)"

_ONE = text(f"SELECT {COLUMNS} {_FROM} WHERE d.tenant_id = :tenant AND d.id = :id")
_FOR_ATTACHING = text(
    f"SELECT {COLUMNS} {_FROM} WHERE d.tenant_id = :tenant AND d.id = ANY(:ids) ORDER BY d.id FOR SHARE OF d"
)
_ATTACHED = text(
    f"SELECT l.execution_id, l.requirement_id, l.document_id, {COLUMNS} {_FROM}"
    " JOIN document_link l ON (l.tenant_id, l.document_id) = (d.tenant_id, d.id)"
    " WHERE l.tenant_id = :tenant AND l.execution_id = ANY(:executions) ORDER BY d.number, d.revision, d.id"
)
_DETACH = text(
    "DELETE FROM document_link"
    " WHERE tenant_id = :tenant AND execution_id = :execution AND requirement_id = :requirement"
)
_TYPE = text(
    "SELECT id, key, name FROM document_type WHERE tenant_id = :tenant AND (key = :named OR id::text = lower(:named))"
)
_TAKEN = text("SELECT id FROM document WHERE tenant_id = :tenant AND number = :number AND revision = :revision")
_LIST = text(
    f"""
    SELECT {COLUMNS} {_FROM} WHERE d.tenant_id = :tenant
      AND (CAST(:state AS text) IS NULL OR d.state = :state)
      AND (CAST(:type AS text) IS NULL OR t.key = :type OR t.id::text = :type)
      AND (CAST(:number AS text) IS NULL OR d.number = :number)
      AND (CAST(:subject AS uuid) IS NULL OR d.subject_id = :subject)
      AND (CAST(:q AS text) IS NULL OR d.number ILIKE :q OR d.title ILIKE :q OR d.filename ILIKE :q)
      AND (CAST(:after_at AS timestamptz) IS NULL OR (d.created_at, d.id) < (:after_at, CAST(:after_id AS uuid)))
    ORDER BY d.created_at DESC, d.id DESC LIMIT :limit
    """
)


async def document_of(session: AsyncSession, tenant_id: UUID, document_id: UUID) -> RowMapping:
    """One document with its type's key.

    Raises:
        DocumentUnknownError: document_unknown.
    """
    row = await fetch_one(session, _ONE, tenant=tenant_id, id=document_id)
    if row is None:
        raise DocumentUnknownError(document_id=str(document_id))
    return row


async def list_documents(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    state: str | None = None,
    document_type: str | None = None,
    number: str | None = None,
    subject_id: UUID | None = None,
    q: str | None = None,
) -> Sequence[RowMapping]:
    """Documents, newest first, at most `limit`."""
    return await fetch(
        session, _LIST, tenant=tenant_id, state=state, type=document_type, number=number, subject=subject_id,
        q=None if q is None else f"%{_escaped(q)}%", limit=limit,
        **beyond(after),
    )  # fmt: skip


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def document_type_of(session: AsyncSession, tenant_id: UUID, named: str) -> RowMapping:
    """A document type by key or id.

    Raises:
        DocumentTypeUnknownError: document_type_unknown.
    """
    row = await fetch_one(session, _TYPE, tenant=tenant_id, named=named)
    if row is None:
        raise DocumentTypeUnknownError(document_type=named)
    return row


async def add_document(
    session: AsyncSession,
    person: Person,
    *,
    document_type: str,
    number: str,
    title: str,
    revision: str,
    filename: str,
    media_type: str,
    sha256: str,
    size_bytes: int,
    now: datetime,
    subject_id: UUID | None = None,
) -> UUID:
    """Enter an uploaded file as a draft. Its content never changes afterwards; a correction is another revision.

    Raises:
        DocumentTypeUnknownError: document_type_unknown.
        DocumentNumberTakenError: document_number_taken.
    """
    kind = await document_type_of(session, person.tenant_id, document_type)
    if await fetch_one(session, _TAKEN, tenant=person.tenant_id, number=number, revision=revision):
        raise DocumentNumberTakenError(number=number, revision=revision)
    row: dict[str, Any] = {
        "tenant_id": person.tenant_id, "id": uuid4(), "document_type_id": kind["id"], "subject_id": subject_id,
        "number": number, "title": title, "revision": revision, "state": DocumentState.DRAFT, "sha256": sha256,
        "size_bytes": size_bytes, "media_type": media_type, "filename": filename, "uploaded_by": person.id,
        "created_at": now,
    }  # fmt: skip
    await insert_rows(session, Document, [row])
    shown = {"document_type": kind["key"], "number": number, "revision": revision, "title": title,
             "filename": filename, "sha256": sha256, "size_bytes": size_bytes, "state": "draft"}  # fmt: skip
    await audit_tenant(
        session,
        person.actor,
        AuditDraft(action="document.uploaded", object_type="document", object_id=row["id"], new=shown),
    )
    return UUID(str(row["id"]))


async def documents_for_attaching(
    session: AsyncSession, tenant_id: UUID, document_ids: Sequence[UUID]
) -> Sequence[RowMapping]:
    """Documents whose state cannot change until the end of this transaction."""
    return await fetch(session, _FOR_ATTACHING, tenant=tenant_id, ids=list(document_ids))


async def attached_to(session: AsyncSession, tenant_id: UUID, execution_ids: Collection[UUID]) -> Sequence[RowMapping]:
    """The documents that executions cite, each with `execution_id`, `requirement_id` and the columns of a document."""
    return await fetch(session, _ATTACHED, tenant=tenant_id, executions=list(execution_ids))


async def attach(
    session: AsyncSession, execution: StepExecution, requirement_id: UUID, document_ids: Sequence[UUID]
) -> None:
    """Cite documents; those cited already stay."""
    await run(
        session,
        text(
            "INSERT INTO document_link (tenant_id, id, execution_id, requirement_id, document_id)"
            " VALUES (:tenant, :id, :execution, :requirement, :document) ON CONFLICT DO NOTHING"
        ),
        [
            {
                "tenant": execution.tenant_id,
                "id": uuid5(execution.id, f"link/{requirement_id}/{document_id}"),
                "execution": execution.id,
                "requirement": requirement_id,
                "document": document_id,
            }
            for document_id in document_ids
        ],
    )


async def detach_all(session: AsyncSession, execution: StepExecution, requirement_id: UUID) -> None:
    """Cite none any more."""
    keys = {"tenant": execution.tenant_id, "execution": execution.id, "requirement": requirement_id}
    await run(session, _DETACH, keys)
