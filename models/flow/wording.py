"""Events in plain words, for a person who asks what would happen; one sentence each, without its subject."""

from models.flow import events as ev
from models.flow.graph import Graph


def sentence(graph: Graph, event: ev.Event) -> str:
    """What the event does, such as `enters 'Inspect', visit 2`. Refusals and bookkeeping have no sentence: empty."""
    ref = getattr(event, "ref", None)
    step = f"'{graph.steps[ref.step].name}'" if ref is not None and ref.step in graph.steps else ""
    match event:
        case ev.ExecutionEntered():
            return f"enters {step}" + (f", visit {ref.visit}" if ref is not None and ref.visit > 1 else "")
        case ev.ExecutionDiverted(status=status):
            return f"leaves {step}, which is {status.replace('_', ' ')}"
        case ev.VisitRolledBack():
            return f"{step}, visit {ref.visit if ref else 1}, is rolled back"
        case ev.ExecutionRestored():
            return f"{step} is open again"
        case ev.SubjectFinished(terminal_status=status):
            return f"ends as {status}"
        case ev.SubjectResumed(terminal_status=status):
            return f"is under way again; it had ended as {status}"
        case ev.LotChanged(lot=lot):
            return f"becomes part of the lot '{lot}'" if lot else "becomes part of the undivided batch"
        case ev.IncidentOpened(code=code):
            return f"stops at {step} with an incident: {code.replace('_', ' ')}"
        case _:
            return _plain(event, step)


def _plain(event: ev.Event, step: str) -> str:
    match event:
        case ev.ExecutionStarted():
            return f"is started at {step}"
        case ev.ExecutionCompleted():
            return f"completes {step}"
        case ev.ExecutionCancelled():
            return f"{step} is cancelled"
        case ev.ExecutionReopened():
            return f"{step} is open again, because its evidence changed"
        case ev.BatchAwaited():
            return f"waits at {step} for the rest of its batch"
        case ev.SignoffAwaited():
            return f"awaits its sign-off at {step}"
        case ev.IncidentResolved():
            return f"its incident at {step} is resolved"
        case ev.ChildRequested():
            return f"a nested workflow is started at {step}"
        case ev.InstanceHeld() | ev.InstanceResumed() | ev.InstanceCancelled() | ev.InstanceCompleted():
            return f"the workflow is {event.kind.removeprefix('instance_')}"
        case ev.SubjectsAdded(subject_ids=added):
            return f"{len(added)} subjects join the workflow"
        case _:
            return ""
