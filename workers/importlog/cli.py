"""`gatework import-log`: its options. The work is in `command`, imported when it is asked for."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("import-log")(import_log)


def _one_sign(delimiter: str) -> str:
    """A tab is hard to type in a shell."""
    sign = "\t" if delimiter == "\\t" else delimiter
    if len(sign) > 1:
        raise typer.BadParameter("A delimiter is one character, or \\t for a tab.")
    return sign


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
    delimiter: Annotated[
        str, typer.Option(callback=_one_sign, help="Delimiter of a table, \\t for a tab; else found out.")
    ] = "",
    timestamp_format: Annotated[str, typer.Option(help="Format of the times as in strptime; else found out.")] = "",
    run_id: Annotated[UUID | None, typer.Option(help="Go on with a run that was cut off.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report to this file as JSON.")] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Read and plan; send nothing.")] = False,
) -> None:
    """Drive the cases of a recorded log through the API of a sandbox tenant, and compare the record with the log."""
    from workers.importlog import command  # noqa: PLC0415
    from workers.importlog.log import Fields  # noqa: PLC0415

    asked = command.Asked(
        file=file,
        limit=cases,
        fields=Fields(
            case_id, activity, timestamp, start_timestamp, resource, lifecycle, delimiter, timestamp_format,
            event_attributes=False,
        ),
        base_url=base_url,
        username=username,
        password=password,
        token=token,
        process_key=process_key,
        process_name=process_name,
        category=category,
        subject_type=subject_type,
        run_id=run_id,
        concurrency=concurrency,
        speed=speed,
        plan_only=plan_only,
    )  # fmt: skip
    raise typer.Exit(command.import_log(asked, report))
