"""Everything on one machine: servers, schema, worker, API; stopped in the opposite order.

The data folder holds ``postgres/``, ``temporal.db``, ``log/`` and ``documents/``; it survives restarts.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from models.settings import Settings
from workers import prepared
from workers.data_lock import DataDirLock
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.process import LOOPBACK, free_ports, is_free, spawn, tail
from workers.embedded.temporal import NAMESPACE, EmbeddedTemporal

READY_TIMEOUT: Final = 90.0  # seconds
LOOK_EVERY: Final = 0.25  # seconds between looks at the children


class StartError(RuntimeError):
    """Gatework cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process of ours and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Interrupt:
    """Whether somebody asked us to stop: Ctrl-C, SIGTERM, or the terminal was closed."""

    def __init__(self) -> None:
        """Listen from now on; main thread only."""
        self._event = threading.Event()
        self.times = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.times += 1
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; True if we are to stop."""
        return self._event.wait(seconds)


def run(settings: Settings, *, port_is_fixed: bool, console: Console) -> int:
    """Start everything, stay until told to stop, stop everything.

    Args:
        settings: What to start where.
        port_is_fixed: The person named the API's port; otherwise a busy one is replaced.
        console: Where people read.

    Returns:
        Exit code: 0 after a request to stop, 1 after a child died.

    Raises:
        StartError, DataDirInUseError, EmbeddedServerError: It cannot run; the message says why.
    """
    began = time.monotonic()
    interrupt = Interrupt()
    with ExitStack() as stack:
        stack.enter_context(DataDirLock(settings.state_dir))
        port = _api_port(settings, port_is_fixed, console)
        environment = dict(os.environ) | _own(settings, port)
        with console.status("Starting PostgreSQL ..."):
            environment |= _start_postgres(settings, stack)
        with console.status("Starting Temporal ...") as status:
            variables, ui_url = _start_temporal(settings, stack)
            environment |= variables
            status.update("Preparing the database ...")
            new_logins = _prepare(settings, environment)
            status.update("Starting worker and API ...")
            children = [stack.enter_context(_child(name, settings, environment)) for name in ("worker", "api")]
            ready = _await_ready(f"http://{LOOPBACK}:{port}/readyz", children, interrupt)
        if ready:
            console.print(_welcome(settings, port, ui_url, new_logins, time.monotonic() - began))
        dead = _watch(children, interrupt)
        console.print("[dim]Stopping: letting running work finish ...[/]" if dead is None else _obituary(dead))
        _drain(children, settings.shutdown_seconds + 5, interrupt)
    return 0 if dead is None else 1


def _api_port(settings: Settings, is_fixed: bool, console: Console) -> int:
    if is_free(settings.api_port):
        return settings.api_port
    if is_fixed:
        raise StartError(
            f"Port {settings.api_port} is used by another program. Choose another one: --port or GATEWORK_API_PORT."
        )
    (other,) = free_ports([settings.api_port + 1])
    console.print(f"[yellow]Port {settings.api_port} is used by another program; using {other}.[/]")
    return other


def _own(settings: Settings, port: int) -> dict[str, str]:
    return {"GATEWORK_DATA_DIR": str(settings.state_dir), "GATEWORK_API_PORT": str(port), "PYTHONUNBUFFERED": "1"}


def _start_postgres(settings: Settings, stack: ExitStack) -> dict[str, str]:
    if settings.database_url is not None:
        return {"DATABASE_URL": settings.database_url.get_secret_value()}
    server = EmbeddedPostgres(
        settings.state_dir / "postgres",
        log=settings.state_dir / "log" / "postgres.log",
        durable=settings.postgres_durable,
    )
    return {"DATABASE_URL": stack.enter_context(server).url()}


def _start_temporal(settings: Settings, stack: ExitStack) -> tuple[dict[str, str], str | None]:
    if settings.temporal_is_given:
        return {}, None
    server = EmbeddedTemporal(settings.state_dir, log=settings.state_dir / "log" / "temporal.log")
    stack.enter_context(server)
    return {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_NAMESPACE": NAMESPACE}, server.ui_url


def _prepare(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Make the databases ready; lines about the logins that were made now."""
    ours = settings.database_url is None and not settings.temporal_is_given
    if ours and prepared.is_prepared(settings.state_dir):
        return []
    # Imported here so that the servers are up before a second of imports begins.
    from workers.prepare import describe, prepare  # noqa: PLC0415

    owner = settings.model_copy(update={"database_url": SecretStr(environment["DATABASE_URL"])})
    logins = prepare(owner, environment)
    if ours:
        prepared.note(settings.state_dir)
    return describe(settings, logins)


@contextmanager
def _child(name: str, settings: Settings, environment: Mapping[str, str]) -> Iterator[Child]:
    log = settings.state_dir / "log" / f"{name}.log"
    command = [sys.executable, "-m", "workers.cli", name]
    process = spawn(command, log=log, on_parent_death=signal.SIGTERM, env=environment)
    try:
        yield Child(name=name, process=process, log=log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _await_ready(url: str, children: list[Child], interrupt: Interrupt) -> bool:
    """Wait until the API says it is ready; False when we are to stop before or a child died."""
    deadline = time.monotonic() + READY_TIMEOUT
    answer = "no answer"
    while time.monotonic() < deadline:
        if interrupt.wait(0.05) or any(child.process.poll() is not None for child in children):
            return False
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own http address
                return True
        except urllib.error.HTTPError as error:
            answer = error.read(2000).decode(errors="replace")
        except OSError as error:
            answer = str(error)
    raise StartError(f"{url} was not ready within {READY_TIMEOUT:.0f} s; it last said: {answer}")


def _watch(children: list[Child], interrupt: Interrupt) -> Child | None:
    """Stay until told to stop (None) or a child died (that one)."""
    while not interrupt.wait(LOOK_EVERY):
        for child in children:
            if child.process.poll() is not None:
                return child
    return None


def _drain(children: list[Child], grace: float, interrupt: Interrupt) -> None:
    """SIGTERM to all, then wait for all; a second Ctrl-C or the end of ``grace`` seconds kills."""
    asked = interrupt.times
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + grace
    while any(child.process.poll() is None for child in children):
        if interrupt.times > asked or time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _obituary(child: Child) -> Panel:
    return Panel(
        f"The {child.name} ended with code {child.process.returncode}; stopping the rest.\n"
        f"The end of {child.log}:\n\n{tail(child.log)}",
        title="Gatework stops",
        border_style="red",
    )


def _welcome(settings: Settings, port: int, ui_url: str | None, new_logins: list[str], seconds: float) -> Panel:
    app = settings.public_url or f"http://{LOOPBACK}:{port}"
    lines = [f"App           [link={app}]{app}[/]", f"API docs      {app}/docs"]
    if ui_url:
        lines.append(f"Temporal UI   {ui_url}")
    lines.append(f"Data, logs    {settings.state_dir}")
    if new_logins:
        lines += ["", "First login, shown only now:", *(f"  [bold]{escape(login)}[/]" for login in new_logins)]
    lines += ["", f"[dim]Ready after {seconds:.1f} s. Ctrl-C stops everything.[/]"]
    return Panel("\n".join(lines), title="Gatework", border_style="green", expand=False)
