"""Graphs as people draw them, workflows of them, and what the walks ask about an execution."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from uuid import uuid4

from tests.e2e.people import Json, Person
from tests.e2e.walk import eventually


def step(key: str, **fields: Any) -> Json:
    """A step's JSON."""
    return {"key": key, "name": key.title(), **fields}


def end(key: str = "end", terminal_status: str = "") -> Json:
    """A step at which subjects end."""
    return step(key, is_terminal=True, terminal_status=terminal_status or key)


def edge(from_step: str, to_step: str, edge_type: str = "default", condition: str = "", **fields: Any) -> Json:
    """An edge's JSON."""
    return {"from_step": from_step, "to_step": to_step, "edge_type": edge_type, "condition": condition, **fields}


def path(*keys: str) -> list[Json]:
    """Default edges from each step to the one behind it."""
    return [edge(one, other) for one, other in pairwise(keys)]


def gate(key: str, kind: str, /, **config: Any) -> Json:
    """A requirement's JSON."""
    return {"key": key, "requirement_type": kind, "name": key.title(), "config": config}


def characteristic(admin: Person, **limits: str) -> str:
    """Key of something new to be measured, in mm."""
    body = {"key": f"bore-{uuid4().hex[:6]}", "name": "Bore", "unit": "mm", **limits}
    key: str = admin.post("/api/measurement-definitions/", body, expect=201)["key"]
    return key


def measured(value: str) -> Json:
    """Evidence of one value."""
    return {"values": [{"value": value, "unit": "mm"}]}


def approved(admin: Person, *parts: Json, subject_type: str = "Part") -> Json:
    """An approved process of these steps and edges."""
    graph = {"steps": [one for one in parts if "key" in one], "edges": [one for one in parts if "from_step" in one]}
    body = {"name": f"Drawn {uuid4().hex[:6]}", "category": "quality", "subject_type": subject_type, "graph": graph}
    draft = admin.post("/api/processes/", body, expect=201)
    process: Json = admin.post(f"/api/processes/{draft['id']}/approve/")
    return process


def begun(person: Person, process: Json, *attributes: Mapping[str, Any], **fields: Any) -> Json:
    """A running workflow of new parts, one for each of `attributes`, or else a single one."""
    parts = [
        {"subject_type": "Part", "identifier": f"SN-{number}-{uuid4().hex[:8]}", "attributes": dict(one)}
        for number, one in enumerate(attributes or [{}])
    ]
    body = {"process": process["id"], "subjects": parts, **fields}
    workflow: Json = person.post("/api/workflows/", body, expect=201)
    return workflow


def executions(person: Person, workflow: Json, **query: str) -> list[Json]:
    """Executions of a workflow, subjects in the order of their start."""
    found = person.items(f"/api/workflows/{workflow['id']}/executions/", limit=200, **query)
    return sorted(found, key=lambda one: (one["subject"]["identifier"], one["entered_at"]))


def all_at(person: Person, workflow: Json, key: str, count: int) -> list[Json]:
    """The open executions at a step, once so many are there; what the engine does by itself, nobody waits for."""
    return eventually(
        lambda: [one for one in executions(person, workflow, step=key) if one["exited_at"] is None],
        lambda found: len(found) == count,
    )


def at(person: Person, workflow: Json, key: str) -> Json:
    """The one open execution at a step, once it is there."""
    (found,) = all_at(person, workflow, key, 1)
    return found


def ended(person: Person, workflow: Json, status: str = "completed") -> Json:
    """A workflow, once it is over."""
    ask = f"/api/workflows/{workflow['id']}/"
    return eventually(lambda: dict(person.get(ask)), lambda found: found["status"] == status)


def ends(person: Person, workflow: Json, keys: Sequence[str]) -> list[str]:
    """Which end each subject of a completed workflow came to."""
    ended(person, workflow)
    return [one["step"]["key"] for one in executions(person, workflow) if one["step"]["key"] in keys]


def act(person: Person, execution: Json, action: str = "complete", expect: int = 200, **body: Any) -> Json:
    """A command to an execution; a refusal is its problem."""
    answer: Json = person.post(f"/api/executions/{execution['id']}/{action}/", body, expect=expect)
    return answer


def give(person: Person, execution: Json, key: str, **evidence: Any) -> None:
    """Evidence for the requirement of that key."""
    (wanted,) = [one for one in person.requirements(execution["id"]) if one["key"] == key]
    person.post(f"/api/executions/{execution['id']}/requirements/{wanted['id']}/complete/", {"evidence": evidence})


def audited(reader: Person, workflow: Json, action: str, execution: Json | None = None) -> list[Json]:
    """Entries of the workflow's audit trail, of one execution where it is named."""
    trail = reader.items(f"/api/workflows/{workflow['id']}/audit/", limit=200)
    of = None if execution is None else execution["id"]
    return [one for one in trail if one["action"] == action and of in (None, one["execution"])]


def decision(kind: str, **config: Any) -> Json:
    """A decision that nobody takes."""
    fields: Json = {"is_decision_point": True, "decision_type": kind, "requires_operator_completion": False}
    return step("sort", **fields, config=config)


def decided(reader: Person, workflow: Json, key: str = "sort") -> list[tuple[str, str | None]]:
    """What came of each visit to a decision, by the audit trail: the result, and where it led."""
    by_id = {one["id"]: one for one in executions(reader, workflow, step=key)}
    found = [one for one in audited(reader, workflow, "execution_completed") if one["execution"] in by_id]
    found.sort(key=lambda one: list(by_id).index(one["execution"]))
    return [(one["new"].get("result", ""), one["new"].get("next_step")) for one in found]


def incident(person: Person, workflow: Json) -> Json:
    """The one open incident of a workflow, once it is there."""
    (found,) = eventually(lambda: person.items("/api/incidents/", state="open", workflow=workflow["id"]), bool)
    return found
