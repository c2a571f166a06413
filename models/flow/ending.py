"""When an instance is over, and how (DESIGN §3.5)."""

from collections.abc import Iterable

from models.flow import events as ev
from models.flow.moment import Moment

FAILED_ENDS = frozenset({"scrapped", "cancelled", "removed"})
"""An instance of which every subject ended like this is cancelled, not completed; case does not count."""


def end_of_instance(moment: Moment, events: Iterable[ev.Event]) -> tuple[ev.Event, ...]:
    """The last event of the instance, where `events` leave no execution open."""
    still_open = len(moment.state.tokens)
    ends = dict.fromkeys(moment.state.finished)
    for event in events:
        match event:
            case ev.ExecutionEntered() | ev.ExecutionRestored():
                still_open += 1
            case ev.ExecutionCompleted() | ev.ExecutionCancelled() | ev.ExecutionDiverted():
                still_open -= 1
            case ev.SubjectFinished(terminal_status=status):
                ends[status] = None
            case _:
                pass
    if still_open > 0:
        return ()
    if ends and all(status.casefold() in FAILED_ENDS for status in ends):
        reason = "every subject ended " + " or ".join(sorted(ends))
        return (ev.InstanceCancelled(at=moment.now, by=None, reason=reason),)
    return (ev.InstanceCompleted(at=moment.now),)
