"""Power cuts: API, worker, Temporal and PostgreSQL are killed with -9 in the middle of 200 commands.

Afterwards every accepted command has exactly one outcome, nothing happened twice, and the rows are the journal's fold.
"""

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import text

from activities.agreement import Difference, differences
from models.db import engine_for, normalised, system_session
from tests.e2e.people import Person, new_person
from tests.e2e.product import ADMIN_PASSWORD, Product
from tests.e2e.walk import start
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.temporal import EmbeddedTemporal, TemporalPorts

SUBJECTS = 50
STEPS = ("one", "two", "three", "four")
PATIENCE = 120.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, EmbeddedTemporal]]:
    """Servers of this test alone, because it kills them."""
    postgres = EmbeddedPostgres(tmp_path / "pg", durable=True)
    temporal = EmbeddedTemporal(tmp_path / "temporal", ports=TemporalPorts(grpc=0, ui=0))
    with postgres, temporal:
        yield postgres, temporal


@pytest.fixture
def product(servers: tuple[EmbeddedPostgres, EmbeddedTemporal], tmp_path: Path) -> Iterator[Product]:
    """An installation on them."""
    postgres, temporal = servers
    folder = tmp_path / "product"
    folder.mkdir()
    running = Product(
        folder=folder, database_url=postgres.url(), temporal_address=temporal.address, queue=f"q-{uuid4().hex[:6]}"
    )
    with running:
        running.prepare()
        for process in ("worker-1", "worker-2", "api"):
            running.start(process)
        yield running


def graph() -> dict[str, Any]:
    """Four steps in a line and an end."""
    steps = [{"key": key, "name": key.title()} for key in STEPS]
    return {"steps": [*steps, {"key": "end", "name": "End", "is_terminal": True}], "edges": []}


class Crowd:
    """Fifty operators, each of whom completes one subject's steps, whatever the servers do meanwhile."""

    def __init__(self, product: Product, operator: Person, executions: list[str]) -> None:
        self.product, self.operator = product, operator
        self.executions = executions
        self.accepted: list[str] = []
        self.done = 0

    async def work(self) -> None:
        """All at once."""
        headers = dict(self.operator.http.headers)
        async with httpx.AsyncClient(base_url=self.product.base_url, timeout=30, headers=headers) as http:
            await asyncio.gather(*(self._walk(http, execution) for execution in self.executions))

    async def _walk(self, http: httpx.AsyncClient, execution: str) -> None:
        for _ in STEPS:
            answer = await self._complete(http, execution)
            assert answer["outcome"] in {"advanced", "completed"}, answer
            self.done += 1
            if answer["outcome"] == "advanced":
                execution = answer["next"][0]["id"]

    async def _complete(self, http: httpx.AsyncClient, execution: str) -> dict[str, Any]:
        """The same request with the same key until it is answered; a crash in between must not matter."""
        key = f"{execution}-complete"
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                answer = await http.post(
                    f"/api/executions/{execution}/complete/", json={}, headers={"Idempotency-Key": key}
                )
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == httpx.codes.OK:
                body: dict[str, Any] = answer.json()
                self.accepted.append(body["command_id"])
                return body
            assert answer.status_code == httpx.codes.ACCEPTED or answer.status_code >= 500, answer.text
            await asyncio.sleep(0.2)
        raise AssertionError(f"no answer for {execution}")


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_nothing_is_lost_and_nothing_happens_twice(
    product: Product, servers: tuple[EmbeddedPostgres, EmbeddedTemporal]
) -> None:
    postgres, temporal = servers
    with (
        Person(product.base_url, "admin", ADMIN_PASSWORD) as admin,
        new_person(admin, "operator") as operator,
    ):
        process = admin.post(
            "/api/processes/",
            {"name": "Line", "category": "manufacturing", "subject_type": "Part", "graph": graph()},
            expect=201,
        )
        process = admin.post(f"/api/processes/{process['id']}/approve/")
        workflow = start(admin, process, "Part", "P", count=SUBJECTS)
        executions = [one["id"] for one in operator.items(f"/api/workflows/{workflow['id']}/executions/")]
        assert len(executions) == SUBJECTS

        crowd = Crowd(product, operator, executions)
        failure: list[BaseException] = []
        working = threading.Thread(target=_run, args=(crowd, failure))
        working.start()
        for share, cut in ((0.1, "worker-1"), (0.25, "api"), (0.4, "temporal"), (0.55, "postgres"), (0.75, "worker-2")):
            _wait_for(crowd, working, share)
            _cut(cut, product, postgres, temporal)
        working.join(timeout=PATIENCE * 2)
        assert not working.is_alive()
        assert not failure, failure

        assert _is_over(operator, workflow["id"])
    _check(postgres.url(), workflow["id"], crowd)


def _run(crowd: Crowd, failure: list[BaseException]) -> None:
    try:
        asyncio.run(crowd.work())
    except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
        failure.append(error)


def _wait_for(crowd: Crowd, working: threading.Thread, share: float) -> None:
    until = time.monotonic() + PATIENCE
    while crowd.done < share * SUBJECTS * len(STEPS) and working.is_alive() and time.monotonic() < until:
        time.sleep(0.01)


def _cut(name: str, product: Product, postgres: EmbeddedPostgres, temporal: EmbeddedTemporal) -> None:
    match name:
        case "postgres":
            _kill(postgres.pid)
            postgres.start()
        case "temporal":
            _kill(temporal.pid)
            temporal.start()
        case _:
            product.kill(name)
            product.start(name)


def _kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def _is_over(operator: Person, workflow: str) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if operator.get(f"/api/workflows/{workflow}/")["status"] == "completed":
            return True
        time.sleep(0.2)
    return False


def _check(url: str, workflow: str, crowd: Crowd) -> None:
    address = normalised(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, row_factory=dict_row) as connection:
        commands = connection.execute(
            "SELECT id::text, outcome FROM command WHERE workflow_instance_id = %s", (workflow,)
        ).fetchall()
        completed = connection.execute(
            "SELECT subject_no, step_key, count(*) AS n FROM step_execution"
            " WHERE workflow_instance_id = %s GROUP BY subject_no, step_key HAVING count(*) <> 1",
            (workflow,),
        ).fetchall()
    outcomes = {row["id"]: row["outcome"] for row in commands}
    assert set(crowd.accepted) <= set(outcomes)
    assert Counter(outcomes.values()) == Counter({"accepted": SUBJECTS * len(STEPS)})
    assert completed == []
    assert asyncio.run(_disagreements(url, workflow)) == []


async def _disagreements(url: str, workflow: str) -> list[Difference]:
    """Rows against the journal's fold, read as a superuser, whom row-level security does not bind."""
    engine = engine_for(url)
    try:
        async with system_session(engine) as session:
            connection = await session.connection()
            tenant = await connection.execute(
                text("SELECT tenant_id FROM workflow_instance WHERE id = :id"), {"id": UUID(workflow)}
            )
            return await differences(connection, tenant.scalar_one(), UUID(workflow))
    finally:
        await engine.dispose()
