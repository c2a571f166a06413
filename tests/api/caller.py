"""A logged-in user of the API, and the things that most tests begin with."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

Json = dict[str, Any]
AuditReader = Callable[[str, str], Json]
"""(action, actor's id) → the newest such entry."""

PASSWORD = "correct-horse-battery"


class Caller:
    """Calls fail the test unless the answer is what was expected."""

    def __init__(self, client: httpx.Client, username: str, password: str = PASSWORD) -> None:
        self.client = client
        self.username = username
        answer = client.post("/api/auth/token/", data={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        self.id: str = self.get("/api/me/")["id"]

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Any request; the answer as it is."""
        return self.client.request(method, path, headers={**self.headers, **(headers or {})}, **more)

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        return self._checked(self.ask("GET", path, params=query), expect)

    def post(self, path: str, body: Any = None, expect: int = 200, **headers: str) -> Any:
        return self._checked(self.ask("POST", path, json=body, headers=headers), expect)

    def patch(self, path: str, body: Any, expect: int = 200, **headers: str) -> Any:
        return self._checked(self.ask("PATCH", path, json=body, headers=headers), expect)

    def items(self, path: str, **query: Any) -> list[Json]:
        """All pages of a list."""
        found: list[Json] = []
        cursor: str | None = None
        while True:
            after: Json = {"cursor": cursor} if cursor else {}
            page = self.get(path, **query, **after)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def process(self, **changes: Any) -> Json:
        """An approved process of one task and an end."""
        draft = self.post("/api/processes/", {**process_body(), **changes}, 201)
        approved: Json = self.post(f"/api/processes/{draft['id']}/approve/")
        return approved

    def workflow(self, process: Json, count: int = 1, **more: Any) -> Json:
        """A started workflow with new subjects."""
        body = {"process": process["id"], "subjects": [new_subject() for _ in range(count)], **more}
        started: Json = self.post("/api/workflows/", body, 201)
        return started

    def executions(self, workflow: Json) -> list[Json]:
        return self.items(f"/api/workflows/{workflow['id']}/executions/")

    @staticmethod
    def _checked(answer: httpx.Response, expect: int) -> Any:
        assert answer.status_code == expect, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def hired(admin: Caller, *roles: str) -> Caller:
    """A new user, logged in."""
    username = f"{roles[0]}-{uuid4().hex[:8]}"
    body = {"username": username, "full_name": roles[0].title(), "password": PASSWORD, "roles": list(roles)}
    admin.post("/api/users/", body, 201)
    return Caller(admin.client, username)


def new_subject(subject_type: str = "Part") -> Json:
    return {"subject_type": subject_type, "identifier": f"SN-{uuid4().hex[:10]}", "title": "Housing", "attributes": {}}


def process_body() -> Json:
    """A draft that can be approved."""
    return {
        "key": f"p-{uuid4().hex[:10]}",
        "name": "Inspection",
        "category": "quality",
        "subject_type": "Part",
        "graph": {
            "steps": [
                {
                    "key": "inspect",
                    "name": "Inspect",
                    "expected_duration": "P1D",
                    "requirements": [
                        {
                            "key": "record",
                            "requirement_type": "checklist",
                            "name": "Record",
                            "config": {"items": ["Dimensions", "Appearance"]},
                        }
                    ],
                },
                {
                    "key": "stock",
                    "name": "Stock",
                    "step_type": "terminal",
                    "is_terminal": True,
                    "terminal_status": "stock",
                },
            ],
            "edges": [{"from_step": "inspect", "to_step": "stock"}],
        },
    }
