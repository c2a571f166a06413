"""Logging in and out, the caller, users."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool
from starlette.requests import Request

from activities.children import ENGINE_SOURCE
from api.deps import source_of
from api.routes import auth
from models.store.sessions import reauthenticate
from tests.api.caller import PASSWORD, AuditReader, Caller, hired


def test_a_wrong_password_is_refused_with_a_challenge(client: httpx.Client, operator: Caller) -> None:
    answer = client.post("/api/auth/token/", data={"username": operator.username, "password": "wrong"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "invalid_credentials"


def test_a_token_says_how_long_it_lasts(client: httpx.Client, operator: Caller) -> None:
    answer = client.post("/api/auth/token/", data={"username": operator.username.upper(), "password": PASSWORD})
    assert answer.json()["token_type"] == "bearer"
    assert 0 < answer.json()["expires_in"] <= 12 * 3600
    assert answer.headers["cache-control"] == "no-store"


def test_me_tells_who_i_am_and_what_i_may(operator: Caller) -> None:
    me = operator.get("/api/me/")
    assert me["roles"] == ["operator"]
    assert "execution.work" in me["permissions"]
    assert me["tenant"] == {**me["tenant"], "key": "main", "is_sandbox": False}


def test_without_a_token_nothing_is_answered(client: httpx.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        answer = client.get("/api/me/", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] in {"unauthenticated", "token_invalid"}


def test_logging_out_ends_the_session_only(admin: Caller, client: httpx.Client) -> None:
    person = hired(admin, "operator")
    other = Caller(client, person.username)
    person.post("/api/auth/logout/", expect=204)
    person.get("/api/me/", expect=401)
    other.get("/api/me/")


def test_changing_the_password_ends_every_session(admin: Caller, client: httpx.Client) -> None:
    person = hired(admin, "operator")
    path = "/api/me/password/"
    wrong = person.post(path, {"current_password": "no", "new_password": "another-long-one"}, 401)
    assert wrong["code"] == "invalid_credentials"
    weak = person.post(path, {"current_password": PASSWORD, "new_password": "short"}, 422)
    assert weak["code"] == "password_too_weak"
    person.post(path, {"current_password": PASSWORD, "new_password": "another-long-one"}, 204)
    person.get("/api/me/", expect=401)
    Caller(client, person.username, "another-long-one")


def test_a_blank_at_the_end_of_a_password_belongs_to_it(admin: Caller, client: httpx.Client) -> None:
    username, first, second = f"blank-{uuid4().hex[:8]}", " a first passphrase ", "a second passphrase "
    admin.post("/api/users/", {"username": f" {username} ", "password": first, "roles": ["operator"]}, 201)
    trimmed = client.post("/api/auth/token/", data={"username": username, "password": first.strip()})
    assert trimmed.json()["code"] == "invalid_credentials"
    person = Caller(client, username, first)
    person.post("/api/me/password/", {"current_password": first, "new_password": second}, 204)
    Caller(client, username, second)


def test_changing_the_password_holds_no_connection_while_it_is_proven(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = hired(admin, "operator")
    held: list[int] = []

    async def spied(app: AsyncEngine, *args: Any, **more: Any) -> None:
        pool = app.pool
        assert isinstance(pool, QueuePool)
        held.append(pool.checkedout())
        await reauthenticate(app, *args, **more)

    monkeypatch.setattr(auth, "reauthenticate", spied)
    person.post("/api/me/password/", {"current_password": PASSWORD, "new_password": "another-long-one"}, 204)
    assert held == [0]


def test_a_password_set_by_an_administrator_must_be_changed_first(admin: Caller, client: httpx.Client) -> None:
    person = hired(admin, "operator")
    admin.patch(f"/api/users/{person.id}/", {"password": "chosen-by-another"})
    again = Caller(client, person.username, "chosen-by-another")
    assert again.get("/api/me/")["must_change_password"] is True
    assert again.get("/api/my-tasks/", expect=403)["code"] == "password_change_required"


def test_deactivating_a_user_ends_their_sessions_at_once(admin: Caller, client: httpx.Client) -> None:
    person = hired(admin, "operator")
    changed = admin.patch(f"/api/users/{person.id}/", {"is_active": False})
    assert changed["is_active"] is False
    person.get("/api/me/", expect=401)
    answer = client.post("/api/auth/token/", data={"username": person.username, "password": PASSWORD})
    assert answer.status_code == 401


def test_users_are_listed_in_pages_and_found_by_name(admin: Caller) -> None:
    mark = uuid4().hex[:8]
    for number in range(3):
        admin.post("/api/users/", {"username": f"{mark}-{number}", "roles": ["operator"]}, 201)
    first = admin.get("/api/users/", q=mark, limit=2)
    second = admin.get("/api/users/", q=mark, limit=2, cursor=first["next_cursor"])
    assert [one["username"] for one in first["items"] + second["items"]] == [f"{mark}-{n}" for n in range(3)]
    assert second["next_cursor"] is None
    assert "password" not in str(first)


def test_users_that_cannot_be_are_refused(admin: Caller, operator: Caller) -> None:
    cases = {
        "username_taken": {"username": operator.username.upper()},
        "username_invalid": {"username": "two words"},
        "role_unknown": {"username": uuid4().hex, "roles": ["king"]},
        "role_not_allowed": {"username": uuid4().hex, "roles": ["importer"]},
        "password_too_weak": {"username": uuid4().hex, "password": "short"},
        "request_invalid": {"username": uuid4().hex, "email": "nobody"},
    }
    for code, body in cases.items():
        answer = admin.ask("POST", "/api/users/", json=body)
        assert answer.json()["code"] == code, answer.text
        assert answer.status_code in {409, 422}


def test_a_refused_attempt_is_audited(operator: Caller, admin: Caller, audit: AuditReader) -> None:
    refused = operator.post("/api/users/", {"username": "x"}, 403)
    assert refused["code"] == "forbidden"
    assert refused["permission"] == "user.manage"
    entry = audit("access.refused", operator.id)
    assert entry["new"] == {"attempted": "POST /api/users/"}


async def test_no_client_can_name_itself_like_the_engine() -> None:
    through_a_socket = Request({"type": "http", "headers": [], "client": None})
    assert await source_of(through_a_socket, ENGINE_SOURCE) == f"{ENGINE_SOURCE} @ local"
