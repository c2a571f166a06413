"""Forks and joins: a subject in several branches at once, until enough of them have come to the join."""

from models.flow import events as ev
from models.flow.branches import branch_of, fork_of, is_within, name_of
from models.flow.entering import close_branches, enter
from models.flow.errors import FlowError
from models.flow.graph import Edge, EdgeType, Graph, Step, StepType
from models.flow.incidents import resolve
from models.flow.moment import Events, Given, Moment
from models.flow.regions import region
from models.flow.routing import Way, within_limits
from models.flow.state import Ref


def fork(moment: Moment, ref: Ref, given: Given) -> Events:
    """Leave a fork by all its default edges at once, one branch for each.

    Raises:
        FlowError: no_route, visit_limit_reached; then no branch is entered.
    """
    completed = ev.ExecutionCompleted(
        ref=ref, at=moment.now, by=given.by, route="fork", notes=given.notes, forced=given.forced
    )
    left = (*resolve(moment, ref, given.by, "completed"), completed)
    lot = moment.state.tokens[ref].lot
    return (*left, *begin_branches(moment.after(left), ref, lot, limited=given.forced is None))


def begin_branches(moment: Moment, ref: Ref, lot: str, *, limited: bool) -> Events:
    """Every branch of a fork that has been left, until one of them ends it."""
    happened: Events = ()
    edges = moment.graph.leaving(ref.step, EdgeType.DEFAULT)
    if not edges:
        raise FlowError("no_route", step=moment.graph.steps[ref.step].name, why="no branch leaves it")
    for number, edge in enumerate(edges, start=1):
        branch = name_of(ref.branch, ref.step, ref.visit, number)
        entered = _begin_branch(moment, ref._replace(branch=branch), edge, lot, limited=limited)
        happened, moment = (*happened, *entered), moment.after(entered)
        if any(_ends_fork(event, ref.branch) for event in entered):
            break
    return happened


def _begin_branch(moment: Moment, origin: Ref, edge: Edge, lot: str, *, limited: bool) -> Events:
    way = Way(moment.graph.steps[edge.to_step], edge.edge_type)
    if limited:
        way = within_limits(moment.graph, way, lambda key: moment.visits(origin.subject, key))
    return onward(moment, origin, way.step or moment.graph.steps[edge.to_step], lot=lot)


def _ends_fork(event: ev.Event, outer: str) -> bool:
    """A branch that was enough for the join, or brought the subject to its end: the others are not begun."""
    joined = isinstance(event, ev.ExecutionEntered) and event.ref.branch == outer
    return joined or isinstance(event, ev.SubjectFinished)


def onward(moment: Moment, origin: Ref, step: Step, *, lot: str = "") -> Events:
    """Into the next step on the same branch; at its join the branch ends, and waits there for the others.

    Whoever was moved into a fork within the branch finds a join there for which the branch does not wait.
    """
    is_join = step.step_type == StepType.JOIN and bool(origin.branch)
    if is_join and step.key not in region(moment.graph, branch_of(origin.branch).fork):
        return _arrive(moment, origin, step, lot)
    visit = moment.visits(origin.subject, step.key).last + 1
    return enter(moment, Ref(origin.subject, step.key, visit, origin.branch), step, lot=lot)


def _arrive(moment: Moment, origin: Ref, join: Step, lot: str) -> Events:
    """A branch came to its join. Once enough are there, the rest is closed and the subject goes on undivided."""
    arrived = ev.BranchArrived(ref=origin, at=moment.now, branch=origin.branch, join=join.key)
    fork = fork_of(origin.branch)
    there = {
        one.branch: None
        for one in moment.state.arrived.get(origin.subject, ())
        if one.join == join.key and fork_of(one.branch) == fork
    } | {origin.branch: None}
    if len(there) < _required(moment.graph, join, branch_of(origin.branch).fork):
        return (arrived,)
    late = [ref for ref in moment.state.forked.get(origin.subject, ()) if is_within(ref.branch, fork) and ref != origin]
    closed = close_branches(moment, late, f"enough branches came to '{join.name}'")
    visit = moment.visits(origin.subject, join.key).last + 1
    joined = Ref(origin.subject, join.key, visit, branch_of(origin.branch).outer)
    return (arrived, *closed, *enter(moment, joined, join, lot=lot))


def _required(graph: Graph, join: Step, fork: str) -> int:
    """How many branches the join waits for: all, unless it says another number."""
    branches = len(graph.leaving(fork, EdgeType.DEFAULT))
    wanted = (join.config.get("join") or {}).get("require", "all")
    return branches if wanted == "all" else min(int(wanted), branches)
