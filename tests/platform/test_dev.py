"""`gatework dev` from outside: it starts, refuses a second one, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from workers.embedded.process import LOOPBACK, free_ports

API = """
from fastapi import FastAPI

def create_app():
    app = FastAPI()

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        return {}

    return app
"""


class Dev:
    """A running `gatework dev` with an API of a few lines in the place of ours."""

    def __init__(self, folder: Path) -> None:
        stub = folder / "stub" / "api"
        stub.mkdir(parents=True, exist_ok=True)
        (stub / "__init__.py").touch()
        (stub / "app.py").write_text(API)
        (self.port,) = free_ports([0])
        self.data = folder / "data"
        self.command = [sys.executable, "-m", "workers.cli", "dev", "--data-dir", str(self.data)]
        self.command += ["--port", str(self.port)]
        given = ("DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE")
        self.environment = {key: value for key, value in os.environ.items() if key not in given}
        self.environment |= {"PYTHONPATH": str(stub.parent), "GATEWORK_POSTGRES_DURABLE": "false", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            self.command,
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def until(self, words: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"ended without saying {words!r}:\n{self.said}")

    def end(self) -> int:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.said += output.read()
        return self.process.wait()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, name: str) -> psutil.Process:
        return next(child for child in self.family() if child.cmdline()[-1] == name)

    def verify(self) -> subprocess.CompletedProcess[str]:
        """`gatework verify` in a terminal of its own, which knows of the data folder and of no address."""
        return subprocess.run(
            [sys.executable, "-m", "workers.cli", "verify"],
            cwd=self.data.parent,
            env=self.environment | {"GATEWORK_DATA_DIR": str(self.data)},
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def dev(folder: Path) -> Iterator[Dev]:
    running = Dev(folder)
    try:
        running.until("Ready after")
        yield running
    finally:
        if running.process.returncode is None:
            running.process.terminate()
            running.end()


def left(family: list[psutil.Process]) -> list[psutil.Process]:
    """Processes that are still there half a minute later."""
    return psutil.wait_procs(family, timeout=30)[1]


def test_it_starts_refuses_others_and_stops_without_a_trace(tmp_path: Path) -> None:
    with dev(tmp_path) as running:
        address = f"http://{LOOPBACK}:{running.port}"
        assert address in running.said
        with urllib.request.urlopen(f"{address}/readyz") as answer:
            assert answer.status == 200
        second = subprocess.run(
            running.command, env=running.environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert "already runs" in second.stderr
        assert str(running.process.pid) in second.stderr
        elsewhere = [str(tmp_path / "other") if part == str(running.data) else part for part in running.command]
        third = subprocess.run(
            elsewhere, env=running.environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert third.returncode == 1
        assert f"Port {running.port} is used by another program" in third.stderr
        family = running.family()
        assert len(family) >= 4, "PostgreSQL, Temporal, worker, API"
        beside = running.verify()
        assert beside.returncode == 0, beside.stderr
        assert beside.stdout.endswith(": all is as the journal tells.\n")
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 0
        assert left(family) == []
        stopped = running.verify()
        assert stopped.returncode == 2, "1 would say that something differs"
        assert f"No PostgreSQL runs on {running.data}" in stopped.stderr


def test_when_a_child_dies_it_says_why_and_stops_the_rest(tmp_path: Path) -> None:
    with dev(tmp_path) as running:
        family = running.family()
        running.child("api").kill()
        assert running.end() == 1
        assert "The api ended with code -9" in running.said
        assert left(family) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's leash is Linux's")
def test_when_it_is_killed_nothing_stays_behind(tmp_path: Path) -> None:
    with dev(tmp_path) as running:
        family = running.family()
        running.process.kill()
        assert running.end() == -signal.SIGKILL
        assert left(family) == []


def test_verify_tells_a_database_that_it_cannot_look_at_from_one_that_differs(
    tmp_path: Path, empty_database: str
) -> None:
    unprepared = subprocess.run(
        [sys.executable, "-m", "workers.cli", "verify"],
        cwd=tmp_path,
        env=os.environ | {"DATABASE_URL": empty_database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert unprepared.returncode == 2
    assert "Could not check:" in unprepared.stderr
