"""Whose work it is and when it is late, over HTTP: assignment rules, delegation, absence, calendars, escalation."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.drawing import approved, edge, step
from tests.e2e.people import Json, Person, new_person

WHY = "she is on leave until Monday"
PATIENCE = 30


END = step("stock", is_terminal=True, terminal_status="in_stock")


def begun(admin: Person, *parts: Json, count: int = 1, **fields: Any) -> Json:
    """A running workflow of a new approved process."""
    return started(admin, approved(admin, *parts), count, **fields)


def started(admin: Person, process: Json, count: int = 1, **fields: Any) -> Json:
    subjects = [{"subject_type": "Part", "identifier": f"SN-{uuid4().hex[:8]}"} for _ in range(count)]
    body = {"process": process["id"], "subjects": subjects, **fields}
    workflow: Json = admin.post("/api/workflows/", body, expect=201)
    return workflow


def at(person: Person, workflow: Json, key: str) -> Json:
    """The open execution at a step."""
    found = [one for one in person.items(f"/api/workflows/{workflow['id']}/executions/") if one["exited_at"] is None]
    (only,) = [one for one in found if one["step"]["key"] == key]
    return only


def act(person: Person, execution: Json, action: str, body: Json | None = None, expect: int = 200) -> Json:
    """A command to an execution; a refusal is its problem."""
    answer: Json = person.post(f"/api/executions/{execution['id']}/{action}/", body or {}, expect=expect)
    return answer


def audited(person: Person, workflow: Json, action: str) -> list[Json]:
    """Entries of the workflow's audit trail."""
    return [one for one in person.items(f"/api/workflows/{workflow['id']}/audit/") if one["action"] == action]


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds anything."""
    until = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found or time.monotonic() > until:
            return found
        time.sleep(0.1)


@pytest.fixture
def olga(admin: Person) -> Iterator[Person]:
    """An operator."""
    with new_person(admin, "operator") as person:
        yield person


@pytest.fixture
def emil(admin: Person) -> Iterator[Person]:
    """An engineer."""
    with new_person(admin, "engineer") as person:
        yield person


def test_a_step_is_for_its_candidates_and_only_they_see_it(admin: Person, olga: Person, emil: Person) -> None:
    workflow = begun(admin, step("weld", config={"assignment": {"roles": ["engineer"], "priority": 9}}), END)
    weld = at(admin, workflow, "weld")
    assert weld["priority"] == 9
    assert act(olga, weld, "claim", expect=403)["code"] == "not_candidate"
    assert weld["id"] not in {task["id"] for task in olga.items("/api/my-tasks/")}
    assert weld["id"] in {task["id"] for task in emil.items("/api/my-tasks/")}
    assert act(emil, weld, "claim")["outcome"] == "claimed"


def test_four_eyes_delegation_and_reassignment(admin: Person, olga: Person, emil: Person) -> None:
    workflow = begun(
        admin,
        step("weld"),
        step("inspect", config={"assignment": {"not_who_did": ["weld"]}}),
        END,
        edge("weld", "inspect"),
    )
    act(olga, at(olga, workflow, "weld"), "complete")
    inspect = at(olga, workflow, "inspect")
    assert act(olga, inspect, "claim", expect=403)["code"] == "four_eyes"
    act(emil, inspect, "claim")
    refused = act(emil, inspect, "delegate", {"to": olga.username}, expect=403)
    assert refused["code"] == "four_eyes"
    act(emil, inspect, "delegate", {"to": admin.username, "reason": "knows the gauge"})
    assert act(admin, inspect, "complete", expect=409)["code"] == "delegated_by_another"
    assert act(admin, inspect, "hand-back", {"reason": "measured"})["outcome"] == "handed_back"
    assert act(olga, inspect, "reassign", {"to": olga.username, "reason": WHY}, expect=403)["code"] == "forbidden"
    assert act(admin, inspect, "reassign", {"to": "nobody-here", "reason": WHY}, expect=422)["code"] == "unassignable"
    assert (
        act(admin, inspect, "reassign", {"to": admin.username, "reason": "short"}, expect=422)["code"]
        == "reason_required"
    )
    done = act(admin, inspect, "reassign", {"to": admin.username, "reason": WHY})
    assert done["execution"]["assigned_to"]["username"] == admin.username
    assert act(admin, inspect, "complete")["outcome"] == "completed"
    trail = [(one["new"]["how"], one["reason"]) for one in audited(admin, workflow, "execution_reassigned")]
    assert sorted(trail) == [("delegate", "knows the gauge"), ("hand_back", "measured"), ("reassign", WHY)]


def test_who_is_away_is_represented_with_the_trace_of_it(admin: Person, olga: Person, emil: Person) -> None:
    workflow = begun(admin, step("weld"), END)
    weld = at(olga, workflow, "weld")
    act(olga, weld, "start")
    now = datetime.now(UTC)
    away = {
        "delegate_id": emil.get("/api/me/")["id"],
        "starts_at": (now - timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(days=3)).isoformat(),
        "reason": "holiday",
    }
    assert olga.post("/api/absences/", {**away, "ends_at": away["starts_at"]}, expect=422)["code"] == "absence_invalid"
    absence = olga.post("/api/absences/", away, expect=201)
    assert olga.post("/api/absences/", away, expect=422)["code"] == "absence_invalid"
    assert emil.post(f"/api/absences/{absence['id']}/end/", expect=403)["code"] == "forbidden"
    assert weld["id"] in {task["id"] for task in emil.items("/api/my-tasks/")}
    assert act(emil, weld, "claim")["execution"]["assigned_to"]["username"] == emil.username
    (entry,) = audited(admin, workflow, "execution_reassigned")
    assert (entry["new"]["how"], entry["reason"]) == ("absence", f"stands in for {olga.username}")
    ended = olga.post(f"/api/absences/{absence['id']}/end/")
    assert ended["ends_at"] < away["ends_at"]
    twice = olga.post(f"/api/absences/{absence['id']}/end/", expect=422)
    assert twice["detail"] == "That cannot be done with this absence: it has ended already."
    assert absence["id"] not in {one["id"] for one in olga.items("/api/absences/")}
    assert absence["id"] in {one["id"] for one in olga.items("/api/absences/", past="true")}


def test_who_stands_in_for_the_only_candidate_is_one_meanwhile(admin: Person) -> None:
    with (
        new_person(admin, "operator") as away,
        new_person(admin, "operator") as there,
        new_person(admin, "operator") as other,
    ):
        named = {"users": [away.username]}
        process = begun(admin, step("weld", config={"assignment": named}), END)
        dealt = step("weld", config={"assignment": {**named, "auto": "least_loaded"}})
        weld = at(admin, process, "weld")
        assert act(there, weld, "claim", expect=403)["code"] == "not_candidate"
        now = datetime.now(UTC)
        absence = {
            "delegate_id": there.get("/api/me/")["id"],
            "starts_at": (now - timedelta(hours=1)).isoformat(),
            "ends_at": (now + timedelta(days=3)).isoformat(),
        }
        entered = away.post("/api/absences/", absence, expect=201)
        assert weld["id"] in {task["id"] for task in there.items("/api/my-tasks/")}
        assert weld["id"] not in {task["id"] for task in other.items("/api/my-tasks/")}
        assert act(other, weld, "claim", expect=403)["code"] == "not_candidate"
        act(away, weld, "claim")
        assert act(there, weld, "claim")["execution"]["assigned_to"]["username"] == there.username
        assert act(there, weld, "complete")["outcome"] == "completed"
        workflow = begun(admin, dealt, END)
        mine = at(admin, workflow, "weld")
        assert mine["assigned_to"]["username"] == there.username
        assert act(there, mine, "complete")["outcome"] == "completed"
        away.post(f"/api/absences/{entered['id']}/end/")
        again = at(admin, begun(admin, step("weld", config={"assignment": named}), END), "weld")
        assert act(there, again, "claim", expect=403)["code"] == "not_candidate"


def test_who_stands_in_answers_the_approvals_of_who_is_away(admin: Person, olga: Person) -> None:
    with new_person(admin, "quality_manager") as boss, new_person(admin, "approver") as deputy:
        config = {"users": [boss.username], "allow_delegation": True}
        ok = {"key": "ok", "requirement_type": "approval", "name": "Release", "config": config}
        workflow = begun(admin, step("weld", requirements=[ok]), END)
        now = datetime.now(UTC)
        away = {
            "delegate_id": deputy.get("/api/me/")["id"],
            "starts_at": (now - timedelta(hours=1)).isoformat(),
            "ends_at": (now + timedelta(days=3)).isoformat(),
        }
        assert deputy.items("/api/my-tasks/", kind="approval") == []
        boss.post("/api/absences/", away, expect=201)
        (task,) = deputy.items("/api/my-tasks/", kind="approval")
        done = deputy.post(f"/api/approvals/{task['id']}/approve/", {"comment": "checked"})
        assert done["responses"][0]["delegated_from"]["username"] == boss.username
        assert act(olga, at(olga, workflow, "weld"), "complete")["outcome"] == "completed"
        (entry,) = audited(admin, workflow, "approval.approved")
        assert entry["new"]["delegated_from"] == boss.get("/api/me/")["id"]


def test_two_claims_at_once_have_one_winner(admin: Person, olga: Person, emil: Person) -> None:
    workflow = begun(admin, step("weld"), END)
    weld = at(olga, workflow, "weld")
    act(olga, weld, "claim")
    refused = act(emil, weld, "claim", expect=409)
    assert (refused["code"], refused["assignee_name"]) == ("already_claimed", olga.username)


def test_a_site_works_by_its_calendar(admin: Person, olga: Person) -> None:
    site = f"site-{uuid4().hex[:6]}"
    shifts = [{"start": "08:00", "end": "12:00"}, {"start": "13:00", "end": "17:00"}]
    week = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), shifts)
    calendar = {"key": site, "name": "Munich", "time_zone": "Europe/Berlin", "week": week, "country": "DE"}
    assert olga.post("/api/calendars/", calendar, expect=403)["code"] == "forbidden"
    wrong = admin.post("/api/calendars/", {**calendar, "time_zone": "Europe/Atlantis"}, expect=422)
    assert wrong["code"] == "calendar_invalid"
    assert admin.post("/api/calendars/", {**calendar, "country": "XX"}, expect=422)["code"] == "calendar_invalid"
    assert admin.post("/api/calendars/", {**calendar, "week": {}}, expect=422)["code"] == "calendar_invalid"
    made = admin.post("/api/calendars/", calendar, expect=201)
    assert admin.post("/api/calendars/", calendar, expect=409)["code"] == "calendar_key_taken"

    def due() -> str:
        workflow = begun(admin, step("weld", expected_duration="PT8H"), END, context={"site": site})
        return str(at(admin, workflow, "weld")["due_at"])

    # Workers see a new calendar within seconds: from then on nothing is due at night.
    def by_the_calendar() -> bool:
        moment = datetime.fromisoformat(due()) + timedelta(hours=1)
        return moment.weekday() < 5 and 8 <= moment.hour <= 19

    assert eventually(by_the_calendar)
    changed = admin.patch(f"/api/calendars/{made['id']}/", {"exceptions": [{"date": "2026-12-24", "name": "closed"}]})
    assert changed["exceptions"] == [{"date": "2026-12-24", "shifts": [], "name": "closed"}]


def test_a_calendar_is_deleted_once_nothing_goes_by_it(admin: Person, olga: Person) -> None:
    site = f"site-{uuid4().hex[:6]}"
    calendar = {"key": site, "name": "Line 4", "time_zone": "Asia/Tokyo"}
    week = {"monday": [{"start": "08:00", "end": "17:00"}]}
    made = admin.post("/api/calendars/", {**calendar, "week": week}, expect=201)
    path = f"/api/calendars/{made['id']}/"
    workflow = begun(admin, step("weld", expected_duration="PT8H"), END, context={"site": site})
    assert olga.delete(path, 403)["code"] == "forbidden"
    refused = admin.delete(path, 409)
    assert (refused["code"], refused["key"]) == ("calendar_in_use", site)
    assert workflow["identifier"] in refused["detail"]
    admin.patch(f"/api/workflows/{workflow['id']}/", {"status": "cancelled", "reason": "The line is given up."})
    admin.delete(path)
    assert admin.get(path, expect=404)["code"] == "calendar_unknown"
    assert admin.delete(path, 404)["code"] == "calendar_unknown"
    assert admin.post("/api/calendars/", {**calendar, "week": week}, expect=201)["id"] != made["id"]


def test_a_calendar_is_kept_where_steps_of_a_process_act_at_its_site(admin: Person) -> None:
    site = f"site-{uuid4().hex[:6]}"
    week = {"monday": [{"start": "08:00", "end": "17:00"}]}
    made = admin.post("/api/calendars/", {"key": site, "name": "Oven", "time_zone": "UTC", "week": week}, expect=201)
    action = {"type": "activity", "activity": "bake", "site": site}
    bake = step("bake", step_type="automatic", config={"action": action})
    drawn = {"key": f"bake-{site}", "name": "Bake", "category": "quality", "subject_type": "Part"}
    admin.post("/api/processes/", {**drawn, "graph": {"steps": [bake, END], "edges": []}}, expect=201)
    refused = admin.delete(f"/api/calendars/{made['id']}/", 409)
    assert drawn["key"] in refused["detail"]


def test_a_day_that_a_calendar_names_twice_is_refused(admin: Person) -> None:
    week = {"monday": [{"start": "08:00", "end": "17:00"}]}
    twice = [{"date": "2026-12-24"}, {"date": "2026-12-24", "shifts": week["monday"]}]
    calendar = {"key": f"site-{uuid4().hex[:6]}", "name": "Line 5", "time_zone": "UTC", "week": week}
    refused = admin.post("/api/calendars/", {**calendar, "exceptions": twice}, expect=422)
    assert refused["code"] == "calendar_invalid"
    assert "2026-12-24" in refused["detail"]


def test_a_ladder_reminds_escalates_and_takes_the_escalation_edge(admin: Person, olga: Person) -> None:
    ladder = {
        "remind_before": ["PT1S"],
        "levels": [
            {"action": "raise_priority", "priority": 8},
            {"after": "PT1S", "action": "reassign", "to": [f"user:{olga.username}"]},
            {"after": "PT2S", "action": "route"},
        ],
    }
    workflow = begun(
        admin,
        step("weld", expected_duration="PT2S", config={"escalation": ladder}),
        step("chase"),
        END,
        edge("weld", "stock"),
        edge("weld", "chase", "escalation"),
        edge("chase", "stock"),
    )
    weld = at(admin, workflow, "weld")
    eventually(lambda: audited(admin, workflow, "execution_diverted"))
    trail = [one for one in admin.items(f"/api/workflows/{workflow['id']}/audit/") if one["execution"] == weld["id"]]
    assert {one["action"] for one in trail} >= {
        "execution_overdue", "execution_escalated", "priority_changed", "execution_reassigned", "execution_diverted",
    }  # fmt: skip
    assert admin.get(f"/api/executions/{weld['id']}/")["status"] == "cancelled"
    assert admin.get(f"/api/executions/{weld['id']}/")["priority"] == 8
    assert at(admin, workflow, "chase")["visit_number"] == 1


def test_a_level_starts_a_process_for_what_is_late_and_says_where_it_cannot(admin: Person, olga: Person) -> None:
    analysis, given_up = (begun(admin, step("why"), END)["process"] for _ in range(2))
    levels = [{"action": "start_process", "process_key": one["key"]} for one in (analysis, given_up)]
    late = step("weld", expected_duration="PT1S", config={"escalation": {"levels": levels}})
    process = approved(admin, late, END)
    admin.post(f"/api/processes/{given_up['id']}/retire/", {"reason": "nobody analyses like this any more"})
    workflow = started(admin, process)
    weld = at(admin, workflow, "weld")
    (child,) = eventually(lambda: admin.get(f"/api/workflows/{workflow['id']}/")["children"])
    assert child["name"].startswith("Escalation level 1 of Weld")
    shown = admin.get(f"/api/workflows/{child['id']}/")
    assert (shown["triggered_by"], shown["parent_instance"]) == (weld["id"], workflow["id"])
    assert eventually(lambda: admin.items(f"/api/workflows/{child['id']}/executions/"))
    assert act(olga, at(olga, child, "why"), "complete")["outcome"] == "completed"
    (entry,) = audited(admin, workflow, "escalation_process_started")
    assert entry["new"]["identifier"] == child["identifier"]
    (incident,) = admin.items("/api/incidents/", workflow=workflow["id"])
    assert (incident["code"], incident["execution"]) == ("escalation_process_unusable", None)
    answer = admin.post(f"/api/incidents/{incident['id']}/resolve/", {"note": "Asked the line by telephone."})
    assert (answer["outcome"], answer["execution"]["id"]) == ("resolved", weld["id"])
    assert act(olga, weld, "complete")["outcome"] == "completed"


def test_what_is_due_is_put_off_with_a_reason(admin: Person, olga: Person) -> None:
    workflow = begun(admin, step("weld", expected_duration="P1D", max_duration="P3D"), END)
    weld = at(olga, workflow, "weld")
    later = datetime.now(UTC) + timedelta(days=2)
    assert act(olga, weld, "snooze", {"until": later.isoformat()}, expect=422)["code"] == "request_invalid"
    far = {"until": (later + timedelta(days=9)).isoformat(), "reason": "waits for steel"}
    assert act(olga, weld, "snooze", far, expect=422)["code"] == "due_beyond_limit"
    past = {"until": "2020-01-01T00:00:00Z", "reason": "waits for steel"}
    assert act(olga, weld, "snooze", past, expect=422)["code"] == "due_in_the_past"
    done = act(olga, weld, "snooze", {"until": later.isoformat(), "reason": "waits for steel"})
    assert datetime.fromisoformat(done["execution"]["due_at"]) == later
    (entry,) = audited(admin, workflow, "due_changed")
    assert (entry["reason"], entry["new"]["how"]) == ("waits for steel", "snooze")


def test_the_most_urgent_comes_first_in_the_inbox(admin: Person, olga: Person) -> None:
    site = f"site-{uuid4().hex[:6]}"
    workflow = begun(admin, step("weld"), END, count=3, context={"site": site})
    tasks = olga.items("/api/my-tasks/", site=site)
    last = tasks[-1]
    act(admin, last, "prioritise", {"priority": 5})
    first, *_ = olga.items("/api/my-tasks/", site=site, limit="1")
    assert first["id"] == last["id"]
    answer = admin.post(
        "/api/executions/bulk/",
        {"action": "reassign", "execution_ids": [one["id"] for one in tasks], "to": olga.username, "reason": WHY},
    )
    assert {one["outcome"] for one in answer["items"]} == {"reassigned"}
    assert workflow["id"]
