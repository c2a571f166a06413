"""Subjects that join a running instance, and subjects that are taken out of it (DESIGN §3.7)."""

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.advance import settled
from models.flow.authority import authorise, confirmed, not_on_hold
from models.flow.deviations import divert, target_of
from models.flow.entering import enter, finish
from models.flow.errors import FlowError
from models.flow.moment import Events, Moment
from models.flow.state import Ref

MOST_SUBJECTS = 10_000
"""At work in one instance at once (DESIGN §3.14)."""
REMOVED = "removed"
"""The terminal status of who was taken out."""


def add_subjects(moment: Moment, command: cmd.AddSubjects) -> Events:
    """Put subjects at the first step, or at `to_step`. All of them join, or none.

    Raises:
        FlowError: those of `authority`, on_hold, step_unknown, subject_present, instance_full.
    """
    authorise(moment, command.actor, command.kind, command.reason)
    not_on_hold(moment)
    state = moment.state
    target = moment.graph.first if command.to_step is None else target_of(moment, command.to_step)
    present = [one for one in command.subject_ids if one in moment.facts.numbers]
    if present:
        raise FlowError("subject_present", subjects=present[:20])
    if len(state.tokens) + len(command.subject_ids) > MOST_SUBJECTS:
        raise FlowError("instance_full", maximum=MOST_SUBJECTS, open=len(state.tokens), given=len(command.subject_ids))
    added = ev.SubjectsAdded(
        at=moment.now,
        by=command.actor,
        first=state.subjects,
        subject_ids=command.subject_ids,
        reason=command.reason,
    )
    witnessed = confirmed(moment, command, command.kind, (target.key,))
    entered: list[ev.Event] = []
    for number in range(state.subjects, state.subjects + len(command.subject_ids)):
        entered += enter(moment, Ref(number, target.key), target)
    return (*witnessed, *settled(moment, (added, *entered)))


def remove_subjects(moment: Moment, command: cmd.RemoveSubjects) -> Events:
    """Close whatever is open of these subjects; they end as `removed`.

    Raises:
        FlowError: those of `authority`, on_hold, subject_not_here, subject_finished.
    """
    authorise(moment, command.actor, command.kind, command.reason)
    not_on_hold(moment)
    numbers = moment.facts.numbers
    unknown = [one for one in command.subject_ids if one not in numbers]
    if unknown:
        raise FlowError("subject_not_here", subjects=unknown[:20])
    open_ones: dict[int, list[Ref]] = {}
    for ref in sorted(moment.state.tokens):
        open_ones.setdefault(ref.subject, []).append(ref)
    ended = [one for one in command.subject_ids if numbers[one] not in open_ones]
    if ended:
        raise FlowError("subject_finished", subjects=ended[:20])
    leaving = [ref.step for one in command.subject_ids for ref in open_ones[numbers[one]]]
    witnessed = confirmed(moment, command, command.kind, leaving)
    gone: list[ev.Event] = []
    for refs in (open_ones[numbers[one]] for one in command.subject_ids):
        for ref in refs:
            gone += divert(moment, ref, command.actor, "remove", "cancelled", reason=command.reason)
        gone.append(finish(moment, refs[-1], REMOVED))
    return (*witnessed, *settled(moment, tuple(gone)))
