"""Exactly one way on: decision words, custom results, visit limits, escalation, incidents."""

from dataclasses import replace
from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.decide import decide
from models.flow.errors import FlowError
from models.flow.facts import Visits
from models.flow.routing import allowed_results, choose, escalation_targets, possible_targets
from models.flow.state import Ref
from models.flow.status import ExecutionStatus as S
from tests.flow.scene import Json, Scene, edge, end, gate, graph, of_type, step

DECISION = step("decide", is_decision_point=True)
YES_NO = (DECISION, step("rework"), end(), edge("decide", "end"), edge("decide", "rework", "alternate"))
CUSTOM = (
    DECISION,
    step("repair"),
    end("stock"),
    end("scrap", "scrapped"),
    edge("decide", "stock"),
    edge("decide", "repair", "alternate", "Repair"),
    edge("decide", "scrap", "alternate", "use as scrap"),
    edge("repair", "stock"),
)


@pytest.mark.parametrize("word", ["pass", "approved", "yes", "PASS", " Yes ", "Approved"])
def test_positive_words_take_the_default_edge(word: str) -> None:
    scene = Scene(graph(*YES_NO))
    assert scene.do("complete", decision_result=word).outcome == "completed"


@pytest.mark.parametrize("word", ["fail", "rejected", "no", "FAIL", "No\t"])
def test_negative_words_take_the_alternate_edge(word: str) -> None:
    scene = Scene(graph(*YES_NO))
    scene.do("complete", decision_result=word)
    assert scene.only.step == "rework"
    assert of_type(scene.events, ev.ExecutionCompleted)[-1].route == "alternate"


@pytest.mark.parametrize(
    ("word", "target"), [("repair", "repair"), ("REPAIR", "repair"), ("Use As Scrap", "scrap"), ("pass", "stock")]
)
def test_other_words_take_the_edge_of_their_condition(word: str, target: str) -> None:
    routed = graph(*CUSTOM)
    way = choose(routed, routed.steps["decide"], word)
    assert way.step is not None
    assert way.step.key == target


def test_an_unknown_result_lists_the_allowed_ones_and_changes_nothing() -> None:
    scene = Scene(graph(*CUSTOM))
    refused = scene.do("complete", decision_result="perhaps")
    assert refused.outcome == "decision_unknown"
    assert refused.params["allowed"] == ["pass", "Repair", "use as scrap"]
    assert scene.token().status is S.PENDING
    assert scene.do("complete").outcome == "decision_required"
    assert scene.do("complete", decision_result="fail").outcome == "decision_unknown"


def test_a_custom_word_on_the_default_edge_answers_to_pass_as_well() -> None:
    routed = graph(
        DECISION, end("x"), end("y"), edge("decide", "x", "default", "use as is"), edge("decide", "y", "alternate")
    )
    decide = routed.steps["decide"]
    assert allowed_results(routed, decide) == ["use as is", "fail"]
    assert [choose(routed, decide, word).route for word in ("pass", "USE AS IS", "no")] == [
        "default",
        "default",
        "alternate",
    ]


def test_several_default_edges_with_words_leave_pass_unknown() -> None:
    routed = graph(
        DECISION, end("x"), end("y"), edge("decide", "x", "default", "x"), edge("decide", "y", "default", "y")
    )
    with pytest.raises(FlowError) as raised:
        choose(routed, routed.steps["decide"], "pass")
    assert raised.value.code == "decision_unknown"


def test_a_decision_never_falls_back_to_the_order() -> None:
    routed = graph(DECISION, end(), checked=False)
    with pytest.raises(FlowError) as raised:
        choose(routed, routed.steps["decide"], "pass")
    assert raised.value.code == "decision_unknown"


def loop(*, escalation: str | None, limit: int = 1, **settings: Any) -> tuple[Json, ...]:
    """Inspect, rework at most `limit` times, inspect again."""
    drawn = [edge("rework", escalation, "escalation")] if escalation else []
    return (
        step("inspect", is_decision_point=True, **settings),
        step("rework", step_type="rework", max_visits=limit),
        step("review"),
        end("stock", "stock"),
        edge("inspect", "stock"),
        edge("inspect", "rework", "alternate"),
        edge("rework", "inspect"),
        edge("inspect", "review", "alternate", "review"),
        edge("review", "stock"),
        *drawn,
    )


def test_a_full_step_is_passed_by_its_escalation_edge() -> None:
    scene = Scene(graph(*loop(escalation="review", limit=2)))
    for _ in range(2):
        scene.do("complete", decision_result="fail")
        assert scene.only.step == "rework"
        scene.do("complete")
    assert scene.only == Ref(0, "inspect", 3)
    assert scene.do("complete", decision_result="fail").outcome == "escalated"
    assert scene.only == Ref(0, "review")
    assert of_type(scene.events, ev.ExecutionCompleted)[-1].route == "escalation"


def full_without_escalation(**settings: Any) -> Scene:
    scene = Scene(graph(*loop(escalation=None, **settings)))
    scene.do("complete", decision_result="fail")
    scene.do("complete")
    return scene


def test_a_full_step_without_escalation_stops_the_subject_in_an_incident() -> None:
    scene = full_without_escalation()
    refused = scene.do("complete", decision_result="fail")
    assert (refused.outcome, refused.refused) == ("visit_limit_reached", True)
    assert (scene.only, scene.token().status) == (Ref(0, "inspect", 2), S.PENDING)
    (opened,) = of_type(scene.events, ev.IncidentOpened)
    assert scene.token().incident == opened.incident_id
    assert (opened.code, opened.params) == ("visit_limit_reached", {"step": "REWORK", "max_visits": 1})
    scene.do("complete", decision_result="fail")
    assert of_type(scene.events, ev.IncidentOpened) == [opened]


def test_an_incident_is_resolved_by_another_decision() -> None:
    scene = full_without_escalation()
    scene.do("complete", decision_result="fail")
    assert scene.do("complete", decision_result="review").outcome == "advanced"
    (resolved,) = of_type(scene.events, ev.IncidentResolved)
    assert (resolved.by, resolved.resolution) == ("ann", "completed")
    assert scene.token().incident is None


def test_an_incident_is_resolved_with_force() -> None:
    scene = full_without_escalation()
    scene.do("complete", decision_result="fail")
    forced = scene.do("complete", "sue", decision_result="fail", force="one more try, agreed with customer")
    assert forced.outcome == "advanced"
    assert scene.only == Ref(0, "rework", 2)
    assert len(of_type(scene.events, ev.IncidentResolved)) == 1


@pytest.mark.parametrize("waits", ["requires_qa_signoff", "requires_batch_completion"])
def test_a_full_step_is_noticed_before_the_subject_waits(waits: str) -> None:
    scene = Scene(graph(*loop(escalation=None, **{waits: True})), subjects=2)
    first, second = Ref(0, "inspect"), Ref(1, "inspect")
    if waits == "requires_qa_signoff":
        scene.do("complete", ref=first, decision_result="fail")
        scene.do("signoff", "qa", first)
    else:
        scene.do("complete", ref=first, decision_result="fail")
        scene.do("complete", ref=second, decision_result="fail")
    again = Ref(0, "rework")
    scene.do("complete", ref=again)
    full = Ref(0, "inspect", 2)
    assert scene.do("complete", ref=full, decision_result="fail").outcome == "visit_limit_reached"
    assert scene.token(full).incident is not None
    assert scene.do("complete", ref=full, decision_result="review").outcome in {"awaiting_signoff", "advanced"}
    (resolved,) = of_type(scene.events, ev.IncidentResolved)
    assert resolved.resolution == "given"
    assert full not in scene.state.tokens or scene.token(full).incident is None


def test_escalations_follow_each_other_and_a_circle_is_an_incident() -> None:
    scene = Scene(
        graph(
            step("hub", is_decision_point=True),
            step("x", max_visits=1),
            step("y", max_visits=1),
            end(),
            edge("hub", "x"),
            edge("hub", "end", "alternate"),
            edge("x", "hub"),
            edge("y", "hub"),
            edge("x", "y", "escalation"),
            edge("y", "x", "escalation"),
        )
    )
    for expected in ("x", "y"):
        scene.do("complete", decision_result="pass")
        assert scene.only.step == expected
        scene.do("complete")
    assert scene.do("complete", decision_result="pass").outcome == "visit_limit_reached"
    assert scene.do("complete", decision_result="fail").outcome == "completed"


def test_visits_that_were_rolled_back_keep_their_number_and_do_not_count() -> None:
    routed = graph(step("a"), step("b", max_visits=2), end())
    scene = Scene(routed)
    facts = replace(scene.facts(), visits={(0, "b"): Visits(last=5, counted=1)})
    asked = cmd.Complete(command_id="c", actor="ann", ref=scene.only)
    events = decide(routed, scene.state, asked, facts, scene.now)
    assert of_type(events, ev.ExecutionEntered)[0].ref == Ref(0, "b", 6)


def test_possible_targets_follow_escalations() -> None:
    routed = graph(*loop(escalation="review"))
    assert set(possible_targets(routed, "inspect")) == {"stock", "rework", "review"}
    assert possible_targets(routed, "stock") == ()
    assert "review" in possible_targets(graph(step("a"), step("review"), end()), "a")


def test_a_level_that_routes_may_lead_through_every_full_step_on_its_way() -> None:
    late = (step("late"), edge("late", "rework", "escalation"))
    routed = graph(*loop(escalation="review"), *late, checked=False)
    assert set(escalation_targets(routed, "late")) == {"rework", "review"}
    assert escalation_targets(routed, "inspect") == ()


def test_a_graph_that_was_never_validated_leads_to_an_incident_and_not_to_a_crash() -> None:
    scene = Scene(graph(step("a"), end(), edge("a", "end", "alternate"), checked=False))
    assert scene.do("complete").outcome == "no_route"
    assert scene.token().incident is not None


def test_a_step_that_moves_by_itself_stops_in_an_incident_too() -> None:
    scene = Scene(
        graph(
            step("prepare", requires_operator_completion=False, requirements=[gate()]),
            step("once", max_visits=1, is_decision_point=True),
            end(),
            edge("prepare", "once"),
            edge("once", "prepare"),
            edge("once", "end", "alternate"),
        )
    )
    scene.give_evidence(scene.only)
    scene.play(cmd.Recheck(ref=scene.only))
    scene.do("complete", decision_result="pass")
    scene.give_evidence(scene.only)
    scene.play(cmd.Recheck(ref=scene.only))
    assert scene.only == Ref(0, "prepare", 2)
    assert scene.token().incident is not None
    assert not scene.state.hops
    assert scene.play(cmd.Recheck(ref=scene.only)) == ()
    assert scene.do("complete", "sue", force="goes on by hand today").outcome == "advanced"
