"""Which names an expression may use, by where it stands: one that is misspelt is told before it stops anybody.

A scope maps each variable to its members; None stands for one whose members only the data knows.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final

from models.requirements.expressions import members_of, variables_of

Scope = Mapping[str, Collection[str] | None]

_SUBJECT: Final = ("id", "type", "identifier", "title", "attributes")
_EXECUTION: Final = (
    "step", "id", "status", "visit_number", "branch", "decision_result", "notes", "overdue", "assigned_to",
    "entered_at", "started_at", "due_at",
)  # fmt: skip
_HERE: Final[Scope] = {
    "execution": _EXECUTION,
    "subject": _SUBJECT,
    "instance": ("id", "identifier", "name"),
    "context": None,
}

OF_A_STEP: Final[Scope] = {
    **_HERE,
    **dict.fromkeys(("form", "measurements", "quality", "steps", "now")),
}
"""Of decisions, timers, messages and actions; see `models.decisions.world`."""
OF_A_CELL: Final[Scope] = {**OF_A_STEP, "value": None}
"""Of the test of an input in a decision table."""
OF_A_CHECK: Final[Scope] = {**_HERE, "evidence": None}
"""Of a custom requirement."""
OF_AN_ASSIGNMENT: Final[Scope] = {"user": ("id", "username", "roles"), "subject": _SUBJECT, "context": None}
OF_A_RULE: Final[Scope] = {"subject": _SUBJECT, "context": None, "instance": ("identifier", "name")}
"""Of the rule that finds a nested instance its subjects."""

_LONGEST_SHOWN: Final = 100


def of_a_candidate(type_key: str) -> Scope:
    """Of `where` in such a rule, which sees the candidate under the name of its type as well."""
    return {type_key.lower(): _SUBJECT, **OF_A_RULE, "candidate": _SUBJECT}


def misnamed(expression: str, scope: Scope) -> str | None:
    """The sentence about a name that means nothing there; None where there is none.

    The expression has been found to be one (`models.requirements.expressions.problem_in`).
    """
    for name in variables_of(expression):
        if name not in scope:
            return f"There is no '{name[:_LONGEST_SHOWN]}' here.{_meant(name, scope)} Known are {', '.join(scope)}."
    for variable, members in scope.items():
        if members is None:
            continue
        for name in members_of(expression, variable):
            if name not in members:
                known = ", ".join(members)
                return f"'{variable}' has no '{name[:_LONGEST_SHOWN]}'.{_meant(name, members)} It has {known}."
    return None


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name[:_LONGEST_SHOWN], known, n=2)
    return f" Did you mean {' or '.join(close)}?" if close else ""
