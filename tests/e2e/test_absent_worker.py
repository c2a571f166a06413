"""No worker runs: commands are accepted with 202 and take effect when one returns."""

import time

import httpx

from tests.e2e.people import Person
from tests.e2e.product import Product
from tests.e2e.walk import start

GRAPH = {"steps": [{"key": "one", "name": "One"}, {"key": "end", "name": "End", "is_terminal": True}], "edges": []}
PATIENCE = 60.0


def test_a_command_waits_for_the_worker(product: Product, admin: Person, engineer: Person) -> None:
    draft = admin.post(
        "/api/processes/",
        {"name": "Patience", "category": "manufacturing", "subject_type": "Part", "graph": GRAPH},
        expect=201,
    )
    process = admin.post(f"/api/processes/{draft['id']}/approve/")
    workflow = start(engineer, process, "Part", "P")
    execution = engineer.open_execution(workflow["id"])
    workers = [name for name in product.processes if name.startswith("worker")]
    for name in workers:
        product.stop(name)
    try:
        answer = engineer.http.post(
            f"/api/executions/{execution['id']}/complete/", json={}, headers={"Prefer": "respond-async"}
        )
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        location = answer.headers["Location"]
        assert engineer.get(location)["outcome"] is None
    finally:
        for name in workers:
            product.start(name)
    until = time.monotonic() + PATIENCE
    while engineer.get(location)["outcome"] is None and time.monotonic() < until:
        time.sleep(0.1)
    assert engineer.get(location)["outcome"] == "accepted"
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["status"] == "completed"
