"""Control over HTTP: deviations, second persons, previews, undo, incidents, lots; each seen in the audit trail."""

from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.people import Json, Person

WHY = "agreed with the customer"


def step(key: str, **fields: Any) -> Json:
    """A step's JSON."""
    return {"key": key, "name": key.title(), **fields}


def edge(from_step: str, to_step: str, edge_type: str = "default", condition: str = "") -> Json:
    """An edge's JSON."""
    return {"from_step": from_step, "to_step": to_step, "edge_type": edge_type, "condition": condition}


LINE = {
    "steps": [
        step("wash", requires_batch_completion=True),
        step("inspect", is_decision_point=True),
        step("rework"),
        step("stock", is_terminal=True, terminal_status="in_stock"),
        step("scrap", is_terminal=True, terminal_status="scrapped"),
    ],
    "edges": [
        edge("wash", "inspect"),
        edge("inspect", "stock"),
        edge("inspect", "rework", "alternate"),
        edge("inspect", "scrap", "alternate", "scrap"),
        edge("rework", "inspect"),
    ],
}


def approved(admin: Person, graph: Json) -> Json:
    """An approved process."""
    draft = admin.post(
        "/api/processes/",
        {"name": f"Control {uuid4().hex[:6]}", "category": "manufacturing", "subject_type": "Part", "graph": graph},
        expect=201,
    )
    process: Json = admin.post(f"/api/processes/{draft['id']}/approve/")
    return process


def begun(person: Person, process: Json, count: int) -> Json:
    """A running workflow of so many new parts."""
    subjects = [{"subject_type": "Part", "identifier": f"SN-{uuid4().hex[:8]}"} for _ in range(count)]
    workflow: Json = person.post("/api/workflows/", {"process": process["id"], "subjects": subjects}, expect=201)
    return workflow


def executions(person: Person, workflow: Json, **query: str) -> list[Json]:
    """Executions of a workflow."""
    return person.items(f"/api/workflows/{workflow['id']}/executions/", **query)


def open_at(person: Person, workflow: Json, step_key: str) -> list[Json]:
    """Those that are open at a step."""
    return [one for one in executions(person, workflow, step=step_key) if one["exited_at"] is None]


@pytest.fixture(scope="module")
def line(admin: Person) -> Json:
    """Parts that are washed together, inspected, reworked or scrapped."""
    return approved(admin, LINE)


def test_skip_move_and_rewind_one_or_many(admin: Person, engineer: Person, quality_manager: Person, line: Json) -> None:
    workflow = begun(engineer, line, 4)
    first, *others = [one["id"] for one in open_at(engineer, workflow, "wash")]
    refused = engineer.post(f"/api/executions/{first}/skip/", {"reason": WHY}, expect=403)
    assert (refused["code"], refused["permission"]) == ("forbidden", "execution.skip")
    short = quality_manager.post(f"/api/executions/{first}/skip/", {"reason": "too short"}, expect=422)
    assert (short["code"], short["minimum"]) == ("reason_required", 10)

    skipped = quality_manager.post(f"/api/executions/{first}/skip/", {"reason": WHY})
    assert (skipped["outcome"], skipped["execution"]["status"]) == ("skipped", "skipped")
    (inspecting,) = skipped["next"]
    unknown = quality_manager.post(f"/api/executions/{inspecting['id']}/move/", {"reason": WHY, "to_step": "x"}, 422)
    assert unknown["code"] == "step_unknown"
    moved = quality_manager.post(f"/api/executions/{inspecting['id']}/move/", {"reason": WHY, "to_step": "rework"})
    assert moved["next"][0]["step"]["key"] == "rework"
    never = {"reason": WHY, "to_step": "stock"}
    assert (
        quality_manager.post(f"/api/executions/{moved['next'][0]['id']}/rewind/", never, 409)["code"] == "never_visited"
    )
    back = {"reason": WHY, "to_step": "inspect"}
    rewound = quality_manager.post(f"/api/executions/{moved['next'][0]['id']}/rewind/", back)
    assert (rewound["outcome"], rewound["next"][0]["visit_number"]) == ("rewound", 2)
    assert {one["status"] for one in executions(engineer, workflow, step="inspect")} == {"rolled_back", "pending"}

    many = {"action": "move", "execution_ids": others, "to_step": "inspect", "reason": WHY}
    engineer.post("/api/executions/bulk/", many, expect=403)
    answer = quality_manager.post("/api/executions/bulk/", many)
    assert [one["outcome"] for one in answer["items"]] == ["moved"] * 3
    assert len(open_at(engineer, workflow, "inspect")) == 4

    trail = quality_manager.items(f"/api/workflows/{workflow['id']}/audit/")
    diverted = [one for one in trail if one["action"] == "execution_diverted"]
    assert {(one["new"]["how"], one["reason"]) for one in diverted} == {("skip", WHY), ("move", WHY), ("rewind", WHY)}
    assert {one["actor"]["username"] for one in diverted} == {quality_manager.username}


def test_moving_the_last_busy_one_releases_the_batch(engineer: Person, quality_manager: Person, line: Json) -> None:
    workflow = begun(engineer, line, 3)
    busy, *ready = [one["id"] for one in open_at(engineer, workflow, "wash")]
    for one in ready:
        assert engineer.post(f"/api/executions/{one}/complete/")["outcome"] == "waiting"
    quality_manager.post(f"/api/executions/{busy}/move/", {"to_step": "scrap", "reason": WHY})
    assert len(open_at(engineer, workflow, "inspect")) == 2
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["subjects_finished"] == {"scrapped": 1}


def test_subjects_join_and_are_taken_out(engineer: Person, quality_manager: Person, line: Json) -> None:
    workflow = begun(engineer, line, 1)
    late = [{"subject_type": "Part", "identifier": f"LATE-{uuid4().hex[:8]}"} for _ in range(2)]
    path = f"/api/workflows/{workflow['id']}/subjects/"
    joining = {"subjects": late, "to_step": "inspect", "reason": WHY}
    assert engineer.post(path, joining, expect=403)["code"] == "forbidden"
    key: dict[str, Any] = {"Idempotency-Key": uuid4().hex}
    added = quality_manager.post(path, joining, **key)
    assert (added["outcome"], len(added["subject_ids"])) == ("added", 2)
    assert quality_manager.post(path, joining, **key) == added
    assert {one["subject"]["id"] for one in open_at(engineer, workflow, "inspect")} == set(added["subject_ids"])
    existing = {"subjects": [{"subject_id": added["subject_ids"][0]}], "reason": WHY}
    assert quality_manager.post(path, existing, expect=409)["code"] == "subject_present"

    taking = {"subject_ids": added["subject_ids"][:1], "reason": WHY}
    assert quality_manager.post(f"{path}remove/", taking)["outcome"] == "removed"
    assert quality_manager.post(f"{path}remove/", taking, expect=409)["code"] == "subject_finished"
    nobody = {"subject_ids": [str(uuid4())], "reason": WHY}
    assert quality_manager.post(f"{path}remove/", nobody, expect=404)["code"] == "subject_not_here"
    shown = engineer.get(f"/api/workflows/{workflow['id']}/")
    assert (shown["subject_count"], shown["subjects_finished"]) == (3, {"removed": 1})
    actions = [one["action"] for one in quality_manager.items(f"/api/workflows/{workflow['id']}/audit/")]
    assert "subjects_added" in actions
