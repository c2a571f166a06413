"""Real servers for tests, how the suite is shared among processes, and a clean end of the session.

``empty_database`` and ``database`` give each test a database of its own, the second one migrated.
Both belong to one throw-away PostgreSQL per test process.
"""

import os
import sys
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from psycopg import sql

from models.settings import Settings
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.temporal import EmbeddedTemporal, TemporalPorts
from workers.migrate import upgrade

# A developer's own settings must not reach the tests.
_theirs = {name for name in os.environ if name.startswith(("GATEWORK_", "TEMPORAL_")) or name.endswith("DATABASE_URL")}
for _name in _theirs - {"GATEWORK_CHROMIUM"}:
    del os.environ[_name]
Settings.model_config["env_file"] = None

# How long an example takes says how busy the machine is.
hypothesis.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("any machine")

_names = (f"test_{number}" for number in count())
TEMPLATE = "migrated"
MOST_PROCESSES = 4


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Throw-away PostgreSQL server of this test process."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTemporal]:
    """Throw-away Temporal development server of this test process."""
    with EmbeddedTemporal(tmp_path_factory.mktemp("temporal"), ports=TemporalPorts(grpc=0, ui=0)) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """Name of a database at the newest revision, from which others are copied."""
    with postgres.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    upgrade(postgres.url(TEMPLATE))
    return TEMPLATE


def _database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = next(_names)
    new = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with postgres.connect() as connection:
        connection.execute(new.format(sql.Identifier(name), sql.Identifier(template)))
    yield postgres.url(name)
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Address of a new, empty database."""
    yield from _database(postgres, "template1")


@pytest.fixture
def database(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Address of a new database at the newest revision; connects as its owner."""
    yield from _database(postgres, migrated_template)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What ``-n auto`` means here: a process per core for the whole suite, and this one alone for a part of it.

    A process has servers of its own, so that more than four are not worth their memory.
    """
    chosen = any(config.getoption(name, None) for name in ("keyword", "lf", "stepwise"))
    partly = chosen or config.args_source is pytest.Config.ArgsSource.ARGS
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return 0 if partly or cores == 1 else min(cores, MOST_PROCESSES)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where the suite is shared, files with slow tests come first, so that none is begun when all else is done."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember the outcome for ``pytest_unconfigure``."""
    session.config.stash[_outcome] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without the interpreter's own clean-up once temporalio was loaded.

    Its native threads sometimes crash there (exit 134 or 139, sdk-python #300); by now everything is
    written and every server stopped, and a process of ``-n`` has told how it ended.
    """
    outcome = config.stash.get(_outcome, None)
    if outcome is None or "temporalio" not in sys.modules:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(outcome)


_outcome = pytest.StashKey[int]()
