"""Document types, approval templates and measurement definitions: what requirements refer to."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import Principal
from api.deps import Caller, Db, needs
from api.paging import Page, Paging, page, word_after
from api.problems import Problem, responses
from api.schemas import catalogues as shapes
from api.schemas.base import Body
from models.store.catalogues import (
    APPROVAL_TEMPLATES,
    DOCUMENT_TYPES,
    MEASUREMENT_DEFINITIONS,
    Catalogue,
    add_entry,
    change_entry,
    entry_json,
    entry_of,
    list_entries,
)

router = APIRouter(tags=["catalogues"])

READ: Final = [Depends(needs("process.read"))]
EDIT: Final = [Depends(needs("catalog.edit"))]
RULE: Final = [Depends(needs("process.approve"))]
"""Who approves and what is in tolerance decides over the versions to come: whoever may approve those changes it."""
NULLABLE: Final = frozenset(
    {"due_in", "remind_before", "nominal", "upper_tol", "lower_tol", "lower_limit", "upper_limit"}
)
"""What a PATCH may set to null."""

Search = Annotated[str, Query(max_length=200, description="Part of key or name.")]

_LISTING = responses("forbidden", "cursor_invalid")
_ADDING = responses("forbidden", "catalogue_key_taken")
_CHANGING = responses("forbidden", "catalogue_unknown", "nothing_to_change")
_READING = responses("forbidden", "catalogue_unknown")


@router.get("/api/document-types/", response_model=shapes.DocumentTypes, dependencies=READ, responses=_LISTING)
async def list_document_types(caller: Caller, session: Db, asked: Page, q: Search = "") -> Any:
    """Kinds of documents, by key."""
    return await _listed(session, caller, DOCUMENT_TYPES, asked, q)


@router.post(
    "/api/document-types/", status_code=201, response_model=shapes.DocumentType, dependencies=EDIT, responses=_ADDING
)
async def create_document_type(caller: Caller, session: Db, body: shapes.NewDocumentType) -> Any:
    """Define a kind of document."""
    return await _added(session, caller, DOCUMENT_TYPES, body)


@router.get(
    "/api/document-types/{entry_id}/", response_model=shapes.DocumentType, dependencies=READ, responses=_READING
)
async def get_document_type(entry_id: UUID, caller: Caller, session: Db) -> Any:
    """One kind of document."""
    return await _one(session, caller, DOCUMENT_TYPES, entry_id)


@router.patch(
    "/api/document-types/{entry_id}/", response_model=shapes.DocumentType, dependencies=EDIT, responses=_CHANGING
)
async def change_document_type(entry_id: UUID, caller: Caller, session: Db, body: shapes.ChangedDocumentType) -> Any:
    """Rename a kind of document."""
    return await _changed(session, caller, DOCUMENT_TYPES, entry_id, body)


@router.get("/api/approval-templates/", response_model=shapes.ApprovalTemplates, dependencies=READ, responses=_LISTING)
async def list_approval_templates(caller: Caller, session: Db, asked: Page, q: Search = "") -> Any:
    """Approval templates, by key."""
    return await _listed(session, caller, APPROVAL_TEMPLATES, asked, q)


@router.post(
    "/api/approval-templates/",
    status_code=201,
    response_model=shapes.ApprovalTemplate,
    dependencies=EDIT,
    responses=responses("forbidden", "catalogue_key_taken", "stages_invalid"),
)
async def create_approval_template(caller: Caller, session: Db, body: shapes.NewApprovalTemplate) -> Any:
    """Define who has to approve, stage by stage."""
    return await _added(session, caller, APPROVAL_TEMPLATES, body)


@router.get(
    "/api/approval-templates/{entry_id}/",
    response_model=shapes.ApprovalTemplate,
    dependencies=READ,
    responses=_READING,
)
async def get_approval_template(entry_id: UUID, caller: Caller, session: Db) -> Any:
    """One approval template."""
    return await _one(session, caller, APPROVAL_TEMPLATES, entry_id)


@router.patch(
    "/api/approval-templates/{entry_id}/",
    response_model=shapes.ApprovalTemplate,
    dependencies=RULE,
    responses=responses("forbidden", "catalogue_unknown", "nothing_to_change", "stages_invalid"),
)
async def change_approval_template(
    entry_id: UUID, caller: Caller, session: Db, body: shapes.ChangedApprovalTemplate
) -> Any:
    """Change who has to approve in versions that are approved from now on; those in force keep their copy."""
    return await _changed(session, caller, APPROVAL_TEMPLATES, entry_id, body)


@router.get(
    "/api/measurement-definitions/",
    response_model=shapes.MeasurementDefinitions,
    dependencies=READ,
    responses=_LISTING,
)
async def list_measurement_definitions(caller: Caller, session: Db, asked: Page, q: Search = "") -> Any:
    """Characteristics, by key."""
    return await _listed(session, caller, MEASUREMENT_DEFINITIONS, asked, q)


@router.post(
    "/api/measurement-definitions/",
    status_code=201,
    response_model=shapes.MeasurementDefinition,
    dependencies=EDIT,
    responses=_ADDING,
)
async def create_measurement_definition(caller: Caller, session: Db, body: shapes.NewMeasurementDefinition) -> Any:
    """Define a characteristic with its limits."""
    return await _added(session, caller, MEASUREMENT_DEFINITIONS, body)


@router.get(
    "/api/measurement-definitions/{entry_id}/",
    response_model=shapes.MeasurementDefinition,
    dependencies=READ,
    responses=_READING,
)
async def get_measurement_definition(entry_id: UUID, caller: Caller, session: Db) -> Any:
    """One characteristic."""
    return await _one(session, caller, MEASUREMENT_DEFINITIONS, entry_id)


@router.patch(
    "/api/measurement-definitions/{entry_id}/",
    response_model=shapes.MeasurementDefinition,
    dependencies=RULE,
    responses=responses("forbidden", "catalogue_unknown", "nothing_to_change", "limits_invalid"),
)
async def change_measurement_definition(
    entry_id: UUID, caller: Caller, session: Db, body: shapes.ChangedMeasurementDefinition
) -> Any:
    """Change a characteristic or its limits for versions approved from now on; those in force keep their copy."""
    return await _changed(session, caller, MEASUREMENT_DEFINITIONS, entry_id, body)


async def _listed(session: AsyncSession, caller: Principal, catalogue: Catalogue, asked: Paging, q: str) -> Any:
    found = await list_entries(
        session, caller.tenant_id, catalogue, after=word_after(asked), search=q, limit=asked.fetch
    )
    shown = page(found, asked, key=lambda row: [row["key"]], show=lambda row: entry_json(catalogue, row))
    return JSONResponse(shown)


async def _one(session: AsyncSession, caller: Principal, catalogue: Catalogue, entry_id: UUID) -> Any:
    return JSONResponse(entry_json(catalogue, await entry_of(session, caller.tenant_id, catalogue, entry_id)))


async def _added(session: AsyncSession, caller: Principal, catalogue: Catalogue, body: Body) -> Any:
    values = body.model_dump()
    key = values.pop("key")
    row = await add_entry(session, caller.person, catalogue, key or "", values)
    return JSONResponse(entry_json(catalogue, row), 201)


async def _changed(session: AsyncSession, caller: Principal, catalogue: Catalogue, entry_id: UUID, body: Body) -> Any:
    given = body.model_dump(exclude_unset=True)
    reason = given.pop("reason", "")
    values = {name: value for name, value in given.items() if value is not None or name in NULLABLE}
    if not values:
        raise Problem("nothing_to_change")
    row = await change_entry(session, caller.person, catalogue, entry_id, values, reason)
    return JSONResponse(entry_json(catalogue, row))
