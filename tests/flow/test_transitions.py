"""The diagram's arrows are the core's own, and the page that shows them is current."""

from typing import Any

import pytest

from models.flow import events as ev
from models.flow.errors import REFUSALS
from models.flow.evolve import fold
from models.flow.state import Ref, State, Token
from models.flow.status import DONE_BUT_OPEN, OPEN
from models.flow.status import ExecutionStatus as S
from models.flow.transitions import MOVES, OK, REPEAT, Action, Move, verdict
from tests.flow.scene import INSTANCE, NOW

REF = Ref(0, "a")
EVENTS: dict[str, dict[str, Any]] = {
    "execution_claimed": {"by": "ann"},
    "execution_started": {"by": "ann"},
    "execution_released": {"by": "ann"},
    "execution_completed": {"by": "ann"},
    "execution_reopened": {"reason": "evidence_changed"},
    "execution_cancelled": {},
    "execution_diverted": {"by": "sue", "how": "move", "status": "skipped"},
    "execution_restored": {"by": "sue", "reason": "a slip of the hand", "assignee": "ann"},
    "execution_reassigned": {"by": "sue", "how": "reassign"},
    "signoff_awaited": {"by": "ann"},
    "batch_awaited": {"by": "ann"},
}
TYPES = {kind: getattr(ev, "".join(word.title() for word in kind.split("_"))) for kind in EVENTS}


@pytest.mark.parametrize("move", MOVES, ids=str)
def test_each_arrow_is_what_evolve_does(move: Move) -> None:
    held = move.before in {S.CLAIMED, S.IN_PROGRESS} or move.after is S.IN_PROGRESS
    token = Token(status=move.before, assignee="ann" if held else None)
    tokens = {REF: token} if move.before in OPEN else {}
    given = {**EVENTS[move.event]} | ({"status": move.after.value} if "status" in EVENTS[move.event] else {})
    if move.event == "execution_restored" and move.after is S.PENDING:
        given["assignee"] = None
    if move.event == "execution_reassigned":
        given["to"] = None if move.after is S.PENDING else "bob"
    event = TYPES[move.event](ref=REF, at=NOW, **given)
    after = fold(State(instance_id=INSTANCE, tokens=tokens), [event]).tokens.get(REF)
    if move.after in OPEN:
        assert after is not None
        assert after.status is move.after
    else:
        assert after is None


def test_every_open_status_is_reached_and_left() -> None:
    assert {move.before for move in MOVES} == OPEN | {S.COMPLETED}
    assert {move.after for move in MOVES} >= OPEN


def test_the_table_has_an_answer_for_every_cell() -> None:
    for action in Action:
        for status in OPEN:
            for another in (False, True):
                for on_hold in (False, True):
                    answer = verdict(action, status, another_holds_it=another, on_hold=on_hold)
                    assert answer in {OK, REPEAT} or answer in REFUSALS


def test_reopening_leads_back_from_where_work_waits() -> None:
    assert {move.before for move in MOVES if move.event == "execution_reopened"} == DONE_BUT_OPEN
