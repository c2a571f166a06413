"""Which rule answers which command that puts things right: repairs of one execution, regrouping of subjects."""

from typing import assert_never

from models.flow import commands as cmd
from models.flow.incidents import acknowledge, retry
from models.flow.lots import merge, split
from models.flow.moment import Events, Moment
from models.flow.subjects import add_subjects, remove_subjects
from models.flow.undo import undo


def repair(moment: Moment, command: cmd.Repair) -> Events:
    """Undo a completion, or see to an incident."""
    match command:
        case cmd.Undo():
            return undo(moment, command)
        case cmd.RetryIncident():
            return retry(moment, command)
        case cmd.ResolveIncident():
            return acknowledge(moment, command)
        case _:
            assert_never(command)


def regroup(moment: Moment, command: cmd.Regrouping) -> Events:
    """Change which subjects there are, and in which lots they wait for each other."""
    match command:
        case cmd.AddSubjects():
            return add_subjects(moment, command)
        case cmd.RemoveSubjects():
            return remove_subjects(moment, command)
        case cmd.Split():
            return split(moment, command)
        case cmd.Merge():
            return merge(moment, command)
        case _:
            assert_never(command)
