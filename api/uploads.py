"""Reading an upload: multipart, counted while it comes in, so that a file that is too large never fills the disk."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.deps import Caller, Held, require
from models.files import CHUNK
from models.store.gate_errors import DocumentTooLargeError, UploadInvalidError

FIELDS: Final = 64 * 1024
"""Bytes that the other fields and the boundaries may take."""
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,80}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\"\\/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file and the texts beside it."""

    file: UploadFile
    fields: dict[str, str]

    @property
    def filename(self) -> str:
        """The last part of the name, without anything that could be a path or a header."""
        name = (self.file.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
        return _UNPRINTABLE.sub("_", name).strip()[:200] or "document"

    @property
    def media_type(self) -> str:
        """What the client says it is; content is never shown inline, so nothing depends on it."""
        said = (self.file.content_type or "").split(";")[0].strip().lower()
        return said if _MEDIA_TYPE.fullmatch(said) else "application/octet-stream"

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content in pieces."""
        while chunk := await self.file.read(CHUNK):
            yield chunk


async def read_upload(request: Request, caller: Caller, held: Held) -> AsyncIterator[Upload]:
    """Read the body of whoever may upload; temporary files are gone afterwards, whatever happens.

    Raises:
        Problem: forbidden.
        StoreError: document_too_large, upload_invalid.
    """
    require(caller, "document.upload")
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UploadInvalidError(detail="send multipart/form-data")
    maximum = held.settings.document_max_bytes
    parser = MultiPartParser(
        request.headers, _counted(request, maximum), max_files=1, max_fields=20, max_part_size=FIELDS // 2
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise UploadInvalidError(detail=error.message) from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise UploadInvalidError(detail="the field `file` is missing")
        fields = {name: value.strip() for name, value in form.multi_items() if isinstance(value, str)}
        if any("\x00" in value for value in fields.values()):
            raise UploadInvalidError(detail="a field contains a NUL character")
        yield Upload(file=file, fields=fields)
    finally:
        await form.close()


Uploaded = Annotated[Upload, Depends(read_upload, scope="function")]


async def _counted(request: Request, maximum: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes in; ends with an error as soon as the file cannot be small enough any more."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > maximum + FIELDS:
        raise DocumentTooLargeError(maximum=maximum)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > maximum + FIELDS:
            raise DocumentTooLargeError(maximum=maximum)
        yield chunk
