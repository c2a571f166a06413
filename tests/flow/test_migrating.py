"""An instance goes on under another version of its process."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.carry import carry, restore
from models.flow.graph import parse_graph
from models.flow.migrating import Fate, image_of
from models.flow.state import Ref, Token
from models.flow.status import ExecutionStatus as S
from tests.flow.routed import forked
from tests.flow.scene import Json, Scene, edge, end, gate, graph, kinds, of_type, step
from tests.flow.strategies import LAW, valid_graphs
from tests.flow.walk import check_packing, check_state, draw_walk

OLD = graph(step("a", requirements=[gate("look"), gate("torque")]), step("b"), end())


def test_a_step_of_the_same_key_keeps_its_execution_its_hands_and_its_deadline() -> None:
    scene = Scene(graph(step("a", expected_duration="P1D"), step("b"), end()), subjects=2)
    scene.do("claim", "bob", Ref(0, "a"))
    before = dict(scene.state.tokens)
    scene.pass_time(hours=3)
    assert scene.migrate(graph(step("a", expected_duration="P9D"), step("new"), end())).outcome == "migrated"
    assert scene.state.tokens == before
    assert scene.state.process_id == "v2"
    assert scene.do("complete", "bob", Ref(0, "a")).outcome == "advanced"
    assert scene.places() == {0: "new", 1: "a"}


def test_a_step_of_another_key_is_left_and_entered_anew_in_the_same_hands() -> None:
    scene = Scene(graph(step("a", max_visits=1), step("b"), end()))
    scene.do("start", "bob")
    scene.pass_time(hours=3)
    there = graph(step("first", expected_duration="P1D", max_visits=1), end())
    assert scene.migrate(there, a="first").outcome == "migrated"
    diverted, entered = of_type(scene.events, ev.ExecutionDiverted, ev.ExecutionEntered)[-2:]
    assert (diverted.status, diverted.to_step, diverted.how) == ("cancelled", "first", "migrate")
    assert (entered.assignee, entered.counts) == ("bob", False)
    assert scene.state.tokens == {
        Ref(0, "first"): Token(status=S.CLAIMED, assignee="bob", due_at=scene.now.replace(day=scene.now.day + 1))
    }


def test_a_second_visit_gets_the_next_number() -> None:
    scene = Scene(graph(step("a"), step("b"), end()))
    scene.do("complete")
    assert scene.only == Ref(0, "b")
    scene.migrate(graph(step("a"), end()), b="a")
    assert scene.only == Ref(0, "a", 2)


def test_who_has_no_image_stops_the_whole_instance() -> None:
    scene = Scene(OLD, subjects=3)
    scene.give_evidence(Ref(0, "a"))
    scene.do("complete", ref=Ref(0, "a"))
    before = scene.state.copy()
    for steps in ({}, {"b": "nowhere"}, {"b": None}):
        refused = scene.migrate(graph(step("a"), end()), **steps)
        assert (refused.outcome, refused.params) == ("migration_no_image", {"steps": ["b"], "subjects": 1})
    assert scene.state.tokens == before.tokens
    assert scene.state.process_id == ""
    assert scene.migrate(graph(step("a"), end()), a=None).params["steps"] == ["a", "b"]


def test_the_plan_must_be_made_for_the_version_that_the_instance_runs_on() -> None:
    scene = Scene(OLD)
    scene.migrate(OLD)
    assert scene.migrate(OLD).outcome == "migrated"
    assert [one.from_process_id for one in of_type(scene.events, ev.InstanceMigrated)] == ["v1", "v2"]
    scene.do("claim", "bob")
    assert restore(carry(scene.state)) == scene.state


@pytest.mark.parametrize(
    ("requirements", "kept", "opened", "dropped", "reopens"),
    [
        ([gate("look"), gate("torque")], ("look", "torque"), (), (), False),
        ([gate("torque", name="Renamed"), gate("look", is_mandatory=False)], ("torque", "look"), (), (), False),
        ([gate("look")], ("look",), (), ("torque",), False),
        ([gate("look", config={"items": ["x"]}), gate("torque")], ("torque",), ("look",), ("look",), True),
        ([gate("look", requirement_type="form"), gate("torque")], ("torque",), ("look",), ("look",), True),
        ([gate("look"), gate("torque"), gate("more", is_mandatory=False)], ("look", "torque"), ("more",), (), False),
        ([gate("look"), gate("torque"), gate("more")], ("look", "torque"), ("more",), (), True),
    ],
)
def test_evidence_counts_on_where_key_type_and_config_stay(
    requirements: list[dict[str, object]],
    kept: tuple[str, ...],
    opened: tuple[str, ...],
    dropped: tuple[str, ...],
    reopens: bool,
) -> None:
    after = graph(step("a", requirements=requirements), end(), checked=False)
    image = image_of("a", OLD, after, {})
    assert (image.fate, image.to) == (Fate.STAYS, "a")
    assert (image.kept, image.opened, image.dropped, image.reopens) == (kept, opened, dropped, reopens)


@pytest.mark.parametrize(
    ("before", "after", "fate"),
    [
        (step("a"), step("a", step_type="decision"), Fate.STAYS),
        (step("a"), step("a", step_type="timer"), Fate.ENTERS),
        (step("a"), end("a"), Fate.ENTERS),
        (step("a", config={"event": {"name": "x"}}), step("a", config={"event": {"name": "y"}}), Fate.ENTERS),
        (step("a", config={"assignment": {}}), step("a"), Fate.STAYS),
        (step("a"), step("c"), Fate.LOST),
    ],
)
def test_only_the_same_sort_of_step_keeps_its_executions(
    before: dict[str, object], after: dict[str, object], fate: Fate
) -> None:
    of = image_of("a", graph(before, checked=False), graph(after, checked=False), {})
    assert of.fate is fate


def test_work_that_waits_is_reopened_where_the_step_asks_for_more_and_else_waits_on() -> None:
    scene = Scene(graph(step("a", requires_qa_signoff=True), step("b", requires_qa_signoff=True), end()), subjects=2)
    scene.do("complete", "ann", Ref(0, "a"))
    scene.do("complete", "ann", Ref(1, "a"))
    scene.do("signoff", "qa", Ref(1, "a"))
    scene.do("complete", "ann", Ref(1, "b"))
    more = step("b", requires_qa_signoff=True, requirements=[gate()])
    scene.migrate(graph(step("a", requires_qa_signoff=True), more, end()))
    assert {ref.step: token.status for ref, token in scene.state.tokens.items()} == {
        "a": S.AWAITING_SIGNOFF,
        "b": S.IN_PROGRESS,
    }
    assert scene.state.tokens[Ref(1, "b")].assignee == "ann"


def test_a_batch_waits_on_for_its_others_and_then_goes_the_new_way() -> None:
    scene = Scene(graph(step("b", requires_batch_completion=True), end()), subjects=2)
    scene.do("complete", ref=Ref(0, "b"))
    scene.migrate(graph(step("b", requires_batch_completion=True), step("c"), end()))
    assert scene.state.tokens[Ref(0, "b")].status is S.WAITING
    scene.do("complete", ref=Ref(1, "b"))
    assert scene.places() == {0: "c", 1: "c"}
    scene.do("complete", ref=Ref(0, "c"))
    scene.migrate(graph(step("c", requires_batch_completion=True), end()))
    assert scene.places() == {1: "c"}


def test_what_was_forced_waits_on_unless_the_step_waits_for_something_else() -> None:
    batches = step("a", requires_batch_completion=True)
    scene = Scene(graph(batches, end()), subjects=2)
    scene.do("complete", "sue", Ref(0, "a"), force="a deviation that was agreed")
    scene.migrate(graph({**batches, "requirements": [gate()]}, end()))
    assert scene.state.tokens[Ref(0, "a")].status is S.WAITING
    scene.migrate(graph(step("a"), end()))
    assert scene.state.tokens[Ref(0, "a")].status is S.IN_PROGRESS


def test_a_step_that_moves_by_itself_is_looked_at_under_the_new_version() -> None:
    scene = Scene(graph(step("a"), end()))
    scene.migrate(graph(step("a", requires_operator_completion=False), end()))
    assert list(scene.state.hops) == [Ref(0, "a")]


def test_a_subject_may_end_by_it_and_with_the_last_one_the_instance() -> None:
    scene = Scene(graph(step("a"), end()))
    scene.do("claim", "bob")
    assert scene.migrate(graph(step("b"), end("stock", "stock")), a="stock").outcome == "migrated"
    assert kinds(scene.events)[-5:] == [
        "execution_diverted", "execution_entered", "execution_completed", "subject_finished", "instance_completed"
    ]  # fmt: skip
    assert scene.state.finished == {"stock": 1}


def test_new_nested_processes_are_asked_for_and_the_old_ones_run_on() -> None:
    child = {"requirement_type": "child_workflow", "config": {"process_id": "p", "count": 1}}
    more = {"requirement_type": "child_workflow", "config": {"process_id": "p", "count": 2}}
    scene = Scene(graph(step("a", requirements=[gate("sub", **child)]), end()))
    asked = set(scene.state.children)
    scene.migrate(graph(step("a", requirements=[gate("sub", **more)]), end()))
    assert len(scene.state.children) == 3
    assert asked < set(scene.state.children)
    scene.migrate(graph(step("a", requirements=[gate("sub", **more)]), end()))
    assert len(scene.state.children) == 3


def in_branches(*branches: str, **of_join: Any) -> Scene:
    scene = Scene(graph(*forked(*branches, **of_join)))
    scene.play(*(cmd.Recheck(ref=ref) for ref in scene.state.hops))
    return scene


def test_a_branch_needs_its_fork_with_as_many_branches() -> None:
    scene = in_branches("a", "b")
    for there in (graph(step("a"), step("b"), end()), graph(*forked("a", "b", "c"))):
        assert scene.migrate(there).params == {"steps": ["a", "b"], "subjects": 1}
    assert scene.migrate(graph(*forked("a", "b"))).outcome == "migrated"


def test_a_branch_goes_on_between_its_fork_and_its_join() -> None:
    scene = in_branches("a", "b")
    for elsewhere in ("j", "after", "f"):
        assert scene.migrate(graph(*forked("a", "b")), a=elsewhere).params == {"steps": ["a"], "subjects": 1}
    assert scene.migrate(graph(*forked("a", "b")), a="b", b="a").outcome == "migrated"
    check_state(scene)


def test_who_waits_at_a_join_is_not_left_there_by_a_version_that_joins_elsewhere() -> None:
    scene = in_branches("a", "b")
    scene.do("complete", ref=Ref(0, "a", 1, "f.1.1"))
    join = step("other", step_type="join", config={"join": {"require": "all"}})
    parts = [
        {**part, "step_type": "task", "config": {}} if part.get("key") == "j" else part for part in forked("a", "b")
    ]
    ways = [edge("a", "other"), edge("b", "other"), edge("other", "j")]
    rest = [part for part in parts if part.get("to_step") != "j"]
    assert scene.migrate(graph(*rest, join, *ways)).outcome == "migration_no_image"
    assert scene.migrate(graph(*forked("a", "b"))).outcome == "migrated"


@pytest.mark.parametrize("ended", ["a", "b", "ab"])
def test_who_ends_in_one_branch_leaves_nothing_behind_in_another_that_goes_over_too(ended: str) -> None:
    scene = Scene(graph(*forked("a", "b")), subjects=2)
    scene.play(*(cmd.Recheck(ref=ref) for ref in scene.state.hops))
    scene.do("complete", ref=Ref(1, "a", 1, "f.1.1"))
    images = {old: "end" if old in ended else new for old, new in (("a", "c"), ("b", "d"))}
    assert scene.migrate(graph(*forked("c", "d")), **images).outcome == "migrated"
    check_state(scene)
    finished = sorted(one.ref.subject for one in of_type(scene.events, ev.SubjectFinished))
    assert finished == ([0, 1] if "b" in ended else [0])
    assert {ref: token.status for ref, token in scene.state.tokens.items()} == (
        {} if "b" in ended else {Ref(1, "d", 1, "f.1.2"): S.PENDING}
    )


def test_branches_that_go_over_to_one_step_make_a_visit_each() -> None:
    scene = in_branches("a", "b")
    assert scene.migrate(graph(*forked("c", "d")), a="c", b="c").outcome == "migrated"
    check_state(scene)
    assert sorted(scene.state.tokens) == [Ref(0, "c", 1, "f.1.1"), Ref(0, "c", 2, "f.1.2")]


@pytest.mark.slow
@pytest.mark.timeout(7_200)  # many examples, as in `test_laws`
@LAW
@given(valid_graphs(), valid_graphs(), st.integers(1, 3), st.data())
def test_nobody_is_lost_between_versions(raw: Json, other: Json, subjects: int, data: st.DataObject) -> None:
    """All subjects stand at steps of the new version, or all at those of the old one; and from there they go on."""
    before, after = parse_graph(raw), parse_graph(other)
    scene = Scene(before, subjects=subjects)
    for asked in draw_walk(data, scene, 12):
        scene.play(asked)
    images = st.sampled_from([*after.steps, None])
    steps = data.draw(st.dictionaries(st.sampled_from(list(before.steps)), images, max_size=4), label="steps")
    was, events = scene.state.copy(), len(scene.events)
    ends = sum(was.finished.values())
    outcome = scene.migrate(after, **steps)
    check_state(scene)
    if outcome.refused:
        assert (scene.state.tokens, scene.state.process_id) == (was.tokens, "")
        return
    assert all(ref.step in after.steps for ref in scene.state.tokens)
    here = {ref.subject for ref in scene.state.tokens}
    finished = of_type(scene.events[events:], ev.SubjectFinished)
    assert {ref.subject for ref in was.tokens} == here | {event.ref.subject for event in finished}
    assert sum(scene.state.finished.values()) == ends + len(finished)
    for asked in draw_walk(data, scene, 6):
        check_packing(scene, asked)
        scene.play(asked)
        check_state(scene)
