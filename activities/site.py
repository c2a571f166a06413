"""Activities of a site's own queue: what runs beside the machines of a plant and never touches the database."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from temporalio import activity

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


def site_activities(key: str) -> Sequence[Callable[..., Any]]:
    """The activities of a site worker."""
    return (Site(key).describe_site,)
