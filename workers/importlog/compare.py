"""Compare what the engine recorded of a case with what the log says: who completed which step, in which order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from workers.importlog.naming import ARTIFICIAL
from workers.importlog.plan import CasePlan


@dataclass(frozen=True, slots=True)
class Completed:
    """One completed execution as read back: the step's key, and on whose behalf it was completed (or started)."""

    step: str
    completer: str
    starter: str = ""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where a case differs. `place` counts recorded steps from 1; 0 stands for the case as a whole."""

    case_id: str
    place: int
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"step {self.place}" if self.place else "case"
        return f"{self.case_id}, {where}: expected {self.expected}, found {self.found}"


def compare(plan: CasePlan, found: Sequence[Completed]) -> list[Mismatch]:
    """Every place at which the completed executions of a case, in their order, differ from its plan.

    Who started is compared where the log records a start of its own; the artificial steps are left out.
    """
    actual = [one for one in found if one.step not in ARTIFICIAL]
    mismatches: list[Mismatch] = []
    for place, (planned, got) in enumerate(zip_longest(plan.recorded, actual), start=1):
        want = None if planned is None else Completed(planned.step, planned.completer, planned.starter)
        if got is not None and (planned is None or not planned.starts):
            got = replace(got, starter="")  # noqa: PLW2901 - the same, without what the log does not say
        if want != got:
            mismatches.append(Mismatch(plan.case_id, place, _told(want), _told(got)))
    return mismatches


def _told(one: Completed | None) -> str:
    if one is None:
        return "nothing"
    started = f", started by {one.starter}" if one.starter else ""
    return f"{one.step} by {one.completer or 'nobody named'}{started}"
