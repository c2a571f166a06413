"""Nested processes over HTTP: published, found, failed, started again, shown as a tree."""

from typing import Any
from uuid import uuid4

from tests.e2e.drawing import act, at, audited, begun, ended, executions, incident
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
    (incident,) = eventually(lambda: engineer.items("/api/incidents/", workflow=started["id"], state="open"), bool)
    assert (incident["code"], incident["execution"]) == ("child_failed", execution["id"])
    assert engineer.post(retry, expect=403)["code"] == "forbidden"
    assert quality_manager.post(f"/api/incidents/{incident['id']}/retry/")["outcome"] == "retried"
    tree = eventually(lambda: engineer.items(f"{path}children/"), lambda found: len(found) == 6)
    by_status = [one["status"] for one in tree if one["depth"] == 1]
    assert by_status == ["cancelled", "in_progress"]
    assert engineer.items("/api/incidents/", workflow=started["id"], state="open") == []


def test_a_process_that_could_never_start_its_child_is_not_approved(admin: Person) -> None:
    leaf = process(admin, "Leaf")
    refused = process(admin, "Root", starting(leaf), subject_type="WorkOrder", expect=422)
    assert [one["code"] for one in refused["problems"]] == ["child_subject_mismatch"]
    wrong = starting(leaf, subjects={"rule": {"type": "Part", "where": "part.attributes ="}})
    refused = process(admin, "Root", wrong, expect=422)
    assert ["where" in one["path"] for one in refused["problems"]] == [True]
    neither = starting(leaf, subjects={"rule": {"type": "Part"}})
    assert process(admin, "Root", neither, expect=422)["code"] == "process_invalid"


def parent_of(admin: Person, child: Json, **config: Any) -> Json:
    """A process whose one step starts another one."""
    return process(admin, "Parent", starting(child, **config))


def nested(person: Person, workflow: Json, count: int) -> list[Json]:
    """The children of a workflow, once so many are under way."""
    page = f"/api/workflows/{workflow['id']}/children/"
    return eventually(
        lambda: person.items(page), lambda found: [one["status"] for one in found].count("in_progress") == count
    )


def finish(person: Person, child: Json) -> None:
    """Do the one step of a child."""
    act(person, at(person, child, "work"))
    ended(person, child)


def cancel(person: Person, workflow: Json, reason: str) -> None:
    """Cancel a workflow."""
    person.patch(f"/api/workflows/{workflow['id']}/", {"status": "cancelled", "reason": reason})


def test_context_goes_down_when_a_child_starts_and_comes_back_when_it_completes(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    mapped = {"context": {"lot": "batch"}, "context_back": {"verdict": "result"}}
    workflow = begun(engineer, parent_of(admin, process(admin, "Child"), **mapped), context={"batch": "B7"})
    (child,) = nested(engineer, workflow, 1)
    page = f"/api/workflows/{child['id']}/"
    shown = engineer.get(page)
    assert (shown["context"]["lot"], shown["parent_instance"]) == ("B7", workflow["id"])
    (parent_work,) = executions(engineer, workflow, step="work")
    assert (shown["triggered_by"], executions(engineer, child)[0]["subject"]) == (
        parent_work["id"], parent_work["subject"]
    )  # fmt: skip
    blocked = act(engineer, parent_work, expect=409)
    assert (blocked["code"], [one["name"] for one in blocked["unmet"]]) == ("requirements_unmet", ["Inspection"])
    by_hand = f"/api/executions/{parent_work['id']}/requirements/{blocked['unmet'][0]['requirement_id']}/complete/"
    assert engineer.post(by_hand, {"evidence": {}}, 409)["code"] == "derived_requirement"
    quality_manager.patch(page, {"context": {"lot": "B7", "result": {"porosity": "none"}}, "reason": "measured"})
    finish(engineer, child)
    (back,) = eventually(lambda: audited(admin, workflow, "instance_amended"), bool)
    assert (back["actor"]["id"], child["identifier"] in back["reason"]) == (None, True)
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["context"] == {
        "batch": "B7", "verdict": {"porosity": "none"}
    }  # fmt: skip
    assert act(engineer, parent_work)["outcome"] == "completed"
    (told,) = audited(admin, workflow, "child_ended")
    assert (told["new"]["child_id"], told["new"]["status"]) == (child["id"], "completed")


def test_a_failed_child_blocks_until_it_is_started_again(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, parent_of(admin, process(admin, "Child"), count=2))
    failed, other = nested(engineer, workflow, 2)
    cancel(quality_manager, failed, "Wrong drawing.")
    finish(engineer, other)
    work = at(engineer, workflow, "work")
    eventually(lambda: audited(admin, workflow, "child_ended"), lambda found: len(found) == 2)
    assert act(engineer, work, expect=409)["code"] == "requirements_unmet"
    assert engineer.items("/api/incidents/", workflow=workflow["id"]) == []
    retry = f"/api/executions/{work['id']}/retry-children/"
    assert engineer.post(retry, expect=403)["permission"] == "ops.incident_resolve"
    assert quality_manager.post(retry)["outcome"] == "children_started"
    (again,) = [one for one in nested(engineer, workflow, 1) if one["status"] == "in_progress"]
    assert (again["child_no"], again["requirement"]) == (3, "inspection")
    finish(engineer, again)
    eventually(lambda: audited(admin, workflow, "child_ended"), lambda found: len(found) == 3)
    assert act(engineer, work)["outcome"] == "completed"
    told = [(one["new"]["child_id"], one["new"]["status"]) for one in audited(admin, workflow, "child_ended")]
    assert sorted(told) == sorted([(failed["id"], "cancelled"), (other["id"], "completed"), (again["id"], "completed")])


def test_a_failed_child_counts_as_done_where_the_requirement_ignores_it(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, parent_of(admin, process(admin, "Child"), on_failure="ignore"))
    (child,) = nested(engineer, workflow, 1)
    work = at(engineer, workflow, "work")
    assert act(engineer, work, expect=409)["code"] == "requirements_unmet"
    cancel(quality_manager, child, "Wrong drawing.")
    eventually(lambda: audited(admin, workflow, "child_ended"), bool)
    assert act(engineer, work)["outcome"] == "completed"


def test_new_subjects_are_made_for_a_child_and_a_rule_that_finds_none_is_an_incident(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    child = process(admin, "Child")
    new = {"new": {"type": "Part", "count": 3, "attributes": {"lot": "trial"}}}
    workflow = begun(engineer, parent_of(admin, child, subjects=new))
    (made,) = nested(engineer, workflow, 1)
    parts = [one["subject"]["id"] for one in executions(engineer, made)]
    assert len(parts) == 3
    assert {engineer.get(f"/api/subjects/{one}/")["attributes"]["lot"] for one in parts} == {"trial"}

    rule = {"rule": {"type": "Part", "equal": {"order": "subject.identifier"}}}
    workflow = begun(engineer, parent_of(admin, child, subjects=rule))
    stopped = incident(engineer, workflow)
    assert (stopped["code"], "finds no Part" in stopped["message"]) == ("child_unusable", True)
    retry = f"/api/incidents/{stopped['id']}/retry/"
    assert quality_manager.post(retry, expect=409)["code"] == "child_unusable"
    order = at(engineer, workflow, "work")["subject"]["identifier"]
    part = {"subject_type": "Part", "identifier": f"{order}-1", "attributes": {"order": order}}
    engineer.post("/api/subjects/", part, expect=201)
    quality_manager.post(retry)
    (found,) = nested(engineer, workflow, 1)
    assert [one["subject"]["identifier"] for one in executions(engineer, found)] == [f"{order}-1"]


def test_hold_resume_and_cancel_reach_the_whole_tree(admin: Person, engineer: Person, quality_manager: Person) -> None:
    child = parent_of(admin, process(admin, "Grandchild"))
    workflow = begun(engineer, parent_of(admin, child, count=2))
    tree = nested(engineer, workflow, 4)
    page, reason = f"/api/workflows/{workflow['id']}/", "The furnace is down."

    def all_are(status: str) -> None:
        eventually(
            lambda: {one["status"] for one in engineer.items(f"{page}children/")}, lambda found: found == {status}
        )

    quality_manager.patch(page, {"status": "on_hold", "reason": reason})
    all_are("on_hold")
    (leaf, *_) = [one for one in tree if one["depth"] == 2]
    assert act(engineer, at(engineer, leaf, "work"), expect=409)["code"] == "on_hold"
    quality_manager.patch(page, {"status": "in_progress", "reason": "The furnace is hot again."})
    all_are("in_progress")
    quality_manager.patch(page, {"status": "cancelled", "reason": "The order was withdrawn."})
    all_are("cancelled")
    for action, why in (("instance_held", reason), ("instance_cancelled", "The order was withdrawn.")):
        (entry,) = audited(admin, leaf, action)
        assert (entry["reason"], entry["actor"]["username"]) == (why, quality_manager.username)


def test_forcing_a_step_cancels_the_children_that_run_for_it(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, parent_of(admin, process(admin, "Child")))
    (child,) = nested(engineer, workflow, 1)
    why = "inspected on paper instead"
    act(quality_manager, at(engineer, workflow, "work"), force={"reason": why})
    ended(engineer, child, "cancelled")
    (entry,) = audited(admin, child, "instance_cancelled")
    assert entry["reason"] == why
