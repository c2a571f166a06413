"""Decision tables drawn elsewhere, as steps take them. Nothing is kept: the answer goes into a draft."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.deps import Caller, require
from api.problems import Problem, responses
from api.schemas import decision_tables as shapes
from models.decisions.dmn import tables_of
from models.store.gate_errors import UploadInvalidError

router = APIRouter(tags=["processes"])

LARGEST: Final = 1024 * 1024
"""Bytes of a DMN file."""
AROUND: Final = 16 * 1024
"""Bytes that multipart may take around it."""
XML: Final = frozenset({"application/xml", "text/xml"})


async def read_file(request: Request, caller: Caller) -> bytes:
    """The file of whoever may change processes, as the body or as the field `file` of a form.

    Raises:
        Problem: forbidden, request_too_large.
        StoreError: upload_invalid.
    """
    require(caller, "process.edit")
    said = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if said not in XML and said != "multipart/form-data":
        raise UploadInvalidError(detail="send application/xml, or multipart/form-data with the field `file`")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST + AROUND:
            raise Problem("request_too_large", maximum=LARGEST)
    content = body if said in XML else await _field(request, body)
    if len(content) > LARGEST:
        raise Problem("request_too_large", maximum=LARGEST)
    return content


async def _field(request: Request, body: bytes) -> bytes:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, whole(), max_files=1, max_fields=5).parse()
    except MultiPartException as error:
        raise UploadInvalidError(detail=error.message) from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise UploadInvalidError(detail="the field `file` is missing")
        return await file.read()
    finally:
        await form.close()


@router.post(
    "/api/decision-tables/import/",
    response_model=shapes.ImportedTables,
    openapi_extra=shapes.DMN_BODY,
    responses=responses("forbidden", "request_too_large", "upload_invalid", "dmn_invalid", "dmn_unsupported"),
)
async def import_decision_tables(
    content: Annotated[bytes, Depends(read_file)],
    names_from: Annotated[
        Literal["subject.attributes", "context", "form", "measurements"] | None,
        Query(description="Where names are that are no variable of an expression: `season` as `context.season`."),
    ] = None,
) -> Any:
    """Translate every decision table of a file in DMN 1.1 to 1.5. All or nothing; nothing is stored."""
    tables = await to_thread.run_sync(lambda: tables_of(content, names_from=names_from or ""))
    return JSONResponse({"tables": tables})
