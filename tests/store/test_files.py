"""The content store: all or nothing, by its hash."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from models.files import DiskStore
from models.store.gate_errors import ContentMissingError, DocumentEmptyError, DocumentTooLargeError


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(store: DiskStore, content: str) -> bytes:
    return b"".join([piece async for piece in store.read(content)])


def files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


async def test_content_is_found_by_its_hash_and_kept_once(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    stored = await store.put(pieces(b"abc", b"def"), maximum=6)
    assert (stored.sha256, stored.size_bytes) == (sha256(b"abcdef").hexdigest(), 6)
    assert await store.put(pieces(b"abcdef"), maximum=6) == stored
    assert len(files(tmp_path)) == 1
    assert await store.has(stored.sha256)
    assert await read(store, stored.sha256) == b"abcdef"


async def test_what_is_too_large_empty_or_broken_off_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ConnectionResetError

    store = DiskStore(tmp_path)
    with pytest.raises(DocumentTooLargeError):
        await store.put(pieces(b"abc", b"def"), maximum=5)
    with pytest.raises(DocumentEmptyError):
        await store.put(pieces(), maximum=5)
    with pytest.raises(ConnectionResetError):
        await store.put(broken(), maximum=5)
    assert files(tmp_path) == []


@pytest.mark.parametrize("content", ["0" * 64, "../../etc/passwd", ""])
async def test_what_is_not_there_is_missing(tmp_path: Path, content: str) -> None:
    with pytest.raises(ContentMissingError):
        await read(DiskStore(tmp_path), content)
