"""The whole product as separate processes, as compose runs them, on a real PostgreSQL and a real Temporal.

Only the addresses differ from production. Processes can be killed with -9 and started again.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from workers.embedded.process import free_ports, tail

ADMIN_PASSWORD = "correct-horse-battery-1"
PATIENCE = 60.0


@dataclass(slots=True)
class Product:
    """Environment and processes of one installation."""

    folder: Path
    database_url: str
    temporal_address: str
    queue: str
    extra: dict[str, str] = field(default_factory=dict)
    port: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose a port once, so that a restarted API keeps its address."""
        self.port = free_ports([0])[0]

    def __enter__(self) -> Self:
        """Whatever is started from here on is ended, also where the start of another process fails."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave nothing behind."""
        self.stop_all()

    @property
    def base_url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that compose sets too."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWORK_", "TEMPORAL_"))}
        return {
            **kept,
            "DATABASE_URL": self.database_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "GATEWORK_API_PORT": str(self.port),
            "GATEWORK_DATA_DIR": str(self.folder / "data"),
            "GATEWORK_CORE_TASK_QUEUE": self.queue,
            "GATEWORK_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "GATEWORK_SHUTDOWN_SECONDS": "5",
            "GATEWORK_SWEEP_SECONDS": "15",
            **self.extra,
        }

    def environment_of(self, service: str) -> dict[str, str]:
        """The variables of one service."""
        return self.environment

    def prepare(self) -> None:
        """The migrate job of compose."""
        done = subprocess.run(
            self._command("prepare"),
            env=self.environment_of("prepare"),
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def verify(self, *options: str) -> tuple[int, dict[str, Any]]:
        """`gatework verify --json`: exit code and report."""
        done = subprocess.run(
            [*self._command("verify"), "--json", *options],
            env=self.environment_of("verify"),
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        assert done.stdout, done.stderr.decode()
        return done.returncode, json.loads(done.stdout)

    def start(self, name: str) -> None:
        """Start a process: `api`, or `worker` with any suffix (`worker-1`)."""
        log = (self.folder / f"{name}.log").open("ab")
        service = name.split("-", maxsplit=1)[0]
        self.processes[name] = subprocess.Popen(
            self._command(service), env=self.environment_of(service), cwd=self.folder, stdout=log, stderr=log
        )
        log.close()
        if name == "api":
            self.wait_until_healthy()

    def kill(self, name: str) -> None:
        """End it as a power cut would."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> int:
        """Ask it to drain and end; its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(timeout=PATIENCE)

    def stop_all(self) -> None:
        """Leave nothing behind."""
        for name in list(self.processes):
            self.kill(name)

    def wait_until_healthy(self) -> None:
        """Poll until the API answers that database, Temporal and migrations are as they should be."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            process = self.processes["api"]
            assert process.poll() is None, tail(self.folder / "api.log", 40)
            try:
                if httpx.get(f"{self.base_url}/readyz", timeout=5).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the API did not become ready:\n{tail(self.folder / 'api.log', 40)}")

    def _command(self, name: str) -> list[str]:
        return [str(Path(sys.executable).with_name("gatework")), name]
