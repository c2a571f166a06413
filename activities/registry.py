"""Every activity of the core queue, wired once by the worker."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.advance import Advancer
from activities.definitions import Definitions
from activities.leftovers import Leftovers
from activities.load import Loader
from activities.record import Recorder
from activities.states import States


def core_activities(engine: AsyncEngine, *, site: str) -> Sequence[Callable[..., Any]]:
    """The database activities of instances.

    Args:
        engine: Of the application role.
        site: Key of the site, for search attributes.
    """
    definitions = Definitions()
    leftovers = Leftovers(engine)
    return (
        Loader(engine, definitions, site).load_instance,
        Advancer(engine, definitions, States()).advance,
        Recorder(engine, definitions).record,
        leftovers.accept_bare,
        leftovers.refuse_leftovers,
    )
