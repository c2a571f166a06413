"""The command line: plans without a server, says what is wrong, and ends with a telling exit code."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.importlog.writing import write
from workers.importlog.cli import register

LOG = "case,activity,time,resource\n1,A,2026-01-01,Ann\n1,B,2026-01-02,\n2,A,2026-01-01,Bo\n,X,,\n"


def invoke(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_a_plan_can_be_made_without_a_server(tmp_path: Path) -> None:
    path = write(tmp_path / "orders [2026].csv", LOG)
    code, output = invoke(str(path), "--plan-only", "--report", str(tmp_path / "r.json"))
    assert code == 0
    assert "orders [2026].csv" in output
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["cases"], report["planned"], report["skipped"], report["clean"]) == (2, 3, 1, True)
    assert report["process_key"].startswith("orders-2026-")


def test_the_number_of_cases_can_be_limited(tmp_path: Path) -> None:
    invoke(str(write(tmp_path / "l.csv", LOG)), "--plan-only", "--cases", "1", "--report", str(tmp_path / "r.json"))
    assert json.loads((tmp_path / "r.json").read_text())["cases"] == 1


def test_a_log_that_cannot_be_read_ends_with_2_and_its_code(tmp_path: Path) -> None:
    code, output = invoke(str(tmp_path / "none.xes"), "--plan-only")
    assert code == 2
    assert "log_not_found" in output


def test_what_would_end_an_import_is_said_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEWORK_USERNAME", "GATEWORK_PASSWORD", "GATEWORK_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    path = str(write(tmp_path / "l.csv", LOG))
    code, output = invoke(path, "--username", "imp")
    assert (code, output.partition(":")[0]) == (2, "no_login")
    for unwritable in (tmp_path / "none" / "r.json", tmp_path):
        code, output = invoke(path, "--plan-only", "--report", str(unwritable))
        assert (code, output.partition(":")[0]) == (2, "report_not_writable")


def test_a_run_is_named_before_it_begins(tmp_path: Path) -> None:
    run_id = "00000000-0000-0000-0000-000000000007"
    path = str(write(tmp_path / "l.csv", LOG))
    code, output = invoke(path, "--token", "T", "--base-url", "nowhere", "--run-id", run_id)
    assert code == 2
    assert f"run {run_id}" in output.partition("no_connection")[0]


def test_a_tab_may_be_spelled(tmp_path: Path) -> None:
    path = write(tmp_path / "l.tsv", "case\tactivity, as named\n1\tA\n")
    code, output = invoke(str(path), "--plan-only", "--delimiter", "\\t", "--activity", "activity, as named")
    assert code == 0, output


@pytest.mark.parametrize(
    "arguments",
    [("--cases", "0"), ("--speed", "0"), ("--run-id", "x"), ("--concurrency", "0"), ("--delimiter", ";;")],
)
def test_options_out_of_range_are_refused(arguments: tuple[str, str], tmp_path: Path) -> None:
    code, _ = invoke(str(write(tmp_path / "l.csv", LOG)), "--plan-only", *arguments)
    assert code == 2
