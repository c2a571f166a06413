"""People who use the product over HTTP, as a client that knows nothing but the API would."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.e2e.samples import sample

Json = dict[str, Any]
PASSWORD = "a-long-enough-passphrase-7"


class Person:
    """A logged-in user. Every call fails the test unless the answer is what was expected."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        """Log in."""
        self.username = username
        self.password = password
        self.http = httpx.Client(base_url=base_url, timeout=30)
        answer = self.http.post("/api/auth/token/", data={"username": username, "password": password})
        assert answer.status_code == httpx.codes.OK, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def __enter__(self) -> Self:
        """Stay logged in."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave."""
        self.http.close()

    @property
    def base_url(self) -> str:
        """Where the product is."""
        return str(self.http.base_url).rstrip("/")

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        """GET."""
        return self._checked(self.http.get(path, params=query), expect)

    def post(self, path: str, body: Any = None, expect: int = 200, **headers: str) -> Any:
        """POST."""
        return self._checked(self.http.post(path, json=body if body is not None else {}, headers=headers), expect)

    def patch(self, path: str, body: Any, expect: int = 200) -> Any:
        """PATCH."""
        return self._checked(self.http.patch(path, json=body), expect)

    def delete(self, path: str, expect: int = 204) -> Any:
        """DELETE."""
        return self._checked(self.http.delete(path), expect)

    @staticmethod
    def _checked(answer: httpx.Response, expect: int) -> Any:
        assert answer.status_code == expect, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def items(self, path: str, **query: Any) -> list[Json]:
        """All pages of a list."""
        found: list[Json] = []
        cursor: str | None = None
        while True:
            page = self.get(path, **({**query, "cursor": cursor} if cursor else query))
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def open_execution(self, workflow: str) -> Json:
        """The one execution of an instance that is open."""
        found = [one for one in self.items(f"/api/workflows/{workflow}/executions/") if one["exited_at"] is None]
        assert len(found) == 1, found
        return found[0]

    def requirements(self, execution: str) -> list[Json]:
        """Where the gates of an execution stand."""
        answer = self.get(f"/api/executions/{execution}/requirements/")
        listed: list[Json] = answer["items"] if isinstance(answer, dict) else answer
        return listed

    def upload(self, document_type_id: str, *, release: bool = True) -> str:
        """A controlled document with some content; its id."""
        files = {"file": ("evidence.txt", f"evidence {uuid4()}".encode(), "text/plain")}
        answer = self.http.post("/api/documents/", files=files, data={"document_type_id": document_type_id})
        document: str = self._checked(answer, 201)["id"]
        if release:
            self.post(f"/api/documents/{document}/release/")
        return document

    def give(self, execution: str, requirement: Mapping[str, Any], releaser: "Person") -> None:
        """Give whatever evidence a requirement asks for; approvals and children are not given by hand."""
        config, kind = requirement["config"], requirement["requirement_type"]
        evidence: Json
        match kind:
            case "form":
                evidence = {"submitted_data": sample(config["schema"])}
            case "checklist":
                evidence = {"checked_items": list(range(len(config["items"])))}
            case "document":
                count = config.get("min_count", 1)
                ids = [self.upload(config["document_type_id"], release=False) for _ in range(count)]
                for document in ids:
                    releaser.post(f"/api/documents/{document}/release/")
                evidence = {"document_ids": ids}
            case "measurement":
                definition = self._definition(config["measurement_definition_id"])
                value = {"value": definition["nominal"], "unit": definition["unit"], "gauge": "CAL-0042"}
                evidence = {"values": [value] * definition["sample_size"]}
            case "signature":
                evidence = {"password": self.password, "meaning": config.get("meaning", "approved")}
            case _:
                raise AssertionError(f"no evidence is given by hand for {kind}")
        self.post(f"/api/executions/{execution}/requirements/{requirement['id']}/complete/", {"evidence": evidence})

    def _definition(self, definition: str) -> Json:
        found = [one for one in self.items("/api/measurement-definitions/") if one["id"] == definition]
        return found[0]

    def approve_all(self, execution: str) -> int:
        """Approve what waits for this person at an execution; how many."""
        pending = [
            one
            for one in self.items("/api/approvals/", state="pending", mine="true")
            if one["execution"] == execution or one["execution"] == {"id": execution}
        ]
        for one in pending:
            self.post(f"/api/approvals/{one['id']}/approve/", {"comment": "Checked against the plan."})
        return len(pending)


def new_person(admin: Person, *roles: str) -> Person:
    """Create a user and log in."""
    username = f"{roles[0]}-{uuid4().hex[:6]}"
    admin.post(
        "/api/users/",
        {
            "username": username,
            "full_name": roles[0].replace("_", " ").title(),
            "email": f"{username}@example.com",
            "password": PASSWORD,
            "roles": list(roles),
        },
        expect=201,
    )
    return Person(admin.base_url, username, PASSWORD)
