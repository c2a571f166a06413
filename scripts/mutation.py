"""Mutate the functions of models/flow in a copy and ask whether the tests of tests/flow notice; `make mutation`.

The tree is never touched: everything happens in `.mutation`. The sample is the same wherever it is drawn, since it
follows from the names of the mutants and the seed; each file is drawn from in proportion, the smallest wholly.
Writes the table of docs/mutation.md; `.mutation/survivors.diff` shows what nobody noticed.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / ".mutation"
MUTANTS = COPY / "mutants"
PAGE = ROOT / "docs" / "mutation.md"
COPIED = ("models", "scripts", "tests/__init__.py", "tests/flow", "pyproject.toml")
MEMORY = 3 << 30
"""Bytes a mutant may take: one that never stops appending ends in a MemoryError and not in the machine's."""

AT_LEAST = 5
OUTCOMES = ("killed", "survived", "timeout", "not covered")
_STOPPED = (-24, 24, 36, 152, 255, -9, -11)
_OUTCOME = {1: "killed", 3: "killed", 5: "not covered", 33: "not covered", **dict.fromkeys(_STOPPED, "timeout")}
"""By pytest's or mutmut's exit code; what ended in any other way was not noticed by a test."""


def main() -> None:
    """Copy, mutate, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=450, metavar="N", help="how many mutants (450)")
    parser.add_argument("--all", action="store_true", help="every mutant, some hours")
    parser.add_argument("--seed", default="gatework", help="another seed draws another sample")
    parser.add_argument("--again", action="store_true", help="only those of the sample that were not killed before")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="how many at a time (1)")
    asked = parser.parse_args()
    before = results()
    commit = subprocess.check_output(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True)
    _copy()
    _mutmut("run", "models.flow.ids.*", f"--max-children={asked.processes}")
    everything = results()
    names = [name for file in sorted(everything) for name in sorted(everything[file])]
    drawn = names if asked.all else [n for file in sorted(everything) for n in sample(everything, file, asked)]
    known = {name: code for codes in before.values() for name, code in codes.items()}
    todo = [name for name in drawn if not asked.again or _outcome(known.get(name)) != "killed"]
    if todo:
        _mutmut("run", *todo, f"--max-children={asked.processes}")
    after = {file: {n: code for n, code in codes.items() if n in set(drawn)} for file, codes in results().items()}
    _write(after, len(names), commit, asked)
    _show_survivors(after)


def sample(everything: dict[str, dict[str, int | None]], file: str, asked: argparse.Namespace) -> list[str]:
    """The file's share of the sample, chosen by a digest of seed and name."""
    total = sum(len(codes) for codes in everything.values())
    share = max(AT_LEAST, round(asked.sample * len(everything[file]) / total))
    return sorted(everything[file], key=lambda name: hashlib.sha256(f"{asked.seed} {name}".encode()).digest())[:share]


def results() -> dict[str, dict[str, int | None]]:
    """Exit code of each mutant by file and name; None while it was not tried."""
    found = {}
    for path in sorted(MUTANTS.glob("models/flow/**/*.meta")):
        codes: dict[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        if codes:
            found[str(path.relative_to(MUTANTS / "models/flow")).removesuffix(".meta")] = codes
    return found


def _outcome(code: int | None) -> str:
    return "not tried" if code is None else _OUTCOME.get(code, "survived")


def _copy() -> None:
    for name in COPIED:
        source, target = ROOT / name, COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.rmtree(MUTANTS / name if name.startswith("tests") else target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    # Which test calls which function is asked anew, since a test that was changed may call others.
    (MUTANTS / "mutmut-stats.json").unlink(missing_ok=True)


def _mutmut(*words: str) -> None:
    chosen = {"HYPOTHESIS_PROFILE": "mutation", "PYTHONHASHSEED": "0"}
    command = [str(Path(sys.executable).with_name("mutmut")), *words]
    log = COPY / "log"
    with log.open("a") as written:
        given = {**os.environ, **chosen}
        try:
            subprocess.run(
                command, check=True, cwd=COPY, env=given, stdout=written, stderr=written, preexec_fn=_be_modest
            )
        except subprocess.CalledProcessError as error:
            sys.exit(f"mutmut ended with {error.returncode}; {log} says why")


def _be_modest() -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _write(after: dict[str, dict[str, int | None]], total: int, commit: str, asked: argparse.Namespace) -> None:
    counts = {file: Counter(map(_outcome, codes.values())) for file, codes in after.items()}
    whole = sum(counts.values(), Counter[str]())
    tried = sum(whole.values())
    stopped = whole["killed"] + whole["timeout"]
    lines = [
        f"- {datetime.now(UTC):%Y-%m-%d}, commit {commit.strip()}, mutmut {version('mutmut')}",
        f"- {tried:,} of {total:,} mutants" + ("" if asked.all else f", drawn by file with seed `{asked.seed}`"),
        f"- **{100 * stopped / tried:.1f} % killed** (killed or stopped for their time: {stopped} of {tried})",
        "",
        f"| file | tried | {' | '.join(OUTCOMES)} |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for file, count in [*sorted(counts.items()), ("**all**", whole)]:
        lines.append(f"| {file} | {sum(count.values())} | {' | '.join(str(count[one]) for one in OUTCOMES)} |")
    head, _, rest = PAGE.read_text().partition("<!-- numbers -->\n")
    tail = rest.partition("<!-- /numbers -->\n")[2]
    table = "\n".join(lines)
    PAGE.write_text(f"{head}<!-- numbers -->\n{table}\n<!-- /numbers -->\n{tail}")
    print(table)


def _show_survivors(after: dict[str, dict[str, int | None]]) -> None:
    with (COPY / "survivors.diff").open("w") as shown:
        for codes in after.values():
            for name in sorted(name for name, code in codes.items() if _outcome(code) in {"survived", "not covered"}):
                shown.flush()
                subprocess.run(
                    [str(Path(sys.executable).with_name("mutmut")), "show", name], cwd=COPY, stdout=shown, check=True
                )


if __name__ == "__main__":
    main()
