"""The processes of docker-compose.yml with its very commands and variables, but no containers.

Only the addresses of PostgreSQL and Temporal, the API's port and its data folder are this machine's. PostgreSQL is
prepared as compose's init script does it: an owner that is no superuser, and two login roles made by `prepare`.
"""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.e2e.people import Person, new_person
from tests.e2e.product import ADMIN_PASSWORD, Product
from tests.e2e.walk import start, walk
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.temporal import EmbeddedTemporal

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")
GIVEN = {"GATEWORK_ADMIN_PASSWORD": ADMIN_PASSWORD}
GRAPH = {"steps": [{"key": "one", "name": "One"}, {"key": "end", "name": "End", "is_terminal": True}], "edges": []}


def variables(service: str) -> dict[str, str]:
    """The environment of a compose service, its variables filled in."""
    written: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"][service]["environment"]
    return {name: VARIABLE.sub(_value, str(value)) for name, value in written.items()}


def _value(match: re.Match[str]) -> str:
    if match["name"] in GIVEN:
        return GIVEN[match["name"]]
    return match["rest"] if match["how"] == "-" else "secret-of-this-test"


def command(service: str) -> str:
    """What the image's entry point `gatework` is asked to do."""
    words: list[str] = yaml.safe_load(COMPOSE.read_text())["services"][service]["command"]
    assert len(words) == 1
    return words[0]


class Composed(Product):
    """A product whose processes get compose's variables instead of the test's."""

    def environment_of(self, service: str) -> dict[str, str]:
        """Compose's variables, with the addresses of this machine."""
        kept = {name: value for name, value in self.environment.items() if name in {"PATH", "HOME", "LANG"}}
        theirs = variables(service)
        folder = quote(self.extra["sockets"])
        for name in ("DATABASE_URL", "APP_DATABASE_URL", "SYSTEM_DATABASE_URL"):
            if name in theirs:
                theirs[name] = theirs[name].replace("@postgres:5432/gatework", f"@/gatework?host={folder}&port=5432")
        ours = {
            "TEMPORAL_ADDRESS": self.temporal_address,
            "GATEWORK_DATA_DIR": str(self.folder / "data"),
            "GATEWORK_API_HOST": "127.0.0.1",
            "GATEWORK_API_PORT": str(self.port),
            "GATEWORK_CORE_TASK_QUEUE": self.queue,
        }
        return {**kept, **theirs, **ours}


@pytest.fixture
def composed(tmp_path: Path, temporal: EmbeddedTemporal) -> Iterator[Composed]:
    """Prepared, with an API and two workers at work."""
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as postgres:
        with postgres.connect() as connection:
            connection.execute("CREATE ROLE gatework LOGIN CREATEROLE PASSWORD 'secret-of-this-test'")
            connection.execute("ALTER DATABASE gatework OWNER TO gatework")
        folder = tmp_path / "product"
        folder.mkdir()
        product = Composed(
            folder=folder,
            database_url="unused",
            temporal_address=temporal.address,
            queue="as-compose",
            extra={"sockets": str(postgres.sockets)},
        )
        with product:
            product.prepare()
            for name in ("worker-1", "worker-2", "api"):
                product.start(name)
            yield product
            assert product.stop("worker-1") == 0
            # uvicorn drains, then dies of the signal that asked it to.
            assert product.stop("api") == -signal.SIGTERM


def test_compose_services_do_the_work(composed: Composed) -> None:
    assert [command(service) for service in ("prepare", "api", "worker")] == ["prepare", "api", "worker"]
    with Person(composed.base_url, "admin", ADMIN_PASSWORD) as admin, new_person(admin, "operator") as operator:
        draft = admin.post(
            "/api/processes/",
            {"name": "Line", "category": "manufacturing", "subject_type": "Part", "graph": GRAPH},
            expect=201,
        )
        process = admin.post(f"/api/processes/{draft['id']}/approve/")
        workflow = start(admin, process, "Part", "P", count=5)
        assert walk(operator, workflow["id"], admin) == ["one"] * 5
        assert operator.get(f"/api/workflows/{workflow['id']}/")["status"] == "completed"
