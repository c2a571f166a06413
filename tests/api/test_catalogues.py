"""Document types, approval templates, measurement definitions over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.caller import AuditReader, Caller

STAGES = [{"name": "Quality", "mode": "any", "roles": ["quality_manager"]}]
BODIES: dict[str, dict[str, Any]] = {
    "document-types": {"name": "Report"},
    "approval-templates": {"name": "Gate", "stages": STAGES, "due_in": "P5D"},
    "measurement-definitions": {
        "name": "Bore", "unit": "mm", "nominal": "12.000", "upper_tol": "0.018", "lower_tol": 0, "sample_size": 3,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BODIES))
def test_entries_are_added_listed_renamed_and_audited(
    name: str, quality: Caller, operator: Caller, audit: AuditReader
) -> None:
    key = f"k-{uuid4().hex[:8]}"
    made = quality.post(f"/api/{name}/", {"key": key, **BODIES[name]}, 201)
    assert made["key"] == key
    assert made in operator.items(f"/api/{name}/", limit=1)
    assert operator.items(f"/api/{name}/", q=key) == [made]
    path = f"/api/{name}/{made['id']}/"
    assert operator.get(path) == made
    assert quality.post(f"/api/{name}/", {"key": key, **BODIES[name]}, 409)["code"] == "catalogue_key_taken"
    assert operator.patch(path, {"name": "Mine"}, 403)["code"] == "forbidden"
    assert quality.patch(path, {"name": "Better", "reason": "clearer"}) == {**made, "name": "Better"}
    entry = audit(f"{name.replace('-', '_')[:-1]}.changed", quality.id)
    assert (entry["old"]["name"], entry["new"]["name"], entry["reason"]) == (made["name"], "Better", "clearer")
    assert quality.patch(path, {}, 422)["code"] == "nothing_to_change"
    assert quality.patch(path, {"key": "other"}, 422)["code"] == "request_invalid"
    assert quality.get(f"/api/{name}/{uuid4()}/", 404)["code"] == "catalogue_unknown"


@pytest.mark.parametrize("name", sorted(BODIES))
def test_another_tenant_sees_nothing(name: str, quality: Caller, foreigner: Caller) -> None:
    made = quality.post(f"/api/{name}/", {"key": f"k-{uuid4().hex[:8]}", **BODIES[name]}, 201)
    assert foreigner.get(f"/api/{name}/{made['id']}/", 404)["code"] == "catalogue_unknown"
    assert foreigner.patch(f"/api/{name}/{made['id']}/", {"name": "Stolen"}, 404)["code"] == "catalogue_unknown"


def test_numbers_keep_their_digits_and_durations_their_form(quality: Caller) -> None:
    bore = quality.post("/api/measurement-definitions/", BODIES["measurement-definitions"], 201)
    assert (bore["nominal"], bore["upper_tol"], bore["lower_tol"]) == ("12.000", "0.018", "0")
    assert quality.patch(f"/api/measurement-definitions/{bore['id']}/", {"upper_tol": None})["upper_tol"] is None
    gate = quality.post("/api/approval-templates/", BODIES["approval-templates"], 201)
    assert gate["due_in"] == "P5D"


@pytest.mark.parametrize(
    "stages",
    [
        [{}],
        [{"roles": ["no-such-role"]}],
        [{"mode": "some", "roles": ["engineer"]}],
        [{"mode": "n_of_m", "n": 3, "users": ["a", "b"]}],
        [{"roles": ["engineer"], "colour": "red"}],
        [{"users": ["nobody-of-this-name"]}],
    ],
)
def test_stages_that_nobody_could_pass_are_refused(stages: Any, quality: Caller) -> None:
    body = {"name": "Gate", "stages": stages}
    assert quality.post("/api/approval-templates/", body, 422)["code"] == "stages_invalid"


@pytest.mark.parametrize(
    "change", [{"upper_tol": -1}, {"nominal": "NaN"}, {"sample_size": 0}, {"nominal": True}, {"unit": "x" * 51}]
)
def test_limits_that_make_no_sense_are_refused(change: Any, quality: Caller) -> None:
    body = {**BODIES["measurement-definitions"], **change}
    assert quality.post("/api/measurement-definitions/", body, 422)["code"] == "request_invalid"


@pytest.mark.parametrize("name", ["approval-templates", "measurement-definitions"])
def test_who_may_not_approve_a_process_changes_no_rule_of_one_in_force(
    name: str, engineer: Caller, quality: Caller
) -> None:
    made = engineer.post(f"/api/{name}/", {"key": f"k-{uuid4().hex[:8]}", **BODIES[name]}, 201)
    assert engineer.patch(f"/api/{name}/{made['id']}/", {"name": "Mine"}, 403)["permission"] == "process.approve"
    assert quality.patch(f"/api/{name}/{made['id']}/", {"name": "Ours"})["name"] == "Ours"
