"""Forks and joins: all branches or n of them, inside each other, with loops, ends, batches and incidents in them."""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.branches import branch_of, fork_of, is_within, name_of
from models.flow.state import Ref
from models.flow.status import InstanceStatus
from tests.flow.routed import automatic, forked
from tests.flow.scene import Scene, cancel, edge, end, gate, graph, of_type, step
from tests.flow.walk import check_state


def settle(scene: Scene) -> None:
    """Let the engine do what it can do by itself."""
    while scene.state.hops:
        scene.play(*(cmd.Recheck(ref=ref) for ref in scene.state.hops))
    check_state(scene)


def begun(scene: Scene) -> Scene:
    settle(scene)
    return scene


def places(scene: Scene, subject: int = 0) -> dict[str, str]:
    return {ref.branch: ref.step for ref in sorted(scene.state.tokens) if ref.subject == subject}


def done(scene: Scene, step_key: str, subject: int = 0, **more: str) -> str:
    (ref,) = [one for one in scene.state.tokens if (one.subject, one.step) == (subject, step_key)]
    outcome = scene.do("complete", ref=ref, **more).outcome
    settle(scene)
    return outcome


def test_names_of_branches_read_back() -> None:
    inner = name_of(name_of("", "f", 2, 1), "g.x", 1, 3)
    assert inner == "f.2.1/g.x.1.3"
    assert branch_of(inner) == ("f.2.1", "g.x", 1, 3)
    assert fork_of(inner) == "f.2.1/g.x.1."
    assert is_within(inner, fork_of("f.2.1"))
    assert not is_within("f.12.1", fork_of("f.1.1"))


def test_all_branches_are_taken_at_once_and_the_join_waits_for_all() -> None:
    scene = begun(Scene(graph(*forked("a", "b", "c"))))
    assert places(scene) == {"f.1.1": "a", "f.1.2": "b", "f.1.3": "c"}
    done(scene, "b")
    done(scene, "c")
    assert places(scene) == {"f.1.1": "a"}
    assert [one.branch for one in scene.state.arrived[0]] == ["f.1.2", "f.1.3"]
    done(scene, "a")
    assert places(scene) == {"": "after"}
    assert not scene.state.arrived
    (forked_off,) = [one for one in of_type(scene.events, ev.ExecutionCompleted) if one.ref.step == "f"]
    assert (forked_off.route, forked_off.next_step) == ("fork", None)
    assert done(scene, "after") == "completed"
    assert scene.state.status is InstanceStatus.COMPLETED


def test_n_branches_are_enough_and_the_rest_is_closed() -> None:
    scene = begun(Scene(graph(*forked("a", "b", "c", require=2))))
    done(scene, "c")
    done(scene, "a")
    assert places(scene) == {"": "after"}
    (closed,) = of_type(scene.events, ev.ExecutionDiverted)
    assert (closed.ref.step, closed.how, closed.status) == ("b", "join", "cancelled")
    assert scene.do("complete", ref=closed.ref).outcome == "execution_closed"


def test_one_branch_that_leads_straight_to_the_join_is_enough_where_one_is() -> None:
    parts = (
        step("f", step_type="fork"),
        step("a"),
        step("j", step_type="join", config={"join": {"require": 1}}),
        end(),
        edge("f", "j"),
        edge("f", "a"),
        edge("a", "j"),
        edge("j", "end"),
    )
    scene = begun(Scene(graph(*parts)))
    assert scene.state.status is InstanceStatus.COMPLETED
    assert [one.ref.step for one in of_type(scene.events, ev.ExecutionEntered)] == ["f", "j", "end"]


def test_subjects_do_not_wait_for_each_other_at_a_join() -> None:
    scene = begun(Scene(graph(*forked("a", "b")), subjects=3))
    done(scene, "a", 1)
    done(scene, "b", 1)
    assert places(scene, 1) == {"": "after"}
    assert places(scene, 0) == {"f.1.1": "a", "f.1.2": "b"}


NESTED = (
    step("f", step_type="fork"),
    step("a"),
    step("g", step_type="fork"),
    step("x"),
    step("y"),
    step("k", step_type="join"),
    step("b"),
    step("j", step_type="join"),
    end(),
    *(edge(*pair) for pair in (("f", "a"), ("f", "g"), ("a", "j"), ("g", "x"), ("g", "y"), ("x", "k"), ("y", "k"))),
    edge("k", "b"),
    edge("b", "j"),
    edge("j", "end"),
)


def test_a_fork_inside_a_branch_joins_back_into_that_branch() -> None:
    scene = begun(Scene(graph(*NESTED)))
    assert places(scene) == {"f.1.1": "a", "f.1.2/g.1.1": "x", "f.1.2/g.1.2": "y"}
    done(scene, "x")
    done(scene, "a")
    done(scene, "y")
    assert places(scene) == {"f.1.2": "b"}
    assert done(scene, "b") == "advanced"
    assert scene.state.status is InstanceStatus.COMPLETED


def test_what_waits_at_an_inner_join_is_forgotten_with_its_branch() -> None:
    parts = tuple({**part, "config": {"join": {"require": 1}}} if part.get("key") == "j" else part for part in NESTED)
    scene = begun(Scene(graph(*parts)))
    done(scene, "x")
    done(scene, "a")
    assert scene.state.status is InstanceStatus.COMPLETED
    assert not scene.state.arrived
    assert {one.ref.step for one in of_type(scene.events, ev.ExecutionDiverted)} == {"y"}


def test_an_end_in_one_branch_ends_the_subject_and_closes_the_others() -> None:
    parts = (
        *forked("a", "b"),
        step("check", is_decision_point=True),
        end("scrap", "scrapped"),
    )
    drawn = tuple(part for part in parts if part != edge("b", "j"))
    scene = begun(
        Scene(
            graph(*drawn, edge("b", "check"), edge("check", "j"), edge("check", "scrap", "alternate")),
            subjects=2,
        )
    )
    done(scene, "b", 0)
    assert done(scene, "check", 0, decision_result="fail") == "completed"
    assert scene.state.finished == {"scrapped": 1}
    assert places(scene, 0) == {}
    (closed,) = of_type(scene.events, ev.ExecutionDiverted)
    assert (closed.ref, closed.how) == (Ref(0, "a", 1, "f.1.1"), "join")
    assert places(scene, 1) == {"f.1.1": "a", "f.1.2": "b"}


def test_a_loop_inside_a_branch_counts_its_visits_and_stays_in_it() -> None:
    parts = (
        step("f", step_type="fork"),
        step("a"),
        step("b", is_decision_point=True),
        step("j", step_type="join"),
        end(),
        edge("f", "a"),
        edge("f", "b"),
        edge("a", "j"),
        edge("b", "j"),
        edge("b", "b", "alternate"),
        edge("j", "end"),
    )
    scene = begun(Scene(graph(*parts)))
    done(scene, "b", decision_result="fail")
    assert Ref(0, "b", 2, "f.1.2") in scene.state.tokens
    done(scene, "b", decision_result="pass")
    done(scene, "a")
    assert scene.state.status is InstanceStatus.COMPLETED


def test_a_second_visit_to_a_fork_opens_branches_of_its_own() -> None:
    parts = (*forked("a", "b"), step("again", is_decision_point=True))
    drawn = tuple(part for part in parts if part != edge("j", "after"))
    scene = begun(Scene(graph(*drawn, edge("j", "again"), edge("again", "after"), edge("again", "f", "alternate"))))
    for key in ("a", "b"):
        done(scene, key)
    done(scene, "again", decision_result="fail")
    assert places(scene) == {"f.2.1": "a", "f.2.2": "b"}
    done(scene, "a")
    assert places(scene) == {"f.2.2": "b"}
    done(scene, "b")
    assert places(scene) == {"": "again"}


def test_a_batch_inside_a_branch_goes_on_when_the_last_of_it_was_closed_elsewhere() -> None:
    parts = [
        {**part, "requires_batch_completion": True} if part.get("key") == "a" else part
        for part in forked("a", "b", require=1)
    ]
    scene = begun(Scene(graph(*parts), subjects=2))
    assert done(scene, "a", 0) == "waiting"
    assert done(scene, "b", 1) == "advanced"
    assert places(scene, 1) == {"": "after"}
    assert places(scene, 0) == {"": "after"}, "nobody is left at the step for whom it waits"


def test_gates_signoff_and_incidents_work_in_a_branch() -> None:
    parts = [
        {**part, "requirements": [gate()], "requires_qa_signoff": True} if part.get("key") == "a" else part
        for part in forked("a", "b")
    ]
    scene = begun(Scene(graph(*parts)))
    assert done(scene, "a") == "requirements_unmet"
    scene.give_evidence(Ref(0, "a", 1, "f.1.1"))
    assert done(scene, "a") == "awaiting_signoff"
    done(scene, "b")
    assert scene.do("signoff", "qa", Ref(0, "a", 1, "f.1.1")).outcome == "advanced"
    settle(scene)
    assert places(scene) == {"": "after"}


def test_a_full_step_behind_a_fork_stops_the_subject_before_any_branch_begins() -> None:
    parts = [
        {**part, "max_visits": 1} if part.get("key") == "b" else part
        for part in (*forked("a", "b"), step("again", is_decision_point=True))
        if part != edge("j", "after")
    ]
    scene = begun(Scene(graph(*parts, edge("j", "again"), edge("again", "after"), edge("again", "f", "alternate"))))
    done(scene, "a")
    done(scene, "b")
    done(scene, "again", decision_result="fail")
    assert places(scene) == {"": "f"}
    assert scene.token().incident is not None
    assert scene.do("complete", "sue", force="the customer wants it once more").outcome == "advanced"
    assert places(scene) == {"f.2.1": "a", "f.2.2": "b"}


def test_a_branch_that_is_closed_takes_its_incident_and_its_action_with_it() -> None:
    parts = [automatic("b") if part.get("key") == "b" else part for part in forked("a", "b", require=1)]
    scene = begun(Scene(graph(*parts)))
    (ref,) = scene.state.calls
    call = scene.state.calls[ref]
    failed = cmd.NoteActionEnded(ref=ref, call_id=call.call_id, succeeded=False, error="refused")
    scene.play(failed)
    done(scene, "a")
    assert not scene.state.calls
    assert len(of_type(scene.events, ev.IncidentResolved)) == 1
    assert scene.play(failed) == ()


def test_cancelling_ends_each_subject_once() -> None:
    scene = begun(Scene(graph(*forked("a", "b")), subjects=2))
    scene.ask(cancel())
    assert scene.state.finished == {"cancelled": 2}
    assert scene.state.status is InstanceStatus.CANCELLED


def test_whoever_was_moved_into_an_inner_fork_of_another_branch_passes_its_join() -> None:
    scene = begun(Scene(graph(*NESTED)))
    scene.do("move", "sue", Ref(0, "a", 1, "f.1.1"), to_step="x", reason="it needs the same work")
    scene.do("complete", ref=Ref(0, "x", 2, "f.1.1"))
    settle(scene)
    assert places(scene)["f.1.1"] == "b"


def test_a_branch_that_came_to_its_join_is_not_undone() -> None:
    scene = begun(Scene(graph(*forked("a", "b"))))
    done(scene, "a", actor="sue")
    undone = scene.do("undo", "sue", Ref(0, "a", 1, "f.1.1"), reason="the wrong part was taken")
    assert (undone.outcome, undone.params["built_on"]) == ("undo_built_on", "joined")


def test_skipping_goes_to_the_join_of_the_branch_and_out_of_a_fork_by_all_its_edges() -> None:
    scene = Scene(graph(*forked("a", "b")))
    reason = "agreed with the customer"
    assert scene.do("skip", "sue", scene.only, reason=reason).outcome == "skipped"
    assert places(scene) == {"f.1.1": "a", "f.1.2": "b"}
    scene.do("skip", "sue", Ref(0, "a", 1, "f.1.1"), reason=reason)
    assert [one.branch for one in scene.state.arrived[0]] == ["f.1.1"]
    done(scene, "b")
    assert places(scene) == {"": "after"}


def test_a_lot_made_of_two_branches_takes_the_first_on_and_the_second_closes_it_again() -> None:
    """The branch goes on within the command, and is closed within it once the second has brought the join to two."""
    scene = begun(Scene(graph(
        step("f", step_type="fork"), step("a"), step("a2"), step("b"),
        step("j", step_type="join", config={"join": {"require": 2}}), step("after"), end(),
        edge("f", "j"), edge("f", "a"), edge("a", "a2"), edge("a2", "j"), edge("f", "b"), edge("b", "j"),
        edge("j", "after"), edge("after", "end"),
    )))  # fmt: skip
    refs = tuple(sorted(scene.state.tokens))
    assert [ref.step for ref in refs] == ["a", "b"]
    asked = cmd.Split(
        command_id="c",
        actor="sue",
        reason="five have burrs",
        groups=(cmd.Group(lot="L", refs=refs, decision_result="pass"),),
    )
    assert scene.ask(asked).outcome == "split"
    settle(scene)
    assert places(scene) == {"": "after"}
