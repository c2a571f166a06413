"""APQP with its pilot run as a child, and document approval with its signature, to their terminal steps over HTTP."""

from typing import Any

from tests.e2e.people import Person
from tests.e2e.walk import complete, instantiate, meet, start, walk

Json = dict[str, Any]


def test_apqp_waits_for_its_pilot_run(
    admin: Person, engineer: Person, quality_manager: Person, approver: Person
) -> None:
    process = instantiate(admin, "APQP")
    workflow = start(engineer, process, "PartType", "Bracket 4711")
    assert workflow["identifier"].startswith("NPI-")
    for expected in ("planning", "product-design", "process-design"):
        execution = engineer.open_execution(workflow["id"])
        assert execution["step"]["key"] == expected
        meet(execution["id"], engineer, quality_manager, approver)
        assert complete(engineer, execution["id"])["outcome"] == "advanced"

    validation = engineer.open_execution(workflow["id"])
    meet(validation["id"], engineer, quality_manager, approver)
    pilot = next(one for one in engineer.requirements(validation["id"]) if one["requirement_type"] == "child_workflow")
    by_hand = f"/api/executions/{validation['id']}/requirements/{pilot['id']}/complete/"
    assert engineer.post(by_hand, {"evidence": {}}, expect=409)["code"] == "derived_requirement"
    blocked = engineer.post(f"/api/executions/{validation['id']}/complete/", expect=409)
    assert [one["name"] for one in blocked["unmet"]] == [pilot["name"]]

    children = [
        one
        for one in engineer.items("/api/workflows/", category="manufacturing")
        if one["parent_instance"] == workflow["id"]
    ]
    assert len(children) == 1
    assert children[0]["triggered_by"] == validation["id"]
    walk(engineer, children[0]["id"], quality_manager, approver)
    assert engineer.get(f"/api/workflows/{children[0]['id']}/")["status"] == "completed"

    done = complete(engineer, validation["id"])
    assert done["outcome"] == "completed"
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["status"] == "completed"


def test_a_document_is_approved_and_signed(
    admin: Person, engineer: Person, quality_manager: Person, approver: Person
) -> None:
    process = instantiate(admin, "DOCUMENT_APPROVAL")
    workflow = start(engineer, process, "Document", "Work instruction 12")
    for expected in ("draft", "review"):
        execution = engineer.open_execution(workflow["id"])
        assert execution["step"]["key"] == expected
        meet(execution["id"], engineer, quality_manager, approver)
        complete(engineer, execution["id"])

    approve = engineer.open_execution(workflow["id"])
    signature = next(one for one in approver.requirements(approve["id"]) if one["requirement_type"] == "signature")
    path = f"/api/executions/{approve['id']}/requirements/{signature['id']}/complete/"
    wrong = {"evidence": {"password": "not the password", "meaning": signature["config"].get("meaning", "approved")}}
    refused = quality_manager.http.post(path, json=wrong)
    assert refused.status_code in {401, 403, 409, 422}, refused.text
    quality_manager.give(approve["id"], signature, quality_manager)
    for person in (quality_manager, admin, approver):
        person.approve_all(approve["id"])
    assert complete(engineer, approve["id"])["outcome"] == "completed"
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["status"] == "completed"


def test_starting_the_workflow_of_a_capa_finds_its_process(admin: Person, engineer: Person) -> None:
    instantiate(admin, "CAPA_8D")
    capa = engineer.post(
        "/api/subjects/", {"subject_type": "CAPA", "title": "Leak", "attributes": {"severity": "critical"}}, expect=201
    )
    answer = engineer.post(f"/api/capas/{capa['id']}/start-workflow/", expect=201)
    assert answer["context"]["severity"] == "critical"
    assert engineer.post(f"/api/capas/{capa['id']}/start-workflow/", expect=409)["code"] == "capa_running"
    again = {"process": answer["process"]["id"], "subjects": [{"subject_type": "CAPA", "subject_id": capa["id"]}]}
    assert engineer.post("/api/workflows/", again, expect=409)["code"] == "capa_running"
