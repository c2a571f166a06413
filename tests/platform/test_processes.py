"""The small parts of a process: lock, logs, doctor, the way out."""

import json
import logging
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from models.settings import Settings
from workers import doctor, logs
from workers.data_lock import DataDirInUseError, DataDirLock
from workers.embedded.process import LOOPBACK, free_ports, is_free, spawn, tail


def test_a_data_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    with (
        DataDirLock(tmp_path),
        pytest.raises(DataDirInUseError, match=r"already runs .* \(process \d+\)"),
        DataDirLock(tmp_path),
    ):
        pass
    with DataDirLock(tmp_path):
        pass


def test_free_ports_keeps_what_is_free_and_never_gives_one_twice() -> None:
    with socket.create_server((LOOPBACK, 0)) as busy:
        taken = int(busy.getsockname()[1])
        first, second = free_ports([taken, taken])
        assert not is_free(taken)
        assert len({first, second, taken}) == 3
    assert free_ports([first]) == [first]


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    assert tail(log) == ""
    script = "for n in range(9000): print('line', n)"
    spawn([sys.executable, "-c", script], log=log).wait()
    assert tail(log, lines=2) == "line 8998\nline 8999"


def test_json_logs_carry_extra_values_and_errors() -> None:
    record = logging.makeLogRecord({"msg": "done %d", "args": (3,), "levelname": "INFO", "instance": "WF-1"})
    try:
        raise ValueError("broken")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = json.loads(logs.JsonFormatter().format(record))
    assert line["message"] == "done 3"
    assert line["instance"] == "WF-1"
    assert "ValueError: broken" in line["error"]


def test_a_process_that_used_temporal_ends_with_the_code_it_was_given() -> None:
    script = "import temporalio.worker\nfrom workers.lifecycle import leave\nprint('written'); leave(7)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (7, "written\n")


def test_the_doctor_finds_nothing_amiss_where_the_tests_run(tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    assert doctor.run(Settings(data_dir=tmp_path, database_url=None), console) == 0
    assert "embedded" in console.export_text()


def test_the_doctor_says_how_to_mend_an_unreachable_database(tmp_path: Path) -> None:
    settings = Settings.model_validate({"database_url": f"postgresql://x@{LOOPBACK}:1/x", "data_dir": tmp_path})
    finding = doctor.database(settings)
    assert "DATABASE_URL" in finding.remedy
    assert finding.serious
    assert doctor.run(settings, Console(quiet=True)) == 1


def test_the_doctor_knows_a_database_without_a_schema(empty_database: str) -> None:
    finding = doctor.database(Settings.model_validate({"database_url": empty_database}))
    assert "gatework prepare" in finding.remedy


def test_the_doctor_knows_a_current_database(database: str) -> None:
    assert doctor.database(Settings.model_validate({"database_url": database})).remedy == ""


def test_the_doctor_says_how_to_mend_an_unreachable_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    (nobody,) = free_ports([0])
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:{nobody}")
    assert "TEMPORAL_ADDRESS" in doctor.temporal_server().remedy
