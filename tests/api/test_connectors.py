"""Connectors over HTTP: who makes and who sees them, that secrets stay inside, what cannot be."""

from typing import Any
from uuid import uuid4

import pytest

from api.schemas.connectors import BasicAuth, NewConnector
from tests.api.caller import AuditReader, Caller, Json, process_body

SAP: Json = {
    "key": "sap",
    "name": "SAP",
    "base_url": "https://erp.example.com/api",
    "auth": {"type": "basic", "username": "gatework", "password": "hunter2-hunter2"},
}


def connector(**change: Any) -> Json:
    return {**SAP, "key": f"sap-{uuid4().hex[:8]}", **change}


def test_a_connector_lives_from_its_making_to_its_end(
    admin: Caller, engineer: Caller, foreigner: Caller, audit: AuditReader
) -> None:
    body = connector()
    made = admin.post("/api/connectors/", body, 201)
    path = f"/api/connectors/{made['id']}/"
    assert made["auth"] == {"type": "basic", "username": "gatework"}
    assert engineer.get(path) == made
    assert body["key"] in {one["key"] for one in engineer.items("/api/connectors/")}
    assert audit("connector.created", admin.id)["new"] == {
        **{name: body[name] for name in ("key", "name", "base_url")}, "auth": "basic", "login": "gatework",
    }  # fmt: skip
    assert admin.post("/api/connectors/", body, 409)["code"] == "connector_key_taken"
    assert foreigner.post("/api/connectors/", body, 201)["key"] == body["key"], "keys are a tenant's own"
    assert foreigner.get(path, 404)["code"] == "connector_unknown"
    changed = admin.patch(path, {"name": "S/4HANA", "auth": {"type": "header", "header": "X-Key", "value": "k-1"}})
    assert (changed["name"], changed["auth"]) == ("S/4HANA", {"type": "header", "header": "X-Key"})
    told = audit("connector.changed", admin.id)
    assert told["old"] == {"name": "SAP", "auth": "basic", "login": "gatework"}
    assert told["new"] == {"name": "S/4HANA", "auth": "header", "login": "X-Key", "secret": "renewed"}
    admin.patch(path, {"auth": {"type": "header", "header": "X-Key", "value": "k-2"}})
    assert audit("connector.changed", admin.id)["new"] == {"secret": "renewed"}
    assert admin.patch(path, {}, 422)["code"] == "nothing_to_change"
    assert admin.ask("DELETE", path).status_code == 204
    assert admin.get(path, 404)["code"] == "connector_unknown"
    assert admin.ask("DELETE", path).json()["code"] == "connector_unknown"
    assert admin.post("/api/connectors/", body, 201)["id"] != made["id"], "its key is free again"


def test_whoever_leads_it_to_another_host_has_to_know_its_secret(admin: Caller) -> None:
    made = admin.post("/api/connectors/", connector(), 201)
    path = f"/api/connectors/{made['id']}/"
    assert admin.patch(path, {"base_url": "https://erp.example.com/api/v2"})["base_url"].endswith("/v2")
    elsewhere = {"base_url": "https://evil.example.net/api"}
    assert admin.patch(path, elsewhere, 422)["code"] == "connector_secret_needed"
    assert admin.get(path)["base_url"] == "https://erp.example.com/api/v2"
    assert admin.patch(path, {**elsewhere, "auth": SAP["auth"]})["base_url"] == elsewhere["base_url"]
    open_to_all = admin.post("/api/connectors/", connector(auth={"type": "none"}), 201)
    assert admin.patch(f"/api/connectors/{open_to_all['id']}/", elsewhere)["auth"] == {"type": "none"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"base_url": "http://erp.example.com/"}, "connector_target_refused"),
        ({"base_url": "https://169.254.169.254/latest"}, "connector_target_refused"),
        ({"base_url": "https://erp.example.com/?a=b"}, "connector_target_refused"),
        ({"base_url": "https://user:pw@erp.example.com/"}, "connector_target_refused"),
        ({"key": "no blanks"}, "request_invalid"),
        ({"auth": {"type": "bearer"}}, "request_invalid"),
        ({"auth": {"type": "bearer", "token": "a\r\nX-Evil: 1"}}, "request_invalid"),
        ({"auth": {"type": "bearer", "token": "a-blank-that-no-header-carries "}}, "request_invalid"),
        ({"auth": {"type": "header", "header": "X-Key", "value": " k-1"}}, "request_invalid"),
        ({"auth": {"type": "header", "header": "Host", "value": "x"}}, "request_invalid"),
        ({"auth": {"type": "header", "header": "X Key", "value": "x"}}, "request_invalid"),
        ({"auth": {"type": "basic", "username": "a:b", "password": "x"}}, "request_invalid"),
        ({"auth": {"type": "magic"}}, "request_invalid"),
    ],
)
def test_a_connector_that_cannot_be_is_refused(change: Json, code: str, admin: Caller) -> None:
    refused = admin.post("/api/connectors/", connector(**change), 422)
    assert refused["code"] == code
    assert "hunter2" not in str(refused)


def test_a_password_is_kept_with_the_blanks_at_its_ends() -> None:
    given = NewConnector.model_validate(
        connector(name=" SAP ", auth={"type": "basic", "username": "u", "password": " p w "})
    )
    assert isinstance(given.auth, BasicAuth)
    assert (given.name, given.auth.credentials().secret) == ("SAP", " p w ")


def test_only_administrators_make_them_and_only_who_draws_processes_sees_them(
    admin: Caller, engineer: Caller, quality: Caller, operator: Caller
) -> None:
    path = f"/api/connectors/{admin.post('/api/connectors/', connector(), 201)['id']}/"
    for caller in (engineer, quality):
        assert caller.post("/api/connectors/", connector(), 403)["code"] == "forbidden"
        assert caller.patch(path, {"name": "Mine"}, 403)["code"] == "forbidden"
        assert caller.ask("DELETE", path).status_code == 403
        caller.get(path)
    assert operator.get("/api/connectors/", 403)["code"] == "forbidden"


def test_a_process_with_a_connector_that_is_not_there_is_not_put_into_force(admin: Caller) -> None:
    body = process_body()
    key = f"sap-{uuid4().hex[:8]}"
    body["graph"]["steps"].insert(
        0, {"key": "erp", "name": "ERP", "step_type": "automatic",
            "config": {"action": {"type": "erp", "connector": key, "path": '"orders"'}}},
    )  # fmt: skip
    draft = admin.post("/api/processes/", body, 201)
    path = f"/api/processes/{draft['id']}/"
    (problem,) = admin.post(f"{path}validate/")["problems"]
    assert (problem["code"], problem["path"]) == ("connector_unknown", "steps[0].config.action.connector")
    for act in ("submit", "approve"):
        assert admin.post(f"{path}{act}/", {}, 422)["code"] == "process_invalid"
    admin.post("/api/connectors/", connector(key=key), 201)
    assert admin.post(f"{path}validate/") == {"valid": True, "problems": []}
    assert admin.post(f"{path}approve/")["status"] == "approved"


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ({"process_id": "no-uuid"}, "process_id"),
        ({"process": "p", "subjects": "others"}, "subjects"),
        ({"process": "p", "subjects": {"new": {"type": "Part", "count": 0}}}, "subjects"),
        ({"process": "p", "subjects": {"rule": {"type": "Part"}}}, "subjects"),
        ({"process": "p", "subjects": {"rule": {"type": "Part", "where": "part.x ="}}}, "subjects.rule.where"),
        ({"process": "p", "values": {"x": "context."}}, "values.x"),
        ({"process": "nowhere"}, "process"),
    ],
)
def test_a_step_that_could_never_start_its_process_is_told_so(admin: Caller, action: Json, path: str) -> None:
    body = process_body()
    config = {"action": {"type": "start_process", **action}}
    body["graph"]["steps"].insert(0, {"key": "go", "name": "Go", "step_type": "automatic", "config": config})
    draft = admin.post("/api/processes/", body, 201)
    problems = admin.post(f"/api/processes/{draft['id']}/validate/")["problems"]
    assert problems
    assert all(one["path"].startswith(f"steps[0].config.action.{path}") for one in problems)
