"""Activities of a site's own queue: what runs beside the machines of a plant and never touches the database.

A named check is a function that a package registers under the entry point group `gatework.checks`. It takes a
`CheckCall`, may be async, and returns a truth, a `CheckVerdict`, or an object with `passed`, `reason` and `data`.
"""

import asyncio
import inspect
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points, version
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contract import NAMED_CHECK, CheckCall, CheckVerdict

CHECKS: Final = "gatework.checks"

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
        check = checks().get(call.check)
        if check is None:
            known = ", ".join(sorted(checks())) or "none"
            told = f"the site {self._key} has no check '{call.check}'; it has: {known}"
            raise ApplicationError(told, type="check_unknown", non_retryable=True)
        if inspect.iscoroutinefunction(check):
            return verdict_of(await check(call))
        return verdict_of(await asyncio.to_thread(check, call))


@cache
def checks() -> Mapping[str, Callable[[CheckCall], Any]]:
    """The checks that are installed here, by name; read once per process."""
    return {entry.name: entry.load() for entry in entry_points(group=CHECKS)}


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


def site_activities(key: str) -> Sequence[Callable[..., Any]]:
    """The activities of a site worker."""
    site = Site(key)
    return (site.describe_site, site.named_check)
