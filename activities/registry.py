"""Every activity of the core queue, wired once by the worker."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.actions import Actions
from activities.advance import Advancer
from activities.clock import Calendars
from activities.definitions import Definitions
from activities.leftovers import Leftovers
from activities.load import Loader
from activities.record import Recorder
from activities.site_checks import SiteChecks
from activities.states import States
from activities.subscriptions import Subscriptions
from models.secret_box import SecretBox


def core_activities(
    engine: AsyncEngine,
    *,
    site: str,
    box: SecretBox,
    subscriptions: Subscriptions | None = None,
    private_allowed: bool = False,
) -> Sequence[Callable[..., Any]]:
    """The database activities of instances, and their automatic actions.

    Args:
        engine: Of the application role.
        site: Key of the site, for search attributes and for actions of instances that name no other.
        box: Opens the secrets of connectors.
        subscriptions: What webhooks want, kept fresh by the composition root; nothing unless given.
        private_allowed: Whether automatic actions may lead into the own network.
    """
    definitions = Definitions()
    leftovers = Leftovers(engine)
    actions = Actions(engine, definitions, site=site, box=box, private_allowed=private_allowed)
    return (
        Loader(engine, definitions, site).load_instance,
        Advancer(engine, definitions, States(), Calendars(), subscriptions).advance,
        Recorder(engine, definitions, subscriptions).record,
        leftovers.accept_bare,
        leftovers.refuse_leftovers,
        SiteChecks(engine).record_check,
        actions.run_action,
        actions.prepare_action,
    )
