"""One `gatework dev` per data folder: two servers on one database would destroy it."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class DataDirInUseError(RuntimeError):
    """Another process uses the data folder; the message names it."""


class DataDirLock:
    """Lock file of a data folder, held until the block ends or the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        """Describe the lock; taken on entering the block."""
        self._path = folder / "gatework.lock"
        self._file = -1

    def __enter__(self) -> Self:
        """Take the lock, or raise ``DataDirInUseError``."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode().strip() or "unknown"
            os.close(self._file)
            raise DataDirInUseError(
                f"Gatework already runs on {self._path.parent} (process {holder}). Stop it first, or name "
                "another folder with --data-dir or GATEWORK_DATA_DIR."
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let go. The file stays: removing it would race with the next holder."""
        os.close(self._file)
