"""Who may deviate from the process: by a permission and a reason, and where it is demanded, by two persons.

The config of a step says so, or that of the whole process: `{"deviation": {"second_person": true}}`, or a list of
deviations instead of `true`. What the process demands, no step takes back.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.errors import FlowError
from models.flow.graph import Graph
from models.flow.moment import Moment
from models.flow.state import Ref
from models.flow.status import InstanceStatus

MINIMUM_REASON = 10
"""Characters of a deviation's reason (DESIGN §3.7)."""

PERMISSIONS: Mapping[str, str] = {
    "force": "execution.force",
    "skip": "execution.skip",
    "move": "execution.move",
    "rewind": "execution.rewind",
    "add_subjects": "instance.subjects",
    "remove_subjects": "instance.subjects",
    "undo": "execution.undo",
    "split": "instance.split",
    "merge": "instance.split",
}
"""Deviation → the permission it needs."""

WITNESSED = frozenset(PERMISSIONS) - {"undo"}
"""Deviations for which a process or a step may demand a second person."""

Witnessed = cmd.Complete | cmd.Deviation | cmd.Regrouping


def authorise(moment: Moment, actor: str, deviation: str, reason: str) -> None:
    """The person may, and says why.

    Raises:
        FlowError: forbidden, reason_required.
    """
    permission = PERMISSIONS[deviation]
    if not moment.facts.may(actor, permission):
        raise FlowError("forbidden", permission=permission)
    check_reason(reason)


def check_reason(reason: str, minimum: int = MINIMUM_REASON) -> None:
    """Whoever deviates says why, in so many characters.

    Raises:
        FlowError: reason_required.
    """
    if len(reason.strip()) < minimum:
        raise FlowError("reason_required", minimum=minimum)


def demanded(graph: Graph, steps: Iterable[str], deviation: str) -> bool:
    """Whether a second person is demanded for this deviation at one of these steps; where none is, nobody is asked."""
    known = [graph.steps[key].config for key in steps if key in graph.steps]
    return any(_demands(config, deviation) for config in ([*known, graph.config] if known else ()))


def _demands(config: Mapping[str, Any], deviation: str) -> bool:
    rule = config.get("deviation")
    asked = rule.get("second_person") if isinstance(rule, Mapping) else None
    return asked is True or (isinstance(asked, list | tuple) and deviation in asked)


def confirmed(
    moment: Moment, command: Witnessed, deviation: str, steps: Iterable[str], ref: Ref | None = None
) -> tuple[ev.Event, ...]:
    """The second person's part in it; nothing where nobody confirmed it and nothing demands it.

    Raises:
        FlowError: second_person_required, self_confirmation, forbidden.
    """
    second = command.confirmed_by
    if second is None:
        if demanded(moment.graph, steps, deviation):
            raise FlowError("second_person_required", deviation=deviation)
        return ()
    if second == command.actor:
        raise FlowError("self_confirmation")
    if not moment.facts.may(second, PERMISSIONS[deviation]):
        raise FlowError("forbidden", permission=PERMISSIONS[deviation])
    witnessed = ev.DeviationConfirmed(
        ref=ref,
        at=moment.now,
        deviation=deviation,
        proposed_by=command.actor,
        confirmed_by=second,
        confirmer=moment.facts.names.get(second, second),
    )
    return (witnessed,)


def not_on_hold(moment: Moment) -> None:
    """Work does not stand still.

    Raises:
        FlowError: on_hold.
    """
    if moment.state.status is InstanceStatus.ON_HOLD:
        raise FlowError("on_hold")
