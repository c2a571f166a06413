"""The status × command table of DESIGN §3, as data: what each command may do where.

`verdict` answers `ok`, `repeat` (it already holds; same outcome) or a refusal code.
"""

from enum import StrEnum
from typing import NamedTuple

from models.flow.status import ExecutionStatus as S


class Action(StrEnum):
    """Commands on one execution."""

    CLAIM = "claim"
    START = "start"
    COMPLETE = "complete"
    RELEASE = "release"
    SIGNOFF = "signoff"
    SKIP = "skip"
    MOVE = "move"
    REWIND = "rewind"
    REASSIGN = "reassign"
    DELEGATE = "delegate"
    HAND_BACK = "hand_back"
    SNOOZE = "snooze"
    PRIORITISE = "prioritise"


DEVIATIONS = (Action.SKIP, Action.MOVE, Action.REWIND)
"""What a supervisor may do with any open execution, whoever holds it."""

OK = "ok"
REPEAT = "repeat"

_HELD = (S.CLAIMED, S.IN_PROGRESS)
_DONE = (S.AWAITING_SIGNOFF, S.WAITING)
_IN_WORK = (S.PENDING, *_HELD)
_HANDS = (Action.REASSIGN, Action.DELEGATE, Action.HAND_BACK)
_ONES_OWN = (Action.DELEGATE, Action.HAND_BACK, Action.SNOOZE)

MINE: dict[tuple[Action, S], str] = {
    (Action.CLAIM, S.PENDING): OK,
    (Action.CLAIM, S.CLAIMED): REPEAT,
    (Action.CLAIM, S.IN_PROGRESS): REPEAT,
    (Action.START, S.PENDING): OK,
    (Action.START, S.CLAIMED): OK,
    (Action.START, S.IN_PROGRESS): REPEAT,
    (Action.COMPLETE, S.PENDING): OK,
    (Action.COMPLETE, S.CLAIMED): OK,
    (Action.COMPLETE, S.IN_PROGRESS): OK,
    (Action.RELEASE, S.PENDING): "not_claimed",
    (Action.RELEASE, S.CLAIMED): OK,
    (Action.RELEASE, S.IN_PROGRESS): OK,
    **{
        (action, status): "already_done"
        for action in (Action.CLAIM, Action.START, Action.COMPLETE, Action.RELEASE, *_HANDS)
        for status in _DONE
    },
    **{(Action.REASSIGN, status): OK for status in _IN_WORK},
    **{(action, S.PENDING): "not_claimed" for action in (Action.DELEGATE, Action.HAND_BACK)},
    **{(action, status): OK for action in (Action.DELEGATE, Action.HAND_BACK) for status in _HELD},
    **{(Action.SNOOZE, status): OK for status in (*_IN_WORK, S.AWAITING_SIGNOFF)},
    (Action.SNOOZE, S.WAITING): "already_done",
    **{(Action.PRIORITISE, status): OK for status in (*_IN_WORK, *_DONE)},
    **{(Action.SIGNOFF, status): "not_awaiting_signoff" for status in S},
    (Action.SIGNOFF, S.AWAITING_SIGNOFF): OK,
    **{(action, status): OK for action in DEVIATIONS for status in (S.PENDING, *_HELD, *_DONE)},
}
"""For an execution that nobody holds, or the actor does."""

OTHERS: dict[tuple[Action, S], str] = {
    **MINE,
    **{
        (action, status): "already_claimed"
        for action in (Action.CLAIM, Action.START, Action.COMPLETE, Action.RELEASE, *_ONES_OWN)
        for status in _HELD
    },
}
"""For an execution in another person's hands."""


WHILE_ON_HOLD = frozenset({Action.RELEASE, Action.REASSIGN, Action.HAND_BACK, Action.PRIORITISE})
"""What changes hands or order, but moves no work, goes on while the instance is on hold."""


def verdict(action: Action, status: S, *, another_holds_it: bool, on_hold: bool) -> str:
    """What the table says about a command at an open execution.

    Returns:
        `ok`, `repeat`, or the code of the refusal.
    """
    if on_hold and action not in WHILE_ON_HOLD:
        return "on_hold"
    return (OTHERS if another_holds_it else MINE)[action, status]


class Move(NamedTuple):
    """One arrow of the state diagram: an execution in status `before` is in `after` once `event` happened."""

    before: S
    event: str
    after: S
    word: str
    """Who or what does it."""


MOVES: tuple[Move, ...] = (
    Move(S.PENDING, "execution_claimed", S.CLAIMED, "claim"),
    Move(S.PENDING, "execution_started", S.IN_PROGRESS, "start, complete"),
    Move(S.CLAIMED, "execution_started", S.IN_PROGRESS, "start, complete"),
    Move(S.PENDING, "execution_reassigned", S.CLAIMED, "reassign"),
    Move(S.CLAIMED, "execution_reassigned", S.PENDING, "reassign"),
    Move(S.IN_PROGRESS, "execution_reassigned", S.PENDING, "reassign"),
    Move(S.CLAIMED, "execution_released", S.PENDING, "release"),
    Move(S.IN_PROGRESS, "execution_released", S.PENDING, "release"),
    *(
        Move(before, event, after, word)
        for before, word in ((S.PENDING, "all is met"), (S.CLAIMED, "all is met"), (S.IN_PROGRESS, "complete"))
        for event, after in (
            ("execution_completed", S.COMPLETED),
            ("signoff_awaited", S.AWAITING_SIGNOFF),
            ("batch_awaited", S.WAITING),
        )
    ),
    Move(S.AWAITING_SIGNOFF, "execution_completed", S.COMPLETED, "signoff"),
    Move(S.AWAITING_SIGNOFF, "batch_awaited", S.WAITING, "signoff"),
    Move(S.WAITING, "execution_completed", S.COMPLETED, "batch is ready"),
    *(
        Move(before, "execution_reopened", after, "evidence withdrawn")
        for before in _DONE
        for after in (S.IN_PROGRESS, S.PENDING)
    ),
    *(Move(before, "execution_cancelled", S.CANCELLED, "cancel") for before in (S.PENDING, *_HELD, *_DONE)),
    *(
        Move(before, "execution_diverted", after, word)
        for before in (S.PENDING, *_HELD, *_DONE)
        for after, word in (
            (S.SKIPPED, "skip"),
            (S.CANCELLED, "move, remove, branch not needed"),
            (S.ROLLED_BACK, "rewind, undo"),
        )
    ),
    *(Move(S.COMPLETED, "execution_restored", after, "undo") for after in (S.IN_PROGRESS, S.PENDING)),
)
"""Every change of status that there is. `all is met` is the engine's doing, at a step without operator completion.

A reopened execution is in progress with whoever held it, and pending where nobody did.
"""
