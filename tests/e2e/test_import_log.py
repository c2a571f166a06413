"""A recorded log goes through the whole product, and the record says what the log says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.product import ADMIN_PASSWORD, Product

DATA = Path(__file__).parents[3] / "shared" / "data"


def run(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.cli", "import-log", *arguments, "--base-url", product.base_url]
    login = {"GATEWORK_USERNAME": "sandbox-admin", "GATEWORK_PASSWORD": ADMIN_PASSWORD}
    return subprocess.run(
        command, env={**product.environment, **login}, cwd=product.folder, capture_output=True, text=True, check=False
    )


def written(folder: Path) -> Path:
    path = folder / "welding.csv"
    path.write_text(
        "case,activity,time,resource,lifecycle\n"
        "1,Weld,2026-01-05T08:00:00Z,Ann,start\n"
        "1,Weld,2026-01-05T09:00:00Z,Bo,complete\n"
        "1,Prüfen,2026-01-05T10:00:00Z,Åsa,complete\n"
        "1,Weld,2026-01-05T11:00:00Z,,complete\n"
        "2,Prüfen,2026-01-05T08:00:00Z,Bo,complete\n"
        "2,Prüfen,2026-01-05T08:30:00Z,Bo,complete\n",
        encoding="utf-8",
    )
    return path


def test_a_log_is_recorded_as_it_says_and_can_be_imported_again(product: Product, tmp_path: Path) -> None:
    path = str(written(tmp_path))
    for _ in range(2):
        done = run(product, path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_nobody_replays_a_log_outside_a_sandbox(product: Product, tmp_path: Path) -> None:
    done = run(product, str(written(tmp_path)), "--username", "admin")
    assert done.returncode == 2
    assert "not_a_sandbox" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cases"), [("bpic2013_closed_problems.xes.gz", 20), ("repair_example.xes.gz", 15)])
def test_real_cases_have_no_mismatch(product: Product, name: str, cases: int) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"the sample log {name} is not at hand")
    done = run(product, str(DATA / name), "--cases", str(cases))
    assert done.returncode == 0, done.stdout + done.stderr
