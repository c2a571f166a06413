"""Which version of a process is in force, who put it there, and what is started by it: over HTTP, seen in its audit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.drawing import act, at, begun, end, ended, step
from tests.e2e.people import Json, Person, new_person
from tests.e2e.walk import eventually

WHY = "New torque limits after the tool change"


def page(process: Json, action: str = "") -> str:
    """Its address, or that of what is done with it."""
    return f"/api/processes/{process['id']}/" + (f"{action}/" if action else "")


def soon(**span: float) -> str:
    """A moment from now on."""
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


def drafted(author: Person, *steps: Json) -> Json:
    """A draft of a process of these steps, one after the other."""
    graph = {"steps": list(steps) or [step("weld"), end()], "edges": []}
    body = {"name": "Welding", "category": "manufacturing", "subject_type": "Part", "graph": graph}
    draft: Json = author.post("/api/processes/", body, expect=201)
    return draft


def next_version(author: Person, process: Json) -> Json:
    """A copy, to be worked on."""
    draft: Json = author.post(page(process, "new-version"), {"note": WHY}, expect=201)
    return draft


def started(person: Person, process: Json, expect: int = 201) -> Json:
    """What a start by the key of the process is answered with."""
    body: Json = {"process_key": process["key"], "subjects": [{"subject_type": "Part"}]}
    answer: Json = person.post("/api/workflows/", body, expect)
    return answer


@pytest.fixture
def version_1(engineer: Person, quality_manager: Person) -> Json:
    """In force."""
    approved: Json = quality_manager.post(page(drafted(engineer), "approve"))
    return approved


def told(reader: Person, process: Json) -> list[tuple[str, str, str]]:
    """Who did what to a version, and why."""
    trail = reader.items(page(process, "audit"))
    return [(one["action"], one["actor"]["username"], one["reason"]) for one in trail]


def test_a_version_goes_through_review_by_another_person(
    admin: Person, engineer: Person, quality_manager: Person, version_1: Json
) -> None:
    draft = next_version(engineer, version_1)
    assert (draft["version"], draft["status"]) == ("1.1", "draft")
    assert engineer.post(page(version_1, "new-version"), {"note": WHY}, 409)["code"] == "draft_exists"
    assert quality_manager.patch(page(draft), {"name": "x", "revision": 99}, 409)["code"] == "revision_conflict"
    engineer.post(page(draft, "submit"), {"note": "please look"})
    assert engineer.patch(page(draft), {"name": "x"}, 409)["code"] == "process_not_draft"
    assert engineer.post(page(draft, "approve"), {"reason": WHY}, 403)["permission"] == "process.approve"
    with new_person(admin, "quality_manager") as author:
        own = drafted(author)
        assert author.post(page(own, "approve"), {"reason": WHY}, 403)["code"] == "process_self_approval"
    quality_manager.post(page(draft, "reject"), {"reason": "Say the limits."})
    engineer.post(page(draft, "submit"))
    engineer.post(page(draft, "withdraw"), {"reason": "forgot the limits"})
    engineer.post(page(draft, "submit"))
    wrong = quality_manager.post(page(draft, "approve"), {"password": "not mine"}, 403)
    assert wrong["code"] == "reauthentication_failed"
    approved = quality_manager.post(page(draft, "approve"), {"password": quality_manager.password})
    assert (approved["status"], engineer.get(page(version_1))["status"]) == ("approved", "deprecated")
    names = {engineer.username: "author", quality_manager.username: "reviewer"}
    assert [(action, names[who], why) for action, who, why in told(admin, draft)] == [
        ("process.version_created", "author", WHY), ("process.submitted", "author", "please look"),
        ("process.rejected", "reviewer", "Say the limits."), ("process.submitted", "author", ""),
        ("process.withdrawn", "author", "forgot the limits"), ("process.submitted", "author", ""),
        ("process.approved", "reviewer", ""),
    ]  # fmt: skip


def test_a_version_is_started_from_the_moment_it_takes_effect_and_until_it_ends(
    engineer: Person, quality_manager: Person, version_1: Json
) -> None:
    running = started(engineer, version_1)
    draft = next_version(engineer, version_1)
    past = {"effective_from": soon(days=-1)}
    assert quality_manager.post(page(draft, "approve"), past, 422)["code"] == "effective_dates_invalid"
    dates = {"effective_from": soon(seconds=2), "effective_until": soon(seconds=5)}
    version_2 = quality_manager.post(page(draft, "approve"), dates)
    early: Json = {"process": version_2["id"], "subjects": [{"subject_type": "Part"}]}
    assert engineer.post("/api/workflows/", early, 409)["code"] == "process_not_effective"
    assert started(engineer, version_1)["process"]["version"] == "1.0"
    eventually(lambda: started(engineer, version_1)["process"]["version"], lambda version: version == "1.1")
    until = datetime.fromisoformat(dates["effective_until"])
    eventually(lambda: datetime.now(UTC), lambda now: now > until)
    assert started(engineer, version_1, 409)["code"] == "process_not_effective"
    assert engineer.get(f"/api/workflows/{running['id']}/")["process"]["version"] == "1.0"


def test_what_is_retired_starts_nothing_and_what_runs_on_it_goes_to_its_end(
    admin: Person, engineer: Person, quality_manager: Person, version_1: Json
) -> None:
    workflow = begun(engineer, version_1)
    assert engineer.post(page(version_1, "retire"), {"reason": WHY}, 403)["permission"] == "process.approve"
    assert quality_manager.post(page(version_1, "retire"), {"reason": "old"}, 422)["code"] == "reason_required"
    assert quality_manager.post(page(version_1, "retire"), {"reason": WHY})["status"] == "retired"
    assert quality_manager.post(page(version_1, "retire"), {"reason": WHY}, 409)["code"] == "process_retired"
    assert started(engineer, version_1, 409)["code"] == "process_not_approved"
    act(engineer, at(engineer, workflow, "weld"))
    ended(engineer, workflow)
    assert told(admin, version_1)[-1] == ("process.retired", quality_manager.username, WHY)


def test_a_version_that_others_start_is_not_retired(engineer: Person, quality_manager: Person, version_1: Json) -> None:
    gate: dict[str, Any] = {"key": "sub", "requirement_type": "child_workflow", "name": "Sub"}
    gate["config"] = {"process_id": version_1["id"]}
    parent = quality_manager.post(page(drafted(engineer, step("nest", requirements=[gate]), end()), "approve"))
    refused = quality_manager.post(page(version_1, "retire"), {"reason": WHY}, 409)
    assert (refused["code"], refused["parents"]) == ("process_in_use", ["Welding 1.0"])
    workflow = begun(engineer, parent)
    quality_manager.post(page(parent, "retire"), {"reason": WHY})
    assert quality_manager.post(page(version_1, "retire"), {"reason": WHY}, 409)["code"] == "process_in_use"
    quality_manager.patch(f"/api/workflows/{workflow['id']}/", {"status": "cancelled", "reason": "Not needed."})
    assert quality_manager.post(page(version_1, "retire"), {"reason": WHY})["status"] == "retired"
