"""Approvals, signatures and conditions over HTTP: who may answer, in which order, and what a change does to answers."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.drawing import act, approved, at, audited, begun, end, gate, give, step
from tests.e2e.people import Json, Person, new_person

FORM = gate("form", "form", schema={"type": "object"})


@pytest.fixture(scope="module")
def board(admin: Person) -> Iterator[list[Person]]:
    """Three who may approve."""
    with ExitStack() as stack:
        yield [stack.enter_context(new_person(admin, "approver")) for _ in range(3)]


def gated(admin: Person, worker: Person, *gates: Json) -> tuple[Json, Json]:
    """A workflow with its work, which has these gates."""
    workflow = begun(worker, approved(admin, step("weld", requirements=list(gates)), end()))
    return workflow, at(worker, workflow, "weld")


def request_of(person: Person, execution: Json, key: str = "ok") -> Json:
    """The newest request of an approval."""
    (wanted,) = [one for one in person.requirements(execution["id"]) if one["key"] == key]
    shown: Json = person.get(f"/api/approvals/{wanted['approval']['id']}/")
    return shown


def answer(person: Person, request: Json, word: str = "approve", expect: int = 200, **body: Any) -> Json:
    """What somebody says to a request; a refusal is its problem."""
    said: Json = person.post(f"/api/approvals/{request['id']}/{word}/", body, expect)
    return said


def unmet(person: Person, execution: Json) -> list[str]:
    """Why the work cannot be completed."""
    refused = act(person, execution, expect=409)
    assert refused["code"] == "requirements_unmet"
    return [one["reason"] for one in refused["unmet"]]


def waits_for(person: Person, request: Json) -> bool:
    """Whether a request is in somebody's inbox."""
    return request["id"] in {one["id"] for one in person.items("/api/my-tasks/", kind="approval")}


def test_stages_are_answered_in_their_order_by_all_any_or_n_of_those_asked(
    admin: Person, engineer: Person, quality_manager: Person, board: list[Person]
) -> None:
    first, second, third = board
    names = [one.username for one in board]
    stages = [
        {"name": "Technical", "mode": "all", "users": names[:2]},
        {"name": "Customer", "mode": "n_of_m", "n": 2, "users": names},
        {"name": "Quality", "mode": "any", "roles": ["quality_manager"]},
    ]
    workflow, weld = gated(admin, engineer, gate("ok", "approval", stages=stages))
    request = request_of(engineer, weld)
    assert [waits_for(one, request) for one in (first, second, third)] == [True, True, False]
    assert answer(third, request, expect=403)["code"] == "not_an_approver"
    answer(first, request, comment="seam is sound")
    assert answer(first, request, expect=409)["code"] == "already_answered"
    assert "stage 1 of 3" in unmet(engineer, weld)[0]
    answer(second, request)
    assert waits_for(third, request)
    for person in (third, first):
        assert "stage 2 of 3" in unmet(engineer, weld)[0]
        answer(person, request)
    assert "stage 3 of 3" in unmet(engineer, weld)[0]
    assert answer(second, request, expect=403)["code"] == "not_an_approver"
    assert answer(quality_manager, request)["state"] == "approved"
    assert answer(quality_manager, request, expect=409)["code"] == "approval_closed"
    assert act(engineer, weld)["outcome"] == "completed"
    said = [(one["actor"]["username"], one["old"]["stage"]) for one in audited(admin, workflow, "approval.approved")]
    assert said == [(first.username, 0), (second.username, 0), (third.username, 1), (first.username, 1),
                    (quality_manager.username, 2)]  # fmt: skip


def test_a_veto_ends_it_and_without_one_a_rejection_is_a_vote(
    admin: Person, engineer: Person, quality_manager: Person, board: list[Person]
) -> None:
    first, second, third = board
    names = [one.username for one in board]
    votes = {"mode": "n_of_m", "n": 2, "users": names, "veto": False, "veto_roles": ["quality_manager"]}
    _, weld = gated(admin, engineer, gate("ok", "approval", stages=[votes]))
    request = request_of(engineer, weld)
    assert answer(first, request, "reject", 422)["code"] == "reason_required"
    assert answer(first, request, "reject", comment="the burr stays")["state"] == "pending"
    answer(second, request)
    assert answer(third, request)["state"] == "approved"
    assert act(engineer, weld)["outcome"] == "completed"
    workflow, weld = gated(admin, engineer, gate("ok", "approval", stages=[votes]))
    request = request_of(engineer, weld)
    assert answer(quality_manager, request, expect=403)["code"] == "not_an_approver"
    assert answer(quality_manager, request, "reject", comment="the gauge was wrong")["state"] == "rejected"
    assert answer(first, request, expect=409)["code"] == "approval_closed"
    assert "rejected" in unmet(engineer, weld)[0]
    (entry,) = audited(admin, workflow, "approval.rejected")
    assert (entry["actor"]["username"], entry["reason"]) == (quality_manager.username, "the gauge was wrong")


def test_nobody_approves_their_own_work_unless_the_template_allows_it_with_a_reason(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    strict = gate("ok", "approval", roles=["engineer", "quality_manager"])
    workflow, weld = gated(admin, engineer, FORM, strict)
    give(engineer, weld, "form", submitted_data={"lot": "A"})
    own = answer(engineer, request_of(engineer, weld), expect=403, comment="nobody else is here tonight")
    assert own["code"] == "self_approval"
    answer(quality_manager, request_of(engineer, weld))
    assert act(engineer, weld)["outcome"] == "completed"
    workflow, weld = gated(admin, engineer, FORM, gate("ok", "approval", roles=["engineer"], allow_self_approval=True))
    give(engineer, weld, "form", submitted_data={"lot": "A"})
    request = request_of(engineer, weld)
    assert answer(engineer, request, expect=422, comment="alone")["code"] == "reason_required"
    answer(engineer, request, comment="nobody else is here tonight")
    (entry,) = audited(admin, workflow, "approval.approved")
    assert "nobody else is here tonight" in str(entry["new"]) + entry["reason"]


def test_what_was_approved_and_signed_is_what_was_shown_and_a_change_voids_both(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    gates = [FORM, gate("ok", "approval", roles=["quality_manager"]), gate("sign", "signature", role="engineer")]
    workflow, weld = gated(admin, engineer, *gates)
    stale = request_of(engineer, weld)["content_hash"]
    give(engineer, weld, "form", submitted_data={"lot": "A1"})
    request = request_of(engineer, weld)
    changed = answer(quality_manager, request, expect=409, content_hash=stale)
    assert changed["code"] == "content_changed"
    answer(quality_manager, request, content_hash=request["content_hash"])
    give(engineer, weld, "sign", password=engineer.password, meaning="performed")
    give(engineer, weld, "form", submitted_data={"lot": "A7"})
    reasons = unmet(engineer, weld)
    assert len(reasons) == 2
    assert any("round 2" in one for one in reasons)
    for action in ("approval.voided", "signature.voided"):
        (entry,) = audited(admin, workflow, action)
        assert "'Form' was changed" in entry["reason"]
    answer(quality_manager, request_of(engineer, weld))
    give(engineer, weld, "sign", password=engineer.password, meaning="performed")
    assert act(engineer, weld)["outcome"] == "completed"


def test_a_signature_asks_for_the_password_and_the_role(admin: Person, engineer: Person, board: list[Person]) -> None:
    workflow, weld = gated(admin, engineer, gate("sign", "signature", role="quality_manager"))
    (wanted,) = engineer.requirements(weld["id"])
    page = f"/api/executions/{weld['id']}/requirements/{wanted['id']}/complete/"
    mine: Json = {"evidence": {"password": engineer.password, "meaning": "approved"}}
    assert engineer.post(page, mine, 403)["code"] == "signature_role_required"
    with new_person(admin, "quality_manager") as inspector:
        wrong = {"evidence": {"password": "guessed", "meaning": "approved"}}
        assert inspector.post(page, wrong, 403)["code"] == "reauthentication_failed"
        right = {"evidence": {"password": inspector.password, "meaning": "approved"}}
        assert inspector.post(page, right)["satisfied"] is True
        assert inspector.post(page, right, 409)["code"] == "already_signed"
        (entry,) = audited(admin, workflow, "signature.given")
        assert entry["actor"]["username"] == inspector.username
    assert act(engineer, weld)["outcome"] == "completed"


def test_a_condition_says_with_its_own_words_what_is_missing(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    dry = gate("dry", "custom", expression="context.humidity < 40", message="It is too humid to paint.")
    process = approved(admin, step("paint", requirements=[dry]), end())
    workflow = begun(engineer, process, context={"humidity": 55})
    paint = at(engineer, workflow, "paint")
    assert unmet(engineer, paint) == ["It is too humid to paint."]
    page = f"/api/workflows/{workflow['id']}/"
    quality_manager.patch(page, {"context": {"humidity": 35}, "reason": "the dryer is on"})
    assert act(engineer, paint)["outcome"] == "completed"
    (entry,) = audited(admin, workflow, "instance_amended")
    assert (entry["reason"], entry["new"]["changes"]) == ("the dryer is on", {"context": {"humidity": 35}})
    refusals = audited(admin, workflow, "command_refused")
    assert [one["new"]["code"] for one in refusals] == ["requirements_unmet"]
