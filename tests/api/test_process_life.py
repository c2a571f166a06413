"""The life of a process version over HTTP: review, approval by another person, effective dates, the next version."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.caller import PASSWORD, AuditReader, Caller, Json, hired, new_subject, process_body

WHY = "Torque check after the tool change."


def path(process: Json, action: str = "") -> str:
    return f"/api/processes/{process['id']}/" + (f"{action}/" if action else "")


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
def colleague(admin: Caller) -> Caller:
    """Another quality manager than `quality`."""
    return hired(admin, "quality_manager")


def renamed(author: Caller, process: Json, **more: Any) -> Json:
    """Its next version, with another name; still a draft."""
    draft = author.post(path(process, "new-version"), {"note": WHY, **more}, 201)
    changed: Json = author.patch(path(draft), {"name": "Inspection, sharper"})
    return changed


def test_a_version_in_review_is_frozen_until_it_is_decided_about(engineer: Caller, quality: Caller) -> None:
    draft = engineer.post("/api/processes/", process_body(), 201)
    submitted = engineer.post(path(draft, "submit"), {"revision": draft["revision"], "note": "please"})
    assert (submitted["status"], submitted["submitted_by"]) == ("in_review", engineer.id)
    assert engineer.patch(path(draft), {"name": "x"}, 409)["code"] == "process_not_draft"
    assert engineer.post(path(draft, "submit"), {}, 409)["code"] == "process_not_draft"
    assert engineer.post(path(draft, "withdraw"))["status"] == "draft"
    assert engineer.post(path(draft, "withdraw"), {}, 409)["code"] == "process_not_in_review"
    engineer.post(path(draft, "submit"))
    assert engineer.post(path(draft, "reject"), {"reason": "x" * 10}, 403)["permission"] == "process.approve"
    assert quality.post(path(draft, "reject"), {"reason": "no"}, 422)["code"] == "reason_required"
    assert quality.post(path(draft, "reject"), {"reason": "Limits are missing"})["status"] == "draft"
    engineer.patch(path(draft), {"name": "Better"})
    engineer.post(path(draft, "submit"))
    approved = quality.post(path(draft, "approve"))
    assert (approved["status"], approved["approved_by"], approved["version"]) == ("approved", quality.id, "1.0")
    assert approved["effective_from"] == approved["approved_at"]


def test_the_life_of_a_version_is_in_its_audit_trail(engineer: Caller, quality: Caller, auditor: Caller) -> None:
    first = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    draft = renamed(engineer, first)
    engineer.post(path(draft, "submit"))
    quality.post(path(draft, "reject"), {"reason": "Limits are missing"})
    engineer.post(path(draft, "submit"), {"note": "with limits"})
    quality.post(path(draft, "approve"))
    told = auditor.items(path(draft, "audit"), limit=2)
    assert [(one["action"], one["reason"]) for one in told] == [
        ("process.version_created", WHY), ("process.changed", ""), ("process.submitted", ""),
        ("process.rejected", "Limits are missing"), ("process.submitted", "with limits"), ("process.approved", ""),
    ]  # fmt: skip
    assert auditor.items(path(first, "audit"))[-1]["action"] == "process.deprecated"
    assert engineer.get(path(draft, "audit"), 403)["permission"] == "audit.read"


def test_what_has_problems_is_not_submitted(engineer: Caller) -> None:
    draft = engineer.post("/api/processes/", {**process_body(), "graph": {"steps": [], "edges": []}}, 201)
    refused = engineer.post(path(draft, "submit"), {}, 422)
    assert (refused["code"], refused["problems"][0]["code"]) == ("process_invalid", "steps_missing")
    assert engineer.post(path(draft, "submit"), {"revision": 7}, 422)["code"] == "process_invalid"
    engineer.patch(path(draft), {"graph": process_body()["graph"]})
    assert engineer.post(path(draft, "submit"), {"revision": 1}, 409)["code"] == "revision_conflict"


def test_nobody_approves_what_they_wrote_or_submitted(quality: Caller, colleague: Caller, engineer: Caller) -> None:
    draft = quality.post("/api/processes/", process_body(), 201)
    assert quality.post(path(draft, "approve"), {"reason": WHY}, 403)["code"] == "process_self_approval"
    engineer.patch(path(draft), {"name": "A comma"})
    assert quality.post(path(draft, "approve"), {"reason": WHY}, 403)["code"] == "process_self_approval"
    colleague.post(path(draft, "submit"))
    assert colleague.post(path(draft, "approve"), {"reason": WHY}, 403)["code"] == "process_self_approval"


def test_the_exception_is_a_permission_and_needs_a_reason(admin: Caller, audit: AuditReader) -> None:
    draft = admin.post("/api/processes/", process_body(), 201)
    admin.post(path(draft, "submit"))
    assert admin.post(path(draft, "approve"), {}, 422)["code"] == "reason_required"
    admin.post(path(draft, "approve"), {"reason": "The only administrator of this site."})
    entry = audit("process.approved", admin.id)
    assert entry["new"]["self_approval"] is True
    assert entry["reason"] == "The only administrator of this site."
    next_one = admin.post(path(draft, "new-version"), {"note": WHY}, 201)
    assert admin.post(path(next_one, "approve"), {}, 422)["code"] == "reason_required"


def test_an_approval_may_be_signed(engineer: Caller, quality: Caller, audit: AuditReader) -> None:
    draft = engineer.post("/api/processes/", process_body(), 201)
    wrong = quality.post(path(draft, "approve"), {"password": "not mine"}, 403)
    assert wrong["code"] == "reauthentication_failed"
    assert engineer.get(path(draft))["status"] == "draft"
    quality.post(path(draft, "approve"), {"password": PASSWORD})
    assert audit("process.approved", quality.id)["new"]["signed"] is True


def test_the_next_version_replaces_the_one_before(engineer: Caller, quality: Caller) -> None:
    first = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    running = engineer.workflow(first)
    draft = renamed(engineer, first)
    assert (draft["version"], draft["version_no"], draft["based_on"]) == ("1.1", 2, first["id"])
    assert (draft["change_note"], draft["status"], draft["graph"]) == (WHY, "draft", first["graph"])
    taken = engineer.post(path(first, "new-version"), {"level": "major", "note": WHY}, 409)
    assert (taken["code"], taken["version"], taken["process"]) == ("draft_exists", "1.1", draft["id"])
    assert _started(engineer, first)["process"]["version"] == "1.0"
    second = quality.post(path(draft, "approve"))
    assert engineer.get(path(first))["status"] == "deprecated"
    assert _started(engineer, first)["process"]["version"] == "1.1"
    assert engineer.get(f"/api/workflows/{running['id']}/")["process"]["version"] == "1.0"
    body = {"process": first["id"], "subjects": [new_subject()]}
    assert engineer.post("/api/workflows/", body, 409)["code"] == "process_not_approved"
    third = renamed(engineer, second, level="major")
    assert third["version"] == "2.0"
    engineer.post(path(third, "retire"), {"reason": "Nobody needs it."})
    assert renamed(engineer, first)["version"] == "1.2"
    versions = engineer.get("/api/processes/", key=first["key"])["items"]
    assert [(one["version"], one["status"]) for one in versions] == [
        ("1.2", "draft"), ("2.0", "retired"), ("1.1", "approved"), ("1.0", "deprecated")
    ]  # fmt: skip
    assert [
        one["version"] for one in engineer.get("/api/processes/", key=first["key"], status="approved")["items"]
    ] == ["1.1"]


def test_a_version_takes_effect_on_its_day(engineer: Caller, quality: Caller) -> None:
    first = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    draft = renamed(engineer, first)
    for dates in ({"effective_from": in_days(-1)}, {"effective_from": in_days(2), "effective_until": in_days(1)}):
        assert quality.post(path(draft, "approve"), dates, 422)["code"] == "effective_dates_invalid"
    assert (
        quality.post(path(draft, "approve"), {"effective_from": "2031-01-01T00:00:00"}, 422)["code"]
        == "request_invalid"
    )
    second = quality.post(path(draft, "approve"), {"effective_from": in_days(1), "effective_until": in_days(9)})
    assert engineer.get(path(first))["status"] == "approved"
    assert _started(engineer, first)["process"]["version"] == "1.0"
    early = engineer.post("/api/workflows/", {"process": second["id"], "subjects": [new_subject()]}, 409)
    assert (early["code"], early["effective_from"][:10]) == ("process_not_effective", second["effective_from"][:10])


def test_a_process_of_which_nothing_is_in_force_yet_says_so(engineer: Caller, quality: Caller) -> None:
    draft = engineer.post("/api/processes/", process_body(), 201)
    quality.post(path(draft, "approve"), {"effective_from": in_days(1)})
    refused = engineer.post("/api/workflows/", {"process_key": draft["key"], "subjects": [new_subject()]}, 409)
    assert refused["code"] == "process_not_effective"


def test_what_is_retired_starts_nothing_and_what_is_used_is_not_retired(engineer: Caller, quality: Caller) -> None:
    child = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    body = process_body()
    body["graph"]["steps"][0]["requirements"] = [
        {"key": "sub", "requirement_type": "child_workflow", "name": "Sub", "config": {"process_id": child["id"]}}
    ]
    parent = quality.post(path(engineer.post("/api/processes/", body, 201), "approve"))
    refused = quality.post(path(child, "retire"), {"reason": "No longer made here."}, 409)
    assert (refused["code"], refused["parents"]) == ("process_in_use", ["Inspection 1.0"])
    assert engineer.post(path(parent, "retire"), {"reason": "No longer made here."}, 403)["code"] == "forbidden"
    assert quality.post(path(parent, "retire"), {"reason": "no"}, 422)["code"] == "reason_required"
    assert quality.post(path(parent, "retire"), {"reason": "No longer made here."})["status"] == "retired"
    again = quality.post(path(parent, "retire"), {"reason": "No longer made here."}, 409)
    assert again["code"] == "process_retired"
    start = {"process_key": parent["key"], "subjects": [new_subject()]}
    assert engineer.post("/api/workflows/", start, 409)["code"] == "process_not_approved"
    assert quality.post(path(child, "retire"), {"reason": "No longer made here."})["status"] == "retired"


def test_a_version_is_made_only_of_an_approved_one(engineer: Caller) -> None:
    draft = engineer.post("/api/processes/", process_body(), 201)
    assert engineer.post(path(draft, "new-version"), {"note": WHY}, 409)["code"] == "version_not_approved"
    assert engineer.post(path(draft, "new-version"), {"note": ""}, 422)["code"] == "request_invalid"


def test_reviewers_see_what_a_version_changes(engineer: Caller, quality: Caller, auditor: Caller) -> None:
    first = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    draft = renamed(engineer, first)
    assert auditor.get(path(draft, "diff"))["same"] is True
    graph = draft["graph"]
    graph["steps"][0]["requirements"][0]["config"]["items"].append("Torque")
    graph["steps"][0]["max_visits"] = 2
    engineer.patch(path(draft), {"graph": graph})
    found = auditor.get(path(draft, "diff"))
    assert (found["against"]["version"], found["same"]) == ("1.0", False)
    assert [(one["what"], one["change"], one["key"]) for one in found["items"]] == [
        ("step", "changed", "inspect"),
        ("requirement", "changed", "inspect/record"),
    ]
    config = found["items"][1]["fields"]["config"]
    assert (len(config["before"]["items"]), len(config["after"]["items"])) == (2, 3)
    assert found["items"][0]["fields"] == {"max_visits": {"before": None, "after": 2}}
    back = auditor.get(path(first, "diff"), against=draft["id"])
    assert back["items"][0]["fields"] == {"max_visits": {"before": 2, "after": None}}
    assert auditor.get(path(first, "diff"))["against"] is None


def _started(caller: Caller, process: Json) -> Json:
    body = {"process_key": process["key"], "subjects": [new_subject()]}
    started: Json = caller.post("/api/workflows/", body, 201)
    return started


def test_a_migration_is_between_versions_of_one_process(engineer: Caller, quality: Caller) -> None:
    first = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    other = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    draft = renamed(engineer, first)
    asked = {"from_process": first["id"]}
    assert quality.post(path(draft, "migrations"), asked, 409)["code"] == "process_not_approved"
    assert quality.post(path(other, "migrations"), asked, 409)["code"] == "migration_other_process"
    assert quality.post(path(first, "migrations"), asked, 409)["code"] == "migration_other_process"
    assert engineer.post(path(draft, "migrations"), asked, 403)["permission"] == "instance.migrate"
    coming = quality.post(path(draft, "approve"), {"effective_from": in_days(1)})
    assert quality.post(path(coming, "migrations"), asked, 409)["code"] == "process_not_effective"


def test_a_mapping_names_steps_that_there_are(engineer: Caller, quality: Caller) -> None:
    first = quality.post(path(engineer.post("/api/processes/", process_body(), 201), "approve"))
    second = quality.post(path(renamed(engineer, first), "approve"))
    for steps, step, version in (({"nowhere": "stock"}, "nowhere", "1.0"), ({"inspect": "nowhere"}, "nowhere", "1.1")):
        asked = {"from_process": first["id"], "mapping": {"steps": steps}}
        refused = quality.post(path(second, "migrations"), asked, 422)
        assert (refused["code"], refused["step"], refused["version"]) == ("migration_step_unknown", step, version)
    unknown = {"from_process": first["id"], "instances": [first["id"]]}
    assert quality.post(path(second, "migrations"), unknown, 404)["code"] == "not_found"
    short = {"from_process": first["id"], "dry_run": False, "reason": "because"}
    assert quality.post(path(second, "migrations"), short, 422)["code"] == "reason_required"
    nobody = quality.post(path(second, "migrations"), {**short, "reason": WHY})
    assert nobody == {"dry_run": False, "items": [], "more": False}
    plan = quality.post(
        path(second, "migrations"), {"from_process": first["id"], "mapping": {"steps": {"stock": None}}}
    )
    assert [(one["step"], one["outcome"], one["kept"]) for one in plan["steps"]] == [
        ("inspect", "stays", ["record"]), ("stock", "lost", [])
    ]  # fmt: skip
    assert (plan["possible"], plan["items"]) == (True, [])
