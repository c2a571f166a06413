"""How single events change tokens and what hangs on them. Works in place, on states that only `evolve` holds."""

from dataclasses import replace
from datetime import datetime

from models.flow import events as ev
from models.flow.branches import branch_of, within
from models.flow.state import Call, Ref, State, Token
from models.flow.status import DONE_BUT_OPEN, ExecutionStatus, InstanceStatus


def change(state: State, ref: Ref, **changes: object) -> None:
    """Change fields of a token, if it is there."""
    token = state.tokens.get(ref)
    if token is not None:
        put(state, ref, replace(token, **changes))  # type: ignore[arg-type]


def put(state: State, ref: Ref, token: Token) -> None:
    """Place a token, and count it among those who work at its step."""
    _count(state, ref, -1)
    if ref.branch and ref not in state.tokens:
        state.forked[ref.subject] = tuple(sorted((*state.forked.get(ref.subject, ()), ref)))
    state.tokens[ref] = token
    _count(state, ref, +1)


def drop(state: State, ref: Ref) -> None:
    """The execution is over; nothing of it stays."""
    _count(state, ref, -1)
    state.tokens.pop(ref, None)
    state.hops.pop(ref, None)
    state.calls.pop(ref, None)
    if ref.branch:
        _leave_branch(state, ref)


def _leave_branch(state: State, ref: Ref) -> None:
    left = tuple(one for one in state.forked.get(ref.subject, ()) if one != ref)
    if left:
        state.forked[ref.subject] = left
    else:
        state.forked.pop(ref.subject, None)


def divert(state: State, ref: Ref) -> None:
    """Out of its step by another way; a batch that waited for nobody else is looked at again."""
    token = state.tokens.get(ref)
    drop(state, ref)
    if token is None or token.status is ExecutionStatus.WAITING or state.busy.get((ref.step, token.lot)):
        return
    waiting = min((one for one, _ in state.at_step(ref.step, token.lot)), default=None)
    if waiting is not None:
        state.hops[waiting] = None


def _count(state: State, ref: Ref, by: int) -> None:
    token = state.tokens.get(ref)
    if token is None or token.status is ExecutionStatus.WAITING:
        return
    place = ref.step, token.lot
    count = state.busy.get(place, 0) + by
    if count:
        state.busy[place] = count
    else:
        state.busy.pop(place, None)


def enter(state: State, event: ev.ExecutionEntered) -> None:
    """A new token. Whoever enters a step has left the forks of its branch behind: joined them, or gone elsewhere."""
    ref = event.ref
    token = Token(
        status=ExecutionStatus.PENDING if event.assignee is None else ExecutionStatus.CLAIMED,
        assignee=event.assignee,
        due_at=event.due_at,
        limit_at=event.limit_at,
        wake_at=event.wake_at,
        marks=event.marks,
        lot=event.lot,
    )
    put(state, ref, token)
    if event.hop:
        state.hops[ref] = None
    if ref.subject in state.arrived:
        _joined(state, ref)


def _joined(state: State, ref: Ref) -> None:
    others = tuple(one for one in state.arrived[ref.subject] if not within(branch_of(one.branch).outer, ref.branch))
    if others:
        state.arrived[ref.subject] = others
    else:
        del state.arrived[ref.subject]


def restore(state: State, event: ev.ExecutionRestored) -> None:
    """An execution is open again, and its branch has not come to its join yet.

    Calls that were made before it was completed by force came to nothing, as those that failed: the next look makes
    another one.
    """
    status = ExecutionStatus.IN_PROGRESS if event.assignee else ExecutionStatus.PENDING
    token = Token(
        status=status,
        assignee=event.assignee,
        due_at=event.due_at,
        limit_at=None if event.limit_passed else event.limit_at,
        overdue=event.overdue,
        wake_at=event.wake_at,
        marks=event.marks,
        mark=event.mark,
        lot=event.lot,
    )
    put(state, event.ref, token)
    if event.hop:
        state.hops[event.ref] = None
    if event.attempts:
        state.calls[event.ref] = Call(call_id="", action="", attempt=event.attempts, outcome="failed")
    arrived = tuple(one for one in state.arrived.get(event.ref.subject, ()) if one.branch != event.ref.branch)
    if arrived:
        state.arrived[event.ref.subject] = arrived
    else:
        state.arrived.pop(event.ref.subject, None)


def reassign(state: State, ref: Ref, to: str | None, owner: str | None) -> None:
    """Into the hands of `to`, or back to the pool."""
    token = state.tokens.get(ref)
    if token is None:
        return
    status = token.status
    if to is None:
        status = ExecutionStatus.PENDING
    elif status is ExecutionStatus.PENDING:
        status = ExecutionStatus.CLAIMED
    change(state, ref, status=status, assignee=to, owner=owner)


def resume_subject(state: State, terminal_status: str) -> None:
    """One end less."""
    left = state.finished.get(terminal_status, 0) - 1
    if left > 0:
        state.finished[terminal_status] = left
    else:
        state.finished.pop(terminal_status, None)


def give(state: State, ref: Ref, status: ExecutionStatus, by: str | None, result: str, forced: bool) -> None:
    """The work is given and waits for somebody else."""
    change(state, ref, status=status, done_by=by, result=result, forced=forced)
    state.hops.pop(ref, None)


def reopen(state: State, ref: Ref) -> None:
    """What was given is open again."""
    token = state.tokens.get(ref)
    if token is None or token.status not in DONE_BUT_OPEN:
        return
    back = ExecutionStatus.IN_PROGRESS if token.assignee else ExecutionStatus.PENDING
    change(state, ref, status=back, done_by=None, result="", forced=False)


def resume(state: State, event: ev.InstanceResumed) -> None:
    """Every moment that lies ahead moves by the time held, or to where the calendar puts it."""
    state.status, state.held_at = InstanceStatus.IN_PROGRESS, None
    held, moved, by_clock = event.at - event.held_at, dict(event.moved), frozenset(event.by_clock)
    all_marks: dict[tuple[datetime, ...], tuple[datetime, ...]] = {}

    def later(moment: datetime | None) -> datetime | None:
        return None if moment is None else moved.get(moment, moment + held)

    # By identity, for thousands share a token; `before` keeps those alive whose identity is remembered.
    resumed: dict[tuple[int, bool], Token] = {}
    before = dict(state.tokens)
    for ref, token in before.items():
        alike = id(token), ref.step in by_clock
        if alike not in resumed:
            if token.marks not in all_marks:
                all_marks[token.marks] = tuple(moved.get(mark, mark + held) for mark in token.marks)
            rings = token.wake_at
            resumed[alike] = replace(
                token,
                due_at=later(token.due_at),
                limit_at=later(token.limit_at),
                wake_at=rings + held if rings is not None and ref.step in by_clock else later(rings),
                marks=all_marks[token.marks],
            )
        state.tokens[ref] = resumed[alike]


def close(state: State, status: InstanceStatus) -> None:
    """Nothing is set off any more."""
    state.status, state.held_at = status, None
    state.hops.clear()
    state.calls.clear()
    state.arrived.clear()
