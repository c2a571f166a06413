"""How a server that refuses to run as root is run by root.

PostgreSQL refuses uid 0. A user namespace that maps root to another uid satisfies it without a new
system user; where the kernel or container forbids that, the system's ``nobody`` does the work.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from workers.embedded.process import EmbeddedServerError

NOBODY: Final = 65534  # uid of the user nobody on every Linux that has setpriv
NAMESPACE: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
HOW_ELSE: Final = "Run Gatework as a normal user, or set DATABASE_URL to a PostgreSQL server of your own."


@functools.cache
def namespaces_work() -> bool:
    """Whether this root may map itself to another user in a new user namespace."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    probe = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    return probe.returncode == 0


def wrapper_for(folders: Sequence[Path], binaries: Path) -> tuple[str, ...]:
    """Command prefix under which PostgreSQL will run; empty for a normal user.

    Args:
        folders: Folders the server writes to; handed over to ``nobody`` where that is the way.
        binaries: Folder of the server's programs.

    Raises:
        EmbeddedServerError: No way works; the message says what to do.
    """
    if os.geteuid() != 0:
        return ()
    if namespaces_work():
        return NAMESPACE
    return _as_nobody(folders, binaries)


def _as_nobody(folders: Sequence[Path], binaries: Path) -> tuple[str, ...]:
    refusal = f"PostgreSQL does not run as root, and user namespaces are not available. {HOW_ELSE}"
    if sys.platform != "linux" or not shutil.which("setpriv"):
        raise EmbeddedServerError(refusal)
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for path in (*folders, binaries):
        probe = subprocess.run([*prefix, "ls", str(path)], capture_output=True, check=False)
        if probe.returncode != 0:
            raise EmbeddedServerError(f"{refusal} (The user nobody may not enter {path}: a folder above it is closed.)")
    return prefix
