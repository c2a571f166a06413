"""What a PostgreSQL server that was killed leaves behind, and how it is cleared away."""

import signal
from pathlib import Path
from typing import Final

import psutil

from workers.embedded.process import living, mentions

PATIENCE: Final = 15.0  # seconds for a clean end; then kill


def end_orphans(data_dir: Path, socket_lock: Path) -> None:
    """End every process that still works on this cluster, and clear stale lock files.

    After kill -9 the postmaster is a zombie until its parent looks, and its backends are still
    leaving; a new server refuses to start over them. The lock files are removed only when their
    number still exists as a zombie or went to a stranger (usual in containers), and no process of
    the old server is left: with such a process alive, a second server would destroy the data.

    Args:
        data_dir: Absolute path of the cluster.
        socket_lock: Lock file of the cluster's socket, which names the same pid.
    """
    pid_file = data_dir / "postmaster.pid"
    try:
        recorded = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    leader = living(recorded)
    if leader is not None and mentions(leader, ("postgres", str(data_dir))):
        leader.send_signal(signal.SIGINT)
    rest = [process for process in psutil.process_iter() if _works_in(process, data_dir)]
    _, stubborn = psutil.wait_procs(rest, timeout=PATIENCE)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=PATIENCE)
    if psutil.pid_exists(recorded):
        pid_file.unlink(missing_ok=True)
        socket_lock.unlink(missing_ok=True)


def _works_in(process: psutil.Process, data_dir: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or "postgres" not in process.name():
            return False
        return Path(process.cwd()) == data_dir
    except (psutil.Error, OSError):
        return False
