"""In whose hands: candidates, four eyes, reassigning, delegating, standing in."""

from typing import Any

import pytest

from models.flow import events as ev
from models.flow.facts import Assigned, Barred
from models.flow.policies import Assignment, Auto, Revisit, assignment_of
from models.flow.status import ExecutionStatus as S
from models.flow.validate import problems_of
from tests.flow.scene import Scene, end, graph, hold, of_type, raw_graph, step

LINE = (step("a"), step("b"), end())
WHY = "she is on leave until Monday"


@pytest.mark.parametrize("kind", ["claim", "start", "complete"])
def test_whom_the_step_keeps_off_cannot_take_it(kind: str) -> None:
    scene = Scene(graph(*LINE))
    scene.barred[scene.only] = Barred(code="four_eyes", params={"step": "Weld"})
    refused = scene.do(kind)
    assert (refused.outcome, refused.params) == ("four_eyes", {"step": "Weld"})
    assert scene.token().status is S.PENDING


def test_whom_nobody_knows_may_do_nothing() -> None:
    scene = Scene(graph(*LINE))
    refused = scene.do("claim", "stranger")
    assert (refused.outcome, refused.params) == ("forbidden", {"permission": "execution.work"})


def test_whose_work_it_is_is_said_by_name_where_one_is_known() -> None:
    for holder, name in (("bob", "Bob Baker"), ("sue", "sue")):
        scene = Scene(graph(*LINE))
        scene.do("claim", holder)
        assert scene.do("start", "ann").params == {"status": "claimed", "assignee": holder, "assignee_name": name}


def test_what_is_in_other_hands_is_not_delegated_once_more() -> None:
    scene = Scene(graph(*LINE))
    scene.do("claim", "ann")
    scene.do("delegate", "ann", to="bob")
    assert scene.do("delegate", "ann", to="sue").outcome == "already_claimed"
    assert scene.token().assignee == "bob"


def test_every_setting_of_an_assignment_is_read() -> None:
    settings: dict[str, Any] = {
        "roles": ["welder"], "users": ["ann"], "rule": "user.active", "revisit": "different",
        "not_who_did": ["b"], "auto": "least_loaded", "priority": 3,
    }  # fmt: skip
    read = assignment_of(graph(step("a", config={"assignment": settings}), step("b"), end()).first)
    assert read == Assignment(
        roles=("welder",),
        users=("ann",),
        rule="user.active",
        revisit=Revisit.DIFFERENT,
        not_who_did=("b",),
        auto=Auto.LEAST_LOADED,
        priority=3,
    )
    assert assignment_of(graph(step("a", config={"assignment": {"users": ["ann"]}})).first) == Assignment(
        users=("ann",)
    )


def test_new_work_is_put_into_hands() -> None:
    scene = Scene(graph(*LINE))
    scene.assigned[0, "b"] = Assigned(user="bob")
    scene.do("complete")
    assert (scene.token().status, scene.token().assignee) == (S.CLAIMED, "bob")
    assert scene.do("complete", "ann").outcome == "already_claimed"


def test_whoever_stands_in_for_somebody_away_gets_it_with_the_trace_of_it() -> None:
    scene = Scene(graph(*LINE))
    scene.assigned[0, "b"] = Assigned(user="bob", instead_of="ann", reason="ann is away")
    scene.do("complete", "sue")
    (entered,) = [event for event in of_type(scene.events, ev.ExecutionEntered) if event.ref.step == "b"]
    (passed_on,) = of_type(scene.events, ev.ExecutionReassigned)
    assert (entered.assignee, passed_on.to, passed_on.how, passed_on.reason) == ("ann", "bob", "absence", "ann is away")
    assert scene.token().assignee == "bob"


def test_a_supervisor_puts_work_into_other_hands_and_back_to_the_pool() -> None:
    scene = Scene(graph(*LINE))
    scene.do("start", "ann")
    assert scene.do("reassign", "ann", to="bob", reason=WHY).outcome == "forbidden"
    assert scene.do("reassign", "sue", to="bob", reason="short").outcome == "reason_required"
    assert scene.do("reassign", "sue", to="ann", reason=WHY).outcome == "same_assignee"
    assert scene.do("reassign", "sue", to="bob", reason=WHY).outcome == "reassigned"
    assert (scene.token().status, scene.token().assignee) == (S.IN_PROGRESS, "bob")
    assert scene.do("reassign", "sue", to=None, reason=WHY).outcome == "reassigned"
    assert (scene.token().status, scene.token().assignee) == (S.PENDING, None)
    assert scene.do("reassign", "sue", to=None, reason=WHY).outcome == "not_claimed"


def test_nobody_is_given_what_the_step_keeps_them_off() -> None:
    scene = Scene(graph(*LINE))
    scene.barred[scene.only] = Barred(code="unassignable", params={"reason": "they may not work on steps"})
    assert scene.do("reassign", "sue", to="guest", reason=WHY).outcome == "unassignable"


def test_delegated_work_comes_back_to_be_completed() -> None:
    scene = Scene(graph(*LINE))
    assert scene.do("delegate", "ann", to="bob").outcome == "not_claimed"
    scene.do("claim", "ann")
    assert scene.do("delegate", "bob", to="sue").outcome == "already_claimed"
    assert scene.do("delegate", "ann", to="bob", reason="knows the gauge").outcome == "delegated"
    assert (scene.token().assignee, scene.token().owner) == ("bob", "ann")
    refused = scene.do("complete", "bob")
    assert (refused.outcome, refused.params["owner_name"]) == ("delegated_by_another", "Ann Archer")
    assert scene.do("delegate", "bob", to="sue").outcome == "delegated_by_another"
    assert scene.do("hand_back", "bob", reason="measured").outcome == "handed_back"
    assert scene.do("hand_back", "ann").outcome == "not_delegated"
    assert scene.do("complete", "ann").outcome == "advanced"


def test_a_release_ends_a_delegation() -> None:
    scene = Scene(graph(*LINE))
    scene.do("claim", "ann")
    scene.do("delegate", "ann", to="bob")
    scene.do("release", "bob")
    assert scene.token().owner is None
    assert scene.do("complete", "bob").outcome == "advanced"


def test_a_stand_in_takes_over_and_nobody_else_does() -> None:
    scene = Scene(graph(*LINE))
    scene.do("claim", "ann")
    assert scene.do("claim", "bob").outcome == "already_claimed"
    scene.stand_ins["bob"] = frozenset({"ann"})
    assert scene.do("complete", "bob").outcome == "already_claimed"
    assert scene.do("claim", "bob").outcome == "claimed"
    (taken,) = of_type(scene.events, ev.ExecutionReassigned)
    assert (taken.by, taken.to, taken.how, taken.reason) == ("bob", "bob", "absence", "stands in for Ann Archer")


def test_on_hold_hands_may_change_and_work_may_not() -> None:
    scene = Scene(graph(*LINE))
    scene.do("claim", "ann")
    scene.ask(hold())
    assert scene.do("reassign", "sue", to="bob", reason=WHY).outcome == "reassigned"
    assert scene.do("prioritise", "sue", priority=3).outcome == "prioritised"
    assert scene.do("delegate", "bob", to="ann").outcome == "on_hold"


def problems(config: Any) -> set[tuple[str, str]]:
    found = problems_of(raw_graph(step("a", config={"assignment": config}), end()))
    return {(one.code, one.path.removeprefix("steps[0].config.assignment")) for one in found}


def test_what_is_wrong_with_a_rule_is_said_before_it_is_published() -> None:
    assert problems({"roles": ["operator"], "not_who_did": [], "revisit": "same", "auto": "least_loaded"}) == set()
    assert problems({"roles": "operator", "users": [""], "revisit": "never", "auto": 1, "priority": 101, "who": 1}) == {
        ("wrong_type", ".roles"), ("missing_field", ".users[0]"), ("unknown_word", ".revisit"), ("wrong_type", ".auto"),
        ("out_of_range", ".priority"), ("unknown_field", ".who"),
    }  # fmt: skip
    assert problems({"not_who_did": ["a", "nowhere"]}) == {
        ("four_eyes_unknown", ".not_who_did[0]"), ("four_eyes_unknown", ".not_who_did[1]"),
    }  # fmt: skip
    assert problems([]) == {("wrong_type", "")}
