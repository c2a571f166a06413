"""Nested instances in the core: who is asked for, what an end means, what is started again (DESIGN §3.8)."""

from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.evolve import fold
from models.flow.facts import EVERY_SUBJECT, EndedChild
from models.flow.state import Ref
from tests.flow.scene import Json, Scene, end, graph, hold, kinds, of_type, step

AT = Ref(0, "nest")


def pilot(key: str = "pilot", **config: Any) -> Json:
    return {"key": key, "requirement_type": "child_workflow", "name": key.title(), "config": config}


def nesting(*requirements: Json, subjects: int = 1, first: bool = False, **fields: Any) -> Scene:
    """A scene whose subjects stand at the step that starts children, or one before it."""
    before = [step("first")] if first else []
    return Scene(graph(*before, step("nest", requirements=list(requirements), **fields), end()), subjects=subjects)


def ends(scene: Scene, child: str, status: str, **context: Any) -> tuple[ev.Event, ...]:
    scene.ended[child] = EndedChild(identifier=f"WF-{child[:4]}", context=context)
    return scene.play(cmd.NoteChildEnded(child_id=child, status=status))


def children(scene: Scene) -> list[str]:
    return list(scene.state.children)


def test_what_cannot_be_started_is_one_incident_and_the_rest_is_started() -> None:
    scene = nesting(pilot(), pilot("audit"), pilot("third"), first=True, subjects=2)
    scene.child_problems = {
        (EVERY_SUBJECT, "nest", "pilot"): "'Pilot run' is retired",
        (1, "nest", "audit"): "its rule finds no Part",
    }
    for subject in (0, 1):
        scene.do("complete", ref=Ref(subject, "first"))
    opened = of_type(scene.events, ev.IncidentOpened)
    assert [(event.ref.subject, event.code, event.params["requirement"]) for event in opened] == [
        (0, "child_unusable", "Pilot"), (1, "child_unusable", "Pilot"),
    ]  # fmt: skip
    asked = of_type(scene.events, ev.ChildRequested)
    assert [(event.ref.subject, event.requirement) for event in asked] == [(0, "audit"), (0, "third"), (1, "third")]
    assert all(token.incident for token in scene.state.tokens.values())


def test_starting_again_asks_for_what_is_missing_and_resolves_the_incident() -> None:
    scene = nesting(pilot(count=2), pilot("audit"), first=True)
    scene.child_problems[0, "nest", "audit"] = "its rule finds no Part"
    scene.do("complete", ref=Ref(0, "first"))
    scene.child_problems.clear()
    told = scene.play(cmd.RetryChild(command_id="r", actor="sue", ref=AT))
    assert kinds(told) == ["incident_resolved", "child_requested"]
    assert scene.token(AT).incident is None
    assert len(children(scene)) == 3


@pytest.mark.parametrize(("policy", "again"), [("block", 2), ("incident", 2)])
def test_failed_children_are_replaced_by_others_with_numbers_of_their_own(policy: str, again: int) -> None:
    scene = nesting(pilot(count=3, on_failure=policy))
    first, second, third = children(scene)
    ends(scene, first, "cancelled")
    ends(scene, second, "cancelled")
    assert scene.do("retry_child", "sue").outcome == "children_started"
    numbers = [event.number for event in of_type(scene.events, ev.ChildRequested)]
    assert numbers == [1, 2, 3, *range(4, 4 + again)]
    assert third in scene.state.children
    assert scene.do("retry_child", "sue").outcome == "no_failed_child"


def test_where_failures_are_ignored_nothing_is_missing() -> None:
    scene = nesting(pilot(on_failure="ignore"))
    assert kinds(ends(scene, children(scene)[0], "cancelled")) == ["child_ended"]
    assert scene.do("retry_child", "sue").outcome == "no_failed_child"


@pytest.mark.parametrize(
    ("policy", "status", "opened"),
    [
        ("incident", "cancelled", True),
        ("incident", "completed", False),
        ("block", "cancelled", False),
        ("", "cancelled", False),
    ],
)
def test_a_failure_is_an_incident_only_where_the_requirement_says_so(policy: str, status: str, opened: bool) -> None:
    config = {"on_failure": policy} if policy else {}
    scene = nesting(pilot(**config), requires_operator_completion=False)
    ends(scene, children(scene)[0], status)
    assert (scene.token(AT).incident is not None) is opened
    assert (AT in scene.state.hops) is not opened
    if opened:
        (event,) = of_type(scene.events, ev.IncidentOpened)
        assert (event.code, event.params["requirement"]) == ("child_failed", "Pilot")


def test_one_incident_however_many_children_fail() -> None:
    scene = nesting(pilot(count=3, on_failure="incident"))
    for child in children(scene):
        ends(scene, child, "cancelled")
    assert len(of_type(scene.events, ev.IncidentOpened)) == 1


def test_what_a_child_found_is_merged_into_the_context_also_within_one_batch() -> None:
    scene = nesting(pilot(count=2, context_back={"results": "found"}))
    scene.context = {"kept": 1, "results": "not an object"}
    first, second = children(scene)
    for child, found in ((first, "a"), (second, "b")):
        scene.ended[child] = EndedChild(identifier=child, context={"found": found, "more": 2})
    told = scene.play(*(cmd.NoteChildEnded(child_id=child, status="completed") for child in (first, second)))
    *_, last = of_type(told, ev.InstanceAmended)
    assert last.changes == {"context": {"kept": 1, "results": {first: "a", second: "b"}}}
    assert last.by is None


def test_a_child_that_failed_or_found_nothing_new_changes_no_context() -> None:
    scene = nesting(pilot(context_back={"result": "found"}))
    assert kinds(ends(scene, children(scene)[0], "cancelled", found=1)) == ["child_ended"]
    scene = nesting(pilot(context_back={"result": "found"}))
    scene.context = {"result": 1}
    assert kinds(ends(scene, children(scene)[0], "completed", found=1)) == ["child_ended"]


def test_children_are_not_started_again_while_on_hold_nor_by_anybody() -> None:
    scene = nesting(pilot())
    ends(scene, children(scene)[0], "cancelled")
    assert scene.do("retry_child", "ann").outcome == "forbidden"
    scene.ask(hold())
    assert scene.do("retry_child", "sue").outcome == "on_hold"


def test_an_incident_of_another_kind_stays() -> None:
    scene = nesting(pilot())
    ends(scene, children(scene)[0], "cancelled")
    opened = ev.IncidentOpened(ref=AT, at=scene.now, incident_id="i", code="no_route")
    scene.events.append(opened)
    scene.state = fold(scene.state, [opened])
    assert kinds(scene.play(cmd.RetryChild(command_id="r", actor="sue", ref=AT))) == ["child_requested"]
    assert scene.token(AT).incident == "i"
