"""Automatic steps over HTTP, up to the audit trail: other systems, other processes, a plant's own worker."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.people import Json, Person, new_person
from tests.e2e.product import ADMIN_PASSWORD, Product
from tests.e2e.test_plug_in import installed
from tests.e2e.walk import complete, eventually
from tests.support.receiver import Receiver
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.temporal import EmbeddedTemporal

PLANT = "plant-b"


class AtPlant(Product):
    """A worker at a plant: it knows Temporal and its own site, and no database."""

    def environment_of(self, service: str) -> dict[str, str]:
        """Without the addresses of any database."""
        return {name: value for name, value in self.environment.items() if "DATABASE" not in name}


@dataclass(frozen=True)
class Plant:
    """An installation, its people, and the site of its plant."""

    admin: Person
    engineer: Person
    quality: Person
    site: str
    jobs: Path

    def begin(self, *steps: Json, **context: object) -> str:
        """An instance of a process with these steps and a person's at their end; its path."""
        started = self.engineer.post("/api/workflows/", self.ordering(self.process(*steps), context), expect=201)
        return f"/api/workflows/{started['id']}/"

    def process(self, *steps: Json, name: str = "Acting") -> Json:
        """An approved process."""
        approved: Json = self.admin.post(f"/api/processes/{self.draft(*steps, name=name)['id']}/approve/")
        return approved

    def draft(self, *steps: Json, name: str = "Acting") -> Json:
        """A process that is to be approved."""
        last = [{"key": "look", "name": "Look"}, {"key": "end", "name": "End", "is_terminal": True}]
        graph = {"steps": [*steps, *last], "edges": []}
        body = {"name": f"{name} {uuid4().hex[:6]}", "category": "quality", "subject_type": "Part", "graph": graph}
        drafted: Json = self.engineer.post("/api/processes/", body, expect=201)
        return drafted

    def ordering(self, process: Json, context: Json) -> Json:
        """What starts it with a new part."""
        part = {"subject_type": "Part", "identifier": f"P-{uuid4().hex[:8]}"}
        return {"process": process["id"], "subjects": [part], "context": context}

    def gone_on(self, path: str) -> Json:
        """The instance, once its subject has come to the person."""
        return eventually(
            lambda: self.engineer.get(path), lambda found: [one["key"] for one in found["current_steps"]] == ["look"]
        )

    def incident(self, path: str) -> Json:
        """What stopped."""
        found = eventually(lambda: self.engineer.get(path)["incidents"], bool)
        return dict(found[0])

    def audited(self, path: str, action: str) -> list[Json]:
        """Entries of one action in the audit trail."""
        return [one for one in self.admin.items(f"{path}audit/") if one["action"] == action]


@pytest.fixture(scope="module")
def plant(
    postgres: EmbeddedPostgres, temporal: EmbeddedTemporal, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plant]:
    """API and worker; and as a process of its own the worker of another site, with the example's action."""
    name = f"act_{uuid4().hex[:8]}"
    with postgres.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    main, far = name.replace("_", "-"), f"{name.replace('_', '-')}-{PLANT}"
    jobs = tmp_path_factory.mktemp("jobs")
    running = Product(
        folder=tmp_path_factory.mktemp("acting"),
        database_url=postgres.url(name),
        temporal_address=temporal.address,
        queue=name,
        extra={"GATEWORK_PRIVATE_TARGETS_ALLOWED": "true", "GATEWORK_SITE": main},
    )
    there = AtPlant(
        folder=tmp_path_factory.mktemp("there"),
        database_url="",
        temporal_address=temporal.address,
        queue=name,
        extra={
            "GATEWORK_RUN_CORE": "false",
            "GATEWORK_SITE": far,
            "PYTHONPATH": str(installed(tmp_path_factory.mktemp("site-packages"))),
            "TORQUE_JOBS": str(jobs),
        },
    )
    with running, there:
        running.prepare()
        running.start("worker")
        there.start("worker")
        running.start("api")
        with (
            Person(running.base_url, "admin", ADMIN_PASSWORD) as admin,
            new_person(admin, "engineer") as engineer,
            new_person(admin, "quality_manager") as quality,
        ):
            yield Plant(admin=admin, engineer=engineer, quality=quality, site=far, jobs=jobs)


@pytest.fixture
def erp() -> Iterator[Receiver]:
    """Another system."""
    with Receiver() as receiver:
        receiver.says = b'{"order": {"number": "PO-7"}}'
        yield receiver


def acting(**action: object) -> Json:
    """A step of the engine's."""
    return {"key": "act", "name": "Act", "step_type": "automatic", "config": {"action": action}}


def test_a_webhook_that_fails_twice_is_answered_in_the_context_and_the_audit_trail(plant: Plant, erp: Receiver) -> None:
    erp.answers = [503, 500]
    body = '{"part": subject.identifier, "quantity": context.quantity}'
    path = plant.begin(
        acting(type="webhook", url=erp.url("/orders"), body=body, context={"erp.order": "body.order.number"}),
        quantity=5,
    )
    shown = plant.gone_on(path)
    assert shown["context"] == {"quantity": 5, "erp": {"order": "PO-7"}}
    assert len(erp.posted) == 3
    assert len({one.headers["idempotency-key"] for one in erp.posted}) == 1
    assert erp.posted[0].json["quantity"] == 5
    (asked,) = plant.audited(path, "action_requested")
    (ended,) = plant.audited(path, "action_ended")
    assert asked["new"]["call_id"] == ended["new"]["call_id"] == erp.posted[0].headers["idempotency-key"]
    assert (ended["new"]["step"], ended["new"]["output"]["body"]) == ("Act", {"order": {"number": "PO-7"}})
    assert ended["execution"] == asked["execution"]


def test_a_refusal_is_an_incident_until_its_cause_is_gone_and_somebody_tries_again(plant: Plant, erp: Receiver) -> None:
    erp.answers, erp.says = [422], b'{"error": "unknown material"}'
    path = plant.begin(acting(type="webhook", url=erp.url(), context={"erp.order": "body.order.number"}))
    incident = plant.incident(path)
    assert incident["code"] == "action_failed"
    assert "HTTP 422" in incident["message"]
    assert "unknown material" in incident["message"]
    erp.says = b'{"order": {"number": "PO-8"}}'
    retry = f"/api/incidents/{incident['id']}/retry/"
    assert plant.engineer.post(retry, expect=403)["code"] == "forbidden"
    assert plant.quality.post(retry)["outcome"] == "retried"
    assert plant.gone_on(path)["context"] == {"erp": {"order": "PO-8"}}
    assert plant.engineer.get(path)["incidents"] == []
    first, second = erp.posted
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    ended = plant.audited(path, "action_ended")
    assert [one["new"].get("succeeded", False) for one in ended] == [False, True]
    (resolved,) = plant.audited(path, "incident_resolved")
    assert resolved["actor"]["username"] == plant.quality.username


def test_an_expression_works_out_what_the_context_then_has(plant: Plant) -> None:
    path = plant.begin(acting(type="expression", set={"lot.total": "context.a + context.b"}), a=2, b=3)
    assert plant.gone_on(path)["context"] == {"a": 2, "b": 3, "lot": {"total": 5}}
    (entry,) = plant.audited(path, "instance_amended")
    assert entry["new"]["changes"] == {"context_at": {"lot.total": 5}}
    assert (entry["actor"]["username"], entry["reason"]) == ("system", "by the step 'Act'")


def test_a_step_starts_another_process_and_both_show_it(plant: Plant) -> None:
    inspection = plant.process(name="Inspection")
    action = acting(
        type="start_process",
        process=inspection["key"],
        name="Incoming inspection",
        values={"order.quantity": "context.quantity", "order.part": "subject.identifier"},
        context={"inspection": "instance.identifier"},
    )
    path = plant.begin(action, quantity=4)
    shown = plant.gone_on(path)
    (below,) = shown["children"]
    started = plant.engineer.get(f"/api/workflows/{below['id']}/")
    (asking,) = [one for one in plant.engineer.items(f"{path}executions/") if one["step"]["key"] == "act"]
    assert (started["triggered_by"], started["parent_instance"]) == (asking["id"], shown["id"])
    assert (below["triggered_by"], below["identifier"]) == (asking["id"], shown["context"]["inspection"])
    assert started["parent"]["identifier"] == shown["identifier"]
    assert started["context"] == {
        "order": {"quantity": 4, "part": asking["subject"]["identifier"]}, "parent": shown["identifier"],
    }  # fmt: skip
    (entry,) = plant.audited(path, "process_started")
    assert (entry["object_id"], entry["execution"]) == (started["id"], asking["id"])
    assert entry["new"]["process"] == {"key": inspection["key"], "version": "1.0"}
    for instance in (path, f"/api/workflows/{below['id']}/"):
        looking = plant.engineer.open_execution(instance.split("/")[3])
        assert complete(plant.engineer, looking["id"])["outcome"] == "completed"


def test_a_process_that_is_retired_meanwhile_is_an_incident(plant: Plant) -> None:
    inspection = plant.process(name="Inspection")
    ordering = plant.ordering(plant.process(acting(type="start_process", process=inspection["key"])), {})
    plant.admin.post(f"/api/processes/{inspection['id']}/retire/", {"reason": "replaced by the new line"})
    path = f"/api/workflows/{plant.engineer.post('/api/workflows/', ordering, expect=201)['id']}/"
    incident = plant.incident(path)
    assert incident["code"] == "action_failed"
    assert f"no version of '{inspection['key']}' is in force" in incident["message"]
    refused = plant.admin.post(
        f"/api/processes/{plant.draft(acting(type='start_process', process=inspection['key']))['id']}/approve/",
        expect=422,
    )
    assert [one["code"] for one in refused["problems"]] == ["process_unusable"]


def test_a_worker_of_the_plant_carries_an_action_out_without_a_database(plant: Plant) -> None:
    args = '{"wrench": "TW-20", "torque": context.torque}'
    action = {"type": "activity", "activity": "set_torque", "site": plant.site, "args": args, "timeout": "PT10S"}
    path = plant.begin(acting(**action, context={"bolts.job": "job", "bolts.torque": "torque"}), torque=12.5)
    shown = plant.gone_on(path)
    (asked,) = plant.audited(path, "action_requested")
    (ended,) = plant.audited(path, "action_ended")
    assert shown["context"]["bolts"] == {"job": asked["new"]["call_id"], "torque": 12.5}
    assert ended["new"]["output"] == {"job": asked["new"]["call_id"], "torque": 12.5}
    job = json.loads((plant.jobs / f"{asked['new']['call_id']}.json").read_text())
    (execution, *_) = plant.engineer.items(f"{path}executions/")
    assert job == {"wrench": "TW-20", "torque": 12.5, "part": execution["subject"]["identifier"], "step": "act"}

    path = plant.begin(acting(**action, retries=0), torque=50)
    assert "TW-20 goes up to 20 Nm only" in plant.incident(path)["message"]
    nowhere = {**action, "site": f"{plant.site}-closed", "patience": "PT0.5S"}
    path = plant.begin(acting(**nowhere), torque=5)
    assert "no worker of the site" in plant.incident(path)["message"]


def test_a_connector_carries_requests_to_the_erp_and_its_secret_nowhere_else(plant: Plant, erp: Receiver) -> None:
    secret = f"key-{uuid4().hex}"
    auth = {"type": "header", "header": "X-API-Key", "value": secret}
    connector = {"key": "sap", "name": "SAP", "base_url": erp.url("/api/v1"), "auth": auth}
    assert plant.engineer.post("/api/connectors/", connector, expect=403)["code"] == "forbidden"
    made = plant.admin.post("/api/connectors/", connector, expect=201)
    action = acting(
        type="erp",
        connector="sap",
        path='"orders/" + string(context.order) + "/receipts"',
        body='{"quantity": context.quantity}',
        context={"erp.receipt": "body.order.number"},
    )
    path = plant.begin(action, order=4711, quantity=5)
    assert plant.gone_on(path)["context"]["erp"] == {"receipt": "PO-7"}
    (asked,) = erp.posted
    assert (asked.path, asked.json, asked.headers["x-api-key"]) == (
        "/api/v1/orders/4711/receipts", {"quantity": 5}, secret,
    )  # fmt: skip
    (requested,) = plant.audited(path, "action_requested")
    assert (requested["new"]["action"], requested["new"]["call_id"]) == ("erp", asked.headers["idempotency-key"])
    shown = json.dumps([plant.admin.get("/api/connectors/"), plant.admin.items(f"{path}audit/")])
    assert secret not in shown

    plant.admin.http.delete(f"/api/connectors/{made['id']}/").raise_for_status()
    refused = plant.admin.post(f"/api/processes/{plant.draft(action)['id']}/approve/", expect=422)
    assert [one["code"] for one in refused["problems"]] == ["connector_unknown"]
