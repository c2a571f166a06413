"""Entering a step and coming to the end: deadlines, hands, nested processes, and what is closed with a subject."""

from collections.abc import Iterable

from models.flow import events as ev
from models.flow.facts import Assigned, Deadlines
from models.flow.graph import Graph, Step
from models.flow.incidents import resolve
from models.flow.moment import Events, Moment
from models.flow.nesting import ask_for_children
from models.flow.policies import assignment_of
from models.flow.state import Ref

_NO_DEADLINES = Deadlines()


def enter(moment: Moment, ref: Ref, step: Step, *, lot: str = "") -> Events:
    """Put a subject at a step; a terminal one without gates ends at once (no facts are needed for that)."""
    deadlines = moment.facts.deadlines.get(step.key, _NO_DEADLINES)
    assigned = None if step.ends_on_entry else moment.facts.assigned.get((ref.subject, step.key))
    entered = ev.ExecutionEntered(
        ref=ref,
        at=moment.now,
        due_at=deadlines.due_at,
        limit_at=deadlines.limit_at,
        marks=deadlines.marks,
        assignee=(assigned.instead_of or assigned.user) if assigned else None,
        priority=assignment_of(step).priority,
        wake_at=deadlines.wake_at,
        hop=step.moves_by_itself and not step.ends_on_entry and deadlines.wake_at is None,
        lot=lot,
    )
    if step.ends_on_entry:
        ended = ev.ExecutionCompleted(ref=ref, at=moment.now, by=None, route="terminal")
        return (entered, ended, *end_subject(moment, ref))
    return (entered, *_stand_in(moment, ref, assigned), *ask_for_children(moment, ref, step))


def _stand_in(moment: Moment, ref: Ref, assigned: Assigned | None) -> Events:
    """Who would have had it is away: it goes on to whoever stands in, with the trace of it."""
    if assigned is None or assigned.instead_of is None:
        return ()
    to, reason = assigned.user, assigned.reason
    return (ev.ExecutionReassigned(ref=ref, at=moment.now, by=None, to=to, how="absence", reason=reason),)


def end_subject(moment: Moment, ref: Ref) -> Events:
    """The subject at `ref`, which has left already, is at its end, and with it all its other branches."""
    others = [one for one in moment.state.forked.get(ref.subject, ()) if one != ref]
    closed = close_branches(moment, others, f"the subject ended at '{moment.graph.steps[ref.step].name}'")
    return (*closed, finish(moment, ref))


def finish(moment: Moment, ref: Ref, terminal_status: str | None = None) -> ev.SubjectFinished:
    """The subject's end at `ref`, as the step has it unless told."""
    return ev.SubjectFinished(ref=ref, at=moment.now, terminal_status=terminal_status or _end_of(moment.graph, ref))


def _end_of(graph: Graph, ref: Ref) -> str:
    return graph.steps[ref.step].terminal_status or "completed"


def close_branches(moment: Moment, refs: Iterable[Ref], reason: str) -> Events:
    """Executions of other branches that are not needed any more."""
    closed: list[ev.Event] = []
    for ref in refs:
        closed += resolve(moment, ref, None, "closed")
        closed.append(
            ev.ExecutionDiverted(ref=ref, at=moment.now, by=None, how="join", status="cancelled", reason=reason)
        )
    return tuple(closed)
