"""Due times and hard limits over HTTP: what a hold does to them, who hears of them, and what the audit trail says."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.drawing import act, approved, at, audited, begun, end, step
from tests.e2e.people import Json, Person
from tests.e2e.walk import eventually

REASON = "The furnace is down."


def moment(text: str) -> datetime:
    """RFC 3339."""
    return datetime.fromisoformat(text)


def timed(admin: Person, expected: str, **fields: Any) -> Json:
    """A process of one step that is due some time after its entry."""
    return approved(admin, step("weld", expected_duration=expected, **fields), end())


def change(person: Person, workflow: Json, status: str) -> Json:
    """Hold or resume."""
    body = {"status": status, "reason": REASON}
    shown: Json = person.patch(f"/api/workflows/{workflow['id']}/", body)
    return shown


def test_a_hold_gives_back_the_time_that_was_left(admin: Person, engineer: Person, quality_manager: Person) -> None:
    workflow = begun(engineer, timed(admin, "PT2H"))
    before = at(engineer, workflow, "weld")
    assert moment(before["due_at"]) - moment(before["entered_at"]) == timedelta(hours=2)
    change(quality_manager, workflow, "on_hold")
    on_hold = datetime.now(UTC)
    assert at(engineer, workflow, "weld")["due_at"] == before["due_at"]
    at_least = datetime.now(UTC) - on_hold
    change(quality_manager, workflow, "in_progress")
    (resumed,) = audited(admin, workflow, "instance_resumed")
    at_most = moment(resumed["at"]) - moment(resumed["new"]["held_at"])
    moved = moment(at(engineer, workflow, "weld")["due_at"]) - moment(before["due_at"])
    assert timedelta(0) < at_least <= moved <= at_most
    assert resumed["reason"] == REASON


def test_on_hold_nothing_becomes_late(admin: Person, engineer: Person, quality_manager: Person) -> None:
    workflow = begun(engineer, timed(admin, "PT2S"))
    due = moment(at(engineer, workflow, "weld")["due_at"])
    change(quality_manager, workflow, "on_hold")
    eventually(lambda: datetime.now(UTC), lambda now: now > due + timedelta(seconds=0.5))
    weld = at(engineer, workflow, "weld")
    assert (weld["overdue"], audited(admin, workflow, "execution_overdue")) == (False, [])
    change(quality_manager, workflow, "in_progress")
    late = eventually(lambda: audited(admin, workflow, "execution_overdue"), bool)
    assert moment(late[0]["at"]) >= moment(at(engineer, workflow, "weld")["due_at"]) > due


def test_what_passes_its_due_time_and_its_limit_is_told_once_each_to_those_concerned(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    escalation = {"remind_before": ["PT0.5S"], "levels": [{"action": "notify", "to": ["role:quality_manager"]}]}
    hers = {"users": [engineer.username], "auto": "least_loaded"}
    config = {"escalation": escalation, "assignment": hers}
    workflow = begun(admin, timed(admin, "PT1S", max_duration="PT2S", config=config))
    weld = at(engineer, workflow, "weld")
    eventually(lambda: audited(admin, workflow, "limit_exceeded"), bool)
    assert at(engineer, workflow, "weld")["overdue"] is True
    assert workflow["id"] in {one["id"] for one in engineer.items("/api/workflows/", overdue="true", limit=200)}
    assert weld["id"] in {one["id"] for one in engineer.items("/api/my-tasks/", overdue="true", limit=200)}
    (late,), (over,) = (audited(admin, workflow, action) for action in ("execution_overdue", "limit_exceeded"))
    assert (late["new"]["due_at"], late["actor"]["id"]) == (weld["due_at"], None)
    assert moment(over["new"]["limit_at"]) - moment(late["new"]["due_at"]) == timedelta(seconds=1)

    def notices(person: Person) -> set[str]:
        told = person.items("/api/notifications/", limit=200)
        return {one["kind"] for one in told if one["workflow"] == workflow["id"]}

    hers_to_know = {"execution_assigned", "execution_due_soon", "execution_overdue"}
    eventually(lambda: notices(engineer), lambda kinds: kinds == hers_to_know)
    eventually(lambda: notices(admin), lambda kinds: kinds == {"execution_overdue"})
    eventually(lambda: notices(quality_manager), lambda kinds: kinds == {"escalation"})
    for kind, whose in (("execution_due_soon", engineer), ("execution_overdue", admin)):
        told = [one for one in whose.items("/api/notifications/", kind=kind) if one["workflow"] == workflow["id"]]
        assert len(told) == 1


def test_what_has_no_due_time_cannot_be_put_off(admin: Person, engineer: Person) -> None:
    workflow = begun(engineer, approved(admin, step("weld"), end()))
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    refused = act(engineer, at(engineer, workflow, "weld"), "snooze", 409, until=later, reason="waits for steel")
    assert refused["code"] == "not_due"
    assert [one["new"]["code"] for one in audited(admin, workflow, "command_refused")] == ["not_due"]
