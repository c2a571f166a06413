"""A rejected approval takes the work back to the step that its requirement names (`on_reject`), as a new visit.

The engine does it: the approver needs no permission but to answer. Visit limits hold, unlike for deviations of people.
"""

from models.flow.advance import settled
from models.flow.deviations import Diversion, go_to, target_of
from models.flow.errors import FlowError
from models.flow.graph import Step
from models.flow.incidents import stop
from models.flow.moment import Events, Moment
from models.flow.routing import Way, within_limits
from models.flow.state import Ref

REJECT = "reject"


def send_back(moment: Moment, ref: Ref) -> Events:
    """Leave `ref` for where its rejected approval leads, whatever its status; nothing where there is none.

    Work that a supervisor completed with force stays given, for that is what the deviation was for. Where the target
    is full and has no way around, the subject stops in an incident; while it has one, nothing is tried again.
    """
    rejected, token = moment.facts.sent_back.get(ref), moment.state.tokens[ref]
    if rejected is None or token.forced or token.incident is not None:
        return ()
    reason = f"approval rejected by {rejected.by}"
    if rejected.comment:
        reason = f"{reason}: {rejected.comment}"
    asked = Diversion(ref=ref, by=None, reason=reason, lot=token.lot)
    try:
        target = _within_limits(moment, ref, rejected.to_step)
    except FlowError as error:
        return stop(moment, ref, error)
    return settled(moment, go_to(moment, asked, target, REJECT, "cancelled"))


def _within_limits(moment: Moment, ref: Ref, to_step: str) -> Step:
    """The step, or the one to which escalation edges lead from it.

    Raises:
        FlowError: step_unknown, visit_limit_reached.
    """
    wanted = target_of(moment, to_step)
    way = within_limits(moment.graph, Way(wanted, REJECT), lambda step: moment.visits(ref.subject, step))
    return way.step or wanted
