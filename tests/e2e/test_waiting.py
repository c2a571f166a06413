"""Steps at which nobody works: timers that ring and messages from outside, and what the audit trail tells of them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.drawing import act, all_at, approved, at, audited, begun, end, ended, executions, incident, path, step
from tests.e2e.people import Json, Person
from tests.e2e.walk import eventually


def timed(admin: Person, **timer: Any) -> Json:
    """Parts that cure, and are unpacked."""
    return approved(admin, step("cure", step_type="timer", config={"timer": timer}), step("unpack"), end(),
                    *path("cure", "unpack", "end"))  # fmt: skip


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_timer_goes_on_by_itself_and_nobody_else_does(admin: Person, engineer: Person) -> None:
    workflow = begun(engineer, timed(admin, duration="PT2S"))
    cure = at(engineer, workflow, "cure")
    for action in ("claim", "start", "complete"):
        assert act(engineer, cure, action, expect=409)["code"] == "engine_step"
    assert cure["id"] not in {one["id"] for one in engineer.items("/api/my-tasks/")}
    assert moment(cure["wake_at"]) - moment(cure["entered_at"]) == timedelta(seconds=2)
    at(engineer, workflow, "unpack")
    left = engineer.get(f"/api/executions/{cure['id']}/")
    assert moment(left["exited_at"]) - moment(left["entered_at"]) >= timedelta(seconds=2)
    (entry,) = audited(admin, workflow, "execution_completed")
    assert (entry["execution"], entry["actor"]["id"], entry["source"]) == (cure["id"], None, "engine")


def test_a_timer_rings_at_the_moment_that_an_expression_says(admin: Person, engineer: Person) -> None:
    process = timed(admin, until="timestamp(context.ship_at)")
    ship_at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    workflow = begun(engineer, process, context={"ship_at": ship_at})
    at(engineer, workflow, "unpack")
    (rung,) = audited(admin, workflow, "timer_set")
    assert moment(rung["new"]["wake_at"]) == moment(ship_at)
    (cure,) = executions(engineer, workflow, step="cure")
    assert moment(cure["exited_at"]) >= moment(ship_at)


def test_a_moment_that_cannot_be_computed_is_an_incident_until_it_can(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, timed(admin, until="timestamp(context.ship_at)"))
    stopped = incident(engineer, workflow)
    assert (stopped["code"], "ship_at" in stopped["message"]) == ("expression_failed", True)
    now = datetime.now(UTC).isoformat()
    quality_manager.patch(f"/api/workflows/{workflow['id']}/", {"context": {"ship_at": now}, "reason": "was missing"})
    quality_manager.post(f"/api/incidents/{stopped['id']}/retry/")
    at(engineer, workflow, "unpack")


@pytest.mark.parametrize("never", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_that_no_clock_will_see_is_an_incident_and_a_hold_ends_as_ever(
    never: str, admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, timed(admin, until="context.ship_at"), context={"ship_at": never})
    assert incident(engineer, workflow)["code"] == "expression_failed"
    for status in ("on_hold", "in_progress"):
        held = {"status": status, "reason": "looking into it"}
        assert quality_manager.patch(f"/api/workflows/{workflow['id']}/", held)["status"] == status


def test_a_hold_moves_a_timer_by_the_time_held(admin: Person, engineer: Person, quality_manager: Person) -> None:
    workflow = begun(engineer, timed(admin, duration="PT3S"))
    cure = at(engineer, workflow, "cure")
    page = f"/api/workflows/{workflow['id']}/"
    held = quality_manager.patch(page, {"status": "on_hold", "reason": "power cut"})
    on_hold = datetime.now(UTC)
    held_for = eventually(lambda: datetime.now(UTC) - on_hold, lambda span: span > timedelta(seconds=1))
    quality_manager.patch(page, {"status": "in_progress", "reason": "power is back"})
    at(engineer, workflow, "unpack")
    (begin,), (over,) = audited(admin, workflow, "instance_held"), audited(admin, workflow, "instance_resumed")
    assert (begin["reason"], over["reason"]) == ("power cut", "power is back")
    assert moment(over["new"]["held_at"]) == moment(held["held_at"])
    left = engineer.get(f"/api/executions/{cure['id']}/")
    assert moment(left["exited_at"]) - moment(left["entered_at"]) >= timedelta(seconds=3) + held_for


def waiting(admin: Person, key: str = "subject.attributes.order", **event: Any) -> Json:
    """Parts that are packed, wait for their goods, and are shipped."""
    config = {"event": {"name": "goods_received", "key": key, **event}}
    return approved(admin, step("pack"), step("wait", step_type="message", config=config), step("ship"), end(),
                    *path("pack", "wait", "ship", "end"))  # fmt: skip


@pytest.fixture
def order() -> str:
    """A number that nobody else waits for."""
    return f"PO-{uuid4().hex[:8]}"


def post(person: Person, order: str, expect: int = 202, **more: Any) -> Json:
    """What another system tells."""
    answer: Json = person.post("/api/events/", {"name": "goods_received", "key": order, **more}, expect=expect)
    return answer


def test_a_message_lets_those_go_on_whose_key_it_names_and_fills_the_context(
    admin: Person, engineer: Person, order: str
) -> None:
    wanted = {"goods.quantity": "quantity", "goods.first": "lines.0.lot"}
    workflow = begun(engineer, waiting(admin, context=wanted), {"order": order}, {"order": f"{order}-other"})
    for execution in all_at(engineer, workflow, "pack", 2):
        act(engineer, execution)
    mine, other = all_at(engineer, workflow, "wait", 2)
    eventually(lambda: audited(admin, workflow, "message_awaited"), lambda found: len(found) == 2)
    (awaited,) = audited(admin, workflow, "message_awaited", mine)
    assert (awaited["new"]["name"], awaited["new"]["key"]) == ("goods_received", order)
    shown = engineer.get(f"/api/executions/{mine['id']}/")
    assert (shown["awaits"], shown["wake_at"]) == ({"event": "goods_received", "key": order}, None)
    assert act(engineer, mine, expect=409)["code"] == "engine_step"
    posted = post(engineer, order, data={"quantity": 40, "lines": [{"lot": "L7"}]}, id=f"erp-{order}")
    assert posted["reached"] == 1
    ship = at(engineer, workflow, "ship")
    assert ship["subject"] == mine["subject"]
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["context"] == {"goods": {"quantity": 40, "first": "L7"}}
    (received,) = audited(admin, workflow, "message_received")
    assert (received["execution"], received["new"]["message_id"]) == (mine["id"], posted["id"])
    shown = engineer.get(f"/api/events/{posted['id']}/")
    assert [(one["workflow"], one["execution"]) for one in shown["deliveries"]] == [(workflow["id"], mine["id"])]
    assert engineer.get(f"/api/executions/{mine['id']}/")["awaits"] is None
    (amended,) = audited(admin, workflow, "instance_amended")
    assert amended["new"]["changes"]["context_at"] == {"goods.quantity": 40, "goods.first": "L7"}
    assert at(engineer, workflow, "wait")["id"] == other["id"]


def test_a_message_that_came_before_anybody_waited_is_found(admin: Person, engineer: Person, order: str) -> None:
    posted = post(engineer, order)
    assert posted["reached"] == 0
    workflow = begun(engineer, waiting(admin), {"order": order})
    act(engineer, at(engineer, workflow, "pack"))
    act(engineer, at(engineer, workflow, "ship"))
    ended(engineer, workflow)
    (received,) = audited(admin, workflow, "message_received")
    assert received["new"]["message_id"] == posted["id"]
    assert audited(admin, workflow, "message_awaited") == []


def test_each_message_lets_a_subject_go_on_once_and_the_oldest_comes_first(
    admin: Person, engineer: Person, order: str
) -> None:
    config = {"event": {"name": "goods_received", "key": "subject.attributes.order"}}
    process = approved(
        admin, *(step(key, step_type="message", config=config) for key in ("one", "two", "three")), end(),
        *path("one", "two", "three", "end"),
    )  # fmt: skip
    first, second = post(engineer, order, data={"n": 1}), post(engineer, order, data={"n": 2})
    workflow = begun(engineer, process, {"order": order})
    third = eventually(lambda: audited(admin, workflow, "message_awaited"), bool)
    assert [one["new"]["step"] for one in third] == ["Three"]
    assert [one["new"]["message_id"] for one in audited(admin, workflow, "message_received")] == [
        first["id"], second["id"]
    ]  # fmt: skip
    last = post(engineer, order)
    ended(engineer, workflow)
    assert audited(admin, workflow, "message_received")[-1]["new"]["message_id"] == last["id"]


def test_a_message_of_the_same_id_is_the_same_message(admin: Person, engineer: Person, order: str) -> None:
    workflow = begun(engineer, waiting(admin), {"order": order}, {"order": order})
    first, second = all_at(engineer, workflow, "pack", 2)
    act(engineer, first)
    eventually(lambda: audited(admin, workflow, "message_awaited"), bool)
    named: Json = {"data": {"quantity": 1}, "id": f"erp-{order}"}
    posted = post(engineer, order, **named)
    assert post(engineer, order, **named) == posted
    changed = post(engineer, order, expect=422, **{**named, "data": {"quantity": 2}})
    assert (changed["code"], changed["id"]) == ("event_changed", named["id"])
    at(engineer, workflow, "ship")
    assert len(engineer.items("/api/events/", key=order)) == 1
    act(engineer, second)
    all_at(engineer, workflow, "ship", 2)
    received = audited(admin, workflow, "message_received")
    assert {one["new"]["message_id"] for one in received} == {posted["id"]}
    assert len(received) == 2


def test_a_cloud_event_is_a_message(admin: Person, engineer: Person, order: str) -> None:
    workflow = begun(engineer, waiting(admin, context={"lot": "lot"}), {"order": order})
    act(engineer, at(engineer, workflow, "pack"))
    event = {"specversion": "1.0", "type": "goods_received", "source": "/erp", "id": order, "subject": order,
             "data": {"lot": "L9"}}  # fmt: skip
    answer = engineer.http.post("/api/events/", json=event, headers={"content-type": "application/cloudevents+json"})
    assert (answer.status_code, answer.json()["event_id"]) == (202, f"/erp {order}")
    at(engineer, workflow, "ship")
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["context"] == {"lot": "L9"}


def test_who_may_not_post_lets_nobody_go_on(admin: Person, engineer: Person, approver: Person, order: str) -> None:
    workflow = begun(engineer, waiting(admin), {"order": order})
    act(engineer, at(engineer, workflow, "pack"))
    eventually(lambda: audited(admin, workflow, "message_awaited"), bool)
    assert post(approver, order, expect=403)["permission"] == "event.post"
    assert engineer.items("/api/events/", key=order) == []
    assert audited(admin, workflow, "message_received") == []
