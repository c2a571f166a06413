"""Automatic actions of a raw graph: what the core's look at their form leaves open.

Whether what they name exists in the tenant is in `models.store.usable`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, ValidationError

from models.requirements.base import Config, pointer_of
from models.requirements.child_workflow import GivenSubjects, rule_problems

Json = dict[str, Any]


class StartProcess(Config):
    """Which process, and which subjects it gets; as for a nested one, but that nothing waits for it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    process: str | None = None
    process_id: UUID | None = None
    subjects: GivenSubjects = "same"

    @classmethod
    def of(cls, action: Mapping[str, Any]) -> Self:
        """A published action in its shape."""
        return cls.model_validate(dict(action))


def action_problems(graph: Any) -> list[dict[str, str]]:
    """Actions whose settings cannot be carried out, as problems with their paths."""
    return [
        {"code": "config_invalid", "path": f"{path}{pointer.replace('/', '.')}", "message": message}
        for path, action in actions_of(graph)
        if action.get("type") == "start_process"
        for pointer, message in _of_start(action)
    ]


def actions_of(graph: Any) -> Iterator[tuple[str, Json]]:
    """Path and settings of every automatic action of a raw graph."""
    steps = graph.get("steps") if isinstance(graph, Mapping) else None
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        config = step.get("config") if isinstance(step, Mapping) else None
        action = config.get("action") if isinstance(config, Mapping) else None
        if isinstance(action, dict) and step.get("step_type") == "automatic":
            yield f"steps[{number}].config.action", action


def _of_start(action: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        asked = StartProcess.of(action)
    except ValidationError as error:
        yield from ((pointer_of(one["loc"]), one["msg"]) for one in error.errors())
        return
    yield from ((one.pointer, one.message) for one in rule_problems(asked.subjects))
