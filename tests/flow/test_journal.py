"""What the journal says of each kind of command, to the last word: the audit and the rows read nothing else."""

from collections.abc import Iterable
from dataclasses import MISSING, fields, replace
from datetime import timedelta
from typing import Any

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.batch import decide_all
from models.flow.facts import Deadlines
from models.flow.state import Ref
from tests.flow.scene import (
    NOW,
    Json,
    Scene,
    cancel,
    command,
    edge,
    end,
    gate,
    graph,
    hold,
    migrate,
    of_type,
    resume,
    step,
)

A, B = Ref(0, "a"), Ref(0, "b")
WHY = "agreed with the customer"
LINE = (step("a"), step("b"), end(status="shipped"))
Told = list[tuple[str, dict[str, Any]]]


def told(events: Iterable[ev.Event]) -> Told:
    """Kind and fields of each, without its time (`check_event` sees to that) and what has its default."""
    return [
        (
            event.kind,
            {
                field.name: getattr(event, field.name)
                for field in fields(event)
                if field.name not in {"kind", "at"} and getattr(event, field.name) != _default(field)
            },
        )
        for event in events
    ]


def _default(field: Any) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def asked(scene: Scene, *commands: cmd.Command) -> Told:
    return told(event for one in commands for event in scene.play(one))


def by(kind: str, actor: str, ref: Ref = A, **more: Any) -> cmd.Command:
    return command(kind, actor, ref, **more)


def test_hands() -> None:
    scene = Scene(graph(*LINE))
    assert asked(
        scene,
        by("claim", "ann"),
        by("delegate", "ann", to="bob"),
        by("hand_back", "bob"),
        by("release", "ann"),
        by("start", "bob"),
        by("reassign", "sue", to="ann", reason=WHY),
        by("prioritise", "sue", priority=7, reason=WHY),
    ) == [
        ("execution_claimed", {"ref": A, "by": "ann"}),
        ("execution_reassigned", {"ref": A, "by": "ann", "to": "bob", "how": "delegate", "owner": "ann"}),
        ("execution_reassigned", {"ref": A, "by": "bob", "to": "ann", "how": "hand_back"}),
        ("execution_released", {"ref": A, "by": "ann"}),
        ("execution_started", {"ref": A, "by": "bob"}),
        ("execution_reassigned", {"ref": A, "by": "sue", "to": "ann", "how": "reassign", "reason": WHY}),
        ("priority_changed", {"ref": A, "by": "sue", "priority": 7, "reason": WHY}),
    ]


def test_deviations() -> None:
    scene = Scene(graph(*LINE))
    assert asked(
        scene,
        by("skip", "sue", reason=WHY),
        by("move", "sue", B, reason=WHY, to_step="a"),
        by("rewind", "sue", Ref(0, "a", 2), reason=WHY, to_step="b"),
    ) == [
        (
            "execution_diverted",
            {"ref": A, "by": "sue", "how": "skip", "status": "skipped", "to_step": "b", "reason": WHY},
        ),
        ("execution_entered", {"ref": B}),
        (
            "execution_diverted",
            {"ref": B, "by": "sue", "how": "move", "status": "cancelled", "to_step": "a", "reason": WHY},
        ),
        ("execution_entered", {"ref": Ref(0, "a", 2)}),
        ("visit_rolled_back", {"ref": B, "by": "sue", "reason": WHY}),
        (
            "execution_diverted",
            {
                "ref": Ref(0, "a", 2),
                "by": "sue",
                "how": "rewind",
                "status": "rolled_back",
                "to_step": "b",
                "reason": WHY,
            },
        ),
        ("execution_entered", {"ref": Ref(0, "b", 2)}),
    ]


def test_undo() -> None:
    scene = Scene(graph(*LINE))
    asked(scene, by("complete", "ann"))
    assert asked(scene, by("undo", "ann", reason=WHY)) == [
        ("execution_diverted", {"ref": B, "by": "ann", "how": "undo", "status": "rolled_back", "reason": WHY}),
        ("execution_restored", {"ref": A, "by": "ann", "reason": WHY, "assignee": "ann", "completed_at": NOW}),
    ]


def test_what_is_undone_comes_back_with_its_deadlines_and_lot() -> None:
    scene = Scene(graph(*LINE))
    asked(scene, by("complete", "ann"))
    due, limit = NOW + timedelta(hours=1), NOW + timedelta(hours=9)
    facts = scene.facts()
    clock: dict[str, Any] = {"due_at": due, "limit_at": limit, "marks": (due, limit), "mark": 1}
    facts = replace(facts, done={A: replace(facts.done[A], **clock, lot="L1")})
    decision = decide_all(scene.graph, scene.state, [by("undo", "ann", reason=WHY)], facts, scene.now)
    assert told(item.event for item in decision.happened)[-1] == (
        "execution_restored",
        {"ref": A, "by": "ann", "reason": WHY, "assignee": "ann", **clock, "lot": "L1", "completed_at": NOW},
    )


def test_putting_off() -> None:
    scene = Scene(graph(step("a", expected_duration="PT8H", max_duration="P1D"), end()))
    until = NOW + timedelta(hours=10)
    scene.snoozed[A, until.isoformat()] = Deadlines(due_at=until, marks=(until,))
    assert asked(scene, by("snooze", "ann", until=until.isoformat(), reason=WHY)) == [
        (
            "due_changed",
            {
                "ref": A,
                "by": "ann",
                "how": "snooze",
                "due_at": until,
                "limit_at": NOW + timedelta(days=1),
                "marks": (until,),
                "reason": WHY,
            },
        )
    ]


def test_who_comes_and_goes() -> None:
    scene = Scene(graph(*LINE))
    more: Json = {"command_id": "c", "actor": "sue", "reason": WHY}
    assert asked(
        scene, cmd.AddSubjects(subject_ids=("x", "y"), **more), cmd.RemoveSubjects(subject_ids=("x",), **more)
    ) == [
        ("subjects_added", {"by": "sue", "first": 1, "subject_ids": ("x", "y"), "reason": WHY}),
        ("execution_entered", {"ref": Ref(1, "a")}),
        ("execution_entered", {"ref": Ref(2, "a")}),
        (
            "execution_diverted",
            {"ref": Ref(1, "a"), "by": "sue", "how": "remove", "status": "cancelled", "reason": WHY},
        ),
        ("subject_finished", {"ref": Ref(1, "a"), "terminal_status": "removed"}),
    ]


def test_lots() -> None:
    scene = Scene(graph(*LINE))
    more: Json = {"command_id": "c", "actor": "sue", "reason": WHY}
    assert asked(
        scene, cmd.Split(groups=(cmd.Group(lot="L1", refs=(A,)),), **more), cmd.Merge(refs=(A,), into="L2", **more)
    ) == [
        ("lot_changed", {"ref": A, "by": "sue", "lot": "L1", "reason": WHY}),
        ("lot_changed", {"ref": A, "by": "sue", "lot": "L2", "reason": WHY}),
    ]


def test_what_is_over_cannot_be_split() -> None:
    scene = Scene(graph(*LINE))
    asked(scene, by("complete", "ann"))
    split = cmd.Split(command_id="c", actor="sue", reason=WHY, groups=(cmd.Group(lot="L1", refs=(A,)),))
    refused = scene.ask(split)
    assert (refused.outcome, refused.params) == ("execution_closed", {"status": "completed"})
    refused = scene.ask(replace(split, groups=(cmd.Group(lot="L1", refs=(Ref(7, "a"),)),)))
    assert refused.outcome == "execution_not_found"
    assert scene.do("undo", "ann", Ref(7, "a"), reason=WHY).outcome == "execution_not_found"


def test_incidents() -> None:
    scene = Scene(graph(step("a"), end(), edge("a", "end", "alternate"), checked=False))
    for retry in ("", "after the fix"):
        (refusal, opened) = scene.play(by("complete", "ann"))[-2:]
        assert {refusal.kind, opened.kind} == {"command_refused", "incident_opened"}
        incident = scene.token().incident
        assert incident
        given: Json = {"command_id": "c", "actor": "sue", "ref": A, "incident_id": incident}
        assert asked(scene, cmd.RetryIncident(code="no_route", note=retry, **given)) == [
            (
                "incident_resolved",
                {
                    "ref": A,
                    "incident_id": incident,
                    "by": "sue",
                    "resolution": f"retry: {retry}" if retry else "retry",
                    "hop": True,
                },
            )
        ]


def test_the_whole_instance() -> None:
    scene = Scene(graph(*LINE))
    held = asked(scene, hold())
    scene.pass_time(hours=1)
    assert held == [("instance_held", {"by": "sue", "reason": "audit finding"})]
    assert asked(scene, resume(), cancel()) == [
        ("instance_resumed", {"held_at": NOW, "by": "sue", "reason": "finding closed"}),
        ("execution_cancelled", {"ref": A}),
        ("subject_finished", {"ref": A, "terminal_status": "cancelled"}),
        ("instance_cancelled", {"by": "sue", "reason": "order withdrawn"}),
    ]


def test_deadlines_that_a_calendar_moved_are_named() -> None:
    scene = Scene(graph(*LINE))
    asked(scene, hold())
    due, later = NOW + timedelta(hours=1), NOW + timedelta(hours=30)
    facts = replace(scene.facts(), moved={due: later})
    decision = decide_all(scene.graph, scene.state, [resume()], facts, scene.now)
    assert [item.event.moved for item in decision.happened if isinstance(item.event, ev.InstanceResumed)] == [
        ((due, later),)
    ]


def test_timers_that_count_all_time_are_named_where_a_calendar_moved_deadlines() -> None:
    timers = {"oven": {"duration": "PT2H"}, "cure": {"duration": "PT2H", "working_time": True}}
    branches = [step(key, step_type="timer", config={"timer": timer}) for key, timer in timers.items()]
    scene = Scene(graph(
        step("f", step_type="fork"), *branches, step("j", step_type="join"), end(),
        *(edge("f", key) for key in timers), *(edge(key, "j") for key in timers), edge("j", "end"),
    ))  # fmt: skip
    scene.play(cmd.Recheck(ref=Ref(0, "f")))
    scene.ask(hold())

    def by_clock(**facts: Any) -> tuple[str, ...]:
        decision = decide_all(scene.graph, scene.state, [resume()], replace(scene.facts(), **facts), scene.now)
        (event,) = of_type([item.event for item in decision.happened], ev.InstanceResumed)
        named: tuple[str, ...] = event.by_clock
        return named

    assert by_clock(moved={NOW: NOW}) == ("oven",)
    assert by_clock() == ()


def test_the_second_person_is_named() -> None:
    scene = Scene(graph(*LINE), subjects=2)
    for ref, second in ((A, "chief"), (Ref(1, "a"), "sue")):
        first = "sue" if second == "chief" else "chief"
        confirmed = asked(scene, by("skip", first, ref, reason=WHY, confirmed_by=second))[0]
        assert confirmed == (
            "deviation_confirmed",
            {"ref": ref, "deviation": "skip", "proposed_by": first, "confirmed_by": second, "confirmer": second},
        )


def test_evidence_that_went_away() -> None:
    scene = Scene(graph(step("a", requires_qa_signoff=True, requirements=[gate()]), end()))
    scene.give_evidence(A)
    asked(scene, by("complete", "ann"))
    scene.withdraw_evidence(A)
    assert asked(scene, cmd.Recheck(ref=A)) == [("execution_reopened", {"ref": A, "reason": "evidence_changed"})]


def test_the_clock() -> None:
    levels = [
        {"action": "notify", "to": ["owner"]},
        {"action": "raise_priority", "priority": 5},
        {"action": "reassign", "to": ["user:bob"]},
        {"action": "route"},
    ]
    late = step("a", expected_duration="PT8H", config={"escalation": {"levels": levels}})
    scene = Scene(graph(late, step("b"), end(), edge("a", "end"), edge("a", "b", "escalation")))
    scene.play_events(ev.LotChanged(ref=A, at=NOW, by="sue", lot="L1", reason=WHY))
    scene.escalated_to[A, 3] = "bob"
    scene.pass_time(hours=8)
    due = NOW + timedelta(hours=8)
    assert told(scene.ring()) == [
        ("execution_overdue", {"ref": A, "due_at": due, "escalate": False}),
        ("execution_escalated", {"ref": A, "mark": 0, "level": 1, "action": "notify", "to": ("owner",)}),
        ("execution_escalated", {"ref": A, "mark": 1, "level": 2, "action": "raise_priority"}),
        ("priority_changed", {"ref": A, "by": None, "priority": 5, "reason": "escalation level 2"}),
        ("execution_escalated", {"ref": A, "mark": 2, "level": 3, "action": "reassign", "to": ("user:bob",)}),
        (
            "execution_reassigned",
            {"ref": A, "by": None, "to": "bob", "how": "escalation", "reason": "escalation level 3"},
        ),
        ("execution_escalated", {"ref": A, "mark": 3, "level": 4, "action": "route"}),
        (
            "execution_diverted",
            {
                "ref": A,
                "by": None,
                "how": "escalate",
                "status": "cancelled",
                "to_step": "b",
                "reason": "escalation level 4",
            },
        ),
        ("execution_entered", {"ref": B, "lot": "L1"}),
    ]


def test_another_version() -> None:
    scene = Scene(graph(step("a", requirements=[gate("look")]), step("b"), end()), subjects=2)
    asked(scene, by("skip", "sue", reason=WHY))
    scene.play_events(ev.LotChanged(ref=B, at=NOW, by="sue", lot="L1", reason=WHY))
    before = len(scene.events)
    new = graph(step("a", requirements=[gate("look")]), step("c"), end())
    assert scene.migrate(new, b="c").outcome == "migrated"
    assert told(scene.events[before:]) == [
        (
            "instance_migrated",
            {
                "by": "sue",
                "process_id": "v2",
                "from_process_id": "v1",
                "steps": {"b": "c"},
                "kept": {"a": ("look",)},
                "reason": "new torque limits",
            },
        ),
        (
            "execution_diverted",
            {
                "ref": B,
                "by": "sue",
                "how": "migrate",
                "status": "cancelled",
                "to_step": "c",
                "reason": "new torque limits",
            },
        ),
        ("execution_entered", {"ref": Ref(0, "c"), "counts": False, "lot": "L1"}),
    ]


def test_who_may_migrate_and_why() -> None:
    scene = Scene(graph(*LINE))
    refused = scene.ask(migrate("ann"))
    assert (refused.outcome, refused.params) == ("forbidden", {"permission": "instance.migrate"})
    refused = scene.ask(migrate(reason="short"))
    assert (refused.outcome, refused.params) == ("reason_required", {"minimum": 10})
