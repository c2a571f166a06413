"""Decisions that nobody takes: expressions, tables, measurements and quality results, as facts tell them."""

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.errors import describe
from models.flow.facts import Computed
from models.flow.routing import choose
from models.flow.state import Ref
from tests.flow.scene import Json, Scene, edge, end, graph, of_type, step


def by_expression(*edges: Json, **settings: object) -> Scene:
    at = step("a", is_decision_point=True, decision_type="expression", **settings)
    return Scene(graph(at, end("big"), end("huge"), end("other"), *edges))


EDGES = (
    edge("a", "big", "default", "subject.attributes.size > 10"),
    edge("a", "huge", "alternate", "subject.attributes.size > 100"),
    edge("a", "other"),
)


@pytest.mark.parametrize(("holds", "where"), [((0, 1), "big"), ((1,), "huge"), ((), "other")])
def test_the_first_edge_in_drawn_order_whose_condition_holds_is_taken_else_the_unconditional_one(
    holds: tuple[int, ...], where: str
) -> None:
    scene = by_expression(*EDGES)
    scene.computed["a"] = Computed(holds=holds, shown="said so")
    assert scene.do("complete").outcome == "completed"
    (done,) = [one for one in of_type(scene.events, ev.ExecutionCompleted) if one.ref.step == "a"]
    assert (done.next_step, done.result) == (where, "said so")


def test_where_no_condition_holds_and_no_edge_is_without_one_the_subject_stops() -> None:
    scene = by_expression(*EDGES[:2], edge("a", "other", "alternate", "false"))
    scene.computed["a"] = Computed(holds=())
    assert scene.do("complete").outcome == "no_route"
    assert scene.token().incident is not None
    scene.computed["a"] = Computed(holds=(1,))
    assert scene.do("complete").outcome == "completed"
    assert len(of_type(scene.events, ev.IncidentResolved)) == 1


@pytest.mark.parametrize(
    ("computed", "why"),
    [
        (Computed(holds=()), "no condition held"),
        (Computed(), "no rule matched"),
        (Computed(words=("red",)), "no edge takes the result 'red'"),
        (Computed(shown="red, green"), "no edge takes the result 'red, green'"),
    ],
)
def test_where_no_edge_is_taken_the_refusal_says_for_which_result(computed: Computed, why: str) -> None:
    scene = by_expression(*EDGES[:2], edge("a", "other", "alternate", "false"))
    scene.computed["a"] = computed
    outcome = scene.do("complete")
    assert outcome.outcome == "no_route"
    assert why in describe("no_route", outcome.params)


def test_a_computed_decision_without_operator_moves_by_itself() -> None:
    scene = by_expression(*EDGES, requires_operator_completion=False)
    scene.computed["a"] = Computed(holds=(0,))
    assert scene.only in scene.state.hops
    scene.play(cmd.Recheck(ref=scene.only))
    assert scene.state.finished == {"completed": 1}


def test_a_decision_that_fails_by_itself_opens_an_incident_and_is_not_looked_at_for_ever() -> None:
    scene = by_expression(*EDGES, requires_operator_completion=False)
    scene.computed["a"] = Computed(error="there is no 'size'")
    scene.play(cmd.Recheck(ref=scene.only))
    (incident,) = of_type(scene.events, ev.IncidentOpened)
    assert (incident.code, incident.params["error"]) == ("decision_failed", "there is no 'size'")
    assert not scene.state.hops


def by_words(decision_type: str, *edges: Json, **settings: object) -> Scene:
    at = step("a", is_decision_point=True, decision_type=decision_type, **settings)
    return Scene(graph(at, end("good"), end("bad"), *edges))


PASS_FAIL = (edge("a", "good"), edge("a", "bad", "alternate"))


@pytest.mark.parametrize(("word", "where"), [("pass", "good"), ("FAIL", "bad")])
def test_a_quality_result_takes_the_edge_of_its_word(word: str, where: str) -> None:
    scene = by_words("qa_result", *PASS_FAIL)
    scene.computed["a"] = Computed(words=(word,), shown=word)
    scene.do("complete")
    (done,) = [one for one in of_type(scene.events, ev.ExecutionCompleted) if one.ref.step == "a"]
    assert (done.next_step, done.result) == (where, word)


def test_a_word_without_an_edge_never_falls_back_on_another() -> None:
    at = step("a", is_decision_point=True, decision_type="qa_result")
    lenient = graph(at, end("good"), edge("a", "good"), checked=False)
    scene = Scene(lenient)
    scene.computed["a"] = Computed(words=("fail",))
    assert scene.do("complete").outcome == "no_route"


def test_only_force_decides_otherwise_than_facts() -> None:
    scene = by_words("qa_result", *PASS_FAIL)
    scene.computed["a"] = Computed(words=("fail",), shown="fail")
    assert scene.do("complete", "sue", decision_result="pass").outcome == "decision_computed"
    reason = "the customer accepts it as it is"
    assert scene.do("complete", "sue", decision_result="pass", force=reason).outcome == "completed"
    assert of_type(scene.events, ev.ExecutionCompleted)[0].next_step == "good"


def test_force_without_a_word_goes_where_facts_say_also_after_it_waited() -> None:
    scene = by_words("qa_result", *PASS_FAIL, requires_qa_signoff=True)
    scene.computed["a"] = Computed(words=("fail",), shown="fail")
    scene.do("complete", "sue", force="nobody else is left to do it")
    scene.do("signoff", "qa")
    (done,) = [one for one in of_type(scene.events, ev.ExecutionCompleted) if one.ref.step == "a"]
    assert (done.next_step, done.result) == ("bad", "fail")


def test_a_decision_is_taken_again_when_the_subject_leaves_its_batch() -> None:
    at = step("a", is_decision_point=True, decision_type="qa_result", requires_batch_completion=True)

    scene = Scene(graph(at, end("good"), end("bad"), *PASS_FAIL), subjects=2)
    scene.computed["a"] = Computed(words=("pass",), shown="pass")
    scene.do("complete", ref=Ref(0, "a"))
    scene.computed["a"] = Computed(words=("fail",), shown="fail")
    scene.do("complete", ref=Ref(1, "a"))
    left = [one for one in of_type(scene.events, ev.ExecutionCompleted) if one.ref.step == "a"]
    assert {(one.next_step, one.result) for one in left} == {("bad", "fail")}


def test_an_edge_is_taken_by_any_of_its_results() -> None:
    at = step("a", is_decision_point=True)
    several = graph(
        at,
        end("good"),
        end("bad"),
        edge("a", "good", results=["pass", "as is"]),
        edge("a", "bad", "alternate", "scrap", results=["Reject", "fail"]),
    )
    for word, where in (("AS IS", "good"), ("yes", "good"), ("reject", "bad"), ("no", "bad"), ("scrap", "bad")):
        way = choose(several, several.steps["a"], word)
        assert way.step is not None
        assert way.step.key == where
    scene = Scene(several)
    assert scene.do("complete", decision_result="perhaps").params["allowed"] == [
        "pass",
        "as is",
        "scrap",
        "Reject",
        "fail",
    ]


def test_several_results_take_the_first_edge_in_drawn_order_and_none_the_unconditional_one() -> None:
    at = step(
        "a",
        is_decision_point=True,
        decision_type="decision_table",
        config={
            "decision_table": {
                "hit_policy": "collect",
                "inputs": [],
                "outputs": [{"name": "mark"}],
                "rules": [{"when": [], "then": ["red"]}],
            }
        },
    )
    marked = (edge("a", "x", "alternate", "red"), edge("a", "y", "alternate", "blue"), edge("a", "z"))
    of = graph(at, end("x"), end("y"), end("z"), *marked)
    for words, where in ((("blue", "red"), "x"), (("blue",), "y"), ((), "z")):
        way = choose(of, of.steps["a"], "", Computed(words=words))
        assert way.step is not None
        assert way.step.key == where


def test_what_was_computed_for_the_context_is_set_when_the_subject_goes_on() -> None:
    scene = by_words("qa_result", *PASS_FAIL)
    scene.computed["a"] = Computed(words=("pass",), context={"inspection.class": "A"})
    scene.do("complete")
    (amended,) = of_type(scene.events, ev.InstanceAmended)
    assert amended.changes == {"context_at": {"inspection.class": "A"}}
    assert amended.by is None
