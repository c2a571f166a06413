"""Gates over HTTP: requirements shown, evidence given and withdrawn, signatures, approvals."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.caller import PASSWORD, AuditReader, Caller, Json, hired, process_body
from tests.api.engine import EngineDouble


def requirement(key: str, kind: str, **config: Any) -> Json:
    return {"key": key, "requirement_type": kind, "name": key.title(), "config": config}


BORE = {"name": "Bore", "unit": "mm", "nominal": 12, "upper_tol": 1}
GATES = [
    requirement("record", "checklist", items=["Dimensions", "Appearance"]),
    requirement("form", "form", schema={"type": "object", "required": ["lot"]}),
    requirement("bore", "measurement", measurement_definition=BORE),
    requirement("sign", "signature", meaning="approved", role="quality_manager"),
    requirement("gate", "approval", template={"name": "Gate", "stages": [{"roles": ["quality_manager"]}]}),
]


@pytest.fixture(scope="module")
def process(admin: Caller) -> Json:
    body = process_body()
    body["graph"]["steps"][0]["requirements"] = GATES
    draft = admin.post("/api/processes/", body, 201)
    approved: Json = admin.post(f"/api/processes/{draft['id']}/approve/")
    return approved


@pytest.fixture
def execution(engine: EngineDouble, engineer: Caller, process: Json) -> str:
    return str(engineer.executions(engineer.workflow(process))[0]["id"])


def shown(caller: Caller, execution: str) -> dict[str, Json]:
    return {one["key"]: one for one in caller.get(f"/api/executions/{execution}/requirements/")["items"]}


def give(caller: Caller, execution: str, key: str, evidence: Json, expect: int = 200, key_of_request: str = "") -> Json:
    path = f"/api/executions/{execution}/requirements/{shown(caller, execution)[key]['id']}/complete/"
    headers = {"Idempotency-Key": key_of_request} if key_of_request else {}
    answer = caller.ask("POST", path, json={"evidence": evidence}, headers=headers)
    assert answer.status_code == expect, answer.text
    found: Json = answer.json()
    return found


def test_requirements_are_shown_in_order_with_what_is_missing(execution: str, operator: Caller) -> None:
    answer = operator.get(f"/api/executions/{execution}/requirements/")
    assert [one["key"] for one in answer["items"]] == ["record", "form", "bore", "sign", "gate"]
    assert not any(one["satisfied"] for one in answer["items"])
    assert len(answer["content_hash"]) == 64
    first, last = answer["items"][0], answer["items"][-1]
    assert first["config"] == {"items": ["Dimensions", "Appearance"]}
    assert first["reason"].startswith("0 of 2 items done")
    assert (last["derived"], last["approval"]["state"]) == (True, "pending")


def test_evidence_is_given_and_withdrawn(execution: str, operator: Caller) -> None:
    given = give(operator, execution, "record", {"checked_items": [0, 1]})
    assert (given["satisfied"], given["completed_by"]["id"]) == (True, operator.id)
    path = f"/api/executions/{execution}/requirements/{given['id']}/withdraw/"
    assert operator.post(path, {}, 422)["code"] == "reason_required"
    assert operator.post(path, {"reason": "wrong part"})["satisfied"] is False
    assert operator.post(path, {"reason": "wrong part"}, 409)["code"] == "nothing_to_withdraw"


def test_bad_evidence_names_the_places(execution: str, operator: Caller) -> None:
    refused = give(operator, execution, "form", {"submitted_data": {}}, 422)
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("evidence_invalid", "/submitted_data/lot")
    assert give(operator, execution, "gate", {}, 409)["code"] == "derived_requirement"
    assert (
        give(operator, execution, "bore", {"values": [{"value": 12, "unit": "kg"}]}, 422)["code"] == "evidence_invalid"
    )
    path = f"/api/executions/{execution}/requirements/{uuid4()}/complete/"
    assert operator.post(path, {"evidence": {}}, 404)["code"] == "requirement_unknown"


def test_the_same_key_records_once(execution: str, operator: Caller) -> None:
    key = uuid4().hex
    readings = {"values": [{"value": "12.1", "unit": "mm"}]}
    first = give(operator, execution, "bore", readings, key_of_request=key)
    assert give(operator, execution, "bore", readings, key_of_request=key) == first
    assert len(first["evidence"]["values"]) == 1
    other = {"values": [{"value": "12.2", "unit": "mm"}]}
    assert give(operator, execution, "bore", other, 422, key)["code"] == "idempotency_conflict"


def test_a_signature_asks_for_the_password_and_never_keeps_it(
    execution: str, operator: Caller, quality: Caller, audit: AuditReader
) -> None:
    assert give(quality, execution, "sign", {"meaning": "approved"}, 403)["code"] == "reauthentication_failed"
    wrong = {"password": "wrong", "meaning": "approved"}
    assert give(quality, execution, "sign", wrong, 403)["code"] == "reauthentication_failed"
    right = {"password": PASSWORD, "meaning": "approved"}
    assert give(operator, execution, "sign", right, 403)["code"] == "signature_role_required"
    stale = {**right, "content_hash": "0" * 64}
    assert give(quality, execution, "sign", stale, 409)["code"] == "content_changed"
    signed = give(quality, execution, "sign", right)
    assert signed["satisfied"]
    assert signed["signatures"][0]["meaning"] == "approved"
    assert PASSWORD not in str(signed)
    assert PASSWORD not in str(audit("evidence.given", quality.id))


@pytest.mark.parametrize(
    ("kind", "config"), [("custom", {"expression": "evidence.lot == 7"}), ("checklist", {"items": ["Dimensions"]})]
)
def test_no_other_type_keeps_a_password(
    engine: EngineDouble, engineer: Caller, admin: Caller, operator: Caller, audit: AuditReader, kind: str, config: Json
) -> None:
    body = process_body()
    body["graph"]["steps"][0]["requirements"] = [requirement("check", kind, **config)]
    draft = admin.post("/api/processes/", body, 201)
    execution = str(
        engineer.executions(engineer.workflow(admin.post(f"/api/processes/{draft['id']}/approve/")))[0]["id"]
    )
    evidence = {"lot": 7} if kind == "custom" else {"checked_items": [0]}
    given = give(operator, execution, "check", {**evidence, "password": "my-own-secret"})
    assert given["satisfied"]
    assert "my-own-secret" not in str(given)
    assert "my-own-secret" not in str(audit("evidence.given", operator.id))


def test_a_key_is_bound_to_whom_the_evidence_is_of(engine: EngineDouble, foreigner: Caller) -> None:
    importer = hired(foreigner, "importer")
    execution = str(importer.executions(importer.workflow(foreigner.process()))[0]["id"])
    path = f"/api/executions/{execution}/requirements/{shown(importer, execution)['record']['id']}/complete/"
    key = {"Idempotency-Key": uuid4().hex}
    body = {"evidence": {"checked_items": [0]}, "on_behalf_of": "Olga"}
    first = importer.post(path, body, 200, **key)
    assert importer.post(path, body, 200, **key) == first
    refused = importer.post(path, {**body, "on_behalf_of": "Paul"}, 422, **key)
    assert refused["code"] == "idempotency_conflict"


def test_repeated_wrong_passwords_lock_the_account(execution: str, admin: Caller) -> None:
    signer = hired(admin, "quality_manager")
    wrong = {"password": "wrong", "meaning": "approved"}
    codes = [give(signer, execution, "sign", wrong, 403)["code"] for _ in range(4)]
    assert set(codes) == {"reauthentication_failed"}
    answers = [signer.post(
        f"/api/executions/{execution}/requirements/{shown(admin, execution)['sign']['id']}/complete/",
        {"evidence": {"password": PASSWORD if last else "wrong", "meaning": "approved"}}, 423,
    ) for last in (False, True)]  # fmt: skip
    assert [one["code"] for one in answers] == ["account_locked", "account_locked"]


def test_approvals_are_found_decided_and_requested_again(
    execution: str, operator: Caller, quality: Caller, foreigner: Caller
) -> None:
    assert execution not in [one["execution"] for one in operator.items("/api/approvals/", mine="true")]
    mine = [one for one in quality.items("/api/approvals/", mine="true", limit=2) if one["execution"] == execution]
    [request] = mine
    assert request["content_hash"] == quality.get(f"/api/executions/{execution}/requirements/")["content_hash"]
    path = f"/api/approvals/{request['id']}/"
    assert operator.post(f"{path}approve/", {}, 403)["code"] == "not_an_approver"
    assert foreigner.post(f"{path}approve/", {}, 404)["code"] == "approval_unknown"
    assert quality.post(f"{path}reject/", {}, 422)["code"] == "reason_required"
    assert quality.post(f"{path}reject/", {"comment": "burr"})["state"] == "rejected"
    assert "rejected" in shown(operator, execution)["gate"]["reason"]
    again = operator.post(f"{path}re-request/", {"comment": "deburred"}, 201)
    assert (again["round"], again["state"]) == (2, "pending")
    approved = quality.post(
        f"/api/approvals/{again['id']}/approve/", {"comment": "ok", "content_hash": again["content_hash"]}
    )
    assert approved["state"] == "approved"
    assert shown(operator, execution)["gate"]["satisfied"]
    assert quality.post(f"/api/approvals/{again['id']}/approve/", {}, 409)["code"] == "approval_closed"
    states = {one["state"] for one in quality.items("/api/approvals/", execution=execution)}
    assert states == {"rejected", "approved"}


def test_nobody_approves_what_they_gave(execution: str, quality: Caller) -> None:
    give(quality, execution, "record", {"checked_items": [0]})
    request = shown(quality, execution)["gate"]["approval"]["id"]
    assert quality.post(f"/api/approvals/{request}/approve/", {"comment": "fine"}, 403)["code"] == "self_approval"


def test_a_changed_subject_voids_what_was_signed(execution: str, engineer: Caller, quality: Caller) -> None:
    give(quality, execution, "sign", {"password": PASSWORD, "meaning": "approved"})
    subject = engineer.get(f"/api/executions/{execution}/")["subject"]["id"]
    engineer.patch(f"/api/subjects/{subject}/", {"attributes": {"lot": "7"}, "reason": "was wrong"})
    assert shown(quality, execution)["sign"]["satisfied"] is False


def test_readers_and_strangers_change_nothing(
    execution: str, auditor: Caller, foreigner: Caller, operator: Caller
) -> None:
    assert give(auditor, execution, "record", {"checked_items": [0]}, 403)["code"] == "forbidden"
    path = f"/api/executions/{execution}/requirements/"
    assert foreigner.get(path, 404)["code"] == "execution_unknown"
    theirs = f"{path}{shown(operator, execution)['record']['id']}/complete/"
    assert foreigner.post(theirs, {"evidence": {"checked_items": [0]}}, 404)["code"] == "execution_unknown"


def test_what_postgres_cannot_keep_is_refused(execution: str, operator: Caller) -> None:
    refused = give(operator, execution, "form", {"submitted_data": {"lot": "a\x00b"}}, 422)
    assert refused["code"] == "request_invalid"
