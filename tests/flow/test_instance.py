"""The instance as a whole: hold, resume, cancel, amend, deadlines, nested instances, steps without operator."""

from datetime import timedelta

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.state import Ref, State, child_instance_id
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from models.flow.timing import next_deadline
from tests.flow.scene import (
    INSTANCE,
    LINE,
    NOW,
    Json,
    Scene,
    cancel,
    edge,
    end,
    gate,
    graph,
    hold,
    kinds,
    of_type,
    resume,
    step,
)

TIMED = (step("a", expected_duration="PT8H", max_duration="P2D", escalate_on_overdue=True), end())


def test_hold_stops_work_and_resume_gives_the_time_back() -> None:
    scene = Scene(graph(*TIMED))
    due, limit = scene.token().due_at, scene.token().limit_at
    assert due is not None
    assert limit is not None
    scene.pass_time(hours=1)
    assert scene.ask(hold()).outcome == "held"
    assert (scene.state.status, scene.state.held_at) == (InstanceStatus.ON_HOLD, scene.now)
    assert next_deadline(scene.state) is None
    scene.pass_time(days=3)
    assert scene.ring() == ()
    assert scene.do("start").outcome == "on_hold"
    assert scene.ask(resume()).outcome == "resumed"
    assert scene.state.status is InstanceStatus.IN_PROGRESS
    assert scene.token().due_at == due + timedelta(days=3)
    assert scene.token().limit_at == limit + timedelta(days=3)


def test_hold_and_resume_only_where_they_mean_something() -> None:
    scene = Scene(graph(*LINE))
    assert scene.ask(resume()).outcome == "not_on_hold"
    assert scene.ask(hold("ann")).outcome == "forbidden"
    assert scene.ask(hold(reason="  ")).outcome == "reason_required"
    scene.ask(hold())
    assert scene.ask(hold()).outcome == "already_on_hold"
    assert scene.do("claim").outcome == "on_hold"


def test_what_is_held_may_be_given_back_on_hold() -> None:
    scene = Scene(graph(*LINE))
    scene.do("claim")
    scene.ask(hold())
    assert scene.do("release").outcome == "released"


def test_cancel_closes_everything() -> None:
    scene = Scene(
        graph(step("a", is_decision_point=True), step("b"), end(), edge("a", "b"), edge("a", "end", "alternate"))
    )
    scene = Scene(scene.graph, subjects=3)
    scene.do("complete", ref=Ref(0, "a"), decision_result="fail")
    scene.do("complete", ref=Ref(1, "a"), decision_result="pass")
    assert scene.ask(cancel(reason="")).outcome == "reason_required"
    assert scene.ask(cancel()).outcome == "cancelled"
    assert scene.state.status is InstanceStatus.CANCELLED
    assert not scene.state.tokens
    assert scene.state.finished == {"completed": 1, "cancelled": 2}
    assert scene.do("claim", ref=Ref(2, "a")).outcome == "instance_closed"
    assert scene.play(cmd.Begin(subjects=2), cmd.CheckDeadlines(ref=Ref(0, "a"), now=NOW)) == ()


def test_cancel_resolves_incidents() -> None:
    scene = Scene(graph(step("a"), end(), edge("a", "end", "alternate"), checked=False))
    scene.do("complete")
    scene.ask(cancel())
    (resolved,) = of_type(scene.events, ev.IncidentResolved)
    assert resolved.resolution == "cancelled"


def test_amend_says_what_changed() -> None:
    scene = Scene(graph(*LINE))
    amend = cmd.Amend(command_id="m", actor="sue", changes={"owner": "bob"}, reason="holiday")
    assert scene.ask(amend).outcome == "amended"
    assert of_type(scene.events, ev.InstanceAmended)[0].changes == {"owner": "bob"}
    assert scene.ask(cmd.Amend(command_id="m", actor="ann", changes={})).outcome == "forbidden"


@pytest.mark.parametrize("command", [hold(), resume(), cancel()])
def test_nothing_but_begin_before_the_beginning(command: cmd.Command) -> None:
    scene = Scene(graph(*LINE), subjects=0)
    assert scene.state == State(instance_id=INSTANCE)
    assert scene.ask(command).outcome == "not_begun"
    assert scene.play(cmd.Recheck(ref=Ref(0, "a"))) == ()
    scene.play(cmd.Begin(subjects=1))
    assert scene.places() == {0: "a"}


def test_deadlines_ring_once() -> None:
    scene = Scene(graph(*TIMED))
    due, limit = scene.token().due_at, scene.token().limit_at
    assert next_deadline(scene.state) == due
    assert scene.ring() == ()
    scene.pass_time(hours=8)
    (overdue,) = scene.ring()
    assert isinstance(overdue, ev.ExecutionOverdue)
    assert (overdue.due_at, overdue.escalate) == (due, True)
    assert scene.token().overdue
    assert next_deadline(scene.state) == limit
    assert scene.ring() == ()
    scene.pass_time(days=2)
    assert kinds(scene.ring()) == ["limit_exceeded"]
    assert next_deadline(scene.state) is None


def test_who_waits_for_a_batch_is_not_late_but_who_awaits_a_signature_is() -> None:
    timed = {"expected_duration": "PT8H"}
    scene = Scene(graph(step("a", requires_batch_completion=True, **timed), end()), subjects=2)
    scene.do("complete", ref=Ref(0, "a"))
    scene.pass_time(hours=9)
    assert [event.ref for event in of_type(scene.ring(), ev.ExecutionOverdue)] == [Ref(1, "a")]
    scene = Scene(graph(step("a", requires_qa_signoff=True, **timed), end()))
    scene.do("complete")
    scene.pass_time(hours=9)
    assert kinds(scene.ring()) == ["execution_overdue"]


def auto(**settings: object) -> tuple[Json, ...]:
    return (step("a", requires_operator_completion=False, requirements=[gate()], **settings), end())


def test_a_step_without_operator_goes_on_when_all_is_met() -> None:
    scene = Scene(graph(*auto()))
    assert scene.state.hops.keys() == {Ref(0, "a")}
    assert kinds(scene.play(cmd.Recheck(ref=scene.only))) == ["execution_checked"]
    assert not scene.state.hops
    assert scene.play(cmd.Recheck(ref=scene.only)) == ()
    scene.give_evidence(scene.only)
    scene.play(cmd.Recheck(ref=scene.only))
    assert scene.state.status is InstanceStatus.COMPLETED
    assert of_type(scene.events, ev.ExecutionCompleted)[0].by is None
    assert scene.play(cmd.Recheck(ref=Ref(0, "a"))) == ()


def test_nothing_moves_by_itself_while_on_hold() -> None:
    scene = Scene(graph(*auto()))
    scene.give_evidence(scene.only)
    scene.ask(hold())
    assert scene.play(cmd.Recheck(ref=scene.only)) == ()
    assert scene.state.hops
    scene.ask(resume())
    scene.play(cmd.Recheck(ref=scene.only))
    assert scene.state.status is InstanceStatus.COMPLETED


def test_a_step_that_must_be_started_is_looked_at_again_once_it_is() -> None:
    scene = Scene(graph(*auto(requires_explicit_start=True)))
    scene.give_evidence(scene.only)
    assert kinds(scene.play(cmd.Recheck(ref=scene.only))) == ["execution_checked"]
    scene.do("start")
    assert scene.state.hops.keys() == {Ref(0, "a")}
    scene.play(cmd.Recheck(ref=scene.only))
    assert of_type(scene.events, ev.ExecutionCompleted)[0].by == "ann"


def test_a_look_at_a_step_that_a_person_completes_changes_nothing() -> None:
    scene = Scene(graph(*LINE))
    assert scene.play(cmd.Recheck(ref=scene.only)) == ()


PILOT = {"key": "pilot", "requirement_type": "child_workflow", "name": "Pilot", "config": {"count": 2}}


def test_children_are_asked_for_on_entry_and_their_end_leads_to_a_look() -> None:
    scene = Scene(graph(step("a", requirements=[PILOT], requires_operator_completion=False), end()))
    requested = of_type(scene.events, ev.ChildRequested)
    ids = [str(child_instance_id(INSTANCE, Ref(0, "a"), "pilot", number)) for number in (1, 2)]
    assert [event.child_id for event in requested] == ids
    assert kinds(scene.play(cmd.NoteChildStarted(child_id=ids[0]))) == ["child_started"]
    assert scene.play(cmd.NoteChildStarted(child_id=ids[0]), cmd.NoteChildStarted(child_id="nobody")) == ()
    scene.play(cmd.Recheck(ref=scene.only))
    assert not scene.state.hops
    assert kinds(scene.play(cmd.NoteChildEnded(child_id=ids[0], status="completed"))) == ["child_ended"]
    assert scene.state.hops
    assert scene.state.children.keys() == {ids[1]}
    assert scene.play(cmd.NoteChildEnded(child_id=ids[0], status="completed")) == ()


def test_one_child_where_no_count_is_given() -> None:
    scene = Scene(graph(step("a", requirements=[{**PILOT, "config": {}}]), end()))
    assert len(of_type(scene.events, ev.ChildRequested)) == 1


def test_a_child_that_outlives_its_execution_is_forgotten_at_its_end() -> None:
    scene = Scene(graph(step("a", requirements=[PILOT]), step("b"), end()))
    scene.do("complete", "sue", force="the pilot run is void")
    child = next(iter(scene.state.children))
    scene.play(cmd.NoteChildEnded(child_id=child, status="cancelled"))
    assert child not in scene.state.children
    assert not scene.state.hops
    assert scene.token().status is S.PENDING
