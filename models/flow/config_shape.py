"""The shape of `config`, of a step and of the whole process: the one entry to all families of settings.

Families are checked where they belong: `working_shape` (whose work, lateness, deviations) and `routing_shape` (how a
subject goes on by itself). A family that is added has its line in a table there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from models.flow.checks import Check, an_object, check_fields
from models.flow.graph import DecisionType, StepType
from models.flow.problems import Problem, problem
from models.flow.routing_shape import ROUTING
from models.flow.working_shape import WORKING

FAMILIES: Mapping[str, Check] = {**WORKING, **ROUTING}
OF_THE_PROCESS: Mapping[str, Check] = {"deviation": WORKING["deviation"]}
"""What may be set for the whole process, too."""

_NEEDED = ((StepType.MESSAGE, "event"), (StepType.AUTOMATIC, "action"))


def step_config(name: str, value: Any, path: str) -> Iterator[Problem]:
    """The `config` of a step: the keys that the product knows; others are left to whoever set them."""
    yield from an_object(name, value, path)
    if not isinstance(value, Mapping):
        return
    for known, check in FAMILIES.items():
        if value.get(known) is not None:
            yield from check(known, value[known], f"{path}.{known}")


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
