"""From the first step to the end: entering, claiming, starting, completing, releasing, ending."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.evolve import fold
from models.flow.state import Ref, State, execution_id, execution_ids
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from tests.flow.scene import INSTANCE, LINE, Scene, edge, end, gate, graph, kinds, of_type, step


def test_every_subject_enters_the_first_step() -> None:
    scene = Scene(graph(*LINE), subjects=3)
    assert scene.state.status is InstanceStatus.IN_PROGRESS
    assert scene.state.tokens.keys() == {Ref(0, "a"), Ref(1, "a"), Ref(2, "a")}
    assert {token.status for token in scene.state.tokens.values()} == {S.PENDING}


def test_a_start_step_is_first_whatever_its_order() -> None:
    scene = Scene(graph(step("late", step_type="start"), step("a"), end(), edge("late", "a")))
    assert scene.only == Ref(0, "late")
    scene = Scene(graph(step("a"), end(), step("s", step_type="start"), edge("s", "a"), edge("a", "end")))
    assert scene.only.step == "s"


def test_order_decides_where_no_edge_is_drawn() -> None:
    scene = Scene(graph(step("a", order=20), step("b", order=10), end(order=30)))
    assert scene.places() == {0: "b"}
    scene.do("complete")
    assert scene.places() == {0: "a"}


def test_claim_start_complete() -> None:
    scene = Scene(graph(*LINE))
    assert scene.do("claim").outcome == "claimed"
    assert (scene.token().status, scene.token().assignee) == (S.CLAIMED, "ann")
    assert scene.do("start").outcome == "started"
    assert scene.token().status is S.IN_PROGRESS
    assert scene.do("complete", notes="fine").outcome == "advanced"
    assert scene.only == Ref(0, "b")
    completed = of_type(scene.events, ev.ExecutionCompleted)[0]
    assert (completed.next_step, completed.route, completed.notes, completed.by) == ("b", "order", "fine", "ann")


def test_completing_what_nobody_holds_starts_it_first() -> None:
    scene = Scene(graph(*LINE))
    assert kinds(scene.play(cmd.Complete(command_id="c", actor="ann", ref=scene.only))) == [
        "execution_started",
        "execution_completed",
        "execution_entered",
    ]


def test_a_terminal_step_without_gates_ends_on_entry() -> None:
    scene = Scene(graph(step("a"), end(status="shipped")))
    assert scene.do("complete").outcome == "completed"
    assert scene.state.finished == {"shipped": 1}
    assert scene.state.status is InstanceStatus.COMPLETED
    assert not scene.state.tokens


def test_a_terminal_step_with_a_gate_waits_for_it() -> None:
    scene = Scene(graph(step("a"), end(status="shipped", requirements=[gate()])))
    assert scene.do("complete").outcome == "advanced"
    assert scene.do("complete").outcome == "requirements_unmet"
    scene.give_evidence(scene.only)
    assert scene.do("complete").outcome == "completed"
    assert scene.state.finished == {"shipped": 1}


def test_optional_requirements_never_block() -> None:
    scene = Scene(graph(step("a"), end(requirements=[gate(is_mandatory=False)])))
    assert scene.do("complete").outcome == "completed"


def test_the_last_step_by_order_is_an_end_too() -> None:
    scene = Scene(graph(step("a"), step("b", terminal_status="stock")))
    scene.do("complete")
    assert scene.do("complete").outcome == "completed"
    assert scene.state.finished == {"stock": 1}


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (("scrapped", "scrapped"), InstanceStatus.CANCELLED),
        (("Scrapped", "CANCELLED"), InstanceStatus.CANCELLED),
        (("scrapped", "shipped"), InstanceStatus.COMPLETED),
        (("", "scrapped"), InstanceStatus.COMPLETED),
    ],
)
def test_an_instance_of_which_all_was_scrapped_is_cancelled(ends: tuple[str, str], status: InstanceStatus) -> None:
    scene = Scene(
        graph(
            step("a", is_decision_point=True),
            end("good", ends[0]),
            end("bad", ends[1]),
            edge("a", "good"),
            edge("a", "bad", "alternate"),
        ),
        subjects=2,
    )
    scene.do("complete", ref=Ref(0, "a"), decision_result="pass")
    assert scene.state.status is InstanceStatus.IN_PROGRESS
    scene.do("complete", ref=Ref(1, "a"), decision_result="fail")
    assert scene.state.status is status
    assert sum(scene.state.finished.values()) == 2


def test_an_instance_without_subjects_is_over_at_once() -> None:
    scene = Scene(graph(*LINE), subjects=0)
    scene.play(cmd.Begin(subjects=0))
    assert scene.state.status is InstanceStatus.COMPLETED


def test_an_instance_begins_once() -> None:
    scene = Scene(graph(*LINE))
    assert scene.play(cmd.Begin(subjects=5)) == ()


def test_release_gives_it_back_with_its_reason() -> None:
    scene = Scene(graph(*LINE))
    scene.do("start")
    released = scene.play(cmd.Release(command_id="r", actor="ann", ref=scene.only, reason="shift is over"))
    assert released[0].kind == "execution_released"
    assert released[0].reason == "shift is over"
    assert (scene.token().status, scene.token().assignee) == (S.PENDING, None)
    assert scene.do("claim", "bob").outcome == "claimed"


def test_explicit_start() -> None:
    scene = Scene(graph(step("a", requires_explicit_start=True), end()))
    assert scene.do("complete").outcome == "not_started"
    scene.do("claim")
    assert scene.do("complete").outcome == "not_started"
    scene.do("start")
    assert scene.do("complete").outcome == "completed"


def test_asking_again_for_what_already_holds_has_the_same_outcome() -> None:
    scene = Scene(graph(*LINE))
    scene.do("claim")
    before = scene.state.copy()
    assert scene.do("claim").outcome == "claimed"
    assert scene.state.tokens == before.tokens
    scene.do("start")
    assert scene.do("start").outcome == "started"
    assert scene.do("claim").outcome == "claimed"
    assert scene.token().status is S.IN_PROGRESS


def test_force_skips_gates_but_neither_sign_off_nor_another_persons_hands() -> None:
    scene = Scene(graph(step("a", requirements=[gate()], requires_qa_signoff=True), end()))
    reason = "customer waits at the door"
    assert scene.do("complete", "sue", force=reason).outcome == "awaiting_signoff"
    scene = Scene(graph(step("a", requirements=[gate()]), end()))
    scene.do("claim", "bob")
    assert scene.do("complete", "sue", force=reason).outcome == "already_claimed"
    assert scene.do("complete", "bob", force=reason).outcome == "forbidden"
    assert scene.do("release", "bob").outcome == "released"
    assert scene.do("complete", "sue", force="  too short  ").outcome == "reason_required"
    assert scene.do("complete", "sue", force=reason).outcome == "completed"
    assert of_type(scene.events, ev.ExecutionCompleted)[0].forced == reason


def test_a_result_given_where_nothing_is_decided_is_kept_and_routes_nothing() -> None:
    scene = Scene(graph(*LINE))
    assert scene.do("complete", decision_result="whatever").outcome == "advanced"
    assert of_type(scene.events, ev.ExecutionCompleted)[0].result == "whatever"


def test_events_of_another_time_are_borne() -> None:
    """A fact about an execution that is closed changes nothing, and never raises."""
    scene = Scene(graph(*LINE))
    scene.do("complete")
    gone = Ref(0, "a")
    late: list[ev.Event] = [
        ev.ExecutionClaimed(ref=gone, at=scene.now, by="ann"),
        ev.ExecutionStarted(ref=gone, at=scene.now, by="ann", hop=True),
        ev.ExecutionReopened(ref=gone, at=scene.now, reason="r"),
        ev.IncidentOpened(ref=gone, at=scene.now, incident_id="i", code="internal_error"),
        ev.ExecutionCompleted(ref=gone, at=scene.now, by="ann"),
        ev.ChildStarted(ref=gone, at=scene.now, child_id="nobody"),
        ev.ChildEnded(ref=gone, at=scene.now, child_id="nobody", status="completed"),
        ev.InstanceRecovered(at=scene.now, cause="run_gone"),
    ]
    assert fold(scene.state, late) == scene.state


def test_ids_follow_from_the_place() -> None:
    assert execution_id(INSTANCE, Ref(0, "a")) == execution_id(INSTANCE, Ref(0, "a", 1, ""))
    refs = [Ref(s, k, v, b) for s in (0, 1) for k in ("a", "b") for v in (1, 2) for b in ("", "x")]
    assert len({execution_id(INSTANCE, ref) for ref in refs}) == len(refs)


_NAME = st.text(st.characters(codec="utf-8"), max_size=5)


@given(st.lists(st.integers(-1, 20_000), max_size=5), _NAME, st.integers(1, 12), _NAME)
def test_ids_of_many_are_those_of_each(subjects: list[int], step_key: str, visit: int, branch: str) -> None:
    place = Ref(0, step_key, visit, branch)
    each = [execution_id(INSTANCE, place._replace(subject=subject)) for subject in subjects]
    assert execution_ids(UUID(INSTANCE), place, subjects) == each
    assert State(instance_id=INSTANCE) == State(instance_id=INSTANCE)
