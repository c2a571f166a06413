"""The shape of `config`, of a step and of the whole process: the one entry to all families of settings.

Families are checked where they belong: `working_shape` (whose work, lateness, deviations) and `routing_shape` (how a
subject goes on by itself). A family that is added has its line in a table there.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from models.flow.checks import Check, an_object, check_fields
from models.flow.graph import DecisionType, StepType
from models.flow.problems import Problem, problem
from models.flow.routing_shape import ROUTING
from models.flow.working_shape import WORKING

FAMILIES: Mapping[str, Check] = {**WORKING, **ROUTING}
OF_THE_PROCESS: Mapping[str, Check] = {"deviation": WORKING["deviation"]}
"""What may be set for the whole process, too."""

_NEEDED = ((StepType.MESSAGE, "event"), (StepType.AUTOMATIC, "action"))
_BELONGS: Final[Mapping[str, tuple[str, StepType | DecisionType]]] = {
    "timer": ("step_type", StepType.TIMER),
    "event": ("step_type", StepType.MESSAGE),
    "action": ("step_type", StepType.AUTOMATIC),
    "join": ("step_type", StepType.JOIN),
    "decision_table": ("decision_type", DecisionType.DECISION_TABLE),
}
"""Family → the field of a step, and its word, without which nobody looks at it."""
_KINDS: Final = {"step_type": (None, *StepType), "decision_type": (None, "", *DecisionType)}
_LONGEST_SLIP: Final = 30
"""Characters of a key that may be a slip of the pen; comparing long ones takes time."""
_ALIKE: Final = 0.8


def step_config(name: str, value: Any, path: str) -> Iterator[Problem]:
    """The `config` of a step: the keys that the product knows; others are left to whoever set them.

    But for one that looks like a known key: a rule that is mistyped would not hold, and nobody would be told.
    """
    yield from an_object(name, value, path)
    if not isinstance(value, Mapping):
        return
    for own in value:
        if own not in FAMILIES and _is_slip(str(own)):
            yield problem("unknown_field", f"{path}.{own}", field=own, allowed=sorted(FAMILIES))
    for known, check in FAMILIES.items():
        if value.get(known) is not None:
            yield from check(known, value[known], f"{path}.{known}")


def _is_slip(key: str) -> bool:
    return len(key) <= _LONGEST_SLIP and bool(get_close_matches(key.lower(), FAMILIES, n=1, cutoff=_ALIKE))


def process_config(_name: str, value: Any, path: str) -> Iterator[Problem]:
    """The `config` of the whole process: no other keys, for a rule that is mistyped would not hold."""
    yield from check_fields(value, path, OF_THE_PROCESS)


def needed_config(raw: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """The family that a step cannot do without, by its type or by how it decides."""
    config = raw.get("config")
    needed = next((family for kind, family in _NEEDED if raw.get("step_type") == kind), None)
    if raw.get("decision_type") == DecisionType.DECISION_TABLE:
        needed = "decision_table"
    if needed is not None and (not isinstance(config, Mapping) or config.get(needed) is None):
        yield problem("missing_field", f"{path}.config.{needed}", field=needed)


def misplaced_config(raw: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Families that nobody looks at, for the step is of another type, or decides in another way."""
    config = raw.get("config")
    if not isinstance(config, Mapping):
        return
    for family, (field, word) in _BELONGS.items():
        # A word that is not known is a problem of its own.
        is_another = raw.get(field) != word and raw.get(field) in _KINDS[field]
        if is_another and config.get(family) is not None:
            yield problem("config_misplaced", f"{path}.config.{family}", family=family, field=field, word=word.value)
