"""Undo of a completion, lots of a batch, and incidents that are tried again or resolved."""

from datetime import timedelta

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.branches import name_of
from models.flow.facts import Computed
from models.flow.incidents import RETRIES
from models.flow.moment import Moment
from models.flow.remedies import REMEDIES, USUAL, remedy_of
from models.flow.state import Ref, Token
from models.flow.status import ExecutionStatus as S
from models.flow.status import InstanceStatus
from models.flow.timing import next_deadline, ringing
from tests.flow.scene import LINE, NOW, Json, Scene, edge, end, graph, of_type, step

WHY = "a slip of the hand"
BATCH = (step("wash", requires_batch_completion=True), step("pack"), end())


def test_an_undone_completion_opens_the_same_execution_again_with_whoever_held_it() -> None:
    scene = Scene(graph(*LINE))
    scene.do("complete", "ann")
    assert scene.do("undo", "ann", Ref(0, "a"), reason=WHY).outcome == "undone"
    assert scene.state.tokens == {Ref(0, "a"): Token(status=S.IN_PROGRESS, assignee="ann")}
    scene.do("complete", "ann")
    assert scene.only == Ref(0, "b", 2), "the number of the visit that was rolled back is not used again"


def test_a_visit_that_was_undone_does_not_count_to_its_limit() -> None:
    scene = Scene(graph(step("a"), step("b", max_visits=1), end(), edge("a", "b"), edge("b", "end")))
    for _ in range(3):
        assert scene.do("complete", "ann").outcome == "advanced"
        scene.do("undo", "ann", min(scene.facts().done), reason=WHY)


@pytest.mark.parametrize(("actor", "outcome"), [("ann", "undone"), ("bob", "forbidden"), ("sue", "undone")])
def test_who_completed_it_or_a_supervisor_may(actor: str, outcome: str) -> None:
    scene = Scene(graph(*LINE))
    scene.do("complete", "ann")
    assert scene.do("undo", actor, Ref(0, "a"), reason=WHY).outcome == outcome


@pytest.mark.parametrize(("minutes", "outcome"), [(15, "undone"), (15.1, "undo_too_late")])
def test_it_can_be_undone_for_fifteen_minutes(minutes: float, outcome: str) -> None:
    scene = Scene(graph(*LINE))
    scene.do("complete", "ann")
    scene.pass_time(minutes=minutes)
    assert scene.do("undo", "ann", Ref(0, "a"), reason=WHY).outcome == outcome


def test_a_subject_that_had_ended_is_under_way_again() -> None:
    scene = Scene(graph(step("a"), end("end", "shipped")), subjects=2)
    scene.do("complete", "ann", Ref(0, "a"))
    assert scene.state.finished == {"shipped": 1}
    scene.do("undo", "ann", Ref(0, "a"), reason=WHY)
    assert (scene.state.finished, scene.places()) == ({}, {0: "a", 1: "a"})
    assert scene.facts().closed == {Ref(0, "end"): "rolled_back"}


def test_what_the_engine_completed_is_not_undone() -> None:
    scene = Scene(graph(step("a", requires_operator_completion=False), step("b"), end()))
    scene.play(cmd.Recheck(ref=Ref(0, "a")))
    assert scene.do("undo", "sue", Ref(0, "a"), reason=WHY).outcome == "nothing_to_undo"


def test_a_timer_that_was_left_by_force_and_undone_rings_when_it_would_have() -> None:
    scene = Scene(graph(step("t", step_type="timer", config={"timer": {"duration": "PT2H"}}), step("b"), end()))
    rings = scene.token().wake_at
    assert rings == NOW + timedelta(hours=2)
    scene.do("complete", "sue", force=WHY)
    scene.do("undo", "sue", Ref(0, "t"), reason=WHY)
    assert (next_deadline(scene.state), scene.state.hops) == (rings, {})
    scene.pass_time(hours=2)
    scene.play(*(cmd.Recheck(ref=ref) for ref in ringing(scene.state, scene.now)))
    assert scene.only == Ref(0, "b", 2)


def test_an_action_that_was_passed_by_force_and_undone_is_asked_for_again_under_a_new_id() -> None:
    action = {"action": {"type": "webhook", "url": "https://erp.example.com"}}
    scene = Scene(graph(step("a", step_type="automatic", config=action), step("b"), end()))
    scene.play(cmd.Recheck(ref=Ref(0, "a")))
    first = scene.state.calls[Ref(0, "a")]
    scene.play(cmd.NoteActionEnded(ref=Ref(0, "a"), call_id=first.call_id, succeeded=False, error="503"))
    scene.do("complete", "sue", force=WHY)
    scene.do("undo", "sue", Ref(0, "a"), reason=WHY)
    assert scene.state.hops == {Ref(0, "a"): None}, "the engine looks at it, for nobody works there"
    scene.play(cmd.Recheck(ref=Ref(0, "a")))
    again = scene.state.calls[Ref(0, "a")]
    assert (again.attempt, again.outcome) == (2, "")
    assert again.call_id != first.call_id


def test_a_decision_that_facts_take_stops_again_when_its_passing_by_force_is_undone() -> None:
    decides = {"step_type": "decision", "decision_type": "expression", "requires_operator_completion": False}
    ways = (
        edge("a", "b", condition="context.go == 1"),
        edge("a", "end", condition="context.go == 2"),
        edge("b", "end"),
    )
    scene = Scene(graph(step("a", **decides), step("b"), end(), *ways), computed={"a": Computed(words=("none",))})
    scene.play(cmd.Recheck(ref=Ref(0, "a")))
    assert scene.token().incident is not None
    scene.do("complete", "sue", force=WHY, decision_result="context.go == 1")
    scene.do("undo", "sue", Ref(0, "a"), reason=WHY)
    scene.play(*(cmd.Recheck(ref=ref) for ref in scene.state.hops))
    assert scene.token().incident is not None


def test_what_was_told_of_its_lateness_is_not_told_again_after_an_undo() -> None:
    timed = step("a", expected_duration="PT1H", max_duration="PT2H")
    scene = Scene(graph(timed, step("b"), end()))
    scene.pass_time(hours=3)
    scene.ring()
    scene.do("complete", "ann")
    scene.do("undo", "ann", Ref(0, "a"), reason=WHY)
    assert scene.token().overdue
    assert (scene.ring(), next_deadline(scene.state)) == ((), None)


def test_one_of_a_released_batch_comes_back_alone_while_all_of_it_is_untouched() -> None:
    scene = Scene(graph(*BATCH), subjects=2)
    scene.do("complete", "ann", Ref(0, "wash"))
    scene.do("complete", "bob", Ref(1, "wash"))
    assert scene.do("undo", "ann", Ref(0, "wash"), reason=WHY).outcome == "undone"
    assert scene.places() == {0: "wash", 1: "pack"}
    scene.do("complete", "ann", Ref(0, "wash"))
    assert scene.places() == {0: "pack", 1: "pack"}
    scene.do("claim", "bob", Ref(1, "pack"))
    refused = scene.do("undo", "ann", Ref(1, "wash"), reason=WHY)
    assert (refused.outcome, refused.params["permission"]) == ("forbidden", "execution.undo")


def test_work_of_another_of_the_batch_is_built_on_it() -> None:
    scene = Scene(graph(*BATCH), subjects=2)
    scene.do("complete", "ann", Ref(0, "wash"))
    scene.do("complete", "bob", Ref(1, "wash"))
    scene.do("start", "bob", Ref(1, "pack"))
    refused = scene.do("undo", "ann", Ref(0, "wash"), reason=WHY)
    assert (refused.outcome, refused.params) == ("undo_built_on", {"built_on": "in_progress", "step": "PACK"})


def test_a_branch_whose_last_completion_is_undone_has_not_arrived() -> None:
    branch = name_of("", "f", 1, 1)
    ref = Ref(0, "a", 1, branch)
    scene = Scene(graph(*LINE), subjects=0)
    scene.happen(
        ev.InstanceStarted(at=scene.now, subjects=1),
        ev.ExecutionEntered(ref=ref, at=scene.now),
        ev.ExecutionCompleted(ref=ref, at=scene.now, by="ann"),
        ev.BranchArrived(ref=ref, at=scene.now, branch=branch, join="j"),
        ev.ExecutionRestored(ref=ref, at=scene.now, by="ann", reason=WHY, assignee="ann"),
    )
    assert (scene.state.arrived, set(scene.state.tokens)) == ({}, {ref})


def splitting(*groups: cmd.Group, actor: str = "sue") -> cmd.Split:
    return cmd.Split(command_id="split", actor=actor, reason="five have burrs", groups=groups)


def merging(*lots: str, into: str = "") -> cmd.Merge:
    return cmd.Merge(command_id="merge", actor="sue", reason="reworked, fine again", lots=lots, into=into)


FLAWED = (
    step("wash", requires_batch_completion=True),
    step("inspect", is_decision_point=True, requires_batch_completion=True),
    step("rework"),
    end("stock", "in_stock"),
    end("scrap", "scrapped"),
    edge("wash", "inspect"),
    edge("inspect", "stock"),
    edge("inspect", "rework", "alternate"),
    edge("inspect", "scrap", "alternate", "scrap"),
    edge("rework", "inspect"),
)


def at(step_key: str, *numbers: int) -> tuple[Ref, ...]:
    return tuple(Ref(number, step_key) for number in numbers)


def test_scrapping_some_and_reworking_some_lets_the_others_go_on() -> None:
    scene = Scene(graph(*FLAWED), subjects=6)
    for number in range(3):
        scene.do("complete", ref=Ref(number, "wash"))
    done = scene.ask(
        splitting(
            cmd.Group(lot="scrap", refs=at("wash", 3), to_step="scrap"),
            cmd.Group(lot="rework", refs=at("wash", 4, 5), to_step="rework"),
        )
    )
    assert done.outcome == "split"
    assert scene.places() == {0: "inspect", 1: "inspect", 2: "inspect", 4: "rework", 5: "rework"}
    assert {token.lot for ref, token in scene.state.tokens.items() if ref.step == "rework"} == {"rework"}
    for number in (4, 5):
        scene.do("complete", ref=Ref(number, "rework"))
    for number in range(3):
        scene.do("complete", ref=Ref(number, "inspect"), decision_result="pass")
    assert scene.state.finished == {"scrapped": 1, "in_stock": 3}, "the first lot does not wait for the second"


def test_a_lot_that_is_wholly_ready_goes_on_when_it_is_made() -> None:
    scene = Scene(graph(*FLAWED), subjects=3)
    scene.do("complete", ref=Ref(0, "wash"))
    scene.ask(splitting(cmd.Group(lot="first", refs=at("wash", 0))))
    assert scene.places() == {0: "inspect", 1: "wash", 2: "wash"}


def test_a_lot_may_be_sent_on_by_a_decision() -> None:
    scene = Scene(graph(*FLAWED), subjects=1)
    scene.do("complete")
    scene.ask(splitting(cmd.Group(lot="x", refs=at("inspect", 0), decision_result="scrap")))
    assert scene.state.status is InstanceStatus.CANCELLED
    assert scene.facts().closed[Ref(0, "inspect")] == "skipped"


def test_merged_lots_wait_for_each_other_again() -> None:
    scene = Scene(graph(*FLAWED), subjects=3)
    scene.ask(splitting(cmd.Group(lot="late", refs=at("wash", 1, 2))))
    scene.do("complete", ref=Ref(1, "wash"))
    assert scene.ask(merging("late")).outcome == "merged"
    assert {token.lot for token in scene.state.tokens.values()} == {""}
    scene.do("complete", ref=Ref(2, "wash"))
    assert scene.places() == {0: "wash", 1: "wash", 2: "wash"}
    scene.do("complete", ref=Ref(0, "wash"))
    assert scene.places() == {0: "inspect", 1: "inspect", 2: "inspect"}


def test_the_busy_one_who_changes_its_lot_releases_those_it_leaves() -> None:
    scene = Scene(graph(*FLAWED), subjects=2)
    scene.do("complete", ref=Ref(0, "wash"))
    scene.ask(splitting(cmd.Group(lot="late", refs=at("wash", 1))))
    assert scene.places() == {0: "inspect", 1: "wash"}


def test_a_split_happens_wholly_or_not_at_all() -> None:
    scene = Scene(graph(*FLAWED), subjects=2)
    before = scene.state.copy()
    gone = (cmd.Group(lot="x", refs=at("wash", 0)), cmd.Group(lot="y", refs=at("nowhere", 1)))
    assert scene.ask(splitting(*gone)).outcome == "execution_not_found"
    assert scene.ask(splitting(cmd.Group(lot="x", refs=at("wash", 0)), actor="ann")).outcome == "forbidden"
    assert scene.state.tokens == before.tokens


def stopped() -> tuple[Scene, str]:
    scene = Scene(graph(step("a", requires_operator_completion=False), step("b"), end()))
    opened = ev.IncidentOpened(ref=scene.only, at=scene.now, incident_id="i1", code="broken")
    scene.happen(opened)
    return scene, "i1"


def test_a_retried_incident_is_looked_at_next_and_a_resolved_one_is_not() -> None:
    for again, hops in ((True, {Ref(0, "a"): None}), (False, {})):
        scene, incident = stopped()
        given = {"command_id": "c", "actor": "sue", "ref": scene.only, "incident_id": incident}
        asked = cmd.RetryIncident(code="broken", **given) if again else cmd.ResolveIncident(note=WHY, **given)  # type: ignore[arg-type]
        assert scene.ask(asked).outcome == ("retried" if again else "resolved")
        assert (scene.token().incident, scene.state.hops) == (None, hops)


def test_a_resolved_incident_of_an_expression_is_looked_at_and_an_action_is_not_done_once_more() -> None:
    def resolved(action: Json, *answers: bool) -> Scene:
        scene = Scene(graph(step("a", step_type="automatic", config={"action": action}), end()))
        scene.computed["a"] = Computed(error="there is no 'price'")
        scene.play(cmd.Recheck(ref=scene.only))
        for succeeded in answers:
            call = scene.state.calls[scene.only].call_id
            scene.play(cmd.NoteActionEnded(ref=scene.only, call_id=call, succeeded=succeeded, error="503"))
        (incident,) = of_type(scene.events, ev.IncidentOpened)
        given = {"command_id": "c", "actor": "sue", "ref": scene.only, "incident_id": incident.incident_id}
        assert scene.ask(cmd.ResolveIncident(note=WHY, **given)).outcome == "resolved"
        return scene

    assert resolved({"type": "expression", "set": {"n": "context.price"}}).state.hops == {Ref(0, "a"): None}
    assert resolved({"type": "webhook", "url": "https://erp.example.com"}, False).state.hops == {}


def test_who_resolves_it_says_how() -> None:
    scene, incident = stopped()
    asked = cmd.ResolveIncident(command_id="c", actor="sue", ref=scene.only, incident_id=incident, note="done")
    assert scene.ask(asked).params == {"minimum": 10}


def test_a_code_may_have_a_way_of_its_own_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def restart(moment: Moment, asked: cmd.RetryIncident) -> tuple[ev.Event, ...]:
        return (
            ev.IncidentResolved(ref=asked.ref, at=moment.now, incident_id="i1", by=asked.actor, resolution="restarted"),
        )

    monkeypatch.setitem(RETRIES, "broken", restart)
    scene, incident = stopped()
    scene.ask(cmd.RetryIncident(command_id="c", actor="sue", ref=scene.only, incident_id=incident, code="broken"))
    (resolved,) = of_type(scene.events, ev.IncidentResolved)
    assert (resolved.resolution, scene.state.hops) == ("restarted", {})


def test_every_incident_has_a_remedy() -> None:
    assert all(remedy.what_to_do.endswith(".") for remedy in REMEDIES.values())
    assert remedy_of("of a plug-in") == USUAL
