"""Reminders, escalation levels, putting off: what the clock does to one execution."""

from datetime import timedelta
from typing import Any

from models.flow import events as ev
from models.flow.facts import Deadlines
from models.flow.state import Ref
from models.flow.timing import late, next_deadline
from models.flow.validate import problems_of
from tests.flow.scene import NOW, Scene, edge, end, graph, hold, kinds, of_type, raw_graph, resume, step

LATE = timedelta(hours=8)


def escalating(*levels: dict[str, Any], remind: tuple[str, ...] = (), **settings: Any) -> dict[str, Any]:
    config = {"escalation": {"levels": list(levels), "remind_before": list(remind)}}
    return step("a", expected_duration="PT8H", config=config, **settings)


def test_a_ladder_is_climbed_level_by_level() -> None:
    ladder = escalating(
        {"action": "notify", "to": ["owner"]},
        {"after": "PT4H", "action": "raise_priority", "priority": 5},
        {"after": "P1D", "action": "reassign", "to": ["role:quality_manager"]},
        remind=("PT1H", "PT4H"),
    )
    scene = Scene(graph(ladder, end()))
    scene.escalated_to[scene.only, 3] = "chief"
    story = {}
    for hours in (3, 1, 3, 1, 4, 20):
        scene.pass_time(hours=hours)
        story[scene.now - NOW] = kinds(scene.ring())
    assert story == {
        timedelta(hours=3): [],
        timedelta(hours=4): ["reminder_sent"],
        timedelta(hours=7): ["reminder_sent"],
        timedelta(hours=8): ["execution_overdue", "execution_escalated"],
        timedelta(hours=12): ["execution_escalated", "priority_changed"],
        timedelta(hours=32): ["execution_escalated", "execution_reassigned"],
    }
    assert scene.token().assignee == "chief"
    assert next_deadline(scene.state) is None


def undone_after(complete: timedelta, undo: timedelta) -> Scene:
    """Reminders after 4 and 7 of 8 hours and a level 4 hours later; completed and undone so long after entry."""
    scene = Scene(graph(escalating({"after": "PT4H", "action": "notify"}, remind=("PT4H", "PT1H")), step("b"), end()))
    scene.pass_time(hours=4)
    scene.ring()
    scene.now = NOW + complete
    scene.do("complete", "ann")
    scene.now = NOW + undo
    scene.do("undo", "ann", Ref(0, "a"), reason="a slip of the hand")
    return scene


def test_an_undone_completion_has_the_reminders_and_levels_again_that_were_ahead() -> None:
    scene = undone_after(timedelta(hours=5), timedelta(hours=5, minutes=10))
    assert next_deadline(scene.state) == NOW + timedelta(hours=7)
    scene.now = NOW + timedelta(hours=7)
    assert [event.mark for event in of_type(scene.ring(), ev.ReminderSent)] == [1]
    scene.now = NOW + timedelta(hours=12)
    assert kinds(scene.ring()) == ["execution_overdue", "execution_escalated"]


def test_a_reminder_whose_moment_came_while_it_was_completed_is_caught_up_with_after_the_undo() -> None:
    scene = undone_after(timedelta(hours=6, minutes=55), timedelta(hours=7, minutes=5))
    assert late(scene.state, scene.now) == (Ref(0, "a"),)
    assert [event.mark for event in of_type(scene.ring(), ev.ReminderSent)] == [1]


def test_what_was_reminded_of_before_is_not_reminded_of_again_however_often_it_is_undone() -> None:
    scene = undone_after(timedelta(hours=5), timedelta(hours=5, minutes=10))
    scene.do("complete", "ann")
    scene.do("undo", "ann", Ref(0, "a"), reason="and once more")
    assert scene.ring() == ()
    assert (scene.token().mark, len(scene.token().marks)) == (1, 3)


def test_who_looks_after_days_finds_every_level_in_its_order() -> None:
    scene = Scene(graph(escalating({"action": "notify"}, {"after": "PT4H", "action": "notify"}), end()))
    scene.pass_time(days=3)
    escalated = [event.level for event in scene.ring() if isinstance(event, ev.ExecutionEscalated)]
    assert escalated == [1, 2]
    assert scene.ring() == ()


def test_a_level_may_take_the_escalation_edge() -> None:
    late = escalating({"action": "route"}, {"after": "PT4H", "action": "notify"})
    scene = Scene(graph(late, step("b"), step("chase"), end(), edge("a", "b"), edge("a", "chase", "escalation")))
    scene.do("claim")
    scene.pass_time(hours=9)
    assert kinds(scene.ring()) == [
        "execution_overdue", "execution_escalated", "execution_diverted", "execution_entered",
    ]  # fmt: skip
    assert scene.places() == {0: "chase"}
    assert scene.do("complete", ref=Ref(0, "a")).params == {"status": "cancelled"}


def test_whoever_leaves_by_escalation_holds_up_no_batch() -> None:
    late = escalating({"action": "route"}, requires_batch_completion=True)
    scene = Scene(graph(late, step("b"), step("chase"), end(), edge("a", "b"), edge("a", "chase", "escalation")), 3)
    scene.do("complete", ref=Ref(0, "a"))
    scene.pass_time(hours=9)
    scene.ring()
    assert scene.places() == {0: "b", 1: "chase", 2: "chase"}


def test_a_full_target_without_a_way_on_is_an_incident() -> None:
    late = escalating({"action": "route"})
    parts = (late, step("chase", max_visits=1), end(), edge("a", "end"), edge("a", "chase", "escalation"),
             edge("chase", "a"))  # fmt: skip
    scene = Scene(graph(*parts))
    scene.pass_time(hours=9)
    scene.ring()
    scene.do("complete")
    scene.pass_time(hours=9)
    assert kinds(scene.ring())[-1] == "incident_opened"
    assert scene.places() == {0: "a"}


def test_an_end_without_a_due_time_has_no_marks_and_holding_stops_the_clock() -> None:
    scene = Scene(graph(escalating({"action": "notify"}), end()))
    scene.pass_time(hours=7)
    scene.ask(hold())
    scene.pass_time(days=2)
    assert scene.ring() == ()
    scene.ask(resume())
    assert scene.ring() == ()
    scene.pass_time(hours=1)
    assert kinds(scene.ring()) == ["execution_overdue", "execution_escalated"]


def snoozed(scene: Scene, hours: int, actor: str = "ann", reason: str = "waits for steel") -> str:
    until = scene.now + timedelta(hours=hours)
    scene.snoozed[scene.only, until.isoformat()] = Deadlines(due_at=until, marks=(until,))
    return scene.do("snooze", actor, until=until.isoformat(), reason=reason).outcome


def test_what_is_put_off_is_due_later_and_its_levels_with_it() -> None:
    scene = Scene(graph(escalating({"action": "notify"}), end()))
    scene.pass_time(hours=9)
    scene.ring()
    assert scene.token().overdue
    assert snoozed(scene, 5) == "snoozed"
    assert not scene.token().overdue
    assert scene.ring() == ()
    scene.pass_time(hours=5)
    assert kinds(scene.ring()) == ["execution_overdue", "execution_escalated"]


def test_putting_off_has_its_limits() -> None:
    scene = Scene(graph(escalating({"action": "notify"}, max_duration="P1D"), end()))
    assert snoozed(scene, 5, reason=" ") == "reason_required"
    assert snoozed(scene, -1) == "due_in_the_past"
    assert snoozed(scene, 25) == "due_beyond_limit"
    assert snoozed(scene, 24 * 36_501) == "due_too_far"
    scene.do("claim", "bob")
    assert snoozed(scene, 5, "ann") == "already_claimed"
    assert snoozed(scene, 5, "bob") == "snoozed"
    plain = Scene(graph(step("a"), end()))
    assert snoozed(plain, 5) == "not_due"


def problems(*parts: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one.code, one.path) for one in problems_of(raw_graph(*parts))}


def test_what_is_wrong_with_a_policy_is_said_before_it_is_published() -> None:
    wrong = {"levels": [{"action": "shout"}, {"action": "reassign"}, {"after": "soon"}], "remind_before": ["", 5]}
    assert problems(step("a", config={"escalation": wrong}), end()) == {
        ("unknown_word", "steps[0].config.escalation.levels[0].action"),
        ("missing_field", "steps[0].config.escalation.levels[1].to"),
        ("bad_duration", "steps[0].config.escalation.levels[2].after"),
        ("bad_duration", "steps[0].config.escalation.remind_before[0]"),
        ("wrong_type", "steps[0].config.escalation.remind_before[1]"),
    }
    undue = {"escalation": {"levels": [{"action": "route"}]}}
    assert problems(step("a", config=undue), end()) == {
        ("levels_without_due", "steps[0].config.escalation"),
        ("route_without_edge", "steps[0]"),
    }
