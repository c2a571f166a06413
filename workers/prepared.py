"""Whether this very code has prepared these very databases already, so that the next start may skip it.

Preparing changes nothing the second time, but costs three seconds of imports and questions.
"""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

SOURCES: Final = ("migrations", "models", "workflows", "workers")
DATABASES: Final = ("postgres/PG_VERSION", "temporal.db")
MARKER: Final = "prepared"


def is_prepared(state_dir: Path) -> bool:
    """Whether ``note`` was called for these databases with today's code."""
    try:
        return (state_dir / MARKER).read_text() == _fingerprint(state_dir)
    except OSError:
        return False


def note(state_dir: Path) -> None:
    """Remember that the databases in this folder are prepared."""
    (state_dir / MARKER).write_text(_fingerprint(state_dir))


def _fingerprint(state_dir: Path) -> str:
    """Digest of our sources and of the databases' identity: a new file is a new database.

    Raises:
        OSError: A database is not there.
    """
    digest = hashlib.sha256()
    for package in SOURCES:
        _add(digest, files(package))
    for database in DATABASES:
        digest.update(f"{database} {(state_dir / database).stat().st_ino}\n".encode())
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", folder: Traversable) -> None:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            _add(digest, entry)
        elif not entry.name.endswith(".pyc"):
            digest.update(entry.name.encode())
            digest.update(entry.read_bytes())
