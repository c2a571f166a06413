"""Results as data (bench/results.json) and as tables (terminal, bench/README.md); the README is made from the data."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.measure import Sizes
from bench.ratios import RULES
from bench.run import Samples

HERE = Path(__file__).parent
RESULTS, README = HERE / "results.json", HERE / "README.md"
BEGIN, END = "<!-- made by `python -m bench`: begin -->", "<!-- made by `python -m bench`: end -->"

Results = dict[str, Any]

COLUMNS = (
    ("events", "events", "{:.1f}"),
    ("per_second", "completions/s", "{:,.0f}"),
    ("p50_ms", "lone p50, ms", "{:.0f}"),
    ("cpu_ms", "processor ms each", "{:.1f}"),
    ("hot_per_second", "hot, 100 callers/s", "{:,.0f}"),
    ("bulk_seconds", "bulk 1,000, s", "{:.2f}"),
    ("start_seconds", "start 1,000, s", "{:.2f}"),
)


def results_of(samples: Samples, sizes: Sizes, load: Mapping[str, float]) -> Results:
    """Everything that was measured, ready for JSON; three significant digits are more than it is good for."""
    measured: dict[str, dict[str, Any]] = {}
    for (contender, measure), passes in samples.values.items():
        value = {"median": _short(statistics.median(passes)), "passes": [_short(one) for one in passes]}
        measured.setdefault(contender, {})[measure] = value
    ratios = [rule.judge(samples) for rule in RULES]
    return {
        **here_and_now(load),
        "sizes": asdict(sizes),
        "measured": measured,
        "ratios": [
            one | {"value": _short(one["value"]), "passes": [_short(value) for value in one["passes"]]}
            for one in ratios
        ],
        "timelines": {str(n): {k: _short(v) for k, v in one.items()} for n, one in samples.timelines.items()},
        "statements": {str(n): {k: _short(v) for k, v in one.items()} for n, one in samples.statements.items()},
    }


def here_and_now(load: Mapping[str, float]) -> Results:
    """When and on what it is measured; `load` before and after."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
            "load": {when: round(value, 1) for when, value in load.items()},
        },
    }


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def tables(results: Results) -> dict[str, list[list[str]]]:
    """Title → rows of words, the first one the head."""
    return {
        "Ratios of this run": _ratios(results),
        "Absolute numbers of this machine and moment (no claims)": _absolutes(results),
        "Processor milliseconds per completion, by process": _processors(results),
        "Where the time of one command goes, by signal, in milliseconds": _timelines(results),
    }


def _ratios(results: Results) -> list[list[str]]:
    rows = [["ratio", "measured", "wanted", ""]]
    for one in results["ratios"]:
        verdict = "met" if one["met"] else "**broken**" if one["binding"] else "not met yet"
        rows.append([one["name"], f"{one['value']:.2f}", one["wanted"], verdict])
    return rows


def _absolutes(results: Results) -> list[list[str]]:
    rows = [["", *(title for _, title, _ in COLUMNS)]]
    for contender, found in results["measured"].items():
        cells = [form.format(found[name]["median"]) if name in found else "–" for name, _, form in COLUMNS]
        rows.append([contender, *cells])
    return rows


def _processors(results: Results) -> list[list[str]]:
    found = {name: one for name, one in results["measured"].items() if "cpu_ms" in one}
    groups = list(dict.fromkeys(key for one in found.values() for key in one if key.startswith("cpu_ms ")))
    rows = [["", *(key.removeprefix("cpu_ms ") for key in groups), "together"]]
    for name, one in found.items():
        rows.append([name, *(f"{one[key]['median']:.1f}" if key in one else "–" for key in [*groups, "cpu_ms"])])
    return rows


def _timelines(results: Results) -> list[list[str]]:
    counts = list(results["timelines"])
    heads = ["one execution" if count == "1" else f"{int(count):,} executions" for count in counts]
    rows = [["part", *heads, "statements (one)"]]
    one = results["timelines"][counts[0]] if counts else {}
    for name in one:
        shown = f"– {name.split(': ', 1)[1]}" if ": " in name else name
        cells = [f"{results['timelines'][count].get(name, 0):.1f}" for count in counts]
        rows.append([shown, *cells, _statements(results, counts[0], name)])
    return rows


def _statements(results: Results, count: str, name: str) -> str:
    found: Mapping[str, float] = results["statements"][count]
    if ": " in name:
        number = found.get(name, 0)
    else:
        number = sum(value for part, value in found.items() if part == name or part.startswith(f"{name}: "))
    return f"{number:.0f}" if number else ""


def markdown(results: Results) -> str:
    """The part of the README that is made."""
    return in_markdown(f"{where(results)}; {results['sizes']['passes']} passes, medians.", tables(results))


def where(results: Results) -> str:
    """When and on what it was measured."""
    machine = results["machine"]
    load = ", ".join(f"{value:g} {when}" for when, value in machine["load"].items())
    computer = f"{machine['cpus']} processors, {machine['system']}, Python {machine['python']}"
    return f"{results['at']}, {computer}; load average {load}"


def in_markdown(first: str, tables: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """Tables with their titles, after a first line."""
    lines = [first]
    for title, rows in tables.items():
        lines += ["", f"### {title}", "", *_piped(rows)]
    return "\n".join(lines)


def _piped(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    rule = "|" + "---|" + "--:|" * (len(head) - 1)
    return ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in body)]


def printed(tables: Mapping[str, Sequence[Sequence[str]]]) -> list[Table]:
    """For the terminal."""
    found = []
    for title, (head, *body) in tables.items():
        table = Table(title=title)
        for number, name in enumerate(head):
            table.add_column(name, justify="right" if number else "left")
        for row in body:
            table.add_row(*row)
        found.append(table)
    return found


def with_tables(readme: str, results: Results) -> str:
    """The README with its made part replaced.

    Raises:
        ValueError: the marks are not there.
    """
    return between(readme, BEGIN, END, markdown(results))


def between(readme: str, begin: str, end: str, made: str) -> str:
    """The text with what stands between two marks replaced.

    Raises:
        ValueError: the marks are not there.
    """
    before, _, rest = readme.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError("bench/README.md has lost its marks")
    return f"{before}{begin}\n{made}\n{end}{after}"


def write(results: Results) -> None:
    """bench/results.json, and the README's tables from it."""
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    README.write_text(with_tables(README.read_text(), results))
