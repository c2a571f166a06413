"""A stand-in for the API, in memory: as much of the HTTP contract as a replay needs, with faults on demand.

It answers by the routing rules on its own, so that a wrong decision or a wrong person shows.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import httpx

from models.templates.shape import Json

Answer = tuple[int, Json]


@dataclass
class FakeApi:
    """Processes, instances, executions and audit entries of one tenant."""

    sandbox: bool = True
    permissions: tuple[str, ...] = ("audit.read", "importer.act_on_behalf")
    lose_every: int = 0
    """Every n-th answer is lost after the work was done."""
    defer_every: int = 0
    """Every n-th new command is answered with 202 first."""
    token_lasts: int = 0
    """A token is over after so many requests."""
    refuse_at: str = ""
    """Completing this step is refused."""
    page_size: int = 3
    processes: dict[str, Json] = field(default_factory=dict)
    subject_types: dict[str, Json] = field(default_factory=dict)
    subjects: dict[str, Json] = field(default_factory=dict)
    instances: dict[str, Json] = field(default_factory=dict)
    executions: dict[str, Json] = field(default_factory=dict)
    audit: list[Json] = field(default_factory=list)
    answers: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    requests: int = 0
    token: str = "T"
    token_used: int = 0
    logins: int = 0

    def transport(self) -> httpx.MockTransport:
        """For the client under test."""
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        path = request.url.path.strip("/").split("/")[1:]
        if path == ["auth", "token"]:
            right = parse_qs(request.content.decode()) == {"username": ["imp"], "password": ["secret"]}
            return self._log_in() if right else _json(401, {"code": "login_failed"})
        is_over = 0 < self.token_lasts <= self.token_used
        if is_over or request.headers.get("Authorization") != f"Bearer {self.token}":
            return _json(401, {"code": "unauthenticated"})
        self.token_used += 1
        if request.method == "GET":
            return _json(200, self._get(path, request.url.params))
        status, body = self._once(request, path)
        if self.lose_every and self.requests % self.lose_every == 0:
            raise httpx.ReadError("lost")
        if status == 202:
            return httpx.Response(202, json=body, headers={"Location": f"/api/commands/{body['id']}/"})
        return _json(status, body)

    def _log_in(self) -> httpx.Response:
        self.logins, self.token_used = self.logins + 1, 0
        self.token = f"T{self.logins}"
        return _json(200, {"access_token": self.token})

    def _once(self, request: httpx.Request, path: list[str]) -> Answer:
        key = request.headers["Idempotency-Key"]
        if key in self.answers and not request.url.path.startswith("/api/processes/"):  # definitions keep no keys
            before, answer = self.answers[key]
            return answer if before == request.content else (422, {"code": "idempotency_conflict"})
        answer = self._post(path, json.loads(request.content or b"{}"))
        self.answers[key] = (request.content, answer)
        if self.defer_every and path[0] == "executions" and len(self.answers) % self.defer_every == 0:
            return 202, {"id": key}
        return answer

    def _get(self, path: list[str], params: httpx.QueryParams) -> Json:
        if len(path) == 2 and path[0] == "workflows":
            return self.instances[path[1]]
        match path:
            case ["me"]:
                return {"tenant": {"key": "demo", "is_sandbox": self.sandbox}, "permissions": list(self.permissions)}
            case ["subjects"]:
                found = [one for one in self.subjects.values() if one["subject_type"] == params["subject_type"]]
                return self._page(found, params)
            case ["subject-types"]:
                return self._page(list(self.subject_types.values()), params)
            case ["processes"]:
                return self._page(list(self.processes.values()), params)
            case ["processes", one]:
                return self.processes[one]
            case ["workflows", one, "executions"]:
                return self._page([e for e in self.executions.values() if e["workflow"] == one][::-1], params)
            case ["workflows", one, "audit"]:
                return self._page([e for e in self.audit if e["instance_id"] == one], params)
            case ["commands", one]:
                return {"id": one, "outcome": "accepted"}
        raise AssertionError(path)

    def _page(self, rows: list[Json], params: httpx.QueryParams) -> Json:
        first = int(params.get("cursor") or 0)
        last = first + self.page_size
        return {"items": rows[first:last], "next_cursor": str(last) if last < len(rows) else None}

    def _post(self, path: list[str], body: Json) -> Answer:
        match path:
            case ["subject-types"]:
                self.subject_types[body["key"]] = body
                return 201, body
            case ["processes"]:
                if any(one["key"] == body["key"] for one in self.processes.values()):
                    return 409, {"code": "process_key_taken"}
                made = {**body, "id": str(uuid4()), "status": "draft", "version_no": 1}
                self.processes[made["id"]] = made
                return 201, made
            case ["processes", _, "validate"]:
                return 200, {"problems": []}
            case ["processes", one, "approve"]:
                if self.processes[one]["status"] != "draft":
                    return 409, {"code": "process_not_draft"}
                self.processes[one]["status"] = "approved"
                return 200, self.processes[one]
            case ["workflows"]:
                return self._begin(body)
            case ["executions", one, "start"]:
                return self._start(self.executions[one], body)
            case ["executions", one, "complete"]:
                return self._complete(self.executions[one], body)
        raise AssertionError(path)

    def _begin(self, body: Json) -> Answer:
        process = self.processes[body["process"]]
        assert process["status"] == "approved"
        (subject,) = body["subjects"]
        if "subject_id" in subject:
            assert subject["subject_id"] in self.subjects
        elif any(one["identifier"] == subject["identifier"] for one in self.subjects.values()):
            return 409, {"code": "subject_identifier_taken"}
        else:
            subject["id"] = str(uuid4())
            self.subjects[subject["id"]] = subject
        held = subject.get("subject_id") or subject["id"]
        made = {"id": str(uuid4()), "process": process["id"], "status": "in_progress", "subject": held}
        self.instances[made["id"]] = made
        self._enter(made["id"], min(process["graph"]["steps"], key=lambda step: int(step["order"])))
        return 201, made

    def _enter(self, instance: str, step: Json) -> list[Json]:
        if step["is_terminal"]:
            self.instances[instance]["status"] = step["terminal_status"]
            return []
        same = [e for e in self.executions.values() if e["workflow"] == instance and e["step"]["key"] == step["key"]]
        made: Json = {
            "id": str(uuid4()),
            "workflow": instance,
            "step": {"key": step["key"], "name": step["name"]},
            "visit_number": len(same) + 1,
            "status": "pending",
            "next_step": None,
        }
        self.executions[made["id"]] = made
        return [dict(made)]

    def _start(self, execution: Json, body: Json) -> Answer:
        assert execution["status"] == "pending"
        execution["status"] = "in_progress"
        self._tell(execution, "execution_started", body)
        return 200, {"outcome": "started", "execution": execution, "next": []}

    def _complete(self, execution: Json, body: Json) -> Answer:
        if execution["step"]["key"] == self.refuse_at:
            return 409, {"code": "requirements_unmet", "detail": "no"}
        assert execution["status"] in ("pending", "in_progress")
        if execution["status"] == "pending":
            self._tell(execution, "execution_started", body)
        graph = self.processes[self.instances[execution["workflow"]]["process"]]["graph"]
        after = next(_ways(graph, execution["step"]["key"], body.get("decision_result", "")))
        execution.update(status="completed", next_step={"key": after["key"], "name": after["name"]})
        self._tell(execution, "execution_completed", body)
        return 200, {"outcome": "advanced", "execution": execution, "next": self._enter(execution["workflow"], after)}

    def _tell(self, execution: Json, action: str, body: Json) -> None:
        self.audit.append(
            {
                "instance_id": execution["workflow"],
                "execution": execution["id"],
                "action": action,
                "on_behalf_of": body.get("on_behalf_of", ""),
            }
        )


def _ways(graph: Json, step: str, result: str) -> Iterator[Json]:
    steps = {one["key"]: one for one in graph["steps"]}
    for edge in graph["edges"]:
        if edge["from_step"] == step and edge["condition"].lower() == result.lower():
            yield steps[edge["to_step"]]


def _json(status: int, body: Any) -> httpx.Response:
    return httpx.Response(status, json=body)


Tamper = Callable[[FakeApi], None]
