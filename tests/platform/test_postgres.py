"""The embedded PostgreSQL server, through the accidents that befall it."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workers.embedded import orphans, unprivileged
from workers.embedded.postgres import LONGEST_SOCKET_PATH, EmbeddedPostgres, socket_dir
from workers.embedded.process import EmbeddedServerError, living


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("pg") / "data", durable=False) as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE fact (n int)")
        yield server


def note(server: EmbeddedPostgres, number: int) -> None:
    with server.connect() as connection:
        connection.execute("INSERT INTO fact VALUES (%s)", [number])


def noted(server: EmbeddedPostgres) -> set[int]:
    with server.connect() as connection:
        return {int(row[0]) for row in connection.execute("SELECT n FROM fact")}


def pid_of(server: EmbeddedPostgres) -> int:
    assert server.pid is not None
    return server.pid


def test_data_outlives_a_stop(server: EmbeddedPostgres) -> None:
    note(server, 1)
    server.stop()
    assert not server.healthy()
    server.start()
    assert 1 in noted(server)


def test_data_outlives_kill_9_of_the_server(server: EmbeddedPostgres) -> None:
    note(server, 2)
    os.kill(pid_of(server), signal.SIGKILL)
    server.start()
    assert 2 in noted(server)


def test_a_lock_file_whose_pid_went_to_a_stranger_is_cleared(server: EmbeddedPostgres) -> None:
    note(server, 3)
    lock = server.data_dir / "postmaster.pid"
    socket_lock = server.sockets / ".s.PGSQL.5432.lock"
    text = lock.read_text()
    family = psutil.Process(pid_of(server)).children()
    os.kill(pid_of(server), signal.SIGKILL)
    psutil.wait_procs(family, timeout=30)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
        for file in (lock, socket_lock):
            file.write_text(text.replace(text.split("\n", 1)[0], str(stranger.pid), 1))
        server.start()
        assert stranger.poll() is None, "a stranger must not be touched"
    assert 3 in noted(server)


def test_a_server_left_running_by_a_dead_parent_is_ended_first(server: EmbeddedPostgres) -> None:
    note(server, 4)
    second = EmbeddedPostgres(server.data_dir, durable=False)
    orphan = pid_of(server)
    second.start()
    try:
        assert living(orphan) is None
        assert 4 in noted(second)
    finally:
        second.stop()
        server.start()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's leash is Linux's")
def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, pathlib\n"
        "from workers.embedded.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), durable=False)\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", script, str(tmp_path / "data")], capture_output=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    left = living(int(parent.stdout))
    gone, alive = psutil.wait_procs([left] if left else [], timeout=30)
    assert not alive, gone


def test_nothing_listens_on_a_network(server: EmbeddedPostgres) -> None:
    assert psutil.Process(pid_of(server)).net_connections(kind="inet") == []


def test_no_other_user_may_enter_the_folders(server: EmbeddedPostgres) -> None:
    for folder in (server.data_dir, server.sockets):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    assert len(os.fsencode(socket_dir(deep))) < LONGEST_SOCKET_PATH
    assert socket_dir(deep) != socket_dir(deep.with_name("other"))
    with EmbeddedPostgres(deep, durable=False) as server:
        assert server.healthy()
    server.sockets.rmdir()


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        EmbeddedPostgres(tmp_path / "data").start()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
        pass
    with (server.data_dir / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        server.start()


class TestWithoutAnOrdinaryUser:
    """These need not be root, since they only ask for the command prefix."""

    @pytest.fixture(autouse=True)
    def _nobody_ordinary(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unprivileged, "is_ordinary", lambda: False)

    def test_a_user_namespace_is_preferred(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unprivileged, "namespace", lambda: ("unshare", "--user"))
        assert unprivileged.wrapper_for([tmp_path], tmp_path) == ("unshare", "--user")

    @pytest.mark.skipif(unprivileged.namespace() is None, reason="no user namespaces here")
    def test_in_the_namespace_we_are_a_user_with_a_name(self) -> None:
        prefix = unprivileged.namespace()
        assert prefix is not None
        asked = subprocess.run([*prefix, "id", "-u"], capture_output=True, check=True, text=True)
        assert int(asked.stdout) != 0
        assert pwd.getpwuid(int(asked.stdout)).pw_name

    def test_without_a_way_the_error_names_the_other_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unprivileged, "namespace", lambda: None)
        monkeypatch.setattr(shutil, "which", lambda _: None)
        with pytest.raises(EmbeddedServerError, match="DATABASE_URL"):
            unprivileged.wrapper_for([tmp_path], tmp_path)

    @pytest.mark.skipif(os.getuid() != 0, reason="only root may become nobody")
    def test_a_folder_closed_to_nobody_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unprivileged, "namespace", lambda: None)
        closed = tmp_path / "closed"
        (closed / "data").mkdir(parents=True)
        closed.chmod(0o700)
        with pytest.raises(EmbeddedServerError, match="may not enter"):
            unprivileged.wrapper_for([closed / "data"], tmp_path)


def test_an_unreadable_lock_file_is_left_to_the_server(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("nonsense")
    orphans.end_orphans(tmp_path, tmp_path / "socket.lock")
    assert (tmp_path / "postmaster.pid").exists()
