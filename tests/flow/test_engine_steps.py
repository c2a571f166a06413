"""The engine's own steps: timers, awaited messages, automatic actions; what they wait for, and how they fail."""

from datetime import timedelta

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.facts import Computed
from models.flow.paths import picked, placed
from models.flow.state import Ref
from models.flow.status import InstanceStatus
from models.flow.timing import next_deadline, ringing
from tests.flow.routed import automatic, message, timer
from tests.flow.scene import NOW, Json, Scene, end, graph, hold, kinds, of_type, resume, step

HOUR = timedelta(hours=1)


def at(first: Json) -> Scene:
    return Scene(graph(first, end()))


def look(scene: Scene, *refs: Ref) -> list[str]:
    return kinds(scene.play(*(cmd.Recheck(ref=ref) for ref in refs or (scene.only,))))


def test_a_timer_rings_after_its_duration_and_not_before() -> None:
    scene = at(timer("t", duration="PT2H"))
    assert not scene.state.hops
    assert next_deadline(scene.state) == NOW + 2 * HOUR
    assert ringing(scene.state, NOW + HOUR) == ()
    assert look(scene) == []
    scene.pass_time(hours=2)
    assert ringing(scene.state, scene.now) == (scene.only,)
    look(scene)
    assert scene.state.status is InstanceStatus.COMPLETED


def test_a_timer_by_expression_is_set_once_on_entry() -> None:
    scene = at(timer("t", until="context.when"))
    scene.computed["t"] = Computed(wake_at=NOW + HOUR)
    assert look(scene) == ["timer_set"]
    scene.computed["t"] = Computed(wake_at=NOW + 5 * HOUR)
    assert look(scene) == []
    assert next_deadline(scene.state) == NOW + HOUR
    scene.pass_time(hours=1)
    look(scene)
    assert scene.state.status is InstanceStatus.COMPLETED


def test_a_moment_that_has_passed_holds_nobody() -> None:
    scene = at(timer("t", until="context.when"))
    scene.computed["t"] = Computed(wake_at=NOW - HOUR)
    look(scene)
    assert scene.state.status is InstanceStatus.COMPLETED


def test_an_expression_that_fails_opens_an_incident() -> None:
    scene = at(timer("t", until="context.when"))
    scene.computed["t"] = Computed(error="there is no 'when'")
    look(scene)
    (incident,) = of_type(scene.events, ev.IncidentOpened)
    assert incident.code == "expression_failed"
    assert not scene.state.hops


def test_a_hold_moves_a_timer_by_the_time_held_and_lets_none_ring() -> None:
    scene = at(timer("t", duration="PT2H"))
    scene.pass_time(hours=1)
    scene.ask(hold())
    scene.pass_time(hours=10)
    assert next_deadline(scene.state) is None
    assert look(scene) == []
    scene.ask(resume())
    assert next_deadline(scene.state) == scene.now + HOUR


def test_a_timer_whose_subject_stopped_rings_no_more() -> None:
    scene = Scene(graph(timer("t", duration="PT1H"), step("b", max_visits=1), end()))
    scene.pass_time(hours=1)
    ref = scene.only
    scene.play(cmd.Recheck(ref=ref))
    assert scene.only.step == "b"


@pytest.mark.parametrize("kind", ["claim", "start", "complete"])
def test_nobody_works_at_the_engines_own_steps(kind: str) -> None:
    scene = at(message("m"))
    assert scene.do(kind).outcome == "engine_step"


def test_a_supervisor_may_go_on_without_the_message() -> None:
    scene = at(message("m"))
    look(scene)
    assert scene.do("complete", "sue", force="the customer paid in cash").outcome == "completed"


def test_a_message_that_comes_later_lets_the_subject_go_on() -> None:
    scene = at(message("m"))
    assert look(scene) == ["message_awaited"]
    assert look(scene) == [], "it waits and says so once"
    assert scene.messages is not None
    scene.messages.add(scene.only)
    scene.computed["m"] = Computed(name="paid", key="o-0", awaited=True, message_id="m1", context={"paid.at": "noon"})
    assert look(scene)[:3] == ["message_received", "execution_completed", "instance_amended"]
    assert scene.state.status is InstanceStatus.COMPLETED


def test_a_message_that_was_there_before_is_taken_without_waiting() -> None:
    scene = at(message("m"))
    assert scene.messages is not None
    scene.messages.add(scene.only)
    assert "message_awaited" not in look(scene)
    assert scene.state.status is InstanceStatus.COMPLETED


def test_a_message_is_not_used_up_where_no_way_leads_on() -> None:
    raw = (message("m"), step("b", max_visits=1), end())
    scene = Scene(graph(*raw, {"from_step": "m", "to_step": "b", "edge_type": "default", "condition": ""}))
    assert scene.messages is not None
    scene.messages.add(scene.only)
    scene.events.append(ev.ExecutionEntered(ref=Ref(0, "b"), at=NOW))  # it was there before
    look(scene)
    assert scene.token(Ref(0, "m")).incident is not None
    assert not of_type(scene.events, ev.MessageReceived)


def test_an_action_is_asked_for_once_and_its_answer_goes_into_the_context() -> None:
    scene = at(automatic("a", context={"order.number": "body.id", "order.raw": ""}))
    assert look(scene) == ["action_requested"]
    assert look(scene) == []
    ((ref, call),) = scene.state.calls.items()
    answer = {"status": 200, "body": {"id": "PO-7"}}
    answered = cmd.NoteActionEnded(ref=ref, call_id=call.call_id, succeeded=True, output=answer, request_sha256="5e")
    happened = scene.play(answered)
    assert kinds(happened)[:3] == ["action_ended", "instance_amended", "execution_completed"]
    (ended,) = of_type(happened, ev.ActionEnded)
    assert ended.request_sha256 == "5e", "the trail tells what was asked"
    (amended,) = of_type(happened, ev.InstanceAmended)
    assert amended.changes == {"context_at": {"order.number": "PO-7", "order.raw": answer}}
    assert scene.state.status is InstanceStatus.COMPLETED
    assert scene.state.calls == {}


def test_an_action_that_failed_is_an_incident_and_a_retry_asks_again_under_a_new_id() -> None:
    scene = at(automatic("a"))
    look(scene)
    ((ref, first),) = scene.state.calls.items()
    scene.play(cmd.NoteActionEnded(ref=ref, call_id=first.call_id, succeeded=False, error="503 Service Unavailable"))
    (incident,) = of_type(scene.events, ev.IncidentOpened)
    assert (incident.code, incident.params["attempt"]) == ("action_failed", 1)
    assert look(scene) == [], "nobody looked into it yet"
    retried = ev.IncidentResolved(
        ref=ref, at=scene.now, incident_id=incident.incident_id, by="sue", resolution="retry", hop=True
    )
    scene.happen(retried)
    assert look(scene) == ["action_requested"]
    second = scene.state.calls[ref]
    assert (second.attempt, second.outcome) == (2, "")
    assert second.call_id != first.call_id
    late = cmd.NoteActionEnded(ref=ref, call_id=first.call_id, succeeded=True)
    assert scene.play(late) == (), "what an earlier attempt says comes too late"


def test_an_answer_that_comes_during_a_hold_is_kept_and_used_afterwards() -> None:
    scene = at(automatic("a"))
    look(scene)
    ((ref, call),) = scene.state.calls.items()
    scene.ask(hold())
    assert kinds(scene.play(cmd.NoteActionEnded(ref=ref, call_id=call.call_id, succeeded=True))) == ["action_ended"]
    scene.ask(resume())
    assert ref in scene.state.hops
    look(scene)
    assert scene.state.status is InstanceStatus.COMPLETED
    assert len(of_type(scene.events, ev.ActionRequested)) == 1


def test_an_expression_needs_no_call() -> None:
    scene = at(automatic("a", "expression", set={"total": "2 + 3"}))
    scene.computed["a"] = Computed(context={"total": 5})
    look(scene)
    assert of_type(scene.events, ev.InstanceAmended)[0].changes == {"context_at": {"total": 5}}
    assert scene.state.status is InstanceStatus.COMPLETED


def test_paths_lead_into_objects_and_lists() -> None:
    value = {"a": {"b": [{"c": 1}]}}
    assert picked(value, "a.b.0.c") == 1
    assert picked(value, "") is value
    for nowhere in ("x", "a.b.1", "a.b.0.c.d", "a.b.x"):
        assert picked(value, nowhere) is None
    assert placed(value, "a.d.e", 2) == {"a": {"b": [{"c": 1}], "d": {"e": 2}}}
    assert placed({"a": 1}, "a.b", 2) == {"a": {"b": 2}}
    assert value == {"a": {"b": [{"c": 1}]}}
