"""The ``gatework`` command. Each subcommand imports what it needs itself, so that all start quickly.

A part with a command of its own adds one line to ``PARTS``.
"""

import os
from importlib import import_module
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console

from models.settings import Settings
from workers.lifecycle import leave

PARTS: Final = {"workers.importlog.cli": "register"}
"""Functions ``register(app: typer.Typer) -> None`` by module, called when the command line is read."""
NOT_CHECKED: Final = 2
"""Exit code of ``verify`` where it could not look; a wrong option has the same. 1 says that something differs."""
NO_DATABASE: Final = "Set DATABASE_URL to your PostgreSQL. (`gatework dev` looks after its own by itself.)"

app = typer.Typer(
    name="gatework",
    help="Workflow engine for regulated manufacturers. Settings: GATEWORK_* variables or a file .env.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)


@app.command()
def dev(
    port: Annotated[int | None, typer.Option(help="Port of the app; 8000 unless told.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for data and logs; .gatework unless told.")] = None,
) -> None:
    """Start everything here: PostgreSQL, Temporal, worker, API. Ctrl-C stops it."""
    from workers import dev as everything  # noqa: PLC0415
    from workers.data_lock import DataDirInUseError  # noqa: PLC0415
    from workers.embedded.process import EmbeddedServerError  # noqa: PLC0415

    chosen = {"GATEWORK_API_PORT": port, "GATEWORK_DATA_DIR": data_dir}
    os.environ.update({name: str(value) for name, value in chosen.items() if value is not None})
    fixed = "GATEWORK_API_PORT" in os.environ
    try:
        leave(everything.run(_settings(), port_is_fixed=fixed, console=console))
    except (everything.StartError, DataDirInUseError, EmbeddedServerError) as error:
        _fail(str(error))


@app.command()
def api() -> None:
    """Serve the HTTP API and the web app."""
    from workers import logs, run_api  # noqa: PLC0415

    settings = _settings()
    _need_database(settings)
    logs.configure(settings)
    run_api.run(settings)


@app.command()
def worker(
    check: Annotated[bool, typer.Option(help="Only ask Temporal whether a worker of this machine polls.")] = False,
) -> None:
    """Serve the Temporal task queues: the core's and that of GATEWORK_SITE."""
    from workers.loop import run  # noqa: PLC0415

    settings = _settings()
    if check:
        from workers import polling  # noqa: PLC0415

        idle = run(polling.queues_without_us(settings))
        if idle:
            _fail(f"No worker of this machine polls {', '.join(idle)}.")
        return
    from workers import logs, run_worker  # noqa: PLC0415

    if settings.run_core:
        _need_database(settings)
    logs.configure(settings)
    try:
        run(run_worker.run(settings))
    except RuntimeError as error:
        _fail(f"Temporal does not answer; set TEMPORAL_ADDRESS to your server. ({error})")


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option(help="Change nothing: compare migrations and tables in a throw-away database.")
    ] = False,
) -> None:
    """Bring the database of DATABASE_URL to the newest schema."""
    from workers import migrate as migrations  # noqa: PLC0415

    if check:
        problem = migrations.check_in_throw_away_database()
        if problem:
            _fail(problem)
        console.print("Migrations and tables agree.")
        return
    migrations.upgrade(_owner_url(_settings()))
    console.print(f"The database is at {', '.join(migrations.heads())}.")


@app.command()
def prepare() -> None:
    """Make an installation ready: schema, shipped templates, first administrator, search attributes.

    Repeatable; run it before the processes of a new version start.
    """
    from workers import prepare as preparation  # noqa: PLC0415

    settings = _settings()
    _owner_url(settings)
    logins = preparation.prepare(settings, os.environ)
    console.print("Database and Temporal are ready.")
    for line in preparation.describe(settings, logins):
        console.print(f"First login, shown only now: {line}", highlight=False, markup=False)


@app.command()
def verify(
    repair: Annotated[
        bool, typer.Option(help="Put differing rows right from the journal; needs the schema owner's login.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Prove that all rows are the fold of the journal and that all hash chains verify.

    Without DATABASE_URL it looks at the PostgreSQL that `gatework dev` runs on GATEWORK_DATA_DIR.
    Exit code 0: all is as it should be; 1: something is not; 2: it could not be checked.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from workers import verify as verification  # noqa: PLC0415
    from workers.loop import run  # noqa: PLC0415

    settings = _settings_of_what_runs(repair)
    try:
        report = run(verification.verify(settings, repair=repair))
    except (SQLAlchemyError, OSError) as error:
        _fail(f"Could not check: {error}", NOT_CHECKED)
    if as_json:
        console.print_json(data=report.as_json())
    else:
        for line in report.lines():
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    leave(0 if report.is_clean else 1)


@app.command()
def doctor() -> None:
    """Check that Gatework can run here, and say how to mend what is missing."""
    from workers import doctor as checks  # noqa: PLC0415

    leave(checks.run(_settings(), console))


@app.command()
def version() -> None:
    """Print the version."""
    console.print(installed_version("gatework"), highlight=False)


def _settings(failing: int = 1) -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        _fail("These settings are wrong:\n" + "\n".join(lines), failing)


def _settings_of_what_runs(as_owner: bool) -> Settings:
    """The settings with a database: the one they name, else the one that `gatework dev` runs on the data folder."""
    settings = _settings(NOT_CHECKED)
    if not _lacks_database(settings, as_owner=as_owner):
        return settings
    from workers.embedded.postgres import running_at  # noqa: PLC0415

    url = running_at(settings.state_dir / "postgres")
    if url is None:
        _fail(
            f"No PostgreSQL runs on {settings.state_dir}. Start `gatework dev` (`make run`) there, name its folder by "
            "GATEWORK_DATA_DIR, or set DATABASE_URL to your own.",
            NOT_CHECKED,
        )
    return settings.model_copy(update={"database_url": SecretStr(url)})


def _lacks_database(settings: Settings, *, as_owner: bool = False) -> bool:
    """Whether neither the owner's login is given nor, where they will do, the application's and the system's."""
    given = None not in {settings.app_database_url, settings.system_database_url}
    return settings.database_url is None and (as_owner or not given)


def _need_database(settings: Settings) -> None:
    if _lacks_database(settings):
        _fail(NO_DATABASE)


def _owner_url(settings: Settings) -> str:
    if settings.database_url is None:
        _fail(NO_DATABASE)
    return settings.database_url.get_secret_value()


def _fail(message: str, code: int = 1) -> NoReturn:
    errors.print(message, style="red", markup=False, highlight=False)
    leave(code)


def main() -> None:
    """Entry point; ends through ``leave``."""
    for module, function in PARTS.items():
        if find_spec(module):
            getattr(import_module(module), function)(app)
    try:
        app()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))


if __name__ == "__main__":
    main()
