"""A rejected approval takes the work back: by the engine, as a new visit, within limits, wherever the work stands."""

from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.facts import SentBack
from models.flow.graph import RequirementType
from models.flow.state import Ref
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from tests.flow.scene import Scene, edge, end, gate, graph, hold, of_type, resume, step

OK = gate("ok", requirement_type="approval", config={"roles": ["approver"], "on_reject": {"back_to": "a"}})
OPTIONAL = {**OK, "is_mandatory": False}


def scene(*, subjects: int = 1, first: Any = None, needs: Any = OK, **settings: Any) -> Scene:
    """All subjects stand at `b`, which needs an approval whose rejection leads back to `a`."""
    parts = (first or step("a"), step("b", requirements=[needs], **settings), step("c"), end())
    played = Scene(graph(*parts), subjects=subjects)
    for number in range(subjects):
        played.do("complete", ref=Ref(number, "a"))
    return played


def reject(played: Scene, *refs: Ref, to: str = "a") -> tuple[ev.Event, ...]:
    """Somebody rejects, and the engine looks."""
    for ref in refs:
        played.sent_back[ref] = SentBack(to_step=to, by="ava", comment="porous")
    return played.play(*(cmd.Recheck(ref=ref) for ref in refs))


def test_the_work_goes_back_as_a_new_visit_by_the_engine_with_the_approvers_words() -> None:
    played = scene()
    played.do("claim", ref=Ref(0, "b"))
    left, entered = reject(played, Ref(0, "b"))
    assert isinstance(left, ev.ExecutionDiverted)
    assert (left.how, left.status, left.to_step, left.by) == ("reject", "cancelled", "a", None)
    assert left.reason == "approval rejected by ava: porous"
    assert isinstance(entered, ev.ExecutionEntered)
    assert (entered.ref, entered.counts) == (Ref(0, "a", 2), True)


def test_nobody_goes_back_without_a_rejection() -> None:
    assert scene().play(cmd.Recheck(ref=Ref(0, "b"))) == ()


@pytest.mark.parametrize(
    ("settings", "status"),
    [({"requires_qa_signoff": True}, S.AWAITING_SIGNOFF), ({"requires_batch_completion": True}, S.WAITING)],
)
def test_work_that_is_given_goes_back_too(settings: Any, status: S) -> None:
    played = scene(subjects=2, needs=OPTIONAL, **settings)
    played.do("complete", ref=Ref(0, "b"))
    assert played.token(Ref(0, "b")).status is status
    reject(played, Ref(0, "b"))
    assert played.places() == {0: "a", 1: "b"}


def test_what_a_supervisor_forced_stays_given() -> None:
    played = scene(requires_qa_signoff=True)
    played.do("complete", actor="sue", force="the customer waits for it")
    assert reject(played, Ref(0, "b")) == ()


def test_a_batch_that_waited_only_for_the_rejected_one_goes_on() -> None:
    played = scene(subjects=3, needs=OPTIONAL, requires_batch_completion=True)
    played.do("complete", ref=Ref(0, "b"))
    played.do("complete", ref=Ref(1, "b"))
    reject(played, Ref(2, "b"))
    assert played.places() == {0: "c", 1: "c", 2: "a"}


def test_a_rejected_batch_goes_back_as_one() -> None:
    played = scene(subjects=3, requires_batch_completion=True)
    found = reject(played, *(Ref(number, "b") for number in range(3)))
    assert len(of_type(found, ev.ExecutionDiverted)) == 3
    assert played.places() == {0: "a", 1: "a", 2: "a"}


def test_a_full_target_is_passed_by_its_escalation_edge() -> None:
    played = Scene(
        graph(
            step("a", max_visits=1),
            step("b", requirements=[OK]),
            step("boss"),
            end(),
            edge("a", "b"),
            edge("b", "end"),
            edge("boss", "end"),
            edge("a", "boss", "escalation"),
        )
    )
    played.do("complete", ref=Ref(0, "a"))
    (left, _) = reject(played, Ref(0, "b"))
    assert isinstance(left, ev.ExecutionDiverted)
    assert (left.to_step, played.places()) == ("boss", {0: "boss"})


def test_a_full_target_without_a_way_around_is_an_incident_that_is_tried_again() -> None:
    played = scene(first=step("a", max_visits=1))
    (opened,) = reject(played, Ref(0, "b"))
    assert isinstance(opened, ev.IncidentOpened)
    assert (opened.code, opened.params["max_visits"]) == ("visit_limit_reached", 1)
    assert reject(played, Ref(0, "b")) == (), "one incident at a time"
    assert played.do("move", actor="sue", to_step="a", reason="agreed with the customer").outcome == "moved"


def test_a_step_that_this_version_does_not_have_is_an_incident() -> None:
    (opened,) = reject(scene(), Ref(0, "b"), to="gone")
    assert isinstance(opened, ev.IncidentOpened)
    assert opened.code == "step_unknown"


def test_nothing_moves_while_the_instance_is_on_hold() -> None:
    played = scene()
    played.play(hold())
    assert reject(played, Ref(0, "b")) == ()
    played.play(resume())
    reject(played, Ref(0, "b"))
    assert played.places() == {0: "a"}


def test_a_step_without_work_ends_the_subject() -> None:
    played = scene()
    reject(played, Ref(0, "b"), to="end")
    assert played.state.status is InstanceStatus.COMPLETED


def test_only_steps_whose_approval_says_so_send_back() -> None:
    steps = graph(
        step("a", requirements=[OK]), step("b", requirements=[gate(requirement_type="approval")]), step("c"), end()
    ).steps
    assert [key for key, one in steps.items() if one.sends_back] == ["a"]
    assert steps["a"].requirements[0].requirement_type == RequirementType.APPROVAL
