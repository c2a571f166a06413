"""The status × command table of DESIGN §3, cell by cell, for each of: mine, another's, closed, on hold."""

import itertools
from typing import Any

import pytest

from models.flow import events as ev
from models.flow.evolve import fold
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
COMMANDS = ("claim", "start", "complete", "release", "signoff", *DEVIATIONS)
REF = Ref(0, "a")


def scene_at(status: S, assignee: str | None, *, on_hold: bool = False) -> Scene:
    """One subject at the first step in a given status; what is done was done by `assignee`."""
    scene = Scene(graph(*LINE))
    done_by = assignee if status in DONE_BUT_OPEN else None
    scene.state.tokens[REF] = Token(status=status, assignee=assignee, done_by=done_by)
    if on_hold:
        scene.state = fold(scene.state, [ev.InstanceHeld(at=NOW, by="sue", reason="r")])
    return scene


def holder(status: S, whose: str) -> str | None:
    if status is S.PENDING:
        return None
    return "chief" if whose == "mine" else "bob"


def expected(status: S, command: str, whose: str, *, on_hold: bool) -> str:
    if on_hold and command != "release":
        return "on_hold"
    if command in DEVIATIONS:
        return WORDS[command]
    if command == "signoff":
        if status is not S.AWAITING_SIGNOFF:
            return "not_awaiting_signoff"
        return "self_signoff" if whose == "mine" else "advanced"
    if whose == "another's" and status in (S.CLAIMED, S.IN_PROGRESS):
        return "already_claimed"
    return MINE[status][command]


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
    outcome = scene.do(command, "chief", **DEVIATIONS.get(command, {}))
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
    outcome = scene.do(command, "chief", REF, **DEVIATIONS.get(command, {}))
    assert (outcome.outcome, outcome.params["status"]) == ("execution_closed", "completed")


@pytest.mark.parametrize("status", [InstanceStatus.COMPLETED, InstanceStatus.CANCELLED])
@pytest.mark.parametrize("command", COMMANDS)
def test_closed_instances(command: str, status: InstanceStatus) -> None:
    scene = Scene(graph(*LINE))
    scene.state.status = status
    assert scene.do(command, "chief", REF, **DEVIATIONS.get(command, {})).outcome == "instance_closed"


@pytest.mark.parametrize("command", COMMANDS)
def test_who_may_not_is_refused_before_anything_is_told(command: str) -> None:
    scene = scene_at(S.CLAIMED, "bob")
    assert scene.do(command, "guest", **DEVIATIONS.get(command, {})).outcome == "forbidden"


def test_who_holds_it_is_named() -> None:
    scene = scene_at(S.CLAIMED, "bob")
    outcome = scene.do("claim", "ann")
    assert (outcome.params["assignee"], outcome.params["assignee_name"]) == ("bob", "Bob Baker")
