"""`gatework import-log`: drive a recorded log through the API and compare."""

import asyncio
import json
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from workers.importlog.client import Api, ApiProblem
from workers.importlog.log import Fields, LogError, Oddities
from workers.importlog.plan import ImportPlan, make_plan
from workers.importlog.prepare import NotPossible, Target, usual_process_key
from workers.importlog.reader import read_cases
from workers.importlog.report import ImportReport, report_on, show
from workers.importlog.run import Watch, run_import

MISMATCHES, REFUSED = 1, 2
"""Exit codes: the record differs from the log; the import could not be made."""


def import_log(
    file: Annotated[Path, typer.Argument(help="XES or CSV, plain or gzipped.", metavar="FILE")],
    cases: Annotated[int | None, typer.Option(min=1, help="Import only the first N cases.", metavar="N")] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0.000001, help="Replay recorded time this many times faster; else as fast as it goes."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=200, help="How many cases run at a time.")] = 16,
    base_url: Annotated[str, typer.Option(envvar="GATEWORK_URL", help="Where the API is.")] = "http://127.0.0.1:8000",
    username: Annotated[str, typer.Option(envvar="GATEWORK_USERNAME", help="A user with the role importer.")] = "",
    password: Annotated[str, typer.Option(envvar="GATEWORK_PASSWORD", help="Its password.")] = "",
    token: Annotated[str, typer.Option(envvar="GATEWORK_TOKEN", help="A bearer token in place of both.")] = "",
    process_key: Annotated[str, typer.Option(help="Key of the process; else made from the log.")] = "",
    process_name: Annotated[str, typer.Option(help="Name of the process; else the name of the file.")] = "",
    category: Annotated[str, typer.Option(help="Category of the process.")] = "quality",
    subject_type: Annotated[str, typer.Option(help="Subject type of the cases; made where it is missing.")] = "LogCase",
    case_id: Annotated[str, typer.Option(help="Column or attribute of the case id.")] = "",
    activity: Annotated[str, typer.Option(help="Column or attribute of the activity.")] = "",
    timestamp: Annotated[str, typer.Option(help="Column or attribute of the time (of completion).")] = "",
    start_timestamp: Annotated[str, typer.Option(help="Column of the start, beside that of the completion.")] = "",
    resource: Annotated[str, typer.Option(help="Column or attribute of the person.")] = "",
    lifecycle: Annotated[str, typer.Option(help="Column or attribute of the lifecycle transition.")] = "",
    delimiter: Annotated[str, typer.Option(help="Delimiter of a table; else found out.")] = "",
    timestamp_format: Annotated[str, typer.Option(help="Format of the times as in strptime; else found out.")] = "",
    run_id: Annotated[UUID | None, typer.Option(help="Go on with a run that was cut off.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report to this file as JSON.")] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Read and plan; send nothing.")] = False,
) -> None:
    """Drive the cases of a recorded log through the API of a sandbox tenant, and compare the record with the log."""
    fields = Fields(
        case_id, activity, timestamp, start_timestamp, resource, lifecycle, delimiter, timestamp_format,
        event_attributes=False,
    )  # fmt: skip
    console = Console(stderr=True)
    try:
        plan = _planned(file, fields, cases)
        target = Target(
            run_id=run_id or uuid4(),
            log_name=file.name,
            process_key=process_key or usual_process_key(file.name.split(".")[0], plan.graph),
            process_name=(process_name or file.name)[:200],
            category=category,
            subject_type=subject_type,
        )
        if plan_only:
            done = report_on(plan, log=target.log_name, process_key=target.process_key, run_id=str(target.run_id))
        else:
            connect = _Connection(base_url, username, password, token)
            done = asyncio.run(_run(connect, plan, target, concurrency, speed, console))
    except (LogError, NotPossible, ApiProblem) as problem:
        console.print(str(problem), style="red", markup=False, highlight=False)
        raise typer.Exit(REFUSED) from problem
    show(done, Console())
    if report:
        report.write_text(json.dumps(done.as_json(), indent=2, ensure_ascii=False), encoding="utf-8")
    if not done.is_clean:
        raise typer.Exit(MISMATCHES)


class _Connection:
    """How to reach the API, and as whom."""

    def __init__(self, base_url: str, username: str, password: str, token: str) -> None:
        self.base_url, self.username, self.password, self.token = base_url, username, password, token

    async def open(self) -> Api:
        """A client that is logged in."""
        api = Api(self.base_url, token=self.token)
        if not self.token:
            await api.log_in(self.username, self.password)
        return api


def _planned(file: Path, fields: Fields, limit: int | None) -> ImportPlan:
    oddities = Oddities()
    return make_plan(read_cases(file, fields, oddities, limit), oddities)


async def _run(
    connect: _Connection, plan: ImportPlan, target: Target, concurrency: int, speed: float | None, console: Console
) -> ImportReport:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        steps = progress.add_task("completions", total=plan.completions)
        cases = progress.add_task("cases", total=len(plan.cases))
        compared = progress.add_task("compared", total=len(plan.cases))
        watch = Watch(
            on_step=lambda: progress.advance(steps),
            on_case=lambda: progress.advance(cases),
            on_compared=lambda: progress.advance(compared),
        )
        async with await connect.open() as api:
            return await run_import(api, plan, target, concurrency=concurrency, speed=speed, watch=watch)
