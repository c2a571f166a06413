"""Child processes that end with their parent, and the ports they listen on.

Knows nothing of PostgreSQL or Temporal. Processes are ended by their pid only.
"""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import choice
from typing import Final

import psutil

LOOPBACK: Final = "127.0.0.1"


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot run here; the message says why and what to do."""


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    on_parent_death: signal.Signals | None = None,
    wrapper: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``argv`` in a session of its own, with its output appended to ``log``.

    The new session keeps a terminal's Ctrl-C away from the child, so that the parent can end its
    children in order.

    Args:
        argv: Program and arguments.
        log: File that receives standard output and error.
        on_parent_death: Signal that the kernel sends when the *thread* that called this ends (Linux
            only): call from the main thread.
        wrapper: Prefix such as ``unshare …`` that replaces itself with the program.
        env: Whole environment of the child; the parent's unless given.
    """
    leash: list[str] = []
    if on_parent_death is not None and sys.platform == "linux" and shutil.which("setpriv"):
        leash = ["setpriv", "--pdeathsig", on_parent_death.name.removeprefix("SIG")]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        # A change of user clears the leash, so it comes after the wrapper.
        return subprocess.Popen(
            [*wrapper, *leash, *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=None if env is None else dict(env),
        )


def stop(process: subprocess.Popen[bytes], how: signal.Signals, *, grace: float) -> bool:
    """Signal a child and wait; kill it after ``grace`` seconds. True if it ended by itself."""
    if process.poll() is not None:
        return True
    process.send_signal(how)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def living(pid: int) -> psutil.Process | None:
    """The process with this pid, or None; a zombie counts as dead."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def mentions(process: psutil.Process, words: Iterable[str]) -> bool:
    """Whether the command line of a process contains each of these words."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    return all(any(word in part for part in command) for word in words)


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


QUIET_PORTS: Final = range(20_000, 32_000)


def free_ports(preferred: Sequence[int]) -> list[int]:
    """One loopback port for each preference: itself where free, else any.

    0 is no preference. The ports are distinct, but not reserved: another process may take one before it is used. Any
    comes from below those that the kernel gives to every connection, one of which is soon taken on a busy machine.
    """
    probes: list[socket.socket] = []
    try:
        for port in preferred:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            probes.append(probe)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for wanted in (*([port] if port else []), *(choice(QUIET_PORTS) for _ in range(20)), 0):
                with suppress(OSError):
                    probe.bind((LOOPBACK, wanted))
                    break
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def tail(log: Path, lines: int = 15) -> str:
    """Last lines of a log file; empty if there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 16_384))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
