"""The status × command table of DESIGN §3, cell by cell, for each of: mine, another's, closed, on hold."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from models.flow import events as ev
from models.flow.evolve import fold
from models.flow.facts import Deadlines
from models.flow.state import Ref, Token
from models.flow.status import DONE_BUT_OPEN, OPEN, InstanceStatus
from models.flow.status import ExecutionStatus as S
from tests.flow.scene import LINE, NOW, Scene, graph

MINE = {
    S.PENDING: {"claim": "claimed", "start": "started", "complete": "advanced", "release": "not_claimed"},
    S.CLAIMED: {"claim": "claimed", "start": "started", "complete": "advanced", "release": "released"},
    S.IN_PROGRESS: {"claim": "claimed", "start": "started", "complete": "advanced", "release": "released"},
    S.AWAITING_SIGNOFF: dict.fromkeys(("claim", "start", "complete", "release"), "already_done"),
    S.WAITING: dict.fromkeys(("claim", "start", "complete", "release"), "already_done"),
}
DEVIATIONS: dict[str, dict[str, Any]] = {
    "skip": {"reason": "agreed with the customer"},
    "move": {"reason": "agreed with the customer", "to_step": "b"},
    "rewind": {"reason": "agreed with the customer", "to_step": "a"},
}
WORDS = {"skip": "skipped", "move": "moved", "rewind": "rewound"}
REF = Ref(0, "a")
LATER = NOW + timedelta(hours=1)
MORE: dict[str, dict[str, Any]] = {
    "reassign": {"to": "ann", "reason": "she is on leave until Monday"},
    "delegate": {"to": "ann"},
    "snooze": {"until": LATER.isoformat(), "reason": "waits for steel"},
    "prioritise": {"priority": 3},
}
COMMANDS = ("claim", "start", "complete", "release", "signoff", *DEVIATIONS, *MORE)
GIVEN = DEVIATIONS | MORE
DONE = {"reassign": "reassigned", "delegate": "delegated", "snooze": "snoozed", "prioritise": "prioritised"}


def scene_at(status: S, assignee: str | None, *, on_hold: bool = False) -> Scene:
    """One subject at the first step in a given status; what is done was done by `assignee`."""
    scene = Scene(graph(*LINE))
    done_by = assignee if status in DONE_BUT_OPEN else None
    scene.state.tokens[REF] = Token(status=status, assignee=assignee, done_by=done_by, due_at=NOW)
    scene.snoozed[REF, LATER.isoformat()] = Deadlines(due_at=LATER)
    if on_hold:
        scene.state = fold(scene.state, [ev.InstanceHeld(at=NOW, by="sue", reason="r")])
    return scene


def holder(status: S, whose: str) -> str | None:
    if status is S.PENDING:
        return None
    return "chief" if whose == "mine" else "bob"


def expected(status: S, command: str, whose: str, *, on_hold: bool) -> str:
    if on_hold and command not in {"release", "reassign", "prioritise"}:
        return "on_hold"
    if command in DEVIATIONS:
        return WORDS[command]
    if command in MORE:
        return _of_hands_and_time(status, command, whose)
    if command == "signoff":
        if status is not S.AWAITING_SIGNOFF:
            return "not_awaiting_signoff"
        return "self_signoff" if whose == "mine" else "advanced"
    if whose == "another's" and status in (S.CLAIMED, S.IN_PROGRESS):
        return "already_claimed"
    return MINE[status][command]


def _of_hands_and_time(status: S, command: str, whose: str) -> str:
    held = status in (S.CLAIMED, S.IN_PROGRESS)
    if command == "delegate" and status is S.PENDING:
        return "not_claimed"
    if command in {"delegate", "snooze"} and whose == "another's" and held:
        return "already_claimed"
    done = DONE_BUT_OPEN - {S.AWAITING_SIGNOFF} if command == "snooze" else DONE_BUT_OPEN
    return "already_done" if status in done and command != "prioritise" else DONE[command]


CELLS = [
    (status, command, whose, on_hold)
    for status, command, whose, on_hold in itertools.product(
        sorted(OPEN), COMMANDS, ("mine", "another's"), (False, True)
    )
]


@pytest.mark.parametrize(("status", "command", "whose", "on_hold"), CELLS)
def test_open_executions(status: S, command: str, whose: str, on_hold: bool) -> None:
    scene = scene_at(status, holder(status, whose), on_hold=on_hold)
    before = scene.state.tokens[REF]
    outcome = scene.do(command, "chief", **GIVEN.get(command, {}))
    assert outcome.outcome == expected(status, command, whose, on_hold=on_hold)
    if outcome.refused:
        assert scene.state.tokens == {REF: before}


@pytest.mark.parametrize("on_hold", [False, True])
@pytest.mark.parametrize("command", COMMANDS)
def test_closed_executions(command: str, on_hold: bool) -> None:
    scene = Scene(graph(*LINE))
    scene.do("complete", "ann")
    if on_hold:
        scene.state = fold(scene.state, [ev.InstanceHeld(at=NOW, by="sue", reason="r")])
    outcome = scene.do(command, "chief", REF, **GIVEN.get(command, {}))
    assert (outcome.outcome, outcome.params["status"]) == ("execution_closed", "completed")


@pytest.mark.parametrize("status", [InstanceStatus.COMPLETED, InstanceStatus.CANCELLED])
@pytest.mark.parametrize("command", COMMANDS)
def test_closed_instances(command: str, status: InstanceStatus) -> None:
    scene = Scene(graph(*LINE))
    scene.state.status = status
    assert scene.do(command, "chief", REF, **GIVEN.get(command, {})).outcome == "instance_closed"


@pytest.mark.parametrize("command", COMMANDS)
def test_who_may_not_is_refused_before_anything_is_told(command: str) -> None:
    scene = scene_at(S.CLAIMED, "bob")
    assert scene.do(command, "guest", **GIVEN.get(command, {})).outcome == "forbidden"


def test_who_holds_it_is_named() -> None:
    scene = scene_at(S.CLAIMED, "bob")
    outcome = scene.do("claim", "ann")
    assert (outcome.params["assignee"], outcome.params["assignee_name"]) == ("bob", "Bob Baker")
