"""Activities with something put around them: what a test uses to make a crash or a race happen at an exact place."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from temporalio import activity

Call = Callable[[Any], Awaitable[Any]]
Meddle = Callable[[Call, Any], Awaitable[Any]]
"""Gets the true activity and its request; answers in its place."""


def meddled(activities: Sequence[Callable[..., Any]], meddles: Mapping[str, Meddle]) -> list[Callable[..., Any]]:
    """The same activities, those named with something around them."""
    return [_around(one, meddles) for one in activities]


def _around(one: Callable[..., Any], meddles: Mapping[str, Meddle]) -> Callable[..., Any]:
    definition = activity._Definition.must_from_callable(one)
    meddle = meddles.get(definition.name or "")
    if meddle is None:
        return one

    async def meddling(request: Any) -> Any:
        return await meddle(one, request)

    argument = (definition.arg_types or [Any])[0]
    meddling.__annotations__ = {"request": argument, "return": definition.ret_type}
    return activity.defn(name=definition.name)(meddling)
