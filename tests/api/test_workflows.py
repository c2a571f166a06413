"""Starting, listing, changing workflows; CAPAs; the audit trail."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import event

from tests.api.caller import Caller, Json, new_subject
from tests.api.conftest import DATABASE
from tests.api.engine import EngineDouble
from workers.embedded.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def process(admin: Caller) -> Json:
    return admin.process()


def test_a_started_workflow_has_its_identifier_subjects_and_executions(
    engine: EngineDouble, engineer: Caller, process: Json
) -> None:
    body = {
        "process_key": process["key"],
        "subjects": [new_subject(), new_subject()],
        "name": "Lot 7",
        "context": {"erp_id": "WO-1"},
        "due_date": "2030-01-31",
    }
    started = engineer.post("/api/workflows/", body, 201)
    assert started["status"] == "in_progress"
    assert started["identifier"].startswith(f"QA-{datetime.now(UTC).year}-")
    assert started["subject_count"] == 2
    assert started["owner"] == {"id": engineer.id, "username": engineer.username}
    assert (started["due_date"], started["context"]) == ("2030-01-31", {"erp_id": "WO-1"})
    assert started["triggered_by"] is None
    assert started["parent_instance"] is None
    assert started["process"]["id"] == process["id"]
    assert started["current_steps"] == [{"key": "inspect", "name": "Inspect", "open": 2}]
    executions = engineer.executions(started)
    assert [one["subject"]["identifier"] for one in executions] == sorted(
        (one["identifier"] for one in body["subjects"]), key=[x["subject"]["identifier"] for x in executions].index
    )
    assert {one["status"] for one in executions} == {"pending"}
    assert executions[0]["entered_at"].endswith("Z")
    assert engineer.get(f"/api/executions/{executions[0]['id']}/") == executions[0]


def test_existing_and_new_subjects_may_be_mixed(engine: EngineDouble, engineer: Caller, process: Json) -> None:
    known = engineer.post("/api/subjects/", new_subject(), 201)
    subjects = [{"subject_type": "Part", "subject_id": known["id"]}, new_subject()]
    started = engineer.post("/api/workflows/", {"process": process["id"], "subjects": subjects}, 201)
    shown = {one["subject"]["identifier"] for one in engineer.executions(started)}
    assert shown == {known["identifier"], subjects[1]["identifier"]}


def test_ten_thousand_subjects_start_in_one_request(engine: EngineDouble, engineer: Caller, process: Json) -> None:
    engine.hears = False
    subjects = [new_subject() for _ in range(10_000)]
    body = {"process": process["id"], "subjects": subjects}
    started = engineer.post("/api/workflows/", body, 201, Prefer="respond-async")
    assert started["status"] == "pending"
    assert started["subject_count"] == 10_000


def test_while_the_engine_is_away_a_start_is_accepted_as_pending(
    engine: EngineDouble, engineer: Caller, process: Json
) -> None:
    engine.hears = False
    body = {"process": process["id"], "subjects": [new_subject()]}
    started = engineer.post("/api/workflows/", body, 201, Prefer="respond-async")
    assert started["status"] == "pending"
    assert engineer.get(f"/api/workflows/{started['id']}/")["status"] == "pending"


def test_a_repeated_start_with_the_same_key_starts_once(engine: EngineDouble, engineer: Caller, process: Json) -> None:
    body = {"process": process["id"], "subjects": [new_subject()]}
    headers: Json = {"Idempotency-Key": uuid4().hex}
    first = engineer.post("/api/workflows/", body, 201, **headers)
    second = engineer.post("/api/workflows/", body, 201, **headers)
    assert first["id"] == second["id"]
    other = {**body, "name": "Other"}
    assert engineer.post("/api/workflows/", other, 422, **headers)["code"] == "idempotency_conflict"


def test_starts_that_cannot_be_are_refused_and_write_nothing(
    engine: EngineDouble, admin: Caller, engineer: Caller, foreigner: Caller, process: Json
) -> None:
    draft = admin.post("/api/templates/MANUFACTURING/instantiate/", {}, 201)
    capa = engineer.post("/api/subjects/", new_subject("CAPA"), 201)
    theirs = foreigner.post("/api/subjects/", new_subject(), 201)
    taken = engineer.post("/api/subjects/", new_subject(), 201)
    one = new_subject()
    named = {"subject_type": "Part", "subject_id": taken["id"]}
    cases: list[tuple[str, int, Json]] = [
        ("subjects_required", 422, {"subjects": []}),
        ("subjects_duplicate", 422, {"subjects": [named, named]}),
        ("subjects_duplicate", 422, {"subjects": [one, one]}),
        ("subject_type_mismatch", 422, {"subjects": [new_subject("CAPA")]}),
        ("subject_type_mismatch", 422, {"subjects": [{"subject_id": capa["id"]}]}),
        ("not_found", 404, {"subjects": [{"subject_id": str(uuid4())}]}),
        ("not_found", 404, {"subjects": [{"subject_id": theirs["id"]}]}),
        ("subject_identifier_taken", 409, {"subjects": [{"subject_type": "Part", "identifier": taken["identifier"]}]}),
        ("subject_attributes_invalid", 422, {"subjects": [{**one, "attributes": {"lot": 5}}]}),
        ("request_invalid", 422, {"subjects": [{**one, "subject_id": taken["id"]}]}),
        ("request_invalid", 422, {"subjects": [{"identifier": "x"}]}),
        ("process_not_approved", 409, {"process": draft["id"]}),
        ("not_found", 404, {"process": str(uuid4())}),
        ("not_found", 404, {"process": None, "process_key": "nothing"}),
        ("process_not_approved", 409, {"process": None, "process_key": draft["key"]}),
        ("request_invalid", 422, {"process": None}),
        ("request_invalid", 422, {"process_key": "both"}),
        ("owner_unknown", 422, {"owner": str(uuid4())}),
        ("execution_unknown", 404, {"parent_execution": str(uuid4())}),
    ]
    before = len(engineer.items("/api/subjects/", q=one["identifier"]))
    for code, status, change in cases:
        body = {"process": process["id"], "subjects": [one], **change}
        answer = engineer.ask("POST", "/api/workflows/", json=body)
        assert (answer.json()["code"], answer.status_code) == (code, status), (change, answer.text)
    assert len(engineer.items("/api/subjects/", q=one["identifier"])) == before
    assert not any(start for start in engine.signals)


def test_a_started_child_shows_where_it_came_from(engine: EngineDouble, engineer: Caller, process: Json) -> None:
    parent = engineer.workflow(process)
    [execution] = engineer.executions(parent)
    child = engineer.workflow(process, parent_execution=execution["id"])
    assert child["triggered_by"] == execution["id"]
    assert child["parent_instance"] == parent["id"]
    assert child["parent"]["identifier"] == parent["identifier"]
    shown = engineer.get(f"/api/workflows/{parent['id']}/")["children"]
    assert [one["id"] for one in shown] == [child["id"]]


def test_the_current_execution_is_the_one_that_is_open(engine: EngineDouble, engineer: Caller, process: Json) -> None:
    known = engineer.post("/api/subjects/", new_subject(), 201)
    assert known["current_execution"] is None
    workflow = engineer.workflow(process, subjects=[{"subject_id": known["id"]}])
    path, subject = f"/api/workflows/{workflow['id']}/", f"/api/subjects/{known['id']}/"

    [execution] = engineer.executions(workflow)
    [listed], [listed_subject] = (
        engineer.items(f"/api/{kind}/", q=known["identifier"]) for kind in ("workflows", "subjects")
    )
    for shown in (workflow, engineer.get(path), listed, engineer.get(subject), listed_subject):
        assert shown["current_execution"] == execution["id"]
    engineer.workflow(process, subjects=[{"subject_id": known["id"]}])
    assert engineer.get(subject)["current_execution"] is None
    assert engineer.get(path)["current_execution"] == execution["id"]
    assert engineer.workflow(process, count=3)["current_execution"] is None
    engineer.post(f"/api/executions/{execution['id']}/complete/")
    assert engineer.get(path)["current_execution"] is None
    assert engineer.get(subject)["current_execution"] is not None


def test_what_is_shown_together_is_of_one_moment(
    app: FastAPI, postgres: EmbeddedPostgres, engine: EngineDouble, engineer: Caller, process: Json
) -> None:
    workflow = engineer.workflow(process)
    path = f"/api/workflows/{workflow['id']}/"
    pool = app.state.services.app.sync_engine
    between: list[str] = []

    def all_leave(*told: Any) -> None:
        if not between and "FROM workflow_instance i" in told[2]:
            between.append(told[2])
            with postgres.connect(DATABASE) as connection:
                connection.execute(
                    "UPDATE step_execution SET status = 'completed', exited_at = now() WHERE workflow_instance_id = %s",
                    [workflow["id"]],
                )

    event.listen(pool, "after_cursor_execute", all_leave)
    try:
        shown = engineer.get(path)
    finally:
        event.remove(pool, "after_cursor_execute", all_leave)
    assert between
    assert shown == workflow
    assert engineer.get(path)["current_steps"] == []


def test_workflows_are_narrowed_down_and_paged(engine: EngineDouble, engineer: Caller, process: Json) -> None:
    mark = uuid4().hex[:8]
    made = [engineer.workflow(process, name=f"{mark} {n}") for n in range(3)]
    first = engineer.get("/api/workflows/", q=mark, limit=2)
    second = engineer.get("/api/workflows/", q=mark, limit=2, cursor=first["next_cursor"])
    assert [one["id"] for one in first["items"] + second["items"]] == [one["id"] for one in reversed(made)]
    for query, expected in (
        ({"status": "in_progress"}, 3),
        ({"status": "completed,cancelled"}, 0),
        ({"category": "quality"}, 3),
        ({"category": "hr"}, 0),
        ({"process": process["id"]}, 3),
        ({"process": process["key"]}, 3),
        ({"owner": "me"}, 3),
        ({"owner": engineer.id}, 3),
        ({"owner": "nobody"}, 0),
        ({"overdue": "true"}, 0),
        ({"overdue": "false"}, 3),
    ):
        assert len(engineer.get("/api/workflows/", q=mark, **query)["items"]) == expected, query
    subject = engineer.executions(made[0])[0]["subject"]["identifier"]
    assert [one["id"] for one in engineer.get("/api/workflows/", q=subject)["items"]] == [made[0]["id"]]
    assert engineer.get("/api/workflows/", q="%")["items"] == []


def test_hold_resume_amend_and_cancel_are_commands(
    engine: EngineDouble, engineer: Caller, quality: Caller, process: Json
) -> None:
    workflow = engineer.workflow(process)
    path = f"/api/workflows/{workflow['id']}/"
    assert engineer.patch(path, {"status": "on_hold", "reason": "x"}, 403)["permission"] == "instance.control"
    held = quality.patch(path, {"status": "on_hold", "reason": "Gauge is away."})
    assert (held["status"], held["reason"]) == ("on_hold", "Gauge is away.")
    assert quality.patch(path, {"status": "in_progress", "reason": "It is back."})["status"] == "in_progress"
    amended = quality.patch(path, {"name": "Renamed", "context": {"a": 1}, "due_date": None})
    assert (amended["name"], amended["context"]) == ("Renamed", {"a": 1})
    command = quality.get(f"/api/commands/{amended['command_id']}/")
    assert command["kind"] == "amend"
    engine.refuse("reason_required", minimum=1)
    refused = quality.patch(path, {"status": "cancelled"}, 422)
    assert refused["code"] == "reason_required"
    assert refused["minimum"] == 1
    assert quality.patch(path, {"status": "cancelled", "reason": "Not needed."})["status"] == "cancelled"
    assert quality.patch(path, {"status": "cancelled", "reason": "x"}, 409)["code"] == "instance_closed"
    assert quality.patch(path, {}, 422)["code"] == "nothing_to_change"
    assert quality.patch(path, {"owner": str(uuid4())}, 422)["code"] == "owner_unknown"


def test_the_audit_trail_tells_who_did_what(
    engine: EngineDouble, engineer: Caller, auditor: Caller, operator: Caller, process: Json
) -> None:
    workflow = engineer.workflow(process)
    path = f"/api/workflows/{workflow['id']}/audit/"
    [entry] = auditor.items(path)
    assert entry["action"] == "instance.created"
    assert entry["actor"] == {"id": engineer.id, "username": engineer.username}
    assert entry["new"]["identifier"] == workflow["identifier"]
    assert entry["source"]
    assert operator.get(path, 403)["permission"] == "audit.read"
    assert auditor.get(f"/api/workflows/{uuid4()}/audit/", 404)["code"] == "not_found"


def test_a_capa_starts_its_workflow_once(engine: EngineDouble, admin: Caller, engineer: Caller) -> None:
    admin.post("/api/templates/CAPA_8D/instantiate/", {"approve": True}, 201)
    subject = engineer.post("/api/subjects/", {**new_subject("CAPA"), "attributes": {"severity": "critical"}}, 201)
    path = f"/api/capas/{subject['id']}/start-workflow/"
    started = engineer.post(path, None, 201)
    assert started["context"] == {"severity": "critical"}
    assert started["template_source"] == "CAPA_8D"
    assert started["owner"]["id"] == engineer.id
    refused = engineer.post(path, {}, 409)
    assert refused["code"] == "capa_running"
    assert refused["workflow"] == started["id"]
    assert engineer.post(f"/api/capas/{uuid4()}/start-workflow/", {}, 404)["code"] == "not_found"


def test_without_an_approved_process_a_capa_cannot_start(engine: EngineDouble, foreigner: Caller) -> None:
    subject = foreigner.post("/api/subjects/", new_subject("CAPA"), 201)
    refused = foreigner.post(f"/api/capas/{subject['id']}/start-workflow/", {}, 409)
    assert refused["code"] == "process_not_approved"


def test_incidents_are_listed(engineer: Caller) -> None:
    assert engineer.get("/api/incidents/", workflow=str(uuid4()))["items"] == []
    assert engineer.get("/api/incidents/", state="open")["next_cursor"] is None
