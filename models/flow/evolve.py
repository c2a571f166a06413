"""State from events. `fold` is the only place where a state comes about; the rows are the same fold in SQL.

`evolve` and `fold` never refuse: an event is a fact. Order within one subject matters, subjects commute.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from models.flow import events as ev
from models.flow.state import Child, Ref, State, Token
from models.flow.status import DONE_BUT_OPEN, ExecutionStatus, InstanceStatus


def evolve(state: State, event: ev.Event) -> State:
    """The state after one event; the state given stays as it was."""
    return fold(state, (event,))


def fold(state: State, events: Iterable[ev.Event]) -> State:
    """The state after many events; copies once, so that folding n events costs n."""
    after = state.copy()
    for event in events:
        apply(after, event)
    return after


def apply(state: State, event: ev.Event) -> None:
    """Change `state` in place. For a working copy that nobody else holds; all else uses `fold`."""
    match event:
        case ev.InstanceStarted():
            state.status = InstanceStatus.IN_PROGRESS
        case ev.InstanceHeld(at=at):
            state.status, state.held_at = InstanceStatus.ON_HOLD, at
        case ev.InstanceResumed():
            _resume(state, event)
        case ev.InstanceCancelled():
            _close(state, InstanceStatus.CANCELLED)
        case ev.InstanceCompleted():
            _close(state, InstanceStatus.COMPLETED)
        case ev.InstanceAmended() | ev.InstanceRecovered() | ev.CommandRepeated() | ev.CommandRefused():
            pass
        case ev.ChildRequested(ref=ref, child_id=child_id, requirement=requirement):
            state.children[child_id] = Child(ref=ref, requirement=requirement)
        case ev.ChildStarted(child_id=child_id):
            if child := state.children.get(child_id):
                state.children[child_id] = replace(child, started=True)
        case ev.ChildEnded(child_id=child_id, ref=ref):
            state.children.pop(child_id, None)
            if ref in state.tokens:
                state.hops[ref] = None
        case ev.SubjectFinished(terminal_status=terminal_status):
            state.finished[terminal_status] = state.finished.get(terminal_status, 0) + 1
        case _:
            _apply_to_token(state, event)


def _apply_to_token(state: State, event: ev.ExecutionEvent) -> None:
    match event:
        case ev.ExecutionEntered(ref=ref, due_at=due_at, limit_at=limit_at, hop=hop):
            _put(state, ref, Token(due_at=due_at, limit_at=limit_at))
            if hop:
                state.hops[ref] = None
        case ev.ExecutionClaimed(ref=ref, by=by):
            _change(state, ref, status=ExecutionStatus.CLAIMED, assignee=by)
        case ev.ExecutionStarted(ref=ref, by=by, hop=hop):
            _change(state, ref, status=ExecutionStatus.IN_PROGRESS, assignee=by)
            if hop and ref in state.tokens:
                state.hops[ref] = None
        case ev.ExecutionReleased(ref=ref):
            _change(state, ref, status=ExecutionStatus.PENDING, assignee=None)
        case ev.ExecutionChecked(ref=ref):
            state.hops.pop(ref, None)
        case ev.SignoffAwaited(ref=ref, by=by, result=result, forced=forced):
            _give(state, ref, ExecutionStatus.AWAITING_SIGNOFF, by, result, forced is not None)
        case ev.BatchAwaited(ref=ref, by=by, result=result, forced=forced):
            _give(state, ref, ExecutionStatus.WAITING, by, result, forced is not None)
        case ev.ExecutionSignedOff():
            pass
        case ev.ExecutionReopened(ref=ref):
            _reopen(state, ref)
        case ev.ExecutionCompleted(ref=ref) | ev.ExecutionCancelled(ref=ref):
            _drop(state, ref)
        case ev.ExecutionOverdue(ref=ref):
            _change(state, ref, overdue=True)
        case ev.LimitExceeded(ref=ref):
            _change(state, ref, limit_at=None)
        case ev.IncidentOpened(ref=ref, incident_id=incident):
            _change(state, ref, incident=incident)
            state.hops.pop(ref, None)
        case ev.IncidentResolved(ref=ref):
            _change(state, ref, incident=None)
        case (
            ev.ChildRequested() | ev.ChildStarted() | ev.ChildEnded() | ev.SubjectFinished()
        ):  # pragma: no cover - taken by apply
            raise AssertionError(event)
        case _:
            assert_never(event)


def _change(state: State, ref: Ref, **changes: object) -> None:
    token = state.tokens.get(ref)
    if token is not None:
        _put(state, ref, replace(token, **changes))  # type: ignore[arg-type]


def _put(state: State, ref: Ref, token: Token) -> None:
    _count(state, ref, -1)
    state.tokens[ref] = token
    _count(state, ref, +1)


def _drop(state: State, ref: Ref) -> None:
    _count(state, ref, -1)
    state.tokens.pop(ref, None)
    state.hops.pop(ref, None)


def _count(state: State, ref: Ref, by: int) -> None:
    token = state.tokens.get(ref)
    if token is None or token.status is ExecutionStatus.WAITING:
        return
    count = state.busy.get(ref.step, 0) + by
    if count:
        state.busy[ref.step] = count
    else:
        state.busy.pop(ref.step, None)


def _give(state: State, ref: Ref, status: ExecutionStatus, by: str | None, result: str, forced: bool) -> None:
    _change(state, ref, status=status, done_by=by, result=result, forced=forced)
    state.hops.pop(ref, None)


def _reopen(state: State, ref: Ref) -> None:
    token = state.tokens.get(ref)
    if token is None or token.status not in DONE_BUT_OPEN:
        return
    back = ExecutionStatus.IN_PROGRESS if token.assignee else ExecutionStatus.PENDING
    _change(state, ref, status=back, done_by=None, result="", forced=False)


def _resume(state: State, event: ev.InstanceResumed) -> None:
    state.status, state.held_at = InstanceStatus.IN_PROGRESS, None
    held = event.at - event.held_at
    for ref, token in state.tokens.items():
        state.tokens[ref] = replace(
            token,
            due_at=token.due_at + held if token.due_at else None,
            limit_at=token.limit_at + held if token.limit_at else None,
        )


def _close(state: State, status: InstanceStatus) -> None:
    state.status, state.held_at = status, None
    state.hops.clear()
