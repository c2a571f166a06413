"""Every refusal code is produced by the core, says what to do, and leaves everything as it was."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow.errors import REFUSALS, FlowError, describe
from models.flow.facts import Barred, Computed, Deadlines, Target
from models.flow.state import Ref
from tests.flow.routed import forked
from tests.flow.scene import LINE, NOW, Scene, command, edge, end, gate, graph, hold, migrate, resume, step

REASON = "a reason that is long enough"

Case = tuple[Scene, cmd.Command]


def _decision() -> Scene:
    return Scene(
        graph(step("a", is_decision_point=True), end(), end("x"), edge("a", "end"), edge("a", "x", "alternate"))
    )


def _claimed() -> Case:
    scene = Scene(graph(*LINE))
    scene.do("claim", "bob")
    return scene, command("claim", "ann", scene.only)


def _waiting() -> Case:
    scene = Scene(graph(step("a", requires_batch_completion=True), end()), subjects=2)
    scene.do("complete", ref=Ref(0, "a"))
    return scene, command("complete", "ann", Ref(0, "a"))


def _held(asked: Callable[[Scene], cmd.Command]) -> Case:
    scene = Scene(graph(*LINE))
    scene.ask(hold())
    return scene, asked(scene)


def _closed() -> Case:
    scene = Scene(graph(*LINE))
    scene.do("complete")
    return scene, command("claim", "ann", Ref(0, "a"))


def _over() -> Case:
    scene = Scene(graph(step("a"), end()))
    scene.do("complete")
    return scene, command("claim", "ann", Ref(0, "a"))


def _full() -> Case:
    scene = Scene(
        graph(
            step("a", is_decision_point=True, max_visits=1),
            end(),
            edge("a", "a", "alternate"),
            edge("a", "end"),
        )
    )
    return scene, command("complete", "ann", scene.only, decision_result="no")


def _signed_by(actor: str) -> Case:
    scene = Scene(graph(step("a", requires_qa_signoff=True), end()))
    scene.do("complete", "chief")
    return scene, command("signoff", actor, scene.only)


def _at_line(kind: str, actor: str = "ann", ref: Ref | None = None, **more: object) -> Case:
    scene = Scene(graph(*LINE))
    return scene, command(kind, actor, ref or scene.only, **more)


def _no_route() -> Case:
    scene = Scene(graph(step("a"), end(), edge("a", "end", "alternate"), checked=False))
    return scene, command("complete", "ann", scene.only)


def _on(scene: Scene, kind: str, **more: object) -> Case:
    return scene, command(kind, "ann", scene.only, **more)


def _approved_by_ann() -> Case:
    scene = Scene(graph(*LINE))
    scene.approvers[scene.only] = frozenset({"ann"})
    return scene, command("complete", "ann", scene.only)


def _by_sue(asked: Callable[..., cmd.Command], **given: object) -> Case:
    return Scene(graph(*LINE), subjects=2), asked(command_id="c", actor="sue", reason=REASON, **given)


def _finished_and_removed() -> Case:
    scene = Scene(graph(*LINE), subjects=2)
    scene.do("move", "sue", Ref(0, "a"), reason=REASON, to_step="end")
    return scene, cmd.RemoveSubjects(command_id="c", actor="sue", reason=REASON, subject_ids=("s0",))


def _migrating(*parts: dict[str, object]) -> Case:
    scene = Scene(graph(*LINE))
    scene.target = Target(process_id="v2", from_process_id="v1", graph=graph(*parts))
    return scene, migrate()


def _undone(scene: Scene, ref: Ref, actor: str = "sue", *, minutes: int = 0) -> Case:
    scene.pass_time(minutes=minutes)
    return scene, command("undo", actor, ref, reason=REASON)


def _done(*kinds: str, minutes: int = 0) -> Case:
    """Subject 0 completed `a`; then what follows."""
    scene = Scene(graph(*LINE))
    scene.do("complete", "ann")
    for kind in kinds:
        scene.do(kind, "bob")
    return _undone(scene, Ref(0, "a"), minutes=minutes)


def _not_last() -> Case:
    scene = Scene(graph(step("a"), step("b"), step("c"), end()))
    scene.do("complete")
    scene.do("complete")
    return _undone(scene, Ref(0, "a"))


def _apart() -> Case:
    scene = Scene(graph(*LINE), subjects=2)
    scene.do("complete", ref=Ref(1, "a"))
    refs = tuple(sorted(scene.state.tokens))
    return scene, cmd.Merge(command_id="c", actor="sue", reason=REASON, refs=refs, into="x")


def _witnessed(by: str | None) -> Case:
    scene = Scene(graph(step("a", config={"deviation": {"second_person": True}}), step("b"), end()))
    return scene, command("skip", "sue", scene.only, reason=REASON, confirmed_by=by)


def _delegated() -> Case:
    scene = Scene(graph(*LINE))
    scene.do("claim", "bob")
    scene.do("delegate", "bob", to="ann")
    return scene, command("complete", "ann", scene.only)


def _handed_back() -> Case:
    scene, _ = _claimed()
    return scene, command("hand_back", "bob", scene.only)


def _given_to_its_holder() -> Case:
    scene, _ = _claimed()
    return scene, command("reassign", "sue", scene.only, to="bob", reason=REASON)


def _barred(code: str, **params: str) -> Case:
    scene = Scene(graph(*LINE))
    scene.barred[scene.only] = Barred(code=code, params=params)
    return scene, command("claim", "ann", scene.only)


def _put_off(hours: int, **settings: object) -> Case:
    scene = Scene(graph(step("a", **settings), end()))
    until = (NOW + timedelta(hours=hours)).isoformat()
    scene.snoozed[scene.only, until] = Deadlines(due_at=NOW + timedelta(hours=hours))
    return scene, command("snooze", "ann", scene.only, until=until, reason="waits for steel")


def _nest(problem: str = "", child: str = "") -> Scene:
    """A step that asks for a child; one that cannot be started, or one that ended."""
    pilot = {"key": "pilot", "requirement_type": "child_workflow", "name": "Pilot"}
    scene = Scene(graph(step("a", requirements=[pilot]), end()))
    if problem:
        scene.child_problems[-1, "a", "pilot"] = problem
    if child:
        scene.play(cmd.NoteChildEnded(child_id=next(iter(scene.state.children)), status=child))
    return scene


def _computed(**computed: Any) -> Scene:
    scene = Scene(
        graph(
            step("a", is_decision_point=True, decision_type="qa_result"),
            end(),
            end("x"),
            edge("a", "end"),
            edge("a", "x", "alternate"),
        )
    )
    scene.computed["a"] = Computed(**computed)
    return scene


def _beside() -> Case:
    scene = Scene(graph(*forked("a", "b")))
    scene.play(cmd.Recheck(ref=scene.only))
    scene.do("complete", ref=Ref(0, "a", 1, "f.1.1"))
    ref = Ref(0, "b", 1, "f.1.2")
    return scene, cmd.Rewind(command_id="c", actor="sue", reason=REASON, ref=ref, to_step="a")


CASES: dict[str, Callable[[], Case]] = {
    "child_unusable": lambda: (
        scene := _nest(problem="'Pilot run' is retired", child="cancelled"),
        command("retry_child", "sue", scene.only),
    ),
    "no_failed_child": lambda: (scene := _nest(), command("retry_child", "sue", scene.only)),
    "already_claimed": _claimed,
    "already_done": _waiting,
    "already_on_hold": lambda: _held(lambda _: hold()),
    "decision_computed": lambda: _on(_computed(words=("fail",)), "complete", decision_result="pass"),
    "decision_failed": lambda: _on(_computed(error="there is no 'size'"), "complete"),
    "engine_step": lambda: _on(
        Scene(graph(step("a", step_type="timer", config={"timer": {"duration": "PT1H"}}), end())), "complete"
    ),
    "decision_required": lambda: _on(_decision(), "complete"),
    "decision_unknown": lambda: _on(_decision(), "complete", decision_result="perhaps"),
    "execution_closed": _closed,
    "execution_not_found": lambda: _at_line("claim", ref=Ref(7, "nowhere")),
    "forbidden": lambda: _at_line("claim", "guest"),
    "incident_closed": lambda: (
        scene := Scene(graph(*LINE)),
        cmd.RetryIncident(command_id="c", actor="sue", ref=scene.only, incident_id="i", code="no_route"),
    ),
    "instance_closed": _over,
    "instance_full": lambda: _by_sue(cmd.AddSubjects, subject_ids=tuple(map(str, range(9_999)))),
    "never_visited": lambda: _at_line("rewind", "sue", reason=REASON, to_step="b"),
    "migration_no_image": lambda: _migrating(step("b"), end()),
    "migration_other_version": lambda: (Scene(graph(*LINE)), migrate()),
    "no_route": _no_route,
    "not_awaiting_signoff": lambda: _at_line("signoff", "qa"),
    "not_begun": lambda: (Scene(graph(*LINE), subjects=0), command("claim", "ann", Ref(0, "a"))),
    "not_claimed": lambda: _at_line("release"),
    "not_on_hold": lambda: (Scene(graph(*LINE)), resume()),
    "not_started": lambda: _on(Scene(graph(step("a", requires_explicit_start=True), end())), "complete"),
    "on_hold": lambda: _held(lambda scene: command("start", "ann", scene.only)),
    "reason_required": lambda: _at_line("complete", "sue", force="short"),
    "other_branch": _beside,
    "own_approval": _approved_by_ann,
    "delegated_by_another": _delegated,
    "due_beyond_limit": lambda: _put_off(30, expected_duration="PT8H", max_duration="P1D"),
    "due_too_far": lambda: _put_off(24 * 36_501, expected_duration="PT8H"),
    "due_in_the_past": lambda: _put_off(-1, expected_duration="PT8H"),
    "four_eyes": lambda: _barred("four_eyes", step="Weld"),
    "not_candidate": lambda: _barred("not_candidate", candidates="role operator"),
    "not_delegated": _handed_back,
    "not_due": lambda: _put_off(5),
    "revisit_by_another": lambda: _barred("revisit_by_another"),
    "revisit_by_same": lambda: _barred("revisit_by_same", previous_name="bob"),
    "same_assignee": _given_to_its_holder,
    "unassignable": lambda: _barred("unassignable", reason="they may not work on steps"),
    "requirements_unmet": lambda: _on(Scene(graph(step("a", requirements=[gate()]), end())), "complete"),
    "second_person_required": lambda: _witnessed(None),
    "self_confirmation": lambda: _witnessed("sue"),
    "self_signoff": lambda: _signed_by("chief"),
    "lots_apart": _apart,
    "nothing_to_merge": lambda: _by_sue(cmd.Merge, refs=(Ref(0, "a"),)),
    "nothing_to_undo": lambda: _undone(Scene(graph(*LINE)), Ref(0, "a")),
    "undo_built_on": lambda: _done("claim"),
    "undo_not_last": _not_last,
    "undo_too_late": lambda: _done(minutes=16),
    "step_unknown": lambda: _at_line("move", "sue", reason=REASON, to_step="ghost"),
    "subject_finished": _finished_and_removed,
    "subject_not_here": lambda: _by_sue(cmd.RemoveSubjects, subject_ids=("nobody",)),
    "subject_present": lambda: _by_sue(cmd.AddSubjects, subject_ids=("s1",)),
    "visit_limit_reached": _full,
}

OF_THE_SHELL = {"internal_error", "unknown_command"}
"""Refused before the core sees the command, or because the core could not bear it."""


OF_INCIDENTS = {"child_failed", "action_failed", "expression_failed"}
"""Say why a subject stopped; no command is refused with them (`test_engine_steps`)."""


def test_every_code_has_a_case() -> None:
    assert set(CASES) | OF_THE_SHELL | OF_INCIDENTS == set(REFUSALS)


@pytest.mark.parametrize("code", CASES)
def test_the_code_is_answered_and_nothing_else_changes(code: str) -> None:
    scene, asked = CASES[code]()
    before = scene.state.copy()
    outcome = scene.ask(asked)
    assert (outcome.outcome, outcome.refused) == (code, True)
    message = describe(code, outcome.params)
    assert "<" not in message
    assert "{" not in message
    opened = code in {"no_route", "visit_limit_reached", "decision_failed"}
    assert [token.incident is not None for token in scene.state.tokens.values()].count(True) == opened
    if not opened:
        assert (scene.state.tokens, scene.state.status, scene.state.hops) == (
            before.tokens,
            before.status,
            before.hops,
        )
    again = scene.ask(asked)
    assert again.outcome == code


def test_an_unmet_gate_is_named_with_its_reason() -> None:
    scene, asked = CASES["requirements_unmet"]()
    assert scene.ask(asked).params == {
        "unmet": [{"requirement_id": "a-gate", "name": "Gate", "reason": "nothing was given"}]
    }


def test_what_an_earlier_release_wrote_without_its_reason_is_told_without_one() -> None:
    assert describe("no_route", {"step": "Sort"}).startswith(
        "The step 'Sort' has no way on: no edge takes this result."
    )


def test_a_missing_parameter_shows_as_its_name() -> None:
    assert describe("execution_closed", {}).startswith("This execution is <status>")


def test_braces_that_a_person_wrote_stay_as_they_are() -> None:
    error = FlowError("decision_unknown", decision_result="{0.__class__}", allowed=["{a}", "b"])
    assert error.message == "'{0.__class__}' is not a result of this step. Allowed: {a}, b."
    assert str(error) == "decision_unknown"


def test_a_sentence_of_others_within_ours_ends_with_one_full_stop() -> None:
    told = describe("decision_failed", {"step": "Sort", "error": "It has no size. Give it one."})
    assert told.endswith("could not be taken: It has no size. Give it one. Correct what it looks at, then try again.")
