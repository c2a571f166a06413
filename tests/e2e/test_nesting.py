"""Nested processes over HTTP: published, found, failed, started again, shown as a tree."""

from typing import Any
from uuid import uuid4

from tests.e2e.people import Json, Person
from tests.e2e.walk import eventually


def process(admin: Person, name: str, *requirements: Json, subject_type: str = "Part", expect: int = 200) -> Json:
    """An approved process of one step, or what its approval was refused with."""
    step = {"key": "work", "name": "Work", "requirements": list(requirements)}
    graph = {"steps": [step, {"key": "end", "name": "End", "is_terminal": True}], "edges": []}
    body = {"name": f"{name} {uuid4().hex[:6]}", "category": "quality", "subject_type": subject_type, "graph": graph}
    draft = admin.post("/api/processes/", body, expect=201)
    answer: Json = admin.post(f"/api/processes/{draft['id']}/approve/", expect=expect)
    return answer


def starting(child: Json, **config: Any) -> Json:
    """A requirement that starts a process."""
    asked = {"process_id": child["id"], **config}
    return {"requirement_type": "child_workflow", "key": "inspection", "name": "Inspection", "config": asked}


def test_parts_of_an_order_are_inspected_below_it(admin: Person, engineer: Person, quality_manager: Person) -> None:
    order = f"WO-{uuid4().hex[:6]}"
    for number in (1, 2):
        part = {"subject_type": "Part", "identifier": f"{order}-{number}", "attributes": {"work_order": order}}
        engineer.post("/api/subjects/", part, expect=201)
    leaf = process(admin, "Leaf")
    middle = process(admin, "Middle", starting(leaf))
    rule = {"type": "Part", "equal": {"work_order": "subject.identifier"}}
    config = {"subjects": {"rule": rule}, "on_failure": "incident", "context_back": {"verdict": "result"}}
    root = process(admin, "Root", starting(middle, **config), subject_type="WorkOrder")
    started = engineer.post(
        "/api/workflows/",
        {"process": root["id"], "subjects": [{"subject_type": "WorkOrder", "identifier": order}]},
        expect=201,
    )
    path = f"/api/workflows/{started['id']}/"
    tree = eventually(lambda: engineer.items(f"{path}children/", limit=1), lambda found: len(found) == 3)
    assert [(one["depth"], one["requirement"], one["child_no"]) for one in tree] == [
        (1, "inspection", 1), (2, "inspection", 1), (2, "inspection", 1),
    ]  # fmt: skip
    assert {one["parent_instance"] for one in tree[1:]} == {tree[0]["id"]}
    assert len(engineer.items(f"{path}children/", depth=1)) == 1
    shown = engineer.get(f"/api/workflows/{tree[0]['id']}/")
    assert (shown["parent_instance"], shown["subject_count"]) == (started["id"], 2)
    execution = engineer.open_execution(started["id"])
    assert shown["triggered_by"] == execution["id"]

    retry = f"/api/executions/{execution['id']}/retry-children/"
    assert quality_manager.post(retry, expect=409)["code"] == "no_failed_child"
    quality_manager.patch(f"/api/workflows/{tree[0]['id']}/", {"status": "cancelled", "reason": "Wrong drawing."})
    (incident,) = eventually(lambda: engineer.items("/api/incidents/", instance=started["id"], state="open"), bool)
    assert (incident["code"], incident["execution"]) == ("child_failed", execution["id"])
    assert engineer.post(retry, expect=403)["code"] == "forbidden"
    assert quality_manager.post(f"/api/incidents/{incident['id']}/retry/")["outcome"] == "retried"
    tree = eventually(lambda: engineer.items(f"{path}children/"), lambda found: len(found) == 6)
    by_status = [one["status"] for one in tree if one["depth"] == 1]
    assert by_status == ["cancelled", "in_progress"]
    assert engineer.items("/api/incidents/", instance=started["id"], state="open") == []


def test_a_process_that_could_never_start_its_child_is_not_approved(admin: Person) -> None:
    leaf = process(admin, "Leaf")
    refused = process(admin, "Root", starting(leaf), subject_type="WorkOrder", expect=422)
    assert [one["code"] for one in refused["problems"]] == ["child_subject_mismatch"]
    wrong = starting(leaf, subjects={"rule": {"type": "Part", "where": "part.attributes ="}})
    refused = process(admin, "Root", wrong, expect=422)
    assert ["where" in one["path"] for one in refused["problems"]] == [True]
    neither = starting(leaf, subjects={"rule": {"type": "Part"}})
    assert process(admin, "Root", neither, expect=422)["code"] == "process_invalid"
