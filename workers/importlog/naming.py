"""Step keys and names for what a log calls its activities: unique, short, and never a word of the engine."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from workers.importlog.executions import StepName

START, END, HUB = "log-start", "log-end", "log-hub"
"""Keys of the steps that no log has; the hub is only there where a log has too many ways to draw each."""

ARTIFICIAL = frozenset({START, END, HUB})

_ENGINE_WORDS = frozenset({"pass", "approved", "yes", "fail", "rejected", "no"})
"""Decision results with a meaning of their own; a step key is used as a decision result, so it must be none."""

_LONGEST_KEY = 100
_LONGEST_NAME = 200


def step_keys(steps: Iterable[StepName]) -> dict[StepName, str]:
    """A unique key for each step, in the order given: a slug of its name, counted on where slugs meet."""
    taken = {*ARTIFICIAL, *_ENGINE_WORDS}
    keys: dict[StepName, str] = {}
    for step in steps:
        keys[step] = _unique(slug(label(step)), taken, "-{}", _LONGEST_KEY)
        taken.add(keys[step])
    return keys


def step_names(keys: Mapping[StepName, str]) -> dict[str, str]:
    """A unique name for each step by its key: the log's, cut where it is too long, and those of the artificial ones."""
    taken: set[str] = set()
    names: dict[str, str] = {}
    wanted = [(key, label(step).strip()[:_LONGEST_NAME]) for step, key in keys.items()]
    for key, name in [*wanted, (START, "Start"), (END, "End"), (HUB, "Next")]:  # the log's own names come first
        names[key] = _unique(name, taken, " ({})", _LONGEST_NAME)
        taken.add(names[key])
    return names


def label(step: StepName) -> str:
    """`Activity`, or `Activity/Transition` where transitions are states."""
    return "/".join(part for part in step if part)


def slug(text: str) -> str:
    """Lower-case ASCII letters and digits joined by hyphens; `step` where none is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_LONGEST_KEY].strip("-") or "step"


def _unique(base: str, taken: set[str], ending: str, longest: int) -> str:
    found, number = base, 1
    while found in taken:
        number += 1
        suffix = ending.format(number)
        found = base[: longest - len(suffix)] + suffix
    return found
