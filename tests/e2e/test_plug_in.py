"""A package from elsewhere adds a requirement type and a check of a site; nothing of ours is touched."""

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.people import Person, new_person
from tests.e2e.product import ADMIN_PASSWORD, Product
from tests.e2e.test_requirements_in_full import at_work, audited, begin, eventually, gate, give
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.temporal import EmbeddedTemporal

EXAMPLE = Path(__file__).parents[2] / "examples" / "gatework_torque"


def installed(into: Path) -> Path:
    """The example as an installer leaves it: the package, and beside it what its entry points are."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copytree(EXAMPLE / "gatework_torque", into / "gatework_torque")
    about = into / f"gatework_torque-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(groups))
    return into


@pytest.fixture(scope="module")
def plugged(
    postgres: EmbeddedPostgres, temporal: EmbeddedTemporal, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """An installation beside which the example is installed; its site has a queue of its own."""
    name = f"plug_{uuid4().hex[:8]}"
    with postgres.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    running = Product(
        folder=tmp_path_factory.mktemp("plugged"),
        database_url=postgres.url(name),
        temporal_address=temporal.address,
        queue=name,
        extra={
            "PYTHONPATH": str(installed(tmp_path_factory.mktemp("site-packages"))),
            "GATEWORK_SITE": name.replace("_", "-"),
        },
    )
    with running:
        running.prepare()
        for process in ("worker", "api"):
            running.start(process)
        yield running


def test_a_type_of_another_package_and_a_check_of_a_site_from_end_to_end(plugged: Product) -> None:
    with Person(plugged.base_url, "admin", ADMIN_PASSWORD) as admin, new_person(admin, "engineer") as engineer:
        upside_down = gate("bolts", "torque_sequence", bolts=2, minimum=13, maximum=12)
        graph = {"steps": [{"key": "one", "name": "One", "requirements": [upside_down]}], "edges": []}
        body = {"name": "Cover", "category": "manufacturing", "subject_type": "Part", "graph": graph}
        draft = admin.post("/api/processes/", body, expect=201)
        [problem] = admin.post(f"/api/processes/{draft['id']}/validate/")["problems"]
        assert problem["path"] == "steps[0].requirements[0].config.minimum"

        workflow = begin(
            admin,
            gate("bolts", "torque_sequence", bolts=3, minimum=11.5, maximum=12.5),
            gate("wrench", "custom", check="torque_wrench", parameters={"torque": 50}, timeout="PT10S"),
        )
        execution, at = at_work(engineer, workflow)
        assert (at["bolts"]["reason"], at["wrench"]["reason"]) == (
            "0 of 3 bolts tightened",
            "the check 'torque_wrench' has not been run",
        )
        loose = give(engineer, execution, at["bolts"], {"torques": [12.0, 14.0]}, expect=422)
        assert loose["errors"] == [{"pointer": "/torques/1", "message": "Bolt 2 takes 11.5 to 12.5 Nm, not 14."}]
        assert give(engineer, execution, at["bolts"], {"torques": [12.0]})["reason"] == "1 of 3 bolts tightened"
        assert give(engineer, execution, at["bolts"], {"torques": [12.1, 11.9]})["satisfied"]

        def reason() -> str | None:
            found: str | None = at_work(engineer, workflow)[1]["wrench"]["reason"]
            return found

        give(engineer, execution, at["wrench"], {"wrench": "TW-20"})
        eventually(lambda: reason() != "the check 'torque_wrench' is running")
        assert reason() == "the check 'torque_wrench' is not passed: TW-20 goes up to 20 Nm only"
        blocked = engineer.post(f"/api/executions/{execution}/complete/", expect=409)
        assert [one["name"] for one in blocked["unmet"]] == ["Wrench"]
        give(engineer, execution, at["wrench"], {"wrench": "TW-100"})
        eventually(lambda: reason() is None)
        assert engineer.post(f"/api/executions/{execution}/complete/")["outcome"] == "completed"
        assert audited(admin, workflow).count("evidence.given") == 6
