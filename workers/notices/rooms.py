"""A message to a team's channel: a room through Apprise, or a shared mailbox.

Where an Apprise URL names a host, it is resolved and checked before. Apprise resolves it once more, so that is a guard
and no wall; but it is set up by an administrator, and nothing of what the host answers gets back to anybody.
"""

import asyncio
from typing import Any

from apprise import Apprise, NotifyFormat
from sqlalchemy import RowMapping

from models.notices.render import page, paragraphs
from models.notices.targets import TargetRefusedError, apprise_host, check_apprise
from models.outgoing import public_addresses
from models.secret_box import SecretBox, SecretUnreadableError
from models.settings import Settings
from models.store.deliveries import Result
from workers.notices.mail import message, send_mail


async def send_to_room(row: RowMapping, *, box: SecretBox, settings: Settings) -> Result:
    """Send one message to a channel."""
    if not row["is_active"]:
        return Result(error="the channel is switched off", final=True)
    try:
        target = box.open(row["target"])
    except SecretUnreadableError as error:
        return Result(error=str(error))
    said: dict[str, Any] = row["payload"]
    link = settings.base_url + said["link"] if said["link"] else ""
    text = "\n\n".join(part for part in (said["text"], link) if part)
    if row["channel_kind"] == "email":
        links = [("Open in Gatework", link)] if link else []
        mail = message(
            identity=str(row["id"]), name=row["name"], address=target, subject=said["title"], text=text,
            html=page(said["html"] or paragraphs(said["text"]), links), settings=settings,
        )  # fmt: skip
        return await send_mail(mail, settings)
    if not settings.apprise_allowed:
        return Result(error="this deployment does not allow Apprise (GATEWORK_APPRISE_ALLOWED)", final=True)
    try:
        await _check(target, private_allowed=settings.private_targets_allowed)
    except TargetRefusedError as error:
        return Result(error=str(error), final=True)
    except OSError as error:
        return Result(error=f"{type(error).__name__}: {error}"[:500])
    return await asyncio.to_thread(_notify, target, said["title"], text)


async def _check(target: str, *, private_allowed: bool) -> None:
    check_apprise(target, private_allowed=private_allowed)
    host = apprise_host(target)
    if host:
        await public_addresses(host, 443, private_allowed=private_allowed)


def _notify(target: str, title: str, text: str) -> Result:
    """Talk, in a thread of its own: Apprise is synchronous, and says only in its log why a service refused."""
    room = Apprise()
    if not room.add(target):
        return Result(error="Apprise does not understand the channel's address", final=True)
    told = room.notify(body=text, title=title, body_format=NotifyFormat.TEXT)
    if told:
        return Result()
    return Result(error=": ".join(["the service did not take it", *(one.message for one in told.logs())])[:500])
