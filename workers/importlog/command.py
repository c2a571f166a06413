"""The import as a command: read, plan, log in, run with a progress bar, show the report, say how it went."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from workers.importlog.client import Api, ApiProblem
from workers.importlog.log import Fields, LogError, Oddities
from workers.importlog.plan import ImportPlan, make_plan
from workers.importlog.prepare import NotPossible, Target, usual_process_key
from workers.importlog.reader import read_cases
from workers.importlog.report import ImportReport, report_on, show
from workers.importlog.run import Watch, run_import

CLEAN, DIFFERENT, REFUSED = 0, 1, 2
"""Exit codes: as the log says; the record differs from the log; the import could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command; empty texts mean the usual."""

    file: Path
    limit: int | None
    fields: Fields
    base_url: str
    username: str
    password: str
    token: str
    process_key: str
    process_name: str
    category: str
    subject_type: str
    run_id: UUID | None
    concurrency: int
    speed: float | None
    plan_only: bool


def import_log(asked: Asked, report_file: Path | None) -> int:
    """Make the import, show its report, and return the exit code."""
    console = Console(stderr=True)
    try:
        _check_options(asked, report_file)
        report = _made(asked, console)
    except (LogError, NotPossible, ApiProblem) as problem:
        console.print(str(problem), style="red", markup=False, highlight=False)
        return REFUSED
    show(report, Console())
    if report_file:
        report_file.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False), encoding="utf-8")
    return CLEAN if report.is_clean else DIFFERENT


def _check_options(asked: Asked, report_file: Path | None) -> None:
    """See before a long import what would end it."""
    if not (asked.plan_only or asked.token or (asked.username and asked.password)):
        raise NotPossible(
            "no_login",
            "Say who imports: --username and --password (GATEWORK_USERNAME, GATEWORK_PASSWORD), or --token. "
            "At the first start Gatework printed a login of the sandbox, sandbox-admin.",
        )
    if report_file and (report_file.is_dir() or not os.access(report_file.parent, os.W_OK)):
        raise NotPossible("report_not_writable", f"The report cannot be written to {report_file}.")


def _made(asked: Asked, console: Console) -> ImportReport:
    oddities = Oddities()
    with console.status(f"Reading {escape(asked.file.name)}"):
        plan = make_plan(read_cases(asked.file, asked.fields, oddities, asked.limit), oddities)
    target = Target(
        run_id=asked.run_id or uuid4(),
        log_name=asked.file.name,
        process_key=asked.process_key or usual_process_key(asked.file.name.split(".")[0], plan.graph),
        process_name=(asked.process_name or asked.file.name)[:200],
        category=asked.category,
        subject_type=asked.subject_type,
    )
    if asked.plan_only:
        return report_on(plan, log=target.log_name, process_key=target.process_key, run_id=str(target.run_id))
    # Said before it begins: who cuts a run off sees no report that names it.
    console.print(f"run {target.run_id}; if it is cut off, go on with --run-id", highlight=False, soft_wrap=True)
    return asyncio.run(_run(asked, plan, target, console))


async def _run(asked: Asked, plan: ImportPlan, target: Target, console: Console) -> ImportReport:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeElapsedColumn(),
    )
    async with Api(asked.base_url, token=asked.token) as api:
        if not asked.token:
            await api.log_in(asked.username, asked.password)
        with Progress(*columns, console=console) as progress:
            steps = progress.add_task("completions", total=plan.completions)
            cases = progress.add_task("cases", total=len(plan.cases))
            compared = progress.add_task("compared", total=len(plan.cases))
            watch = Watch(
                on_step=lambda: progress.advance(steps),
                on_case=lambda: progress.advance(cases),
                on_compared=lambda: progress.advance(compared),
            )
            return await run_import(api, plan, target, concurrency=asked.concurrency, speed=asked.speed, watch=watch)
