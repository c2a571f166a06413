"""Whether Gatework can run here: each check says what it found and, if that is bad, how to mend it."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from models.settings import Settings
from workers import migrate
from workers.embedded import unprivileged
from workers.embedded.postgres import binaries
from workers.embedded.process import EmbeddedServerError, is_free
from workers.embedded.temporal import binary
from workers.temporal_client import connect

LEAST_SPACE: Final = 2 * 1024**3  # bytes; a small site's first months
OLDEST_POSTGRES: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Outcome of one check.

    Attributes:
        remedy: What to do; empty where all is well.
        serious: Gatework does not run like this; otherwise it is advice.
    """

    name: str
    found: str
    remedy: str = ""
    serious: bool = True


def run(settings: Settings, console: Console) -> int:
    """Print every finding; 1 if a serious one needs mending."""
    table = Table("", "Check", "Found", "What to do", show_edge=False, pad_edge=False)
    bad = False
    for finding in findings(settings):
        bad = bad or bool(finding.remedy and finding.serious)
        mark = "[green]ok[/]" if not finding.remedy else "[red]no[/]" if finding.serious else "[yellow]--[/]"
        table.add_row(mark, finding.name, escape(finding.found), escape(finding.remedy))
    console.print(table)
    return int(bad)


def findings(settings: Settings) -> Iterator[Finding]:
    """All checks that apply to these settings, in the order in which to mend."""
    yield python()
    yield packages()
    yield disk(settings.state_dir)
    yield port(settings.api_port)
    yield database(settings) if settings.database_url else embedded_postgres()
    yield temporal_server() if settings.temporal_is_given else embedded_temporal()
    yield chromium()


def python() -> Finding:
    """The interpreter's version."""
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(name="Python", found=found, remedy="" if sys.version_info >= (3, 11) else "Install Python 3.11+.")


def packages() -> Finding:
    """The packages that matter most."""
    missing = []
    for name in ("temporalio", "fastapi", "sqlmodel", "psycopg", "gatework"):
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    remedy = "Run: make install" if missing else ""
    return Finding(name="Packages", found=f"missing: {', '.join(missing)}" if missing else "complete", remedy=remedy)


def disk(folder: Path) -> Finding:
    """Space and the right to write where the data will be."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.0f} GiB free at {folder}"
    if not os.access(place, os.W_OK):
        return Finding(
            name="Disk", found=f"{place} is not writable", remedy="Set GATEWORK_DATA_DIR to a folder of yours."
        )
    if free < LEAST_SPACE:
        return Finding(name="Disk", found=found, remedy="Free at least 2 GiB, or set GATEWORK_DATA_DIR.")
    return Finding(name="Disk", found=found)


def port(number: int) -> Finding:
    """The API's port; busy is fine while Gatework itself runs."""
    if is_free(number):
        return Finding(name="Port", found=f"{number} is free")
    return Finding(
        name="Port",
        found=f"{number} is in use",
        remedy="Fine if Gatework is running. Else choose another: GATEWORK_API_PORT.",
        serious=False,
    )


def embedded_postgres() -> Finding:
    """Whether our own PostgreSQL could start."""
    way = "runs as this user"
    try:
        where = binaries()
        if not unprivileged.is_ordinary():
            namespace = unprivileged.namespace()
            way = "runs in a user namespace" if namespace else "runs as nobody, if the folders allow"
    except EmbeddedServerError as error:
        return Finding(name="PostgreSQL", found="embedded", remedy=str(error))
    if not (where / "postgres").exists():
        return Finding(name="PostgreSQL", found="binaries missing", remedy="Run: make install, or set DATABASE_URL.")
    serious = way.startswith("runs as nobody")
    return Finding(
        name="PostgreSQL",
        found=f"embedded, {way}",
        remedy=unprivileged.HOW_ELSE if serious else "",
        serious=False,
    )


def embedded_temporal() -> Finding:
    """Whether our own Temporal could start."""
    try:
        binary()
    except EmbeddedServerError as error:
        return Finding(name="Temporal", found="embedded", remedy=str(error))
    return Finding(name="Temporal", found="embedded")


def database(settings: Settings) -> Finding:
    """The given database: reachable, and at the newest schema."""
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    try:
        number, applied = migrate.server_version(url), migrate.applied(url)
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        return Finding(name="PostgreSQL", found=reason, remedy="Check DATABASE_URL and that the server runs.")
    if number < OLDEST_POSTGRES:
        return Finding(name="PostgreSQL", found=f"version {number}", remedy=f"Use version {OLDEST_POSTGRES} or newer.")
    if applied != migrate.heads():
        return Finding(
            name="PostgreSQL", found=f"schema at {', '.join(applied) or 'nothing'}", remedy="Run: gatework prepare"
        )
    return Finding(name="PostgreSQL", found=f"version {number}, schema is current")


def temporal_server() -> Finding:
    """The given Temporal server: reachable."""
    try:
        client = asyncio.run(asyncio.wait_for(connect(), timeout=10))
    except (RuntimeError, TimeoutError, OSError, ValueError) as error:
        return Finding(name="Temporal", found=str(error)[:200] or "no answer", remedy="Check TEMPORAL_ADDRESS.")
    return Finding(name="Temporal", found=f"namespace {client.namespace} answers")


def chromium() -> Finding:
    """A browser for `make test`; Gatework itself needs none."""
    names: tuple[str, ...] = ("chromium", "chromium-browser", "google-chrome")
    which: Callable[[str], str | None] = shutil.which
    found = os.environ.get("GATEWORK_CHROMIUM") or next(filter(None, map(which, names)), None)
    remedy = "" if found else "Only for make test, which installs it where it can."
    return Finding(name="Chromium", found=found or "none", remedy=remedy, serious=False)
