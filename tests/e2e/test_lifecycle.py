"""What may be done to an execution when, over HTTP: taken, started, given back, completed, signed off, held."""

from uuid import uuid4

import pytest

from tests.e2e.drawing import act, all_at, approved, at, audited, begun, edge, end, ended, executions, step
from tests.e2e.people import Json, Person, new_person
from tests.e2e.walk import eventually

WHY = "agreed with the customer"


def told(reader: Person, execution: Json) -> list[str]:
    """What the audit trail says of an execution, in order."""
    trail = reader.items(f"/api/workflows/{execution['workflow']}/audit/", limit=200)
    return [one["action"] for one in trail if one["execution"] == execution["id"]]


def test_work_is_taken_started_given_back_and_done_by_whoever_takes_it_then(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    process = approved(admin, step("weld", requires_explicit_start=True), end())
    workflow = begun(engineer, process)
    weld = at(engineer, workflow, "weld")
    assert act(engineer, weld, "release", 409, reason="not mine")["code"] == "not_claimed"
    assert act(engineer, weld, "claim")["outcome"] == act(engineer, weld, "claim")["outcome"] == "claimed"
    for action in ("claim", "start", "complete", "release"):
        refused = act(quality_manager, weld, action, 409)
        assert (refused["code"], refused["assignee_name"]) == ("already_claimed", engineer.username)
    assert act(engineer, weld, expect=409)["code"] == "not_started"
    assert act(engineer, weld, "start")["execution"]["status"] == "in_progress"
    released = act(engineer, weld, "release", reason="end of shift")
    assert (released["execution"]["status"], released["execution"]["assigned_to"]) == ("pending", None)
    assert "end of shift" in released["execution"]["notes"]
    act(quality_manager, weld, "start")
    done = act(quality_manager, weld, notes="two passes")
    assert (done["outcome"], done["execution"]["status"]) == ("completed", "completed")
    assert act(engineer, weld, "claim", 409)["code"] == "instance_closed"
    by = [(one["actor"]["username"], one["reason"]) for one in audited(admin, workflow, "execution_released")]
    assert by == [(engineer.username, "end of shift")]
    assert [one for one in told(admin, weld) if not one.startswith("command_")] == [
        "execution_entered", "execution_claimed", "execution_started", "execution_released", "execution_started",
        "execution_completed",
    ]  # fmt: skip


def test_the_audit_trail_names_subject_step_and_visit_of_each_execution(admin: Person, engineer: Person) -> None:
    process = approved(
        admin, step("weld"), step("check", is_decision_point=True), end(),
        edge("weld", "check"), edge("check", "end"), edge("check", "weld", "alternate"),
    )  # fmt: skip
    workflow = begun(engineer, process, {}, {})
    first, second = all_at(engineer, workflow, "weld", 2)
    act(engineer, first)
    act(engineer, at(engineer, workflow, "check"), decision_result="fail")
    again = next(one for one in all_at(engineer, workflow, "weld", 2) if one["id"] != second["id"])
    act(engineer, again, "start")
    shown = {one["id"]: one for one in executions(engineer, workflow)}
    names = ("subject", "step", "visit_number")
    for order in ("asc", "desc"):
        trail = admin.items(f"/api/workflows/{workflow['id']}/audit/", limit=5, order=order)
        about = [one for one in trail if one["execution"] is not None]
        assert {one["execution"] for one in about} == {*shown}
        assert all([one[name] for name in names] == [shown[one["execution"]][name] for name in names] for one in about)
        assert {tuple(one[name] for name in names) for one in trail if one["execution"] is None} == {(None, None, None)}
    taken = audited(admin, workflow, "execution_started", again)
    assert [(one["subject"]["identifier"], one["step"]["name"], one["visit_number"]) for one in taken] == [
        (first["subject"]["identifier"], "Weld", 2)
    ]
    assert admin.get(f"/api/workflows/{workflow['id']}/verify/")["clean"]


def test_a_request_that_is_repeated_with_its_key_happens_once(admin: Person, engineer: Person) -> None:
    workflow = begun(engineer, approved(admin, step("weld"), step("pack"), end()))
    weld = at(engineer, workflow, "weld")
    key = {"Idempotency-Key": uuid4().hex}
    page = f"/api/executions/{weld['id']}/complete/"
    first = engineer.post(page, {"notes": "once"}, 200, **key)
    assert engineer.post(page, {"notes": "once"}, 200, **key) == first
    assert engineer.post(page, {"notes": "twice"}, 422, **key)["code"] == "idempotency_conflict"
    assert act(engineer, weld, expect=409)["code"] == "execution_closed"
    assert told(admin, weld).count("execution_completed") == 1
    assert at(engineer, workflow, "pack")["visit_number"] == 1


def test_another_person_signs_off_and_whoever_did_the_work_does_not(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, approved(admin, step("weld", requires_qa_signoff=True), end()), {}, {})
    mine, other = all_at(engineer, workflow, "weld", 2)
    assert act(quality_manager, mine, "signoff", 409)["code"] == "not_awaiting_signoff"
    assert act(quality_manager, mine)["outcome"] == "awaiting_signoff"
    assert act(quality_manager, mine, expect=409)["code"] == "already_done"
    assert act(quality_manager, mine, "signoff", 403)["code"] == "self_signoff"
    assert act(engineer, other)["outcome"] == "awaiting_signoff"
    assert act(engineer, other, "signoff", 403)["permission"] == "execution.signoff"
    act(quality_manager, other, "signoff", comment="seam is sound")
    with new_person(admin, "quality_manager") as colleague:
        tasks = {one["id"] for one in colleague.items("/api/my-tasks/", kind="signoff")}
        assert (mine["id"] in tasks, other["id"] in tasks) == (True, False)
        act(colleague, mine, "signoff")
        signed = {one["execution"]: one for one in audited(admin, workflow, "execution_signed_off")}
        assert signed[mine["id"]]["actor"]["username"] == colleague.username
    assert (signed[other["id"]]["actor"]["username"], signed[other["id"]]["reason"]) == (
        quality_manager.username, "seam is sound"
    )  # fmt: skip
    ended(engineer, workflow)


def test_one_sign_off_accepts_a_batch(admin: Person, engineer: Person, quality_manager: Person) -> None:
    process = approved(admin, step("wash", requires_qa_signoff=True, requires_batch_completion=True), end())
    workflow = begun(engineer, process, {}, {}, {})
    *ready, last = all_at(engineer, workflow, "wash", 3)
    for execution in ready:
        assert act(engineer, execution)["outcome"] == "awaiting_signoff"
    act(quality_manager, ready[0], "signoff")
    waiting = all_at(engineer, workflow, "wash", 3)
    assert [one["status"] for one in waiting] == ["waiting", "waiting", "pending"]
    act(engineer, last)
    act(quality_manager, last, "signoff")
    ended(engineer, workflow)
    assert len(audited(admin, workflow, "execution_signed_off")) == 3


def test_on_hold_nothing_moves_but_work_may_be_given_back(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, approved(admin, step("weld"), end()))
    weld = at(engineer, workflow, "weld")
    act(engineer, weld, "start")
    page = f"/api/workflows/{workflow['id']}/"
    assert quality_manager.patch(page, {"status": "on_hold"}, 422)["code"] == "reason_required"
    assert quality_manager.patch(page, {"status": "in_progress", "reason": "x"}, 409)["code"] == "not_on_hold"
    held = quality_manager.patch(page, {"status": "on_hold", "reason": "audit finding"})
    assert (held["status"], held["reason"]) == ("on_hold", "audit finding")
    assert quality_manager.patch(page, {"status": "on_hold", "reason": "again"}, 409)["code"] == "already_on_hold"
    assert act(engineer, weld, expect=409)["code"] == "on_hold"
    assert act(quality_manager, weld, "skip", 409, reason=WHY)["code"] == "on_hold"
    assert act(engineer, weld, "release", reason="going home")["outcome"] == "released"
    quality_manager.patch(page, {"status": "in_progress", "reason": "finding closed"})
    assert engineer.patch(page, {"status": "cancelled", "reason": "x"}, 403)["permission"] == "instance.control"
    cancelled = quality_manager.patch(page, {"status": "cancelled", "reason": "order withdrawn"})
    assert (cancelled["status"], cancelled["current_execution"]) == ("cancelled", None)
    assert engineer.get(f"/api/executions/{weld['id']}/")["status"] == "cancelled"
    for action in ("claim", "complete"):
        assert act(engineer, weld, action, 409)["code"] == "instance_closed"
    assert quality_manager.patch(page, {"status": "on_hold", "reason": "x"}, 409)["code"] == "instance_closed"
    trail = admin.items(f"{page}audit/")
    reasons = {one["action"]: one["reason"] for one in trail if one["action"].startswith("instance_")}
    assert reasons["instance_held"] == "audit finding"
    assert reasons["instance_resumed"] == "finding closed"
    assert reasons["instance_cancelled"] == "order withdrawn"


def test_many_are_worked_on_at_once_and_each_has_its_own_answer(
    admin: Person, engineer: Person, approver: Person
) -> None:
    process = approved(admin, step("weld", is_decision_point=True), end("good"), end("bad"), edge("weld", "good"),
                       edge("weld", "bad", "alternate"))  # fmt: skip
    first, second = begun(engineer, process, {}, {}), begun(engineer, process)
    with new_person(admin, "operator") as colleague:
        taken, free = all_at(engineer, first, "weld", 2)
        act(colleague, taken, "claim")
    there = [taken["id"], free["id"], at(engineer, second, "weld")["id"]]
    unknown = str(uuid4())
    bulk = {"action": "complete", "execution_ids": [*there, unknown], "decision_result": "pass"}
    assert approver.post("/api/executions/bulk/", bulk, 403)["permission"] == "execution.work"
    answer = engineer.post("/api/executions/bulk/", bulk, 207)
    came = [(one["execution_id"], one.get("outcome") or one["problem"]["code"]) for one in answer["items"]]
    assert came == [
        (there[0], "already_claimed"), (there[1], "completed"), (there[2], "completed"), (unknown, "execution_unknown")
    ]  # fmt: skip
    ended(engineer, second)
    assert audited(admin, first, "command_refused", taken)[0]["new"]["code"] == "already_claimed"
    assert engineer.post("/api/executions/bulk/", {**bulk, "execution_ids": []}, 422)["code"] == "executions_invalid"


@pytest.mark.parametrize("explicit", [False, True])
def test_a_step_that_needs_nobody_to_complete_it_goes_on_when_all_is_met(
    admin: Person, engineer: Person, explicit: bool
) -> None:
    gates = [{"key": "list", "requirement_type": "checklist", "name": "List", "config": {"items": ["clean"]}}]
    process = approved(admin, step("weld", requires_operator_completion=False, requires_explicit_start=explicit,
                                   requirements=gates), end())  # fmt: skip
    workflow = begun(engineer, process)
    weld = at(engineer, workflow, "weld")
    (gate,) = engineer.requirements(weld["id"])
    engineer.post(
        f"/api/executions/{weld['id']}/requirements/{gate['id']}/complete/", {"evidence": {"checked_items": [0]}}
    )
    if explicit:
        assert engineer.get(f"/api/executions/{weld['id']}/")["status"] == "pending"
        act(engineer, weld, "start")
    eventually(lambda: engineer.get(f"/api/workflows/{workflow['id']}/")["status"], lambda found: found == "completed")
    (entry,) = audited(admin, workflow, "execution_completed", weld)
    assert entry["actor"]["id"] is None
