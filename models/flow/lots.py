"""Lots: a batch is divided, so that its parts do not wait for each other, and put together again (DESIGN §3.7)."""

from collections.abc import Iterable

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import settled
from models.flow.authority import authorise, confirmed, not_on_hold
from models.flow.deviations import Diversion, go_to, skip, target_of
from models.flow.errors import FlowError
from models.flow.moment import Events, Moment
from models.flow.state import Ref


def split(moment: Moment, command: cmd.Split) -> Events:
    """Make lots of executions, and send them where they are to go. All of it happens, or nothing.

    Raises:
        FlowError: those of `authority`, on_hold, execution_closed, execution_not_found, step_unknown, and those
            of a decision.
    """
    authorise(moment, command.actor, command.kind, command.reason)
    not_on_hold(moment)
    happened: list[ev.Event] = []
    named = [ref.step for group in command.groups for ref in group.refs]
    witnessed = confirmed(moment, command, command.kind, named)
    for group in command.groups:
        for ref in group.refs:
            current = moment.after(happened) if ref.subject in moment.state.forked else moment
            if ref in moment.state.tokens and ref not in current.state.tokens:
                continue  # it went with another branch of its subject, that of this very command
            happened += _regroup(current, _open(current, ref), group.lot, command.actor, command.reason)
            happened += _send(current, ref, group, command)
    return (*witnessed, *settled(moment, tuple(happened)))


def _send(moment: Moment, ref: Ref, group: cmd.Group, command: cmd.Split) -> Events:
    asked = Diversion(ref=ref, by=command.actor, reason=command.reason, lot=group.lot)
    if group.to_step is not None:
        return go_to(moment, asked, target_of(moment, group.to_step), "move", "cancelled")
    return skip(moment, asked, None, group.decision_result) if group.decision_result else ()


def merge(moment: Moment, command: cmd.Merge) -> Events:
    """Put executions at one step into one lot.

    Raises:
        FlowError: those of `authority`, on_hold, execution_closed, execution_not_found, lots_apart,
            nothing_to_merge.
    """
    authorise(moment, command.actor, command.kind, command.reason)
    not_on_hold(moment)
    named = [_open(moment, ref) for ref in command.refs]
    of_lots = sorted(ref for ref, token in moment.state.tokens.items() if token.lot in command.lots)
    refs = tuple(dict.fromkeys((*named, *of_lots)))
    steps = sorted({ref.step for ref in refs})
    if len(steps) > 1:
        raise FlowError("lots_apart", steps=[moment.graph.steps[step].name for step in steps])
    moved = _regroup_all(moment, refs, command)
    if not moved:
        raise FlowError("nothing_to_merge")
    return (*confirmed(moment, command, command.kind, steps), *settled(moment, moved))


def _regroup_all(moment: Moment, refs: Iterable[Ref], command: cmd.Merge) -> Events:
    return tuple(event for ref in refs for event in _regroup(moment, ref, command.into, command.actor, command.reason))


def _open(moment: Moment, ref: Ref) -> Ref:
    if ref not in moment.state.tokens:
        status = moment.facts.closed.get(ref)
        raise FlowError("execution_not_found") if status is None else FlowError("execution_closed", status=status)
    return ref


def _regroup(moment: Moment, ref: Ref, lot: str, by: str, reason: str) -> Events:
    if moment.state.tokens[ref].lot == lot:
        return ()
    return (ev.LotChanged(ref=ref, at=moment.now, by=by, lot=lot, reason=reason),)
