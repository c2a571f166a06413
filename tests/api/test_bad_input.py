"""Every route against input that cannot be: unknown and malformed ids, bad JSON, wrong types, no login.

The table is the description of the API itself, so a new route is in it from its first day.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

from api.app import create_app
from api.problem_table import sentence_of, status_of
from models.settings import Settings
from tests.api.caller import Caller, Json, new_subject
from tests.api.engine import EngineDouble

OPEN = {"/healthz", "/readyz", "/metrics", "/api/auth/token/"}


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    spec: Json

    @property
    def takes(self) -> set[str]:
        """Media types of its body."""
        return set(self.spec.get("requestBody", {}).get("content", {}))

    def at(self, value: str) -> str:
        """The path with this in place of every parameter."""
        return re.sub(r"{[^}]+}", value, self.path)


def operations() -> Iterator[Operation]:
    """All of them."""
    for path, methods in create_app(Settings()).openapi()["paths"].items():
        for method, spec in methods.items():
            yield Operation(method.upper(), path, spec)


ALL = list(operations())
GUARDED = [one for one in ALL if one.path not in OPEN]
WITH_ID = [one for one in GUARDED if "{" in one.path]
JSON_BODY = [one for one in GUARDED if "application/json" in one.takes]


def name(one: Any) -> str | None:
    """How a case is called."""
    return f"{one.method} {one.path}" if isinstance(one, Operation) else None


def problem(answer: httpx.Response) -> Any:
    """The problem document; its status and code belong together."""
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found = answer.json()
    assert found["status"] == answer.status_code
    if found["code"] != "http_error":
        assert status_of(found["code"]) == answer.status_code
        assert sentence_of(found["code"])
    return found


@pytest.mark.parametrize("operation", GUARDED, ids=name)
def test_without_login_nothing_is_answered(operation: Operation, client: httpx.Client) -> None:
    answer = client.request(operation.method, operation.at(str(uuid4())))
    assert problem(answer)["code"] == "unauthenticated"


@pytest.mark.parametrize("operation", WITH_ID, ids=name)
def test_unknown_ids_are_not_found(operation: Operation, admin: Caller, engine: EngineDouble) -> None:
    body: Json = {"json": {}} if "application/json" in operation.takes else {}
    answer = admin.ask(operation.method, operation.at(str(uuid4())), **body)
    assert problem(answer)["status"] in {404, 422}
    if not operation.takes:
        assert answer.status_code == 404
    assert engine.signals == []


@pytest.mark.parametrize("operation", WITH_ID, ids=name)
def test_malformed_ids_are_refused(operation: Operation, admin: Caller) -> None:
    answer = admin.ask(operation.method, operation.at("not-an-id"), json={})
    expected = {404} if "templates/" in operation.path and "approval" not in operation.path else {422}
    assert problem(answer)["status"] in expected


@pytest.mark.parametrize("operation", JSON_BODY, ids=name)
@pytest.mark.parametrize("content", ["{", '{"a": ', "nonsense", '{"a": "\\ud800"}', "[" * 5000])
def test_bad_json_is_refused(operation: Operation, content: str, admin: Caller) -> None:
    headers = {"Content-Type": "application/json"}
    answer = admin.ask(operation.method, operation.at(str(uuid4())), content=content, headers=headers)
    assert problem(answer)["status"] in {400, 422}


@pytest.mark.parametrize("operation", JSON_BODY, ids=name)
@pytest.mark.parametrize("body", [[], "text", 5, True, {"no_such_field": 1}])
def test_bodies_of_the_wrong_shape_are_refused(operation: Operation, body: Any, admin: Caller) -> None:
    answer = admin.ask(operation.method, operation.at(str(uuid4())), json=body)
    found = problem(answer)
    assert found["code"] == "request_invalid"
    assert found["errors"]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_moments_that_utc_does_not_have_are_refused(moment: str, admin: Caller) -> None:
    asked: list[tuple[str, str, Json]] = [
        ("GET", f"/api/workflows/{uuid4()}/", {"params": {"as_of": moment}}),
        ("GET", f"/api/workflows/{uuid4()}/executions/", {"params": {"as_of": moment}}),
        ("POST", f"/api/executions/{uuid4()}/snooze/", {"json": {"until": moment, "reason": "no steel"}}),
        ("POST", "/api/absences/", {"json": {"starts_at": moment, "ends_at": "2026-12-01T00:00:00"}}),
        ("POST", "/api/absences/", {"json": {"starts_at": "2026-12-01T00:00:00", "ends_at": moment}}),
        ("POST", f"/api/processes/{uuid4()}/approve/", {"json": {"effective_from": moment}}),
        ("POST", f"/api/processes/{uuid4()}/approve/", {"json": {"effective_until": moment}}),
        ("POST", f"/api/documents/{uuid4()}/release/", {"json": {"effective_at": moment}}),
    ]
    for method, path, what in asked:
        found = problem(admin.ask(method, path, **what))
        assert found["code"] == "request_invalid", path
        assert "years 1 to 9999" in found["errors"][0]["message"]


@pytest.mark.parametrize("operation", [one for one in GUARDED if one.method == "GET" and "{" not in one.path], ids=name)
def test_lists_refuse_cursors_and_limits_that_cannot_be(operation: Operation, admin: Caller) -> None:
    known = {one["name"] for one in operation.spec.get("parameters", [])}
    if "cursor" in known:
        for cursor in ("x", "W10", "WzEsMl0", "bnVsbA", "WyIyMDI2LTAxLTAxIiwieCJd", "é"):
            answer = admin.ask("GET", operation.path, params={"cursor": cursor})
            assert problem(answer)["code"] == "cursor_invalid", cursor
    if "limit" in known:
        for limit in ("0", "201", "many"):
            assert problem(admin.ask("GET", operation.path, params={"limit": limit}))["code"] == "request_invalid"
    if "q" in known:
        assert admin.ask("GET", operation.path, params={"q": "a%_\\'\"\u0000"}).status_code in {200, 422}


FILTERED = [one for one in GUARDED if any(given["in"] == "query" for given in one.spec.get("parameters", []))]


@pytest.mark.parametrize("operation", FILTERED, ids=name)
def test_a_parameter_that_is_not_known_is_refused_instead_of_finding_everything(
    operation: Operation, admin: Caller
) -> None:
    known = next(given["name"] for given in operation.spec["parameters"] if given["in"] == "query")
    found = problem(admin.ask(operation.method, operation.at(str(uuid4())), params={f"{known}s": "1"}))
    assert found["code"] == "request_invalid"
    (error,) = [one for one in found["errors"] if one["loc"].startswith("query.")]
    assert error["loc"] == f"query.{known}s"
    assert f"'{known}'" in error["message"]


def test_values_that_cannot_be_stored_are_refused(admin: Caller) -> None:
    for value in ("\u0000", float("nan"), float("inf")):
        body = {**new_subject(), "attributes": {"lot": value}}
        content = json.dumps(body)
        answer = admin.ask("POST", "/api/subjects/", content=content, headers={"Content-Type": "application/json"})
        assert problem(answer)["status"] == 422, value
    answer = admin.ask("POST", "/api/subjects/", json={**new_subject(), "title": "a\u0000b"})
    assert problem(answer)["status"] == 422


@pytest.mark.parametrize(("levels", "status"), [(98, 201), (250, 422), (900, 422)])
def test_values_that_no_workflow_could_read_are_refused(
    levels: int, status: int, admin: Caller, engine: EngineDouble
) -> None:
    deep = json.loads("[" * levels + "]" * levels)
    process = admin.process()
    body = {"process": process["id"], "subjects": [new_subject()], "context": {"deep": deep}}
    answer = admin.ask("POST", "/api/workflows/", json=body)
    assert answer.status_code == status
    if status == 422:
        (error,) = problem(answer)["errors"]
        assert (error["loc"], "nested more than 100 levels" in error["message"]) == ("body.context", True)


def test_unknown_addresses_and_methods_are_problems_too(admin: Caller) -> None:
    assert problem(admin.ask("GET", "/api/nothing/"))["status"] == 404
    assert problem(admin.ask("DELETE", "/api/me/"))["code"] == "method_not_allowed"
