"""Every gate in full, over HTTP: approvals, checklists, forms, measurements, checks, documents, amendments."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.e2e.people import Person, new_person
from tests.e2e.walk import start

Json = dict[str, Any]


def gate(key: str, kind: str, /, **config: Any) -> Json:
    """A requirement's JSON."""
    own: Json = {name: config.pop(name) for name in ("is_mandatory", "order") if name in config}
    return {"key": key, "requirement_type": kind, "name": key.title(), "config": config, **own}


def begin(admin: Person, *gates: Json, subject: str = "Part", **fields: Any) -> Json:
    """An approved process with these gates at its one step, and an instance of it."""
    graph = {
        "steps": [
            {"key": "work", "name": "Work", "requirements": list(gates), **fields},
            {"key": "end", "name": "End", "is_terminal": True},
        ],
        "edges": [],
    }
    body = {"name": f"Gates {uuid4().hex[:6]}", "category": "manufacturing", "subject_type": subject, "graph": graph}
    draft = admin.post("/api/processes/", body, expect=201)
    return start(admin, admin.post(f"/api/processes/{draft['id']}/approve/"), subject, "P")


def at_work(person: Person, workflow: Json) -> tuple[str, dict[str, Json]]:
    """The open execution and its requirements by key."""
    execution = person.open_execution(workflow["id"])["id"]
    return execution, {one["key"]: one for one in person.requirements(execution)}


def give(person: Person, execution: str, requirement: Json, evidence: Json, expect: int = 200) -> Json:
    """Evidence for one requirement."""
    path = f"/api/executions/{execution}/requirements/{requirement['id']}/complete/"
    answer: Json = person.post(path, {"evidence": evidence}, expect=expect)
    return answer


def eventually(holds: Callable[[], Any]) -> None:
    """Wait for what the workers do by themselves; nobody tells."""
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.2)


def audited(person: Person, workflow: Json) -> list[str]:
    """The actions in the instance's audit trail."""
    return [one["action"] for one in person.items(f"/api/workflows/{workflow['id']}/audit/")]


def test_an_approval_is_delegated_recalled_requested_again_and_reminded(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    template = admin.post(
        "/api/approval-templates/",
        {"name": f"Gate {uuid4().hex[:6]}", "due_in": "PT2S", "escalate_to": {"roles": ["admin"]},
         "allow_delegation": True, "stages": [{"mode": "any", "users": [quality_manager.username]}]},
        expect=201,
    )  # fmt: skip
    workflow = begin(admin, gate("ok", "approval", template_id=template["id"]))
    execution, at = at_work(engineer, workflow)
    request = at["ok"]["approval"]["id"]
    admin.patch(f"/api/approval-templates/{template['id']}/", {"stages": [{"roles": ["auditor"]}]})
    engineer.post(f"/api/approvals/{request}/recall/", {"reason": "wrong drawing attached"})
    again = engineer.post(f"/api/approvals/{request}/re-request/", {"comment": "corrected"}, expect=201)
    assert again["round"] == 2
    assert again["stages"][0]["users"] == [quality_manager.username], "the approved version keeps its stages"
    with new_person(admin, "approver") as deputy:
        body = {"to": deputy.username, "reason": "on leave until Monday"}
        refused = engineer.post(f"/api/approvals/{again['id']}/delegate/", body, expect=403)
        assert refused["code"] == "not_an_approver"
        quality_manager.post(f"/api/approvals/{again['id']}/delegate/", body)
        assert [one["id"] for one in deputy.items("/api/my-tasks/", kind="approval")] == [again["id"]]
        eventually(lambda: engineer.get(f"/api/approvals/{again['id']}/")["overdue_at"])
        done = deputy.post(f"/api/approvals/{again['id']}/reject/", {"comment": "burr on the edge"})
        assert done["responses"][0]["delegated_from"]["username"] == quality_manager.username
        blocked = engineer.post(f"/api/executions/{execution}/complete/", expect=409)
        assert blocked["unmet"][0]["reason"] == "the approval was rejected; correct the work, then request it again"
        third = engineer.post(f"/api/approvals/{again['id']}/re-request/", {"comment": "deburred"}, expect=201)
        refused = quality_manager.post(f"/api/approvals/{third['id']}/approve/", expect=409)
        assert (refused["code"], refused["delegate"]) == ("approval_delegated", deputy.username)
        deputy.post(f"/api/approvals/{third['id']}/approve/")
    assert engineer.post(f"/api/executions/{execution}/complete/")["outcome"] == "completed"
    assert {
        "approval.recalled",
        "approval.delegated",
        "approval.delegation_kept",
        "approval.overdue",
        "approval.rejected",
        "approval.approved",
    } <= {*audited(admin, workflow)}


def test_a_rejected_approval_takes_the_work_back_and_the_audit_trail_says_why(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    config = {"roles": ["quality_manager"], "on_reject": {"back_to": "make"}}
    graph = {
        "steps": [
            {"key": "make", "name": "Make", "max_visits": 2},
            {"key": "check", "name": "Check", "requirements": [gate("ok", "approval", **config)]},
            {"key": "end", "name": "End", "is_terminal": True},
        ],
        "edges": [],
    }
    body = {"name": f"Back {uuid4().hex[:6]}", "category": "manufacturing", "subject_type": "Part", "graph": graph}
    draft = admin.post("/api/processes/", body, expect=201)
    workflow = start(admin, admin.post(f"/api/processes/{draft['id']}/approve/"), "Part", "P")

    def made_and_rejected(comment: str) -> str:
        engineer.post(f"/api/executions/{engineer.open_execution(workflow['id'])['id']}/complete/")
        execution, at = at_work(engineer, workflow)
        quality_manager.post(f"/api/approvals/{at['ok']['approval']['id']}/reject/", {"comment": comment})
        return execution

    rejected = made_and_rejected("porous")
    eventually(lambda: engineer.open_execution(workflow["id"])["step"]["key"] == "make")
    again = engineer.open_execution(workflow["id"])
    assert (again["visit_number"], again["status"]) == (2, "pending")
    left = engineer.get(f"/api/executions/{rejected}/")
    assert (left["status"], left["next_step"]["key"]) == ("cancelled", "make")
    [entry] = [
        one for one in admin.items(f"/api/workflows/{workflow['id']}/audit/") if one["action"] == "execution_diverted"
    ]
    assert (entry["reason"], entry["new"]["how"]) == (
        f"approval rejected by {quality_manager.username}: porous", "reject",
    )  # fmt: skip

    stuck = made_and_rejected("still porous")
    eventually(lambda: admin.items("/api/incidents/", workflow=workflow["id"], state="open"))
    [incident] = admin.items("/api/incidents/", workflow=workflow["id"], state="open")
    assert (incident["code"], incident["execution"]) == ("visit_limit_reached", stuck)


def test_a_checklist_takes_values_photos_and_reasons(admin: Person, engineer: Person) -> None:
    items = [
        {"label": "Pressure", "value": {"type": "number", "minimum": 2, "maximum": 6, "unit": "bar"}},
        {"label": "Weld", "needs_photo": True},
        {"label": "Colour", "value": {"type": "choice", "choices": ["red", "green"]}},
        {"label": "Lid", "allow_not_applicable": False},
    ]
    workflow = begin(admin, gate("checks", "checklist", items=items))
    execution, at = at_work(engineer, workflow)
    bad = give(engineer, execution, at["checks"], {"checked_items": [{"item": "Pressure", "value": 8}]}, expect=422)
    assert bad["errors"][0] == {"pointer": "/checked_items/0/value", "message": "'Pressure' takes at most 6 bar."}
    document_type = admin.post("/api/document-types/", {"name": f"Photo {uuid4().hex[:6]}"}, expect=201)
    photo = engineer.upload(document_type["id"], release=False)
    ticks = [{"item": 0, "value": 4.5}, {"item": "Weld", "photo": photo}, {"item": 2, "not_applicable": "not painted"}]
    half = give(engineer, execution, at["checks"], {"checked_items": ticks})
    assert half["reason"] == "3 of 4 items done; open: Lid"
    refused = {"checked_items": [{"item": "Lid", "not_applicable": "no lid"}]}
    assert give(engineer, execution, at["checks"], refused, expect=422)["code"] == "evidence_invalid"
    assert give(engineer, execution, at["checks"], {"checked_items": ["Lid", "Lid", 3]})["satisfied"]
    assert engineer.post(f"/api/executions/{execution}/complete/")["outcome"] == "completed"
    assert audited(admin, workflow).count("evidence.given") == 2


def test_each_save_of_a_form_is_a_revision_and_conditional_fields_bind(admin: Person, engineer: Person) -> None:
    schema = {
        "type": "object",
        "properties": {"result": {"enum": ["ok", "nok"]}, "defect": {"type": "string"}},
        "required": ["result"],
        "additionalProperties": False,
        "if": {"properties": {"result": {"const": "nok"}}},
        "then": {"required": ["defect"]},
    }
    broken = {**schema, "then": {"required": ["cause"]}}
    graph = {
        "steps": [{"key": "one", "name": "One", "requirements": [gate("form", "form", schema=broken)]}],
        "edges": [],
    }
    body = {"name": f"Form {uuid4().hex[:6]}", "category": "quality", "subject_type": "Part", "graph": graph}
    draft = admin.post("/api/processes/", body, expect=201)
    [problem] = admin.post(f"/api/processes/{draft['id']}/validate/")["problems"]
    assert problem["path"] == "steps[0].requirements[0].config.schema.then.required"
    workflow = begin(admin, gate("form", "form", schema=schema))
    execution, at = at_work(engineer, workflow)
    refused = give(engineer, execution, at["form"], {"submitted_data": {"result": "nok"}}, expect=422)
    assert refused["errors"][0]["pointer"] == "/submitted_data/defect"
    for data in ({"result": "nok", "defect": "pore"}, {"result": "ok"}, {"result": "ok"}):
        give(engineer, execution, at["form"], {"submitted_data": data})
    path = f"/api/executions/{execution}/requirements/{at['form']['id']}/revisions/"
    saved = engineer.items(path, limit=1)
    assert [one["evidence"]["submitted_data"]["result"] for one in saved] == ["nok", "ok"]
    assert [(one["revision"], one["given_by"]["username"]) for one in saved] == [
        (1, engineer.username), (2, engineer.username),
    ]  # fmt: skip


def test_measurements_convert_units_check_gauges_and_are_dispositioned(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    due = {"CAL-OK": "2999-01-01", "CAL-OLD": "2020-01-01"}
    names = {name: f"{name}-{uuid4().hex[:6]}" for name in due}
    for name, day in due.items():
        gauge = {"subject_type": "Equipment", "identifier": names[name], "attributes": {"calibration_due": day}}
        admin.post("/api/subjects/", gauge, expect=201)
    bore = {"name": f"Bore {uuid4().hex[:6]}", "unit": "mm", "nominal": "12", "upper_tol": "0.018", "lower_tol": "0",
            "lower_limit": "11.9", "gauge_required": True}  # fmt: skip
    workflow = begin(admin, gate("bore", "measurement", measurement_definition=bore, samples=2))
    execution, at = at_work(engineer, workflow)
    definition = at["bore"]["definition"]
    admin.patch(f"/api/measurement-definitions/{definition['id']}/", {"upper_tol": "9"})

    def read(value: str, unit: str, gauge: str, expect: int = 200) -> Json:
        values = [{"value": value, "unit": unit, "gauge": names[gauge]}]
        return give(engineer, execution, at["bore"], {"values": values}, expect)

    assert read("12.01", "mm", "CAL-OLD", expect=409)["code"] == "gauge_overdue"
    assert read("12.01", "kg", "CAL-OK", expect=422)["errors"][0]["pointer"] == "/values/0/unit"
    first = read("0.4725", "in", "CAL-OK")["evidence"]["values"][0]
    assert (first["value"], first["unit"], first["given_value"], first["given_unit"]) == (
        "12.0015",
        "mm",
        "0.4725",
        "in",
    )
    assert (first["in_tolerance"], first["calibration_due"]) == (True, "2999-01-01")
    out = read("12.5", "mm", "CAL-OK")
    assert "out of tolerance" in out["reason"], "the approved version keeps its limits"
    ids = [one["id"] for one in out["evidence"]["values"] if not one["in_tolerance"]]
    said = {"measurement_ids": ids, "decision": "rework", "reason": "Hone the bore once more."}
    assert give(engineer, execution, at["bore"], {"disposition": said}, expect=403)["code"] == "forbidden"
    again = give(quality_manager, execution, at["bore"], {"disposition": said})
    assert again["reason"] == "1 of 2 values measured; 12.5 mm to be reworked and measured again"
    assert read("12.011", "mm", "CAL-OK")["satisfied"]
    assert engineer.post(f"/api/executions/{execution}/complete/")["outcome"] == "completed"


def test_a_document_goes_from_draft_to_obsolete_and_its_gate_follows(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    kind = admin.post("/api/document-types/", {"name": f"SOP {uuid4().hex[:6]}"}, expect=201)
    number = f"SOP-{uuid4().hex[:8]}"

    def upload(revision: str) -> str:
        fields = {"document_type_id": kind["id"], "number": number, "revision": revision}
        files = {"file": ("sop.txt", f"do it {revision}".encode(), "text/plain")}
        answer = engineer.http.post("/api/documents/", files=files, data=fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def state(document: str) -> str:
        return str(engineer.get(f"/api/documents/{document}/")["state"])

    old, new = upload("A"), upload("B")
    workflow = begin(admin, gate("file", "document", document_type_id=kind["id"]))
    execution, at = at_work(engineer, workflow)
    give(engineer, execution, at["file"], {"document_ids": [old]})
    assert engineer.post(f"/api/documents/{old}/submit/")["state"] == "in_review"
    assert engineer.post(f"/api/documents/{old}/release/", expect=403)["code"] == "forbidden"
    quality_manager.post(f"/api/documents/{old}/return/", {"reason": "page 3 is missing"})
    engineer.post(f"/api/documents/{old}/submit/")
    assert quality_manager.post(f"/api/documents/{old}/release/")["state"] == "released"
    assert quality_manager.post(f"/api/documents/{old}/effective/")["state"] == "effective"
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    waiting = quality_manager.post(f"/api/documents/{new}/release/", {"effective_at": soon})
    assert (waiting["state"], state(old)) == ("released", "effective")
    eventually(lambda: state(new) == "effective")
    assert state(old) == "obsolete"
    blocked = engineer.post(f"/api/executions/{execution}/complete/", expect=409)
    assert blocked["unmet"][0]["reason"] == "0 of 1 documents in force (1 obsolete)"
    assert give(engineer, execution, at["file"], {"document_ids": [new]})["satisfied"]
    assert engineer.post(f"/api/executions/{execution}/complete/")["outcome"] == "completed"


def test_a_check_without_a_site_that_answers_is_told_and_can_be_run_again(admin: Person, engineer: Person) -> None:
    check = {"check": "leak_test", "timeout": "PT2S", "retries": 0}
    workflow = begin(
        admin, gate("away", "custom", **check, queue="site-nowhere", wait="PT0.5S"), gate("here", "custom", **check)
    )
    execution, at = at_work(engineer, workflow)
    for key in ("away", "here"):
        assert give(engineer, execution, at[key], {})["reason"] == "the check 'leak_test' is running"

    def reasons() -> list[str]:
        return [str(one["reason"]) for one in engineer.requirements(execution)]

    eventually(lambda: not any("is running" in one for one in reasons()))
    away, here = reasons()
    assert "no worker of site-nowhere took it within 0.5 s; run it again" in away
    assert "has no check 'leak_test'" in here
    assert "is running" in give(engineer, execution, at["here"], {})["reason"]
    both = gate("both", "custom", check="leak_test", expression="true")
    graph = {"steps": [{"key": "one", "name": "One", "requirements": [both]}], "edges": []}
    body = {"name": f"Both {uuid4().hex[:6]}", "category": "quality", "subject_type": "Part", "graph": graph}
    draft = admin.post("/api/processes/", body, expect=201)
    assert admin.post(f"/api/processes/{draft['id']}/validate/")["problems"][0]["code"] == "config_invalid"


def test_optional_gates_never_block_and_order_binds_where_the_step_says_so(admin: Person, engineer: Person) -> None:
    gates = [
        gate("nice", "form", schema={"type": "object"}, is_mandatory=False, order=1),
        gate("first", "checklist", items=["Clean"], order=2),
        gate("second", "checklist", items=["Deburred"], order=3),
    ]
    workflow = begin(admin, *gates, ordered=True)
    execution, at = at_work(engineer, workflow)
    refused = give(engineer, execution, at["second"], {"checked_items": [0]}, expect=409)
    assert (refused["code"], refused["before"]) == ("requirement_out_of_order", "First")
    for key in ("first", "second"):
        give(engineer, execution, at[key], {"checked_items": [0]})
    assert engineer.post(f"/api/executions/{execution}/complete/")["outcome"] == "completed"


def test_evidence_of_completed_work_is_amended_with_a_reason_and_an_incident(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begin(admin, gate("form", "form", schema={"type": "object"}), gate("sign", "signature"))
    execution, at = at_work(engineer, workflow)
    give(engineer, execution, at["form"], {"submitted_data": {"lot": "A1"}})
    give(engineer, execution, at["sign"], {"password": engineer.password, "meaning": "performed"})
    path = f"/api/executions/{execution}/requirements/{at['form']['id']}/amend/"
    amendment = {"evidence": {"submitted_data": {"lot": "A7"}}, "reason": "The lot number was misread."}
    assert quality_manager.post(path, amendment, expect=409)["code"] == "not_amendable"
    assert engineer.post(f"/api/executions/{execution}/complete/")["outcome"] == "completed"
    assert engineer.post(path, amendment, expect=403)["code"] == "forbidden"
    assert quality_manager.post(path, amendment)["evidence"] == {"submitted_data": {"lot": "A7"}}
    revisions = engineer.items(path.replace("/amend/", "/revisions/"))
    assert [(one["action"], one["reason"]) for one in revisions] == [
        ("given", ""), ("amended", "The lot number was misread."),
    ]  # fmt: skip
    by_key = {one["key"]: one for one in engineer.requirements(execution)}
    assert by_key["sign"]["reason"] == "0 of 1 signatures"
    [incident] = engineer.items("/api/incidents/", workflow=workflow["id"])
    assert (incident["code"], incident["resolved_at"]) == ("evidence_amended", None)
    incident_at = f"/api/incidents/{incident['id']}"
    shown = quality_manager.get(f"{incident_at}/")
    assert (shown["can_retry"], shown["history"][0]["action"]) == (False, "evidence.amended")
    assert quality_manager.post(f"{incident_at}/retry/", expect=409)["code"] == "nothing_stopped"
    note = {"note": "Both lots were checked again."}
    assert engineer.post(f"{incident_at}/resolve/", note, expect=403)["permission"] == "ops.incident_resolve"
    resolved = quality_manager.post(f"{incident_at}/resolve/", note)
    assert (resolved["outcome"], resolved["execution"]["id"]) == ("resolved", execution)
    assert quality_manager.post(f"{incident_at}/resolve/", note, expect=409)["code"] == "incident_closed"
    [incident] = engineer.items("/api/incidents/", workflow=workflow["id"])
    assert incident["resolution"] == "Both lots were checked again."
    assert {"evidence.amended", "signature.voided", "incident.resolved"} <= {*audited(admin, workflow)}
