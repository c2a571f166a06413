"""What a person can do about an incident, by its code; shown with it."""

from collections.abc import Mapping
from typing import NamedTuple


class Remedy(NamedTuple):
    """What to do, and whether trying again is a way out that a person has to ask for."""

    what_to_do: str
    can_retry: bool = True


REMEDIES: Mapping[str, Remedy] = {
    "visit_limit_reached": Remedy(
        "Take another decision, complete with force, or move the subject to where it is to go on. Trying again helps "
        "once visits were rolled back."
    ),
    "no_route": Remedy(
        "The process has no way on for this result. Take another decision, or move the subject to where it is to go "
        "on; then have the process owner correct the process."
    ),
    "internal_error": Remedy(
        "The engine could not bear this. Have an administrator look into the worker's log, then try again."
    ),
    "escalation_process_unusable": Remedy(
        "Start a process for it by hand, or see to the delay otherwise; then have the process owner correct the level "
        "of the escalation policy, and resolve this incident with a note.",
        can_retry=False,
    ),
    "evidence_amended": Remedy(
        "Look at what was decided on the evidence as it was before, have it approved or signed again where that is "
        "needed, and resolve this incident with a note on what came of it.",
        can_retry=False,
    ),
    "run_gone": Remedy(
        "Nothing: the engine starts the workflow again from its journal, and resolves this incident itself.",
        can_retry=False,
    ),
}
"""Codes that this release opens incidents with; another one has `USUAL`."""

USUAL = Remedy("Read the cause and put it right. Then try again, or resolve the incident with a note on what was done.")


def remedy_of(code: str) -> Remedy:
    """What to do about incidents of a code."""
    return REMEDIES.get(code, USUAL)
