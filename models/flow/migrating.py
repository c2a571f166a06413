"""An instance goes on under another version of its process: what becomes of each execution, and the act (DESIGN §3.11).

A step keeps its executions where its key stays and it is still the same sort of step; what was given there goes on
counting for each requirement that keeps key, type and config. Any other step is left, and its image entered as a new
visit. Nothing is lost: an execution without an image refuses the whole instance.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.authority import check_reason
from models.flow.branches import Branch, branch_of
from models.flow.ending import end_of_instance
from models.flow.entering import enter
from models.flow.errors import FlowError
from models.flow.graph import EdgeType, Graph, Requirement, RequirementType, Step
from models.flow.incidents import resolve
from models.flow.moment import Events, Moment
from models.flow.regions import joins, region
from models.flow.state import Arrival, Ref, State, Token, child_instance_id
from models.flow.status import DONE_BUT_OPEN, InstanceStatus

ORDINARY: Final = frozenset({"start", "task", "decision", "rework", "terminal"})
"""Step types at which a person works; an execution may pass from one to another of them."""
SETTINGS: Final = ("timer", "event", "action", "join")
"""Config of a step that waits for something by itself: what it waits for was settled on entry."""
WAITS: Final = ("requires_batch_completion", "requires_qa_signoff", "is_decision_point", "requires_operator_completion")
"""Flags that decide what happens to work that is given."""


class Fate(StrEnum):
    """What becomes of an execution."""

    STAYS = "stays"
    ENTERS = "enters"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What becomes of the executions at one step.

    Attributes:
        step: key in the old version; `to`: in the new one, None where there is none.
        kept: requirements whose evidence goes on counting.
        opened: requirements of the new step for which nothing is given yet, because they are new or changed.
        dropped: requirements of the old step whose evidence counts no longer.
        reopens: work that was given and waits has to be given again; `waits_otherwise`: also what was forced, because
            the step no longer waits for the same.
    """

    step: str
    to: str | None
    fate: Fate
    kept: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    reopens: bool = False
    waits_otherwise: bool = False


def image_of(key: str, before: Graph, after: Graph, steps: Mapping[str, str | None]) -> Image:
    """The image of one step of the old version, by its mapping or else by its key."""
    to = steps.get(key, key)
    if to is None or to not in after.steps:
        return Image(step=key, to=None, fate=Fate.LOST, dropped=_keys(before.steps[key].requirements))
    old, new = before.steps[key], after.steps[to]
    if to != key or _sort_of(old) != _sort_of(new):
        opened, dropped = _keys(new.requirements), _keys(old.requirements)
        return Image(step=key, to=to, fate=Fate.ENTERS, opened=opened, dropped=dropped)
    same = {one.key: one for one in old.requirements}
    kept = tuple(one.key for one in new.requirements if one.key in same and _counts(same[one.key], one))
    unmet = tuple(one for one in new.requirements if one.key not in kept)
    waits_otherwise = any(getattr(old, flag) != getattr(new, flag) for flag in WAITS)
    return Image(
        step=key,
        to=to,
        fate=Fate.STAYS,
        kept=kept,
        opened=_keys(unmet),
        dropped=tuple(one.key for one in old.requirements if one.key not in kept),
        reopens=waits_otherwise or any(one.is_mandatory for one in unmet),
        waits_otherwise=waits_otherwise,
    )


def images(before: Graph, after: Graph, state: State, steps: Mapping[str, str | None]) -> dict[Ref, Image]:
    """What becomes of every open execution, in the order of their places."""
    of_step = {key: image_of(key, before, after, steps) for key in dict.fromkeys(ref.step for ref in state.tokens)}
    return {ref: _with_its_forks(state, ref, of_step[ref.step], before, after) for ref in sorted(state.tokens)}


def migrate(moment: Moment, command: cmd.Migrate) -> Events:
    """Pin the instance to the version of `facts.target`.

    Raises:
        FlowError: forbidden, reason_required, on_hold, migration_other_version, migration_no_image.
    """
    if not moment.facts.may(command.actor, "instance.migrate"):
        raise FlowError("forbidden", permission="instance.migrate")
    check_reason(command.reason)
    if moment.state.status is InstanceStatus.ON_HOLD:
        raise FlowError("on_hold")
    target = moment.facts.target
    if target is None or target.from_process_id != command.from_process_id:
        raise FlowError("migration_other_version")
    plan = images(moment.graph, target.graph, moment.state, command.steps)
    if lost := [ref for ref, image in plan.items() if image.fate is Fate.LOST]:
        at = sorted({ref.step for ref in lost})
        raise FlowError("migration_no_image", steps=at, subjects=len({ref.subject for ref in lost}))
    there = replace(moment, graph=target.graph)
    moved: list[ev.Event] = []
    for _, places in groupby(plan, key=lambda ref: ref.subject):
        moved += _move(there, {ref: plan[ref] for ref in places}, command)
    return (_migrated(there, plan, command), *moved, *end_of_instance(there, moved))


def _move(there: Moment, plan: Mapping[Ref, Image], command: cmd.Migrate) -> Iterator[ev.Event]:
    """What becomes of one subject: its end in one of its branches closes the others, wherever they have come to."""
    entered = [there.graph.steps[str(image.to)] for image in plan.values() if image.fate is Fate.ENTERS]
    depend = len({step.key for step in entered}) < len(entered) or any(step.ends_on_entry for step in entered)
    current = there
    for ref, image in plan.items():
        if ref not in current.state.tokens:
            return
        moved = tuple(
            _stay(there, ref, image) if image.fate is Fate.STAYS else _enter_anew(current, ref, image, command)
        )
        yield from moved
        if depend and ref.branch:
            current = current.after(moved)


def _migrated(there: Moment, plan: Mapping[Ref, Image], command: cmd.Migrate) -> ev.InstanceMigrated:
    of_step = {image.step: image for image in plan.values()}
    stays = {key: image for key, image in sorted(of_step.items()) if image.fate is Fate.STAYS}
    return ev.InstanceMigrated(
        at=there.now,
        by=command.actor,
        process_id=command.process_id,
        from_process_id=command.from_process_id,
        steps={key: str(image.to) for key, image in sorted(of_step.items()) if image.fate is Fate.ENTERS},
        kept={key: image.kept for key, image in stays.items()},
        looks=tuple(key for key in stays if there.graph.steps[key].moves_by_itself),
        reason=command.reason.strip(),
    )


def _stay(there: Moment, ref: Ref, image: Image) -> Iterator[ev.Event]:
    token = there.state.tokens[ref]
    again = image.waits_otherwise if token.forced else image.reopens
    if again and token.status in DONE_BUT_OPEN:
        yield ev.ExecutionReopened(ref=ref, at=there.now, reason="migrated")
    for requirement in there.graph.steps[ref.step].requirements:
        if requirement.key in image.opened and requirement.requirement_type == RequirementType.CHILD_WORKFLOW:
            yield from _children(there, ref, requirement)


def _children(there: Moment, ref: Ref, requirement: Requirement) -> Iterator[ev.Event]:
    """Named apart from those that the step's requirement of this key had in another version."""
    apart = f"{requirement.key}@{there.state.seq}"
    for number in range(1, int(requirement.config.get("count") or 1) + 1):
        child = str(child_instance_id(there.state.instance_id, ref, apart, number))
        yield ev.ChildRequested(ref=ref, at=there.now, requirement=requirement.key, child_id=child, number=number)


def _enter_anew(there: Moment, ref: Ref, image: Image, command: cmd.Migrate) -> Iterator[ev.Event]:
    """The old execution closes, and the image is entered by whoever had it in hand; the visit does not count."""
    token, step = there.state.tokens[ref], there.graph.steps[str(image.to)]
    diverted = ev.ExecutionDiverted(
        ref=ref,
        at=there.now,
        by=command.actor,
        how="migrate",
        status="cancelled",
        to_step=step.key,
        reason=command.reason.strip(),
    )
    left = (*resolve(there, ref, command.actor, "migrated"), diverted)
    yield from left
    if step.ends_on_entry and ref.branch:
        there = there.after(left)
    visit = there.visits(ref.subject, step.key).last + 1
    for event in enter(there, Ref(ref.subject, step.key, visit, ref.branch), step, lot=token.lot):
        yield _carried(event, token, step)


def _carried(event: ev.Event, token: Token, step: Step) -> ev.Event:
    if not isinstance(event, ev.ExecutionEntered):
        return event
    assignee = event.assignee if step.ends_on_entry else token.assignee or event.assignee
    return replace(event, counts=False, assignee=assignee)


def _with_its_forks(state: State, ref: Ref, image: Image, before: Graph, after: Graph) -> Image:
    """A branch needs the fork that opened it and the way from there to its join, where others may be already."""
    if image.to is None or after.steps[image.to].is_terminal:
        return image
    at, lost = image.to, False
    for branch in _branches(ref.branch):
        lost = lost or not _same_fork(before, after, branch.fork) or at not in region(after, branch.fork)
        at = branch.fork
    for arrival in state.arrived.get(ref.subject, ()):
        lost = lost or not _same_join(before, after, arrival)
    return replace(image, to=None, fate=Fate.LOST) if lost else image


def _same_fork(before: Graph, after: Graph, fork: str) -> bool:
    """Whether it is there, and opens as many branches."""
    if fork not in after.steps or _sort_of(before.steps[fork]) != _sort_of(after.steps[fork]):
        return False
    return len(before.leaving(fork, EdgeType.DEFAULT)) == len(after.leaving(fork, EdgeType.DEFAULT))


def _same_join(before: Graph, after: Graph, arrival: Arrival) -> bool:
    """Whether the other branches of the fork come to this join too, and it waits for as many of them."""
    if arrival.join not in joins(after, branch_of(arrival.branch).fork):
        return False
    return _sort_of(before.steps[arrival.join]) == _sort_of(after.steps[arrival.join])


def _branches(name: str) -> Iterator[Branch]:
    while name:
        found = branch_of(name)
        yield found
        name = found.outer


def _sort_of(step: Step) -> tuple[Any, ...]:
    sort = "" if step.step_type in ORDINARY else step.step_type
    return (sort, step.is_terminal, *(step.config.get(name) for name in SETTINGS))


def _counts(old: Requirement, new: Requirement) -> bool:
    return old.requirement_type == new.requirement_type and dict(old.config) == dict(new.config)


def _keys(requirements: Iterable[Requirement]) -> tuple[str, ...]:
    return tuple(one.key for one in requirements)
