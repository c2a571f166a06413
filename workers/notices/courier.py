"""Carries messages out: claims what is due, talks without any transaction open, settles what came of it.

Several couriers may work side by side. A message is sent at least once; its id lets the receiver know a repeat.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.errors import MessageError
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import system_session, tenant_session
from models.secret_box import SecretBox
from models.settings import Settings
from models.store.deliveries import (
    Claimed,
    Result,
    claim_due,
    emails,
    settle_delivery,
    to_room,
    to_webhook,
)
from models.store.notices import NOTICES_CHANNEL
from workers.listening import Listener
from workers.notices.consumer import utc_now
from workers.notices.hooks import send_event
from workers.notices.mail import compose, send_mail
from workers.notices.rooms import send_to_room

log = logging.getLogger(__name__)

AT_ONCE: Final = 50
POLL_SECONDS: Final = 1.0
LONGEST_TALK: Final = timedelta(seconds=90)
"""Well within a lease; every receiver has shorter limits of its own."""


class Courier:
    """Delivers until it is told to stop."""

    def __init__(
        self,
        *,
        system: AsyncEngine,
        app: AsyncEngine,
        settings: Settings,
        box: SecretBox,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Take what the composition root wired."""
        self._system = system
        self._app = app
        self._settings = settings
        self._box = box
        self._clock = clock
        self._pauses = settings.retry_pauses
        self._talks: dict[asyncio.Task[None], UUID] = {}
        self._freed: Callable[[], None] = lambda: None

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver whenever something may be due, and look once a second and when a receiver has been talked to.

        Whoever answers slowly keeps nobody else waiting. At the end of the process what is being said gets a moment to
        come to its end; what is broken off goes out again when its lease is over.
        """
        async with Listener(self._system, NOTICES_CHANNEL) as listener:
            self._freed = listener.ring
            try:
                while not stop.is_set():
                    try:
                        while not stop.is_set() and await self._take_up():
                            pass
                    except Exception:
                        log.exception("deliveries could not be read; trying again")
                    await listener.wait(POLL_SECONDS, stop)
                if self._talks:
                    await asyncio.wait(self._talks, timeout=self._settings.shutdown_seconds)
            finally:
                await self._break_off()

    async def deliver_once(self) -> int:
        """Deliver what is due now, to the end.

        Returns:
            How many messages were claimed.
        """
        claimed = await self._take_up()
        await asyncio.gather(*self._talks)
        return claimed

    async def _take_up(self) -> int:
        """Begin to deliver what is due, as far as there is room, but not to whom one is still talking."""
        room = AT_ONCE - len(self._talks)
        if not room:
            return 0
        async with system_session(self._system) as session:
            claimed = await claim_due(session, self._clock(), room, busy=set(self._talks.values()))
        for group in _groups(claimed):
            talk = asyncio.create_task(self._deliver(group))
            self._talks[talk] = group[0].receiver
            talk.add_done_callback(self._over)
        return len(claimed)

    def _over(self, talk: asyncio.Task[None]) -> None:
        receiver = self._talks.pop(talk)
        if not talk.cancelled() and (error := talk.exception()) is not None:
            log.error("a delivery could not be settled; it goes out again", exc_info=error)
        if receiver not in self._talks.values():
            self._freed()

    async def _break_off(self) -> None:
        talks = tuple(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _deliver(self, group: Sequence[Claimed]) -> None:
        """Deliver one message, or the e-mails of one digest together."""
        try:
            async with asyncio.timeout(LONGEST_TALK.total_seconds()):
                result = await self._talk(group)
        except TimeoutError:
            result = Result(error=f"no end after {LONGEST_TALK.total_seconds():.0f} s")
        except Exception as error:
            log.exception("delivery %s failed in an unforeseen way", group[0].id)
            result = Result(error=f"{type(error).__name__}: {error}"[:500])
        async with tenant_session(self._app, group[0].tenant_id) as session:
            for one in group:
                pause = self._pause(one.attempts)
                await settle_delivery(session, one, result, now=self._clock(), pause=pause)

    async def _talk(self, group: Sequence[Claimed]) -> Result:
        """Read what is to be said, then say it: while the receiver takes its time, no transaction is open."""
        match group[0].channel:
            case "email":
                return await self._mail(group)
            case "webhook":
                return await self._event(group[0])
            case _:
                return await self._room(group[0])

    async def _mail(self, group: Sequence[Claimed]) -> Result:
        async with tenant_session(self._app, group[0].tenant_id) as session:
            rows = await emails(session, group[0].tenant_id, [one.id for one in group])
        if not rows or not rows[0]["is_active"] or not rows[0]["email"]:
            return Result(error="the person is not active or has no e-mail address any more", final=True)
        try:
            mail = compose(rows, self._settings)
        except (ValueError, MessageError) as error:
            return Result(error=f"no e-mail can be written to this address: {error}"[:500], final=True)
        return await send_mail(mail, self._settings)

    async def _event(self, claimed: Claimed) -> Result:
        async with tenant_session(self._app, claimed.tenant_id) as session:
            row = await to_webhook(session, claimed.tenant_id, claimed.id)
        private = self._settings.private_targets_allowed
        return await send_event(row, box=self._box, private_allowed=private, now=self._clock())

    async def _room(self, claimed: Claimed) -> Result:
        async with tenant_session(self._app, claimed.tenant_id) as session:
            row = await to_room(session, claimed.tenant_id, claimed.id)
        return await send_to_room(row, box=self._box, settings=self._settings)

    def _pause(self, attempts: int) -> timedelta | None:
        """Until the next attempt, with a tenth of chance so that repeats do not come in step; None: no more."""
        if attempts > len(self._pauses):
            return None
        return self._pauses[attempts - 1] * random.uniform(1.0, 1.1)  # noqa: S311 - no secret


def _groups(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """E-mails that wait for the same digest of the same person together, everything else alone."""
    found: dict[object, list[Claimed]] = {}
    for one in claimed:
        together = (one.tenant_id, one.receiver, one.digest) if one.digest else one.id
        found.setdefault(together, []).append(one)
    return list(found.values())
