"""Tables of DMN over HTTP: as a body, as a file, who may, and what is refused."""

from pathlib import Path

import pytest

from api.routes.decision_tables import LARGEST
from tests.api.caller import Caller

PATH = "/api/decision-tables/import/"
RELEASE = (Path(__file__).parents[1] / "decisions" / "release.dmn").read_bytes()
NAMES = {"names_from": "subject.attributes"}
XML = {"content-type": "application/xml"}


def test_a_body_and_a_file_give_the_same_tables(engineer: Caller) -> None:
    body = engineer.ask("POST", PATH, params=NAMES, content=RELEASE, headers=XML)
    assert body.status_code == 200, body.text
    (table,) = body.json()["tables"]
    assert table["name"] == "Release of parts"
    assert table["decision_table"]["hit_policy"] == "first"
    form = engineer.ask("POST", PATH, params=NAMES, files={"file": ("release.dmn", RELEASE, "application/xml")})
    assert form.json() == body.json()


def test_what_is_not_translated_is_told_with_its_place(engineer: Caller) -> None:
    content = RELEASE.replace(b"[10..20.5]", b"even(size)")
    answer = engineer.ask("POST", PATH, params=NAMES, content=content, headers=XML)
    assert (answer.status_code, answer.json()["code"]) == (422, "dmn_unsupported")
    (problem,) = answer.json()["problems"]
    assert (problem["table"], problem["rule"], problem["column"]) == ("Release of parts", 2, "input 1")
    assert "even" in problem["message"]
    unnamed = engineer.ask("POST", PATH, content=RELEASE, headers=XML).json()
    assert [one["column"] for one in unnamed["problems"]] == ["input 2"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"no xml", "application/xml", 422, "dmn_invalid"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "text/xml", 422, "dmn_invalid"),
        (RELEASE, "application/json", 422, "upload_invalid"),
        (RELEASE, "multipart/form-data; boundary=x", 422, "upload_invalid"),
        (b" " * (LARGEST + 1), "application/xml", 413, "request_too_large"),
        (b" " * (2 * LARGEST), "application/xml", 413, "request_too_large"),
    ],
)
def test_what_cannot_be_read(engineer: Caller, content: bytes, kind: str, status: int, code: str) -> None:
    answer = engineer.ask("POST", PATH, content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_it_is_for_those_who_change_processes(operator: Caller) -> None:
    answer = operator.ask("POST", PATH, content=RELEASE, headers=XML)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
