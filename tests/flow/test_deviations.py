"""Skip, move, rewind, and subjects that join or are taken out: where they lead, what they leave, what follows."""

from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.branches import name_of
from models.flow.graph import Graph, parse_graph
from models.flow.regions import branch_at, region
from models.flow.state import Arrival, Ref, Token
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from tests.flow.scene import LINE, Scene, edge, end, graph, kinds, of_type, raw_graph, step

WHY = "agreed with the customer"
LOOP = (
    step("make"),
    step("inspect", is_decision_point=True),
    step("rework", max_visits=1),
    end("stock", "in_stock"),
    end("scrap", "scrapped"),
    edge("make", "inspect"),
    edge("inspect", "stock"),
    edge("inspect", "rework", "alternate"),
    edge("inspect", "scrap", "alternate", "scrap"),
    edge("rework", "inspect"),
)


def joining(*names: str, to_step: str | None = None) -> cmd.AddSubjects:
    return cmd.AddSubjects(command_id="add", actor="sue", reason=WHY, subject_ids=names, to_step=to_step)


def leaving(*names: str) -> cmd.RemoveSubjects:
    return cmd.RemoveSubjects(command_id="remove", actor="sue", reason=WHY, subject_ids=names)


@pytest.mark.parametrize(
    ("at", "given", "place"),
    [
        ("make", {}, "inspect"),
        ("make", {"to_step": "rework"}, "rework"),
        ("inspect", {"decision_result": "no"}, "rework"),
        ("rework", {}, "inspect"),
    ],
)
def test_a_skipped_step_is_left_by_its_way_or_for_the_step_named(at: str, given: dict[str, Any], place: str) -> None:
    scene = Scene(graph(*LOOP))
    if at != "make":
        scene.do("move", "sue", reason=WHY, to_step=at)
    left = scene.only
    assert scene.do("skip", "sue", reason=WHY, **given).outcome == "skipped"
    assert scene.places() == {0: place}
    (diverted,) = of_type(scene.events[-3:], ev.ExecutionDiverted)
    assert (diverted.ref, diverted.how, diverted.status, diverted.to_step) == (left, "skip", "skipped", place)


def test_a_skipped_decision_still_has_to_be_taken() -> None:
    scene = Scene(graph(*LOOP))
    scene.do("move", "sue", reason=WHY, to_step="inspect")
    assert scene.do("skip", "sue", reason=WHY).outcome == "decision_required"


def test_skipping_the_last_step_ends_the_subject_as_the_step_has_it() -> None:
    scene = Scene(graph(step("a"), end("end", "shipped", requires_qa_signoff=True)))
    scene.do("complete")
    assert scene.do("skip", "sue", reason=WHY).outcome == "skipped"
    assert (scene.state.finished, scene.state.status) == ({"shipped": 1}, InstanceStatus.COMPLETED)


@pytest.mark.parametrize("kind", ["skip", "move", "rewind"])
def test_each_needs_its_permission_and_a_reason_of_ten_characters(kind: str) -> None:
    scene = Scene(graph(*LOOP))
    to_step: dict[str, Any] = {"to_step": "make"}
    assert scene.do(kind, "ann", reason=WHY, **to_step).params == {"permission": f"execution.{kind}"}
    assert scene.do(kind, "sue", reason="too short", **to_step).params == {"minimum": 10}
    assert scene.do(kind, "sue", reason="long enough", **to_step).refused is False


def test_moving_to_a_full_step_passes_its_limit() -> None:
    scene = Scene(graph(*LOOP))
    for visit in (1, 2):
        scene.do("move", "sue", reason=WHY, to_step="rework")
        assert scene.only == Ref(0, "rework", visit)
        scene.do("complete")


def test_moving_to_an_end_finishes_the_subject_there() -> None:
    scene = Scene(graph(*LOOP))
    scene.do("move", "sue", reason=WHY, to_step="scrap")
    assert (scene.state.finished, scene.state.status) == ({"scrapped": 1}, InstanceStatus.CANCELLED)


def test_moving_takes_it_out_of_another_persons_hands_and_resolves_its_incident() -> None:
    scene = Scene(graph(*LOOP))
    scene.do("move", "sue", reason=WHY, to_step="rework")
    scene.do("complete")
    scene.do("claim", "bob")
    assert scene.do("complete", "bob", decision_result="no").outcome == "visit_limit_reached"
    scene.do("move", "sue", reason=WHY, to_step="make")
    assert scene.token() == Token()
    (resolved,) = of_type(scene.events, ev.IncidentResolved)
    assert (resolved.by, resolved.resolution) == ("sue", "move")


def test_the_last_one_at_work_who_leaves_releases_the_batch() -> None:
    scene = Scene(graph(step("a", requires_batch_completion=True), step("b"), end()), subjects=3)
    scene.do("complete", ref=Ref(0, "a"))
    scene.do("complete", ref=Ref(1, "a"))
    scene.do("skip", "sue", Ref(2, "a"), reason=WHY, to_step="end")
    assert scene.places() == {0: "b", 1: "b"}


def test_one_who_waits_may_leave_without_releasing_the_batch() -> None:
    scene = Scene(graph(step("a", requires_batch_completion=True), step("b"), end()), subjects=3)
    scene.do("complete", ref=Ref(0, "a"))
    scene.do("complete", ref=Ref(1, "a"))
    scene.do("move", "sue", Ref(1, "a"), reason=WHY, to_step="b")
    assert scene.places() == {0: "a", 1: "b", 2: "a"}
    scene.do("complete", ref=Ref(2, "a"))
    assert scene.places() == {0: "b", 1: "b", 2: "b"}


def test_a_rewind_rolls_back_everything_since_and_those_visits_count_no_longer() -> None:
    scene = Scene(graph(*LOOP))
    scene.do("complete")
    scene.do("complete", decision_result="no")
    scene.do("complete")
    assert scene.only == Ref(0, "inspect", 2)
    assert scene.do("rewind", "sue", reason=WHY, to_step="inspect").outcome == "rewound"
    assert scene.only == Ref(0, "inspect", 3)
    scene.do("rewind", "sue", reason=WHY, to_step="make")
    assert scene.only == Ref(0, "make", 2)
    rolled_back = {ref for ref, status in scene.facts().closed.items() if status == "rolled_back"}
    assert rolled_back == {
        Ref(0, "make"),
        Ref(0, "inspect"),
        Ref(0, "inspect", 2),
        Ref(0, "inspect", 3),
        Ref(0, "rework"),
    }
    scene.do("complete")
    assert scene.do("complete", decision_result="no").outcome == "advanced"
    assert scene.only == Ref(0, "rework", 2)


def test_nobody_goes_back_to_where_they_never_were_or_no_longer_were() -> None:
    scene = Scene(graph(*LOOP))
    assert scene.do("rewind", "sue", reason=WHY, to_step="rework").outcome == "never_visited"
    scene.do("complete")
    scene.do("rewind", "sue", reason=WHY, to_step="make")
    assert scene.do("rewind", "sue", reason=WHY, to_step="inspect").outcome == "never_visited"


def test_subjects_join_at_the_first_step_or_where_told_and_are_numbered_on() -> None:
    scene = Scene(graph(*LINE), subjects=2)
    assert scene.ask(joining("x", "y")).outcome == "added"
    scene.ask(joining("z", to_step="b"))
    assert scene.places() == {0: "a", 1: "a", 2: "a", 3: "a", 4: "b"}
    assert kinds(scene.events)[-2:] == ["subjects_added", "execution_entered"]


def test_a_batch_waits_for_who_joins_it() -> None:
    scene = Scene(graph(step("a", requires_batch_completion=True), step("b"), end()), subjects=2)
    scene.do("complete", ref=Ref(0, "a"))
    scene.ask(joining("late"))
    scene.do("complete", ref=Ref(1, "a"))
    assert scene.places() == {0: "a", 1: "a", 2: "a"}
    scene.do("complete", ref=Ref(2, "a"))
    assert scene.places() == {0: "b", 1: "b", 2: "b"}


def test_who_is_taken_out_ends_as_removed_and_holds_nobody_up() -> None:
    scene = Scene(graph(step("a", requires_batch_completion=True), step("b"), end()), subjects=3)
    scene.do("complete", ref=Ref(0, "a"))
    scene.ask(leaving("s1", "s2"))
    assert (scene.places(), scene.state.finished) == ({0: "b"}, {"removed": 2})


def test_an_instance_of_which_everybody_is_taken_out_is_cancelled() -> None:
    scene = Scene(graph(*LINE), subjects=2)
    scene.ask(leaving("s0", "s1"))
    assert (scene.state.status, scene.state.finished) == (InstanceStatus.CANCELLED, {"removed": 2})


def test_nobody_joins_or_is_taken_out_in_part() -> None:
    scene = Scene(graph(*LINE), subjects=2)
    before = scene.state.copy()
    assert scene.ask(joining("x", "s1")).params == {"subjects": ["s1"]}
    assert scene.ask(leaving("s0", "nobody")).params == {"subjects": ["nobody"]}
    assert scene.state.tokens == before.tokens


FORKED = parse_graph(
    raw_graph(
        step("plan"),
        step("split", step_type="fork"),
        step("left"),
        step("check"),
        step("inner", step_type="fork"),
        step("deep"),
        step("rejoin", step_type="join"),
        step("after"),
        step("join", step_type="join"),
        end("end"),
        edge("split", "left"),
        edge("split", "inner"),
        edge("left", "check"),
        edge("check", "join"),
        edge("inner", "deep"),
        edge("inner", "rejoin"),
        edge("deep", "rejoin"),
        edge("rejoin", "after"),
        edge("after", "join"),
        edge("join", "end"),
    )
)
ONE, TWO = name_of("", "split", 1, 1), name_of("", "split", 1, 2)
DEEP = name_of(TWO, "inner", 1, 1)


def test_a_region_is_what_lies_between_a_fork_and_its_join() -> None:
    assert region(FORKED, "split") == {"left", "check", "inner", "deep", "rejoin", "after"}
    assert region(FORKED, "inner") == {"deep"}


@pytest.mark.parametrize(
    ("branch", "target", "goes_on_in"),
    [(ONE, "check", ONE), (ONE, "plan", ""), (ONE, "join", ""), (DEEP, "after", TWO), (DEEP, "deep", DEEP)],
)
def test_whoever_goes_elsewhere_goes_on_in_the_innermost_branch_that_leads_there(
    branch: str, target: str, goes_on_in: str
) -> None:
    assert branch_at(FORKED, branch, target) == goes_on_in


def in_branches(graph: Graph) -> Scene:
    """One subject at `left` and, in an inner fork, at `deep`, whose other branch has arrived."""
    scene = Scene(graph, subjects=0)
    started = ev.InstanceStarted(at=scene.now, subjects=1)
    arrived = name_of(TWO, "inner", 1, 2)
    scene.happen(
        started,
        *(ev.ExecutionEntered(ref=ref, at=scene.now) for ref in (Ref(0, "left", 1, ONE), Ref(0, "deep", 1, DEEP))),
        ev.BranchArrived(ref=Ref(0, "inner", 1, TWO), at=scene.now, branch=arrived, join="rejoin"),
    )
    return scene


def test_moving_within_a_branch_leaves_the_others_alone() -> None:
    scene = in_branches(FORKED)
    scene.do("move", "sue", Ref(0, "left", 1, ONE), reason=WHY, to_step="check")
    assert set(scene.state.tokens) == {Ref(0, "check", 1, ONE), Ref(0, "deep", 1, DEEP)}
    assert scene.state.arrived == {0: (Arrival("rejoin", name_of(TWO, "inner", 1, 2)),)}


def test_moving_out_of_a_fork_closes_its_other_branches() -> None:
    scene = in_branches(FORKED)
    scene.do("move", "sue", Ref(0, "left", 1, ONE), reason=WHY, to_step="plan")
    assert set(scene.state.tokens) == {Ref(0, "plan")}
    assert scene.state.arrived == {}
    assert scene.facts().closed[Ref(0, "deep", 1, DEEP)] == "cancelled"


def test_moving_out_of_an_inner_fork_leaves_the_outer_branches_alone() -> None:
    scene = in_branches(FORKED)
    scene.do("skip", "sue", Ref(0, "deep", 1, DEEP), reason=WHY, to_step="after")
    assert set(scene.state.tokens) == {Ref(0, "left", 1, ONE), Ref(0, "after", 1, TWO)}
    assert scene.state.arrived == {}


def test_who_is_taken_out_leaves_all_branches() -> None:
    scene = in_branches(FORKED)
    scene.subjects = 1
    scene.ask(leaving("s0"))
    assert (scene.state.tokens, scene.state.status) == ({}, InstanceStatus.CANCELLED)
    assert scene.facts().closed[Ref(0, "left", 1, ONE)] == S.CANCELLED
