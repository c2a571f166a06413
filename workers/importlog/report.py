"""What an import did, in numbers and in words: for the screen, and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.templates.shape import Json
from workers.importlog.compare import Mismatch
from workers.importlog.plan import ImportPlan

SHOWN = 20
"""How many mismatches and problems the screen lists; the JSON has all."""


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """The result of an import. `seconds` is the time of driving, reading back not counted."""

    log: str
    process_key: str
    run_id: str
    cases: int
    events: int
    steps: int
    edges: int
    planned: int
    completions: int = 0
    compared: int = 0
    seconds: float = 0
    skipped: int = 0
    oddities: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, list[str]] = field(default_factory=dict)
    mismatches: list[Mismatch] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Completions per second."""
        return self.completions / self.seconds if self.seconds else 0.0

    @property
    def is_clean(self) -> bool:
        """True where the engine recorded exactly what the log says."""
        return not self.mismatches and not self.problems

    def as_json(self) -> Json:
        """Everything, JSON-ready."""
        return {**asdict(self), "completions_per_second": round(self.rate, 1), "clean": self.is_clean}


def report_on(plan: ImportPlan, *, log: str, process_key: str, run_id: str) -> ImportReport:
    """A report of a plan that is yet to be driven."""
    return ImportReport(
        log=log,
        process_key=process_key,
        run_id=run_id,
        cases=len(plan.cases),
        events=plan.events,
        steps=len(plan.graph["steps"]),
        edges=len(plan.graph["edges"]),
        planned=plan.completions,
        skipped=plan.oddities.skipped,
        oddities=dict(plan.oddities.counts),
        examples=dict(plan.oddities.examples),
    )


def show(report: ImportReport, console: Console) -> None:
    """Print the report for a person."""
    table = Table(title=f"Import of {escape(report.log)}", show_header=False)
    for title, value in (
        ("cases", report.cases),
        ("events", report.events),
        ("process", f"{report.process_key}, {report.steps} steps, {report.edges} edges"),
        ("completions planned", report.planned),
        ("completions done", report.completions),
        ("completions per second", f"{report.rate:.1f} over {report.seconds:.1f} s"),
        ("cases compared", report.compared),
        ("mismatches", len(report.mismatches)),
        ("cases that could not be driven", len(report.problems)),
        ("records skipped", report.skipped),
        *report.oddities.items(),
        ("run (resume with --run-id)", report.run_id),
    ):
        places = report.examples.get(title, ())
        table.add_row(title, escape(f"{value}{_in_brackets(places)}"))
    console.print(table)
    for line in [*map(str, report.mismatches[:SHOWN]), *report.problems[:SHOWN]]:
        console.print(line, markup=False, highlight=False)


def _in_brackets(places: list[str] | tuple[str, ...]) -> str:
    return f" (first: {', '.join(places)})" if places else ""
