"""State from events. `fold` is the only place where a state comes about; the rows are the same fold in SQL.

`fold` and `apply` never refuse: an event is a fact. Order within one subject matters, subjects commute.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from models.flow import events as ev
from models.flow import tokens
from models.flow.state import Arrival, Call, Child, State
from models.flow.status import ExecutionStatus, InstanceStatus


def fold(state: State, events: Iterable[ev.Event]) -> State:
    """The state after many events; copies once, so that folding n events costs n."""
    after = state.copy()
    for event in events:
        apply(after, event)
    return after


def apply(state: State, event: ev.Event) -> None:
    """Change `state` in place. For a working copy that nobody else holds; all else uses `fold`."""
    match event:
        case ev.InstanceStarted(subjects=subjects):
            state.status, state.subjects = InstanceStatus.IN_PROGRESS, subjects
        case ev.InstanceHeld(at=at):
            state.status, state.held_at = InstanceStatus.ON_HOLD, at
        case ev.InstanceResumed():
            tokens.resume(state, event)
        case ev.InstanceCancelled():
            tokens.close(state, InstanceStatus.CANCELLED)
        case ev.InstanceCompleted():
            tokens.close(state, InstanceStatus.COMPLETED)
        case ev.InstanceMigrated():
            _migrate(state, event)
        case ev.SubjectsAdded(first=first, subject_ids=subject_ids):
            state.subjects = first + len(subject_ids)
        case (
            ev.InstanceAmended()
            | ev.InstanceRecovered()
            | ev.CommandRepeated()
            | ev.CommandRefused()
            | ev.DeviationConfirmed()
        ):
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
        case ev.SubjectFinished(ref=ref, terminal_status=terminal_status):
            state.finished[terminal_status] = state.finished.get(terminal_status, 0) + 1
            state.arrived.pop(ref.subject, None)
        case ev.SubjectResumed(terminal_status=terminal_status):
            tokens.resume_subject(state, terminal_status)
        case ev.BranchArrived(ref=ref, branch=branch, join=join):
            state.arrived[ref.subject] = (*state.arrived.get(ref.subject, ()), Arrival(join, branch))
        case _:
            _apply_to_token(state, event)


def _migrate(state: State, event: ev.InstanceMigrated) -> None:
    state.process_id = event.process_id
    for ref in state.tokens:
        if ref.step in event.looks:
            state.hops[ref] = None


def _apply_to_token(state: State, event: ev.ExecutionEvent) -> None:
    match event:
        case ev.ExecutionEntered():
            tokens.enter(state, event)
        case ev.ExecutionClaimed(ref=ref, by=by):
            tokens.change(state, ref, status=ExecutionStatus.CLAIMED, assignee=by)
        case ev.ExecutionStarted(ref=ref, by=by, hop=hop):
            tokens.change(state, ref, status=ExecutionStatus.IN_PROGRESS, assignee=by)
            if hop and ref in state.tokens:
                state.hops[ref] = None
        case ev.ExecutionReleased(ref=ref):
            tokens.change(state, ref, status=ExecutionStatus.PENDING, assignee=None, owner=None)
        case ev.ExecutionChecked(ref=ref):
            state.hops.pop(ref, None)
        case ev.SignoffAwaited(ref=ref, by=by, result=result, forced=forced):
            tokens.give(state, ref, ExecutionStatus.AWAITING_SIGNOFF, by, result, forced is not None)
        case ev.BatchAwaited(ref=ref, by=by, result=result, forced=forced):
            tokens.give(state, ref, ExecutionStatus.WAITING, by, result, forced is not None)
        case ev.ExecutionSignedOff():
            pass
        case ev.ExecutionReopened(ref=ref):
            tokens.reopen(state, ref)
        case ev.ExecutionCompleted(ref=ref) | ev.ExecutionCancelled(ref=ref):
            tokens.drop(state, ref)
        case _:
            _apply_beside(state, event)


def _apply_beside(state: State, event: ev.BesideEvent) -> None:
    """What happens beside the ordinary way: deviations, time, incidents, messages, actions."""
    match event:
        case ev.ExecutionDiverted(ref=ref):
            tokens.divert(state, ref)
        case ev.ExecutionRestored():
            tokens.restore(state, event)
        case ev.ExecutionReassigned(ref=ref, to=to, owner=owner):
            tokens.reassign(state, ref, to, owner)
        case ev.PriorityChanged() | ev.VisitRolledBack() | ev.SubjectFinished() | ev.SubjectResumed():
            pass  # ends are counted by `apply`; priorities and what is over are the rows' business
        case ev.LotChanged(ref=ref, lot=lot):
            tokens.change(state, ref, lot=lot)
        case ev.ExecutionOverdue(ref=ref):
            tokens.change(state, ref, overdue=True)
        case ev.LimitExceeded(ref=ref):
            tokens.change(state, ref, limit_at=None)
        case ev.ReminderSent(ref=ref, mark=mark) | ev.ExecutionEscalated(ref=ref, mark=mark):
            tokens.change(state, ref, mark=mark + 1)
        case ev.DueChanged(ref=ref, due_at=due_at, limit_at=limit_at, marks=marks):
            tokens.change(state, ref, due_at=due_at, limit_at=limit_at, marks=marks, mark=0, overdue=False)
        case _:
            _apply_notice(state, event)


def _apply_notice(state: State, event: ev.NoticedEvent) -> None:
    """What the engine noticed: incidents, messages, actions."""
    match event:
        case ev.IncidentOpened(ref=ref, incident_id=incident, code=code):
            tokens.change(state, ref, incident=incident, incident_code=code)
            state.hops.pop(ref, None)
        case ev.IncidentResolved(ref=ref, hop=hop):
            tokens.change(state, ref, incident=None, incident_code="")
            if hop and ref in state.tokens:
                state.hops[ref] = None
        case ev.TimerSet(ref=ref, wake_at=wake_at):
            tokens.change(state, ref, wake_at=wake_at)
            state.hops.pop(ref, None)
        case ev.MessageAwaited(ref=ref):
            state.hops.pop(ref, None)
        case ev.MessageReceived(ref=ref):
            if ref in state.tokens:
                state.hops[ref] = None
        case ev.ActionRequested(ref=ref, call_id=call_id, action=action, attempt=attempt):
            state.calls[ref] = Call(call_id=call_id, action=action, attempt=attempt)
            state.hops.pop(ref, None)
        case ev.ActionEnded(ref=ref, call_id=call_id, succeeded=succeeded):
            call = state.calls.get(ref)
            if call is not None and call.call_id == call_id:
                state.calls[ref] = replace(call, outcome="succeeded" if succeeded else "failed")
                if succeeded:
                    state.hops[ref] = None
        case (
            ev.ChildRequested() | ev.ChildStarted() | ev.ChildEnded() | ev.BranchArrived()
        ):  # pragma: no cover - taken by apply
            raise AssertionError(event)
        case _:
            assert_never(event)
