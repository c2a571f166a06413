"""In whose hands: who may do a step, putting it into other hands, delegating it and handing it back.

Who is a candidate, who did which step before and who is away comes with facts; here is what follows from it.
"""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.authority import check_reason
from models.flow.errors import FlowError
from models.flow.moment import Events, Moment
from models.flow.state import Ref


def check_bearer(moment: Moment, ref: Ref) -> None:
    """The person whom the command is about may do the execution.

    Raises:
        FlowError: not_candidate, four_eyes, revisit_by_same, revisit_by_another, unassignable.
    """
    barred = moment.facts.barred.get(ref)
    if barred is not None:
        raise FlowError(barred.code, **barred.params)


def check_not_delegated(moment: Moment, ref: Ref, actor: str) -> None:
    """Work that another person delegated goes back to them before it is completed.

    Raises:
        FlowError: delegated_by_another.
    """
    owner = moment.state.tokens[ref].owner
    if owner is not None and owner != actor:
        raise FlowError("delegated_by_another", owner=owner, owner_name=moment.facts.names.get(owner, owner))


def stands_in_for(moment: Moment, actor: str, assignee: str | None) -> bool:
    """Whether the one who holds the execution is away now, and the actor was named to stand in."""
    return assignee is not None and assignee in moment.facts.stand_ins.get(actor, ())


def take_over(moment: Moment, ref: Ref, actor: str) -> Events:
    """A stand-in takes the work of somebody who is away, with the trace of it."""
    absent = moment.state.tokens[ref].assignee or ""
    name = moment.facts.names.get(absent, absent)
    return (
        ev.ExecutionReassigned(
            ref=ref, at=moment.now, by=actor, to=actor, how="absence", reason=f"stands in for {name}"
        ),
    )


def reassign(moment: Moment, command: cmd.Reassign) -> Events:
    """A supervisor puts work into other hands, or back to the pool.

    Raises:
        FlowError: reason_required, same_assignee, and those of `check_bearer`.
    """
    check_reason(command.reason)
    token = moment.state.tokens[command.ref]
    if command.to is None and token.assignee is None:
        raise FlowError("not_claimed")
    if command.to is not None:
        _check_other(moment, command.ref, command.to)
        check_bearer(moment, command.ref)
    return (_to(moment, command, command.to, "reassign"),)


def delegate(moment: Moment, command: cmd.Delegate) -> Events:
    """Have another person do one's own work; `owner` gets it back. What was delegated already is not passed on.

    Raises:
        FlowError: same_assignee, delegated_by_another, and those of `check_bearer`.
    """
    check_not_delegated(moment, command.ref, command.actor)
    _check_other(moment, command.ref, command.to)
    check_bearer(moment, command.ref)
    return (_to(moment, command, command.to, "delegate", owner=command.actor),)


def hand_back(moment: Moment, command: cmd.HandBack) -> Events:
    """Return delegated work to its owner.

    Raises:
        FlowError: not_delegated.
    """
    owner = moment.state.tokens[command.ref].owner
    if owner is None:
        raise FlowError("not_delegated")
    return (_to(moment, command, owner, "hand_back"),)


def prioritise(moment: Moment, command: cmd.Prioritise) -> Events:
    """More or less urgent from now on."""
    return (
        ev.PriorityChanged(
            ref=command.ref, at=moment.now, by=command.actor, priority=command.priority, reason=command.reason
        ),
    )


def _check_other(moment: Moment, ref: Ref, to: str) -> None:
    token = moment.state.tokens[ref]
    if to == token.assignee:
        raise FlowError("same_assignee", assignee_name=moment.facts.names.get(to, to))


def _to(
    moment: Moment,
    command: cmd.Reassign | cmd.Delegate | cmd.HandBack,
    to: str | None,
    how: str,
    *,
    owner: str | None = None,
) -> ev.ExecutionReassigned:
    return ev.ExecutionReassigned(
        ref=command.ref, at=moment.now, by=command.actor, to=to, how=how, owner=owner, reason=command.reason
    )
