"""Quality reports over HTTP: added, found, never changed; decisions that look at measurements and expressions."""

from uuid import uuid4

from tests.api.caller import AuditReader, Caller, new_subject, process_body


def test_a_report_is_added_found_and_audited(
    quality: Caller, operator: Caller, foreigner: Caller, audit: AuditReader
) -> None:
    subject = quality.post("/api/subjects/", new_subject(), 201)
    body = {"subject": subject["id"], "status": "fail", "description": "burr on edge 3"}
    made = operator.post("/api/quality-reports/", body, 201)
    assert (made["status"], made["subject"]["identifier"]) == ("fail", subject["identifier"])
    assert operator.get(f"/api/quality-reports/{made['id']}/") == made
    later = quality.post("/api/quality-reports/", {**body, "status": "pass"}, 201)
    assert operator.items("/api/quality-reports/", subject=subject["id"]) == [later, made]
    assert operator.items("/api/quality-reports/", subject=subject["id"], limit=1) == [later, made]
    assert operator.items("/api/quality-reports/", subject=subject["id"], status="fail") == [made]
    entry = audit("quality.reported", operator.id)
    assert entry["new"]["status"] == "fail"
    assert foreigner.get(f"/api/quality-reports/{made['id']}/", 404)["code"] == "not_found"
    assert foreigner.post("/api/quality-reports/", body, 404)["code"] == "not_found"


def test_a_report_names_a_subject_and_an_execution_of_it(quality: Caller) -> None:
    subject = quality.post("/api/subjects/", new_subject(), 201)
    body = {"subject": str(uuid4()), "status": "pass"}
    assert quality.post("/api/quality-reports/", body, 404)["code"] == "not_found"
    elsewhere = {"subject": subject["id"], "execution": str(uuid4()), "status": "pass"}
    assert quality.post("/api/quality-reports/", elsewhere, 404)["code"] == "execution_unknown"
    unsaid = {"subject": subject["id"], "status": "perhaps"}
    assert quality.post("/api/quality-reports/", unsaid, 422)["code"] == "request_invalid"


def test_expressions_are_checked_where_they_stand_and_measured_characteristics_are_resolved(quality: Caller) -> None:
    key = f"bore-{uuid4().hex[:6]}"
    definition = quality.post("/api/measurement-definitions/", {"key": key, "name": "Bore", "unit": "mm"}, 201)
    graph = {
        "steps": [
            {"key": "sort", "name": "Sort", "is_decision_point": True, "decision_type": "expression"},
            {"key": "gauge", "name": "Gauge", "is_decision_point": True, "decision_type": "measurement"},
            {"key": "wait", "name": "Wait", "step_type": "timer", "config": {"timer": {"until": "context."}}},
            {"key": "x", "name": "X", "is_terminal": True},
        ],
        "edges": [
            {"from_step": "sort", "to_step": "gauge", "condition": "subject.attributes.size >"},
            {"from_step": "sort", "to_step": "wait"},
            {"from_step": "gauge", "to_step": "x",
             "config": {"measurement_definition": key, "operator": "gte", "value": "12.5"}},
            {"from_step": "gauge", "to_step": "wait"},
            {"from_step": "wait", "to_step": "x"},
        ],
    }  # fmt: skip
    process = quality.post("/api/processes/", {**process_body(), "graph": graph}, 201)
    assert process["graph"]["edges"][2]["config"]["measurement_definition_id"] == definition["id"]
    found = quality.post(f"/api/processes/{process['id']}/validate/")
    assert {(one["code"], one["path"]) for one in found["problems"]} == {
        ("expression_invalid", "edges[0].condition"),
        ("expression_invalid", "steps[2].config.timer.until"),
    }
