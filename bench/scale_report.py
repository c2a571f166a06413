"""Results of `--scale` as data (bench/scale.json) and as tables (terminal, bench/README.md)."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from bench import report
from bench.report import Results
from bench.scale import Scale, ScaleSizes

SCALE_RESULTS = report.HERE / "scale.json"
BEGIN, END = "<!-- made by `python -m bench --scale`: begin -->", "<!-- made by `python -m bench --scale`: end -->"

BULK_OF_B, STARTING, ACTIVATION, CARRIED = 0.1, 3.0, 1.0, 512
"""What is wanted: of B at least, of one bulk step at most, seconds at most, KiB at most."""

Rows = list[list[str]]


def results_of(found: Scale, sizes: ScaleSizes, load: Mapping[str, float]) -> Results:
    """Everything that was measured, ready for JSON."""
    return {**report.here_and_now(load), "sizes": asdict(sizes), "measured": json.loads(json.dumps(asdict(found)))}


def tables(results: Results) -> dict[str, Rows]:
    """Title → rows of words, the first one the head."""
    measured, sizes = results["measured"], results["sizes"]
    found = {
        f"{sizes['subjects']:,} subjects through {sizes['steps']} steps": _laws(measured, sizes),
        "Where the longest activation is, in seconds": _parts(measured),
    }
    if measured["memory"]:
        found["Live instances in one worker"] = _memory(measured)
    return found


def _laws(measured: Results, sizes: Results) -> Rows:
    steps = [seconds for name, (seconds, *_) in measured["parts"].items() if name.startswith("step ")]
    step = sorted(steps)[len(steps) // 2]
    start = measured["parts"][f"start {sizes['subjects']:,}"][0]
    walls = max(wall for _, wall, _ in measured["parts"].values())
    kib = measured["carried"] / 1024
    rows = [["", "measured", "wanted", ""]]
    for executions, ours in measured["ours"].items():
        ratio = ours / measured["b"][executions]
        rows.append(_row(f"bulk over {int(executions):,} : B", ratio, f"≥ {BULK_OF_B}", met=ratio >= BULK_OF_B))
    rows.append(_row("starting : one bulk step", start / step, f"≤ {STARTING:g}", met=start / step <= STARTING))
    rows.append(_row("longest activation, s", walls, f"≤ {ACTIVATION:g}", met=walls <= ACTIVATION))
    rows.append(_row("carried state, KiB", kib, f"≤ {CARRIED}", met=kib <= CARRIED))
    return rows


def _row(name: str, value: float, wanted: str, *, met: bool) -> list[str]:
    return [name, f"{value:.2f}", wanted, "met" if met else "not met yet"]


def _parts(measured: Results) -> Rows:
    rows = [["", "took", "longest activation", "its processor time at most"]]
    for name, (seconds, wall, processor) in measured["parts"].items():
        rows.append([name, f"{seconds:.2f}", f"{wall:.2f}", f"{processor:.2f}"])
    return rows


def _memory(measured: Results) -> Rows:
    rows = [["live instances", "worker, MiB"]]
    rows += [[f"{int(count):,}", f"{mebibytes:.0f}"] for count, mebibytes in measured["memory"].items()]
    return rows


def markdown(results: Results) -> str:
    """The part of the README that is made."""
    return report.in_markdown(f"{report.where(results)}.", tables(results))


def with_tables(readme: str, results: Results) -> str:
    """The README with its made part replaced."""
    return report.between(readme, BEGIN, END, markdown(results))


def write(results: Results) -> None:
    """bench/scale.json, and the README's tables from it."""
    SCALE_RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    report.README.write_text(with_tables(report.README.read_text(), results))
