"""Graphs that the tests of routing share: forks with their joins, and steps of the engine's own."""

from typing import Any

from tests.flow.scene import Json, edge, end, step


def forked(*branches: str, require: Any = "all", **of_join: Any) -> tuple[Json, ...]:
    """A fork `f` whose branches are one task each, its join `j`, a task `after` and an end."""
    return (
        step("f", step_type="fork"),
        *(step(key) for key in branches),
        step("j", step_type="join", config={"join": {"require": require}}, **of_join),
        step("after"),
        end(),
        *(edge("f", key) for key in branches),
        *(edge(key, "j") for key in branches),
        edge("j", "after"),
    )


def timer(key: str, **config: Any) -> Json:
    """A step that waits for a moment."""
    return step(key, step_type="timer", config={"timer": config})


def message(key: str, **config: Any) -> Json:
    """A step that waits for a message."""
    return step(key, step_type="message", config={"event": {"name": "paid", "key": "subject.identifier", **config}})


def automatic(key: str, action_type: str = "webhook", **config: Any) -> Json:
    """A step that carries out an action."""
    given = {"url": "https://erp.example/"} if action_type == "webhook" else {}
    return step(key, step_type="automatic", config={"action": {"type": action_type, **given, **config}})


def table(*rules: tuple[Any, Any], hit_policy: str = "first", **more: Any) -> Json:
    """A decision table of one input and one output."""
    return {
        "hit_policy": hit_policy,
        "inputs": [{"expression": "subject.attributes.size"}],
        "outputs": [{"name": "result"}],
        "rules": [{"when": [when], "then": [then]} for when, then in rules],
        **more,
    }
