"""Templates, drafts, validation and approval."""

from collections.abc import Iterator
from itertools import count, repeat
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from api.checking import process_problems
from models.templates import get_templates
from tests.api.caller import Caller, Json, process_body


def test_every_shipped_template_becomes_an_approved_process(admin: Caller) -> None:
    listed = {one["key"]: one for one in admin.get("/api/templates/")["items"]}
    assert set(listed) == set(get_templates())
    for key, template in listed.items():
        process = admin.post(f"/api/templates/{key}/instantiate/", {"approve": True}, 201)
        assert process["status"] == "approved"
        assert process["template_source"] == key
        assert process["version"] == "1.0"
        assert len(process["graph_hash"]) == 64
        configs = _configs(process["graph"])
        for kind, word in (
            ("document", "document_type"),
            ("approval", "template"),
            ("measurement", "measurement_definition"),
        ):
            assert all(config[f"{word}_id"] and config[word] for config in configs.get(kind, []))
        for config in configs.get("child_workflow", []):
            child = admin.get(f"/api/processes/{config['process_id']}/")
            assert child["template_source"] in template["child_templates"]
            assert child["status"] == "approved"


def test_instantiating_again_takes_a_free_key_but_never_a_taken_one(admin: Caller) -> None:
    first = admin.post("/api/templates/MANUFACTURING/instantiate/", {}, 201)
    second = admin.post("/api/templates/MANUFACTURING/instantiate/", None, 201)
    assert first["status"] == second["status"] == "draft"
    assert first["key"] != second["key"]
    refused = admin.post("/api/templates/MANUFACTURING/instantiate/", {"key": first["key"]}, 409)
    assert refused["code"] == "process_key_taken"
    assert admin.post("/api/templates/NOTHING/instantiate/", {}, 404)["code"] == "not_found"


def test_an_engineer_may_draft_but_not_approve(engineer: Caller) -> None:
    engineer.post("/api/templates/MANUFACTURING/instantiate/", {"approve": True}, 403)
    draft = engineer.post("/api/processes/", process_body(), 201)
    assert draft["status"] == "draft"
    refused = engineer.post(f"/api/processes/{draft['id']}/approve/", {}, 403)
    assert refused["permission"] == "process.approve"


def test_a_draft_is_edited_under_its_revision(engineer: Caller) -> None:
    body = process_body()
    draft = engineer.post("/api/processes/", body, 201)
    path = f"/api/processes/{draft['id']}/"
    changed = engineer.patch(path, {"revision": draft["revision"], "name": "Renamed"})
    assert (changed["name"], changed["revision"]) == ("Renamed", draft["revision"] + 1)
    stale = engineer.patch(path, {"revision": draft["revision"], "name": "Again"}, 409)
    assert stale["code"] == "revision_conflict"
    assert stale["revision"] == changed["revision"]
    assert engineer.patch(path, {}, 422)["code"] == "nothing_to_change"
    assert engineer.post("/api/processes/", body, 409)["code"] == "process_key_taken"


def test_an_approved_version_never_changes(admin: Caller) -> None:
    process = admin.process()
    assert admin.patch(f"/api/processes/{process['id']}/", {"name": "x"}, 409)["code"] == "process_not_draft"
    assert admin.post(f"/api/processes/{process['id']}/approve/", {}, 409)["code"] == "process_not_draft"
    again = admin.get(f"/api/processes/{process['id']}/")
    assert again["graph_hash"] == process["graph_hash"]


def test_validation_lists_every_problem_with_its_place(engineer: Caller, quality: Caller) -> None:
    body = process_body()
    body["graph"]["steps"][0]["requirements"][0]["config"] = {"items": []}
    body["graph"]["edges"] = [{"from_step": "inspect", "to_step": "nowhere"}]
    draft = engineer.post("/api/processes/", body, 201)
    found = engineer.post(f"/api/processes/{draft['id']}/validate/")
    assert found["valid"] is False
    assert "steps[0].requirements[0].config.items" in {one["path"] for one in found["problems"]}
    refused = quality.post(f"/api/processes/{draft['id']}/approve/", {}, 422)
    assert refused["code"] == "process_invalid"
    assert refused["problems"] == found["problems"]
    assert quality.get(f"/api/processes/{draft['id']}/")["status"] == "draft"


def test_what_a_requirement_brings_along_is_created_with_the_process(engineer: Caller) -> None:
    name = uuid4().hex
    body = _with(
        ("document", {"document_type": {"key": f"dt-{name}", "name": "Control plan"}}),
        ("approval", {"template": {"name": f"Gate {name}", "stages": [{"mode": "all", "roles": ["approver"]}]}}),
        ("measurement", {"measurement_definition": {"name": f"Bore {name}", "unit": "mm", "nominal": "12",
                                                    "upper_tol": 0.018, "lower_tol": "0"}}),
    )  # fmt: skip
    draft = engineer.post("/api/processes/", body, 201)
    configs = _configs(draft["graph"])
    assert configs["document"][0]["document_type"] == f"dt-{name}"
    assert configs["approval"][0]["template"] == f"gate-{name}"
    assert configs["measurement"][0]["measurement_definition_id"]
    assert engineer.post(f"/api/processes/{draft['id']}/validate/")["problems"] == []
    by_id = _with(("document", {"document_type_id": configs["document"][0]["document_type_id"]}))
    again = engineer.post("/api/processes/", by_id, 201)
    assert _configs(again["graph"])["document"][0]["document_type"] == f"dt-{name}"


def test_the_same_definition_is_shared_and_another_of_the_same_name_is_not(engineer: Caller) -> None:
    name = uuid4().hex
    gate = {"name": name, "stages": [{"roles": ["approver"]}]}
    other = {"name": name, "stages": [{"roles": ["quality_manager"]}]}
    keys = [
        _configs(engineer.post("/api/processes/", _with(("approval", {"template": one})), 201)["graph"])["approval"][0]
        for one in (gate, gate, other)
    ]
    assert keys[0]["template_id"] == keys[1]["template_id"] != keys[2]["template_id"]
    taken = {**other, "key": keys[0]["template"]}
    assert engineer.post("/api/processes/", _with(("approval", {"template": taken})), 422)["code"] == "config_invalid"


@pytest.mark.parametrize(
    ("requirement_type", "config", "code"),
    [
        ("document", {"document_type_id": str(uuid4())}, "reference_unknown"),
        ("document", {"document_type_id": 5}, "reference_unknown"),
        ("document", {"document_type": "nothing"}, "reference_unknown"),
        ("document", {"document_type": {"key": "k"}}, "config_invalid"),
        ("approval", {"template_id": "x"}, "reference_unknown"),
        ("approval", {"template": {"name": "x", "stages": []}}, "config_invalid"),
        ("approval", {"template": {"name": "x", "stages": [{"roles": ["king"]}]}}, "config_invalid"),
        ("approval", {"template": {"name": "x", "stages": "all"}}, "config_invalid"),
        ("measurement", {"measurement_definition": {"name": "x", "nominal": "wide"}}, "config_invalid"),
        ("measurement", {"measurement_definition": {"name": "x", "sample_size": 0}}, "config_invalid"),
        ("child_workflow", {"process_id": str(uuid4())}, "reference_unknown"),
        ("child_workflow", {"process": "nothing"}, "reference_unknown"),
    ],
)
def test_references_must_exist(engineer: Caller, requirement_type: str, config: Json, code: str) -> None:
    refused = engineer.post("/api/processes/", _with((requirement_type, config)), 422)
    assert refused["code"] == code
    assert "steps[0].requirements[0].config" in refused["path"]


def test_another_tenants_rows_are_not_there(foreigner: Caller, admin: Caller) -> None:
    theirs = foreigner.post("/api/processes/", _with(("document", {"document_type": {"name": "Theirs"}})), 201)
    theirs_type = _configs(theirs["graph"])["document"][0]["document_type_id"]
    body = _with(("document", {"document_type_id": theirs_type}))
    assert admin.post("/api/processes/", body, 422)["code"] == "reference_unknown"
    assert admin.get(f"/api/processes/{theirs['id']}/", 404)["code"] == "not_found"
    assert theirs["id"] not in {one["id"] for one in admin.items("/api/processes/", limit=200)}


def test_a_parent_cannot_be_approved_before_its_child(admin: Caller) -> None:
    child = admin.post("/api/processes/", process_body(), 201)
    parent = admin.post("/api/processes/", _with(("child_workflow", {"process_id": child["id"]})), 201)
    refused = admin.post(f"/api/processes/{parent['id']}/approve/", {}, 422)
    assert [one["code"] for one in refused["problems"]] == ["child_not_approved"]
    admin.post(f"/api/processes/{child['id']}/approve/")
    admin.post(f"/api/processes/{parent['id']}/approve/")


def test_people_and_roles_that_are_not_there_keep_a_process_from_review_and_force(admin: Caller) -> None:
    ann, gone = [f"{who}-{uuid4().hex[:8]}" for who in ("ann", "gone")]
    people = {
        who: admin.post("/api/users/", {"username": who, "roles": ["operator"]}, 201)["id"] for who in (ann, gone)
    }
    template = {"name": f"Gate {uuid4().hex}", "stages": [{"users": [people[ann], people[gone]]}]}
    body = _with(
        ("approval", {"users": [ann, gone], "escalate_to": {"roles": ["welder"]}}),
        ("approval", {"stages": [{"roles": ["approver"], "veto_users": ["nobody"]}]}),
        ("approval", {"template": template}),
    )
    body["graph"]["steps"][0]["config"] = {
        "assignment": {"roles": ["operator", "welder"], "users": [ann, people[ann], people[gone], "nobody"]},
        "escalation": {"levels": [{"to": ["owner", "role:welder", "user:nobody", f"user:{ann}", "role:admin"]}]},
    }
    draft = admin.post("/api/processes/", body, 201)
    admin.patch(f"/api/users/{people[gone]}/", {"is_active": False})
    path = f"/api/processes/{draft['id']}/"
    found = admin.post(f"{path}validate/")["problems"]
    assert [(one["code"], one["path"].removeprefix("steps[0].")) for one in found] == [
        ("role_unknown", "config.assignment.roles[1]"),
        ("user_unknown", "config.assignment.users[2]"),
        ("user_unknown", "config.assignment.users[3]"),
        ("role_unknown", "config.escalation.levels[0].to[1]"),
        ("user_unknown", "config.escalation.levels[0].to[2]"),
        ("user_unknown", "requirements[0].config.users[1]"),
        ("role_unknown", "requirements[0].config.escalate_to.roles[0]"),
        ("user_unknown", "requirements[1].config.stages[0].veto_users[0]"),
        ("user_unknown", "requirements[2].config.template"),
    ]
    assert "There is no role 'welder'. Roles: admin, approver, " in found[0]["message"]
    assert people[gone] in found[-1]["message"]
    for act in ("submit", "approve"):
        assert admin.post(f"{path}{act}/", {}, 422)["problems"] == found


def test_another_tenants_people_are_not_there(admin: Caller, foreigner: Caller) -> None:
    theirs = f"theirs-{uuid4().hex[:8]}"
    foreigner.post("/api/users/", {"username": theirs, "roles": ["operator"]}, 201)
    body = process_body()
    body["graph"]["steps"][0]["config"] = {"assignment": {"users": [theirs]}}
    for caller, codes in ((admin, ["user_unknown"]), (foreigner, [])):
        draft = caller.post("/api/processes/", body, 201)
        found = caller.post(f"/api/processes/{draft['id']}/validate/")
        assert [one["code"] for one in found["problems"]] == codes


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("ftp://files.example.com/in", "it must begin with https://"),
        ("erp.example.com/orders", "it must begin with https://"),
        ("https://", "it names no host, or contains blanks"),
        ("https://erp.example.com:99999/", "it is no address: Port out of range 0-65535"),
        ("http://erp.example.com/orders", "it must begin with https://"),
        ("https://10.0.0.7/orders", "it leads into a private network"),
        ("https://printer.local/orders", "it leads into a private network"),
        ("https://erp.example.com/orders", ""),
    ],
)
def test_a_webhook_goes_where_this_deployment_may_send_requests(engineer: Caller, url: str, refusal: str) -> None:
    body = process_body()
    body["graph"]["steps"].insert(0, _telling(url))
    draft = engineer.post("/api/processes/", body, 201)
    path = f"/api/processes/{draft['id']}/"
    found = engineer.post(f"{path}validate/")["problems"]
    assert [(one["code"], one["path"]) for one in found] == (
        [("target_refused", "steps[0].config.action.url")] if refusal else []
    )
    assert all(refusal in one["message"] for one in found)
    if refusal:
        assert engineer.post(f"{path}submit/", {}, 422)["problems"] == found


def test_where_the_own_network_is_open_a_webhook_may_lead_into_it_but_has_to_be_an_address() -> None:
    def codes(url: str) -> list[str]:
        tell = {
            "key": "a",
            "name": "A",
            "step_type": "automatic",
            "config": {"action": {"type": "webhook", "url": url}},
        }
        return [one["code"] for one in process_problems({"steps": [tell]}, private_allowed=True)]

    assert codes("http://127.0.0.1:8080/orders") == codes("http://erp/orders") == []
    assert codes("ftp://erp/orders") == codes("http:///orders") == ["target_refused"]


def test_a_process_that_no_workflow_could_be_handed_is_told_so_before_it_is_in_force(admin: Caller) -> None:
    def wordy(instructions: Iterator[str]) -> Json:
        body = process_body()
        signed = {"requirement_type": "signature", "name": "Sign"}
        body["graph"]["steps"][0]["requirements"] = [{**signed, "description": next(instructions)} for _ in range(100)]
        body["graph"]["steps"][:0] = [{**body["graph"]["steps"][0], "key": key} for key in ("prepare", "preheat")]
        return body

    dice = Random(7)
    noise = (dice.randbytes(5_000).hex() for _ in count())
    draft = admin.post("/api/processes/", wordy(noise), 201)
    path = f"/api/processes/{draft['id']}/"
    (problem,) = admin.post(f"{path}validate/")["problems"]
    assert (problem["code"], problem["path"]) == ("process_too_large", "")
    for act in ("submit", "approve"):
        assert admin.post(f"{path}{act}/", {}, 422)["problems"] == [problem]
    admin.patch(path, {"graph": wordy(repeat("Hold it with both hands. " * 400))["graph"]})
    assert admin.post(f"{path}validate/") == {"valid": True, "problems": []}


def test_lists_are_narrowed_down_and_paged(admin: Caller) -> None:
    mark = uuid4().hex
    made = [admin.post("/api/processes/", {**process_body(), "name": f"{mark} {n}"}, 201) for n in range(3)]
    first = admin.get("/api/processes/", q=mark, limit=2)
    second = admin.get("/api/processes/", q=mark, limit=2, cursor=first["next_cursor"])
    assert [one["id"] for one in first["items"] + second["items"]] == [one["id"] for one in reversed(made)]
    assert admin.get("/api/processes/", q=mark, status="approved")["items"] == []


def _telling(url: str) -> Json:
    action = {"type": "webhook", "url": url}
    return {"key": "tell", "name": "Tell", "step_type": "automatic", "config": {"action": action}}


def _with(*requirements: tuple[str, Json]) -> Json:
    body = process_body()
    body["graph"]["steps"][0]["requirements"] = [
        {"key": f"r{number}", "requirement_type": kind, "name": f"R{number}", "config": config}
        for number, (kind, config) in enumerate(requirements)
    ]
    return body


def _configs(graph: Json) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for step in graph["steps"]:
        for one in step.get("requirements", []):
            found.setdefault(one["requirement_type"], []).append(one["config"])
    return found
