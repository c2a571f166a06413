"""A message to a webhook: CloudEvents 1.0 in structured mode, signed as Standard Webhooks says.

`webhook-id` is the delivery's id and stays the same when it is repeated or replayed; `webhook-timestamp` is that of the
attempt. After a change of secret both sign for a day.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx
from sqlalchemy import RowMapping
from standardwebhooks import Webhook

from models.notices.targets import TargetRefusedError
from models.outgoing import post
from models.secret_box import SecretBox, SecretUnreadableError
from models.store.deliveries import Result

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
GONE: Final = 410


async def send_event(row: RowMapping, *, box: SecretBox, private_allowed: bool, now: datetime) -> Result:
    """Send one event; 2xx means that it arrived."""
    if not row["is_active"]:
        return Result(error="the webhook is switched off", final=True)
    content = json.dumps(row["payload"], ensure_ascii=False, separators=(",", ":"))
    try:
        secrets = [box.open(row["secret"])]
        if row["previous_secret"] is not None and row["previous_until"] > now:
            secrets.append(box.open(row["previous_secret"]))
        headers = signed(secrets, str(row["id"]), content, now)
        status, said = await post(row["url"], content.encode(), headers, private_allowed=private_allowed)
    except TargetRefusedError as error:
        return Result(error=str(error), final=True)
    except (SecretUnreadableError, OSError, httpx.HTTPError) as error:
        return Result(error=f"{type(error).__name__}: {error}"[:500])
    if httpx.codes.is_success(status):
        return Result(status=status)
    gone = status == GONE
    return Result(error=f"HTTP {status}: {said}"[:500].strip(), status=status, final=gone, switch_off=gone)


def signed(secrets: list[str], message_id: str, content: str, now: datetime) -> Mapping[str, Any]:
    """The headers of a message: who it is, when it was sent, and its signatures, one for each valid secret."""
    signatures = [Webhook(secret).sign(message_id, now, content) for secret in secrets]
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "Gatework-Webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
