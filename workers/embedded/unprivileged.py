"""How a server that wants an ordinary user is run where there is none.

PostgreSQL refuses uid 0, and its initdb wants a user with a name, which an arbitrary uid of a container
lacks. A user namespace in which we are another user satisfies both without a new system user; where
the kernel or container forbids that, the system's ``nobody`` does the work for root.
"""

import functools
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from workers.embedded.process import EmbeddedServerError

NOBODY: Final = 65534  # uid of the user nobody on every Linux that has setpriv
HOW_ELSE: Final = "Run Gatework as a normal user, or set DATABASE_URL to a PostgreSQL server of your own."


@functools.cache
def is_ordinary() -> bool:
    """Whether we are a user with a name who is not root."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return os.geteuid() != 0


@functools.cache
def namespace() -> tuple[str, ...] | None:
    """Command prefix that makes us another user in a new user namespace; None where forbidden."""
    named = sorted(user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0)
    if sys.platform != "linux" or not shutil.which("unshare") or not named:
        return None
    uid = NOBODY if NOBODY in named else named[0]
    prefix = ("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}")
    probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if probe.returncode == 0 else None


def wrapper_for(folders: Sequence[Path], binaries: Path) -> tuple[str, ...]:
    """Command prefix under which PostgreSQL will run; empty for an ordinary user.

    Args:
        folders: Folders the server writes to; root hands them over to whoever will do the work.
        binaries: Folder of the server's programs.

    Raises:
        EmbeddedServerError: No way works; the message says what to do.
    """
    if is_ordinary():
        return ()
    prefix = namespace()
    if prefix is None:
        return _as_nobody(folders, binaries)
    if os.geteuid() == 0:
        _hand_over(folders, os.geteuid(), os.getegid())
    return prefix


def _hand_over(folders: Sequence[Path], uid: int, gid: int) -> None:
    for folder in folders:
        if folder.stat().st_uid != uid:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)


def _as_nobody(folders: Sequence[Path], binaries: Path) -> tuple[str, ...]:
    refusal = (
        "PostgreSQL needs an ordinary user, and user namespaces, by which root could become one, "
        f"are not available. {HOW_ELSE}"
    )
    if os.geteuid() != 0 or sys.platform != "linux" or not shutil.which("setpriv"):
        raise EmbeddedServerError(refusal)
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    _hand_over(folders, NOBODY, NOBODY)
    for path in (*folders, binaries):
        probe = subprocess.run([*prefix, "ls", str(path)], capture_output=True, check=False)
        if probe.returncode != 0:
            raise EmbeddedServerError(f"{refusal} (The user nobody may not enter {path}: a folder above it is closed.)")
    return prefix
