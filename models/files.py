"""Where the content of documents lies: by its SHA-256, written once, never changed.

`FileStore` is what the API needs, so that another store (S3) can stand in; `DiskStore` is the one that ships.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from models.store.gate_errors import ContentMissingError, DocumentEmptyError, DocumentTooLargeError

CHUNK: Final = 256 * 1024
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What was written; equal content is kept once."""

    sha256: str
    size_bytes: int


class FileStore(Protocol):
    """Content by its hash."""

    async def put(self, chunks: AsyncIterable[bytes], *, maximum: int) -> Stored:
        """Keep the content; all of it or nothing.

        Raises:
            StoreError: document_too_large, document_empty.
        """
        ...

    def read(self, content: str) -> AsyncIterator[bytes]:
        """The content in pieces.

        Raises:
            ContentMissingError: content_missing, before the first piece.
        """
        ...

    async def has(self, content: str) -> bool:
        """Whether the content is there."""
        ...


class DiskStore:
    """Files under `blobs/ab/cd/abcd…`, written elsewhere and then renamed, so that no half file is ever seen."""

    def __init__(self, data_dir: Path) -> None:
        """Use `data_dir/blobs`, made at the first upload."""
        self._root = data_dir / "blobs"

    async def put(self, chunks: AsyncIterable[bytes], *, maximum: int) -> Stored:
        """See `FileStore.put`."""
        path, file = await asyncio.to_thread(self._begin)
        try:
            digest, size = sha256(), 0
            async for chunk in chunks:
                size += len(chunk)
                if size > maximum:
                    raise DocumentTooLargeError(maximum=maximum)
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            if not size:
                raise DocumentEmptyError
            await asyncio.to_thread(_finish, file, path, self._path(digest.hexdigest()))
            return Stored(sha256=digest.hexdigest(), size_bytes=size)
        finally:
            file.close()
            path.unlink(missing_ok=True)

    async def read(self, content: str) -> AsyncIterator[bytes]:
        """See `FileStore.read`."""
        try:
            file = await asyncio.to_thread(self._path(content).open, "rb")
        except FileNotFoundError as error:
            raise ContentMissingError(sha256=content) from error
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk

    async def has(self, content: str) -> bool:
        """See `FileStore.has`."""
        return await asyncio.to_thread(self._path(content).is_file)

    def _begin(self) -> tuple[Path, "tempfile._TemporaryFileWrapper[bytes]"]:
        folder = self._root / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115 - closed by `put`
        return Path(file.name), file

    def _path(self, content: str) -> Path:
        if _SHA256.fullmatch(content) is None:
            raise ContentMissingError(sha256=content[:64])
        return self._root / content[:2] / content[2:4] / content


def _finish(file: "tempfile._TemporaryFileWrapper[bytes]", path: Path, target: Path) -> None:
    """On disk before it is named; an equal file that is there already stays."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    path.chmod(0o440)
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
