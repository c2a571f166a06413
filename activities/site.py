"""Activities of a site's own queue: what runs beside the machines of a plant and never touches the database.

A named check is a function that a package registers under the entry point group `gatework.checks`. It takes a
`CheckCall`, may be async, and returns a truth, a `CheckVerdict`, or an object with `passed`, `reason` and `data`.
A named action is one under `gatework.actions`; it takes a `SiteCall` and returns an object, or nothing.
"""

import asyncio
import inspect
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points, version
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contract import NAMED_ACTION, NAMED_CHECK, SITE_BYTES, CheckCall, CheckVerdict, SiteCall
from models.json_values import encoded

CHECKS: Final = "gatework.checks"
ACTIONS: Final = "gatework.actions"

DESCRIBE_SITE = "describe_site"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDescription:
    """Who answers for a site: its key, the release it runs, and the host."""

    site: str
    release: str
    host: str


class Site:
    """One plant."""

    def __init__(self, key: str) -> None:
        """Take the key of `GATEWORK_SITE`."""
        self._key = key

    @activity.defn(name=DESCRIBE_SITE)
    async def describe_site(self) -> SiteDescription:
        """Say who serves the queue; operations call it to see that a plant is reachable."""
        return SiteDescription(site=self._key, release=version("gatework"), host=platform.node())

    @activity.defn(name=NAMED_CHECK)
    async def named_check(self, call: CheckCall) -> CheckVerdict:
        """Carry out a check of this site; one that is not async runs in a thread, so that it blocks nobody.

        Raises:
            ApplicationError: there is no such check, or its answer is none; not tried again.
        """
        return verdict_of(await self._call("check", checks(), call.check, call))

    @activity.defn(name=NAMED_ACTION)
    async def named_action(self, call: SiteCall) -> dict[str, Any]:
        """Carry out an action of this site; one that is not async runs in a thread, so that it blocks nobody.

        Raises:
            ApplicationError: there is no such action, or its answer cannot be kept; not tried again.
        """
        return object_of(await self._call("action", actions(), call.action, call))

    async def _call(self, what: str, known: Mapping[str, Callable[[Any], Any]], name: str, told: object) -> Any:
        function = known.get(name)
        if function is None:
            names = ", ".join(sorted(known)) or "none"
            message = f"the site {self._key} has no {what} '{name}'; it has: {names}"
            raise ApplicationError(message, type=f"{what}_unknown", non_retryable=True)
        if inspect.iscoroutinefunction(function):
            return await function(told)
        return await asyncio.to_thread(function, told)


@cache
def checks() -> Mapping[str, Callable[[CheckCall], Any]]:
    """The checks that are installed here, by name; read once per process."""
    return {entry.name: entry.load() for entry in entry_points(group=CHECKS)}


@cache
def actions() -> Mapping[str, Callable[[SiteCall], Any]]:
    """The actions that are installed here, by name; read once per process."""
    return {entry.name: entry.load() for entry in entry_points(group=ACTIONS)}


def verdict_of(answer: Any) -> CheckVerdict:
    """What a check answered, as a verdict.

    Raises:
        ApplicationError: it is none.
    """
    match answer:
        case CheckVerdict():
            return answer
        case bool():
            return CheckVerdict(passed=answer)
        case {"passed": bool() as passed, **rest} if not set(rest) - {"reason", "data"}:
            data = rest.get("data")
            return CheckVerdict(
                passed=passed, reason=str(rest.get("reason", "")), data=data if isinstance(data, Mapping) else {}
            )
        case _:
            told = f"the check answered {type(answer).__name__}, which is no verdict"
            raise ApplicationError(told, type="verdict_invalid", non_retryable=True)


def object_of(answer: Any) -> dict[str, Any]:
    """What an action answered, as JSON; nothing is an empty object.

    Raises:
        ApplicationError: it is no object, cannot be stored, or is too large.
    """
    if answer is None:
        return {}
    told = f"the action answered {type(answer).__name__}, which is no object"
    if isinstance(answer, Mapping):
        try:
            text = encoded(dict(answer))
        except (TypeError, ValueError) as error:
            told = f"what the action answered is no JSON: {error}"
        else:
            if len(text.encode()) <= SITE_BYTES:
                return dict(json.loads(text))
            told = f"the action answered more than {SITE_BYTES} bytes"
    raise ApplicationError(told, type="answer_invalid", non_retryable=True)


def site_activities(key: str) -> Sequence[Callable[..., Any]]:
    """The activities of a site worker."""
    site = Site(key)
    return (site.describe_site, site.named_check, site.named_action)
