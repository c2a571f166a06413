"""Documents over HTTP: upload, find, download safely, release, make obsolete."""

from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from models.settings import Settings
from tests.api.caller import Caller, Json, hired


@pytest.fixture(scope="module")
def kind(quality: Caller) -> Json:
    made: Json = quality.post("/api/document-types/", {"key": f"t-{uuid4().hex[:6]}", "name": "Report"}, 201)
    return made


def upload(caller: Caller, kind: Json, content: bytes = b"hello", name: str = "a.txt", **fields: str) -> httpx.Response:
    data = {"document_type": kind["key"], **fields}
    return caller.ask("POST", "/api/documents/", files={"file": (name, content, "text/plain")}, data=data)


def uploaded(caller: Caller, kind: Json, **more: str) -> Json:
    answer = upload(caller, kind, uuid4().bytes, **more)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def test_an_upload_is_a_draft_with_number_and_hash(operator: Caller, kind: Json) -> None:
    made = uploaded(operator, kind)
    assert (made["state"], made["document_type_id"], made["revision"]) == ("draft", kind["id"], "A")
    assert made["number"].startswith("DOC-")
    assert made["uploaded_by"] == operator.id
    assert operator.get(f"/api/documents/{made['id']}/") == made
    assert made["id"] in [one["id"] for one in operator.items("/api/documents/", document_type=kind["key"], limit=1)]


def test_content_comes_back_as_an_attachment_and_is_cached_by_its_hash(operator: Caller, kind: Json) -> None:
    made = upload(operator, kind, b"<script>alert(1)</script>", '../../"evil\r\n.html').json()
    path = f"/api/documents/{made['id']}/content/"
    answer = operator.ask("GET", path)
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert "/" not in made["filename"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{made["sha256"]}"'
    again = operator.ask("GET", path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_too_large_is_refused_and_leaves_nothing(operator: Caller, kind: Json, api_settings: Settings) -> None:
    folder = Path(api_settings.state_dir) / "blobs"
    uploaded(operator, kind)
    before = sorted(one for one in folder.rglob("*") if one.is_file())
    maximum = api_settings.document_max_bytes
    for size in (maximum + 1, maximum + 200_000):
        answer = upload(operator, kind, b"x" * size)
        assert answer.status_code == 413
        assert answer.json()["code"] == "document_too_large"
    assert sorted(one for one in folder.rglob("*") if one.is_file()) == before


@pytest.mark.parametrize(
    ("content", "fields", "code"),
    [
        (b"", {}, "document_empty"),
        (b"x", {"document_type": "no-such"}, "document_type_unknown"),
        (b"x", {"colour": "red"}, "upload_invalid"),
        (b"x", {"subject_id": "7"}, "upload_invalid"),
        (b"x", {"subject_id": str(uuid4())}, "not_found"),
        (b"x", {"title": "a\x00b"}, "upload_invalid"),
    ],
)
def test_a_bad_upload_says_why(operator: Caller, kind: Json, content: bytes, fields: Json, code: str) -> None:
    answer = upload(operator, kind, content, **fields)
    assert answer.json()["code"] == code, answer.text


def test_an_upload_needs_a_file_and_multipart(operator: Caller, kind: Json) -> None:
    assert operator.ask("POST", "/api/documents/", json={"file": "x"}).json()["code"] == "upload_invalid"
    files = {"other": ("a", b"x", "text/plain")}
    answer = operator.ask("POST", "/api/documents/", files=files, data={"document_type": kind["key"]})
    assert answer.json()["code"] == "upload_invalid"


def test_a_revision_is_entered_once(operator: Caller, kind: Json) -> None:
    number = f"SOP-{uuid4().hex[:6]}"
    uploaded(operator, kind, number=number, revision="A")
    assert upload(operator, kind, number=number, revision="A").json()["code"] == "document_number_taken"
    uploaded(operator, kind, number=number, revision="B")


def test_release_and_obsolete_record_who_and_need_the_permission(operator: Caller, quality: Caller, kind: Json) -> None:
    made = uploaded(operator, kind)
    path = f"/api/documents/{made['id']}/"
    assert operator.post(f"{path}release/", expect=403)["code"] == "forbidden"
    released = quality.post(f"{path}release/")
    assert (released["state"], released["released_by"]) == ("released", quality.id)
    assert quality.post(f"{path}release/", {}, 409)["code"] == "document_state"
    assert quality.post(f"{path}obsolete/", {"reason": "superseded"})["state"] == "obsolete"
    assert quality.post(f"{path}obsolete/", {}, 409)["code"] == "document_state"


def test_readers_read_and_others_see_nothing(
    admin: Caller, operator: Caller, auditor: Caller, foreigner: Caller, kind: Json
) -> None:
    made = uploaded(operator, kind)
    auditor.get(f"/api/documents/{made['id']}/")
    assert upload(auditor, kind).json()["code"] == "forbidden"
    assert upload(hired(admin, "approver"), kind).json()["code"] == "forbidden"
    assert foreigner.get(f"/api/documents/{made['id']}/", 404)["code"] == "document_unknown"
    assert foreigner.get(f"/api/documents/{made['id']}/content/", 404)["code"] == "document_unknown"
    assert made["id"] not in [one["id"] for one in foreigner.items("/api/documents/")]
    assert operator.client.post("/api/documents/", files={"file": ("a", b"x")}).status_code == 401
