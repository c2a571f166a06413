"""A process changes while it runs: the next version is reviewed, comes into force, and running work goes over to it."""

from typing import Any

import pytest

from tests.e2e.people import Person, new_person
from tests.e2e.walk import start

Json = dict[str, Any]
WHY = "New torque limits after the tool change"


def check(key: str, *items: str) -> Json:
    return {"key": key, "requirement_type": "checklist", "name": key.title(), "config": {"items": list(items)}}


def graph(*steps: Json) -> Json:
    return {"steps": [*steps, {"key": "end", "name": "End", "is_terminal": True}], "edges": []}


SIGN = {"key": "sign", "requirement_type": "signature", "name": "Sign", "config": {"role": "engineer"}}
OLD = graph(
    {"key": "weld", "name": "Weld", "requirements": [check("look", "Seam"), check("torque", "12 Nm"), SIGN]},
    {"key": "paint", "name": "Paint"},
    {"key": "pack", "name": "Pack"},
)
NEW = graph(
    {"key": "weld", "name": "Weld", "requirements": [check("look", "Seam"), check("torque", "13 Nm"), SIGN]},
    {"key": "coat", "name": "Coat"},
    {"key": "pack", "name": "Pack"},
)


@pytest.fixture
def version_1(engineer: Person, quality_manager: Person) -> Json:
    """In force."""
    body = {"name": "Welding", "category": "manufacturing", "subject_type": "Part", "graph": OLD}
    draft = engineer.post("/api/processes/", body, expect=201)
    return dict(quality_manager.post(f"/api/processes/{draft['id']}/approve/"))


def next_version(engineer: Person, approver: Person, old: Json, new_graph: Json) -> Json:
    """Drafted, submitted, sent back, submitted again, approved by another person."""
    draft = engineer.post(f"/api/processes/{old['id']}/new-version/", {"level": "minor", "note": WHY}, expect=201)
    path = f"/api/processes/{draft['id']}/"
    engineer.patch(path, {"graph": new_graph, "revision": draft["revision"]})
    engineer.post(f"{path}submit/")
    approver.post(f"{path}reject/", {"reason": "Please say 13 Nm."})
    engineer.post(f"{path}submit/")
    return dict(approver.post(f"{path}approve/", {"password": approver.password}))


def test_running_work_goes_over_to_the_next_version(
    engineer: Person, quality_manager: Person, admin: Person, version_1: Json
) -> None:
    instance = start(engineer, version_1, "Part", "W", count=3)
    for subject in (1, 2):
        weld(engineer, execution_of(engineer, instance, subject), quality_manager)
    complete(engineer, execution_of(engineer, instance, 2))
    engineer.post(f"/api/executions/{execution_of(engineer, instance, 1)['id']}/claim/")
    first = execution_of(engineer, instance, 0)
    given = engineer.requirements(first["id"])
    for one in given:
        engineer.give(first["id"], one, quality_manager)
    version_2 = next_version(engineer, quality_manager, version_1, NEW)
    diff = engineer.get(f"/api/processes/{version_2['id']}/diff/")
    assert [(one["what"], one["change"], one["key"]) for one in diff["items"]] == [
        ("step", "added", "coat"), ("step", "removed", "paint"), ("requirement", "changed", "weld/torque")
    ]  # fmt: skip
    path = f"/api/processes/{version_2['id']}/migrations/"
    body = {"from_process": version_1["id"], "instances": [instance["id"]], "reason": WHY}

    refused = quality_manager.post(path, body)
    assert (refused["possible"], refused["items"][0]["problems"][0]["code"]) == (False, "migration_no_image")
    applied = quality_manager.post(path, {**body, "dry_run": False}, expect=207)
    assert applied["items"][0]["problem"]["code"] == "migration_no_image"
    mapped = {**body, "mapping": {"steps": {"paint": "coat"}}}
    plan = quality_manager.post(path, mapped)
    assert plan["possible"]
    assert [(one["step"], one["to_step"], one["outcome"], one["opened"]) for one in plan["items"][0]["moves"]] == [
        ("weld", "weld", "stays", ["torque"]), ("paint", "coat", "enters", []), ("pack", "pack", "stays", [])
    ]  # fmt: skip
    assert engineer.get(f"/api/workflows/{instance['id']}/")["process"]["version"] == "1.0"

    engineer.post(path, {**mapped, "dry_run": False}, expect=403)
    assert quality_manager.post(path, {**mapped, "dry_run": False, "reason": "x"}, expect=422)["code"] == (
        "reason_required"
    )
    key = {"Idempotency-Key": f"migrate-{instance['id']}"}
    done = quality_manager.post(path, {**mapped, "dry_run": False}, 200, **key)
    assert [one["outcome"] for one in done["items"]] == ["migrated"]
    assert quality_manager.post(path, {**mapped, "dry_run": False}, 200, **key) == done

    assert engineer.get(f"/api/workflows/{instance['id']}/")["process"]["version"] == "1.1"
    assert execution_of(engineer, instance, 0)["id"] == first["id"]
    now = {one["key"]: one for one in engineer.requirements(first["id"])}
    assert {key: one["satisfied"] for key, one in now.items()} == {"look": True, "torque": False, "sign": True}
    before = {one["key"]: one["id"] for one in given}
    assert (now["look"]["id"], now["sign"]["id"]) == (before["look"], before["sign"])
    assert now["torque"]["id"] != before["torque"]
    engineer.post(f"/api/executions/{first['id']}/claim/")
    with new_person(admin, "engineer") as colleague:
        assert signatures(colleague, first) == []
        engineer.give(first["id"], now["torque"], quality_manager)
        assert signatures(colleague, first) == [before["sign"]]
    assert {one["key"]: one["satisfied"] for one in engineer.requirements(first["id"])}["sign"] is False
    engineer.give(first["id"], now["sign"], quality_manager)
    complete(engineer, first)
    coat = execution_of(engineer, instance, 1)
    assert (coat["step"]["key"], coat["status"], coat["assigned_to"]["username"]) == (
        "coat", "claimed", engineer.username
    )  # fmt: skip
    for _ in range(2):
        for subject in range(3):
            if (open_one := execution_of(engineer, instance, subject, or_none=True)) is not None:
                complete(engineer, open_one)
    assert engineer.get(f"/api/workflows/{instance['id']}/")["status"] == "completed"
    trail = admin.items(f"/api/workflows/{instance['id']}/audit/", limit=200)
    (told,) = [one for one in trail if one["action"] == "instance_migrated"]
    assert (told["reason"], told["new"]["steps"], told["actor"]["username"]) == (
        WHY, {"paint": "coat"}, quality_manager.username
    )  # fmt: skip
    assert admin.get(f"/api/workflows/{instance['id']}/verify/")["clean"]


def test_all_open_workflows_of_a_version_go_over_at_once(engineer: Person, version_1: Json, admin: Person) -> None:
    running = [start(engineer, version_1, "Part", f"A{number}") for number in range(3)]
    admin.patch(f"/api/workflows/{running[0]['id']}/", {"status": "on_hold", "reason": "audit"})
    admin.patch(f"/api/workflows/{running[1]['id']}/", {"status": "cancelled", "reason": "gone"})
    with new_person(admin, "quality_manager") as approver:
        version_2 = next_version(engineer, approver, version_1, OLD)
        path = f"/api/processes/{version_2['id']}/migrations/"
        body = {"from_process": version_1["id"], "reason": WHY}
        plan = approver.post(path, body)
        assert [item["instance"]["id"] for item in plan["items"]] == [running[0]["id"], running[2]["id"]]
        assert [item["possible"] for item in plan["items"]] == [False, True]
        done = approver.post(path, {**body, "dry_run": False}, expect=207)
        assert [one.get("outcome") or one["problem"]["code"] for one in done["items"]] == ["on_hold", "migrated"]
        admin.patch(f"/api/workflows/{running[0]['id']}/", {"status": "in_progress", "reason": "closed"})
        named = {**body, "dry_run": False, "instances": [one["id"] for one in running]}
        done = approver.post(path, named, expect=207)
        assert [one.get("outcome") or one["problem"]["code"] for one in done["items"]] == [
            "migrated", "migration_other_version", "instance_closed"
        ]  # fmt: skip
        back = approver.post(
            f"/api/processes/{version_1['id']}/migrations/",
            {"from_process": version_2["id"], "dry_run": False, "reason": "The new version has a fault."},
        )
        assert [one["outcome"] for one in back["items"]] == ["migrated", "migrated"]


def signatures(person: Person, execution: Json) -> list[str]:
    """Requirements of an execution that wait for this person's signature."""
    tasks = person.items("/api/my-tasks/", kind="signature")
    return [one["id"] for one in tasks if one["execution"]["id"] == execution["id"]]


def weld(engineer: Person, execution: Json, releaser: Person) -> None:
    """Give all evidence and complete."""
    for one in engineer.requirements(execution["id"]):
        engineer.give(execution["id"], one, releaser)
    complete(engineer, execution)


def complete(person: Person, execution: Json) -> None:
    person.post(f"/api/executions/{execution['id']}/complete/")


def execution_of(person: Person, instance: Json, subject: int, *, or_none: bool = False) -> Any:
    """The open execution of the n-th subject, in the order in which they were started."""
    everything = person.items(f"/api/workflows/{instance['id']}/executions/", limit=200)
    names = sorted({one["subject"]["identifier"] for one in everything})
    found = [one for one in everything if one["subject"]["identifier"] == names[subject] and one["exited_at"] is None]
    assert or_none or len(found) == 1, found
    return found[0] if found else None
