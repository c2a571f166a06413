"""Automatic actions of a raw graph: what the core's look at their form leaves open.

Whether what they name exists in the tenant is in `models.store.usable`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, ValidationError

from models.notices.targets import TargetRefusedError, check_url
from models.requirements.base import Config, pointer_of
from models.requirements.child_workflow import GivenSubjects, rule_problems

Json = dict[str, Any]
Found = Iterator[tuple[str, str, str]]
"""Code, pointer into the action, message."""


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


def action_problems(graph: Any, *, private_allowed: bool) -> list[dict[str, str]]:
    """Actions whose settings cannot be carried out, as problems with their paths.

    Args:
        graph: Any JSON value.
        private_allowed: Whether requests may go into the own network here.
    """
    return [
        {"code": code, "path": f"{path}{pointer.replace('/', '.')}", "message": message}
        for path, action in actions_of(graph)
        for code, pointer, message in _of(action, private_allowed=private_allowed)
    ]


def actions_of(graph: Any) -> Iterator[tuple[str, Json]]:
    """Path and settings of every automatic action of a raw graph."""
    steps = graph.get("steps") if isinstance(graph, Mapping) else None
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        config = step.get("config") if isinstance(step, Mapping) else None
        action = config.get("action") if isinstance(config, Mapping) else None
        if isinstance(action, dict) and step.get("step_type") == "automatic":
            yield f"steps[{number}].config.action", action


def _of(action: Mapping[str, Any], *, private_allowed: bool) -> Found:
    match action.get("type"):
        case "start_process":
            yield from _of_start(action)
        case "webhook" if isinstance(action.get("url"), str):
            yield from _of_webhook(action["url"], private_allowed=private_allowed)
        case _:
            pass


def _of_start(action: Mapping[str, Any]) -> Found:
    try:
        asked = StartProcess.of(action)
    except ValidationError as error:
        yield from (("config_invalid", pointer_of(one["loc"]), one["msg"]) for one in error.errors())
        return
    yield from (("config_invalid", one.pointer, one.message) for one in rule_problems(asked.subjects))


def _of_webhook(url: str, *, private_allowed: bool) -> Found:
    """What would be refused when the step comes; to which addresses its name leads is seen then only."""
    try:
        check_url(url, private_allowed=private_allowed)
    except TargetRefusedError as error:
        yield "target_refused", "/url", f"No request may go to this address: {error}."
