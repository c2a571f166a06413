"""The benchmark runs, and its README shows what it measured. Counts are checked, times never."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report, scale_report
from bench.ratios import RULES

ROOT = Path(report.HERE).parent

TINY = """
import json, sys
from bench.__main__ import measure
from bench.measure import TINY
print(json.dumps(measure(TINY, lambda _: None)))
"""

TINY_SCALE = """
import json
from bench.__main__ import measure_scale
from bench.scale import ScaleSizes
print(json.dumps(measure_scale(ScaleSizes(subjects=20, steps=2, bulk=10, live=4, rest=2), lambda _: None)))
"""


@pytest.mark.slow
def test_a_tiny_run_has_every_row_and_keeps_to_the_events_that_a_completion_may_cost() -> None:
    done = subprocess.run([sys.executable, "-c", TINY], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4_000:]
    results = json.loads(done.stdout.splitlines()[-1])

    assert {one["name"] for one in results["ratios"]} == {rule.name for rule in RULES}
    for contender in ("T2", "L1", "ours, by signal", "ours, over HTTP"):
        assert {"per_second", "p50_ms", "cpu_ms"} <= set(results["measured"][contender])
    assert [one["name"] for one in results["ratios"] if one["binding"] and not one["met"]] == []
    assert results["measured"]["ours, by signal"]["events"]["median"] <= 8
    assert {"advance"} <= set(results["timelines"]["1"])
    assert report.printed(report.tables(results))


@pytest.mark.slow
def test_a_tiny_run_of_scale_measures_all_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", TINY_SCALE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4_000:]
    measured = (results := json.loads(done.stdout.splitlines()[-1]))["measured"]
    assert list(measured["parts"]) == ["start 20", "step 1", "step 2"]
    assert all(activation > 0 for _, activation, _ in measured["parts"].values())
    assert list(measured["memory"]) == ["2", "4"]
    assert measured["carried"] > 0
    assert len(report.printed(scale_report.tables(results))) == 3


def test_the_readme_shows_the_stored_results_of_scale() -> None:
    results = json.loads(scale_report.SCALE_RESULTS.read_text())
    readme = report.README.read_text()
    assert scale_report.with_tables(readme, results) == readme


def test_the_readme_shows_the_stored_results() -> None:
    results = json.loads(report.RESULTS.read_text())
    readme = report.README.read_text()
    assert report.with_tables(readme, results) == readme
