"""Webhooks of a tenant: made, changed, tried, taken away. Their secret is shown once and kept encrypted."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DeliveryChannel
from models.notices.event_types import EVERYTHING, TEST_TYPE, TYPES, unknown_types
from models.notices.targets import TargetRefusedError, check_url
from models.secret_box import SecretBox
from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows, update_rows
from models.store.journal_events import trial_event
from models.store.notice_errors import EventTypeUnknownError, TargetRefusedByRulesError, WebhookUnknownError
from models.store.notices import NOTICES_CHANNEL
from models.store.people import Person
from models.store.reading import RING, beyond, fetch, fetch_one, run
from models.store.views import moment
from models.tables import NotificationDelivery, Webhook

BOTH_VALID_FOR: Final = timedelta(hours=24)
"""How long messages are signed with the old secret too after a new one was made."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a prefix, as Standard Webhooks has it

_LIST = text(
    """
    SELECT w.*, u.username AS created_by_name FROM webhook w
    LEFT JOIN user_account u ON (u.tenant_id, u.id) = (w.tenant_id, w.created_by)
    WHERE w.tenant_id = :tenant AND w.deleted_at IS NULL
      AND (CAST(:id AS uuid) IS NULL OR w.id = :id)
      AND (CAST(:after_at AS timestamptz) IS NULL OR (w.created_at, w.id) > (:after_at, CAST(:after_id AS uuid)))
    ORDER BY w.created_at, w.id LIMIT :limit
    """
)
_BURY = text(
    "UPDATE notification_delivery SET state = 'dead', last_error = 'the webhook was deleted'"
    " WHERE tenant_id = :tenant AND webhook_id = :id AND state IN ('pending', 'failed')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """What the deployment says about webhooks."""

    box: SecretBox
    base_url: str
    private_allowed: bool


async def list_webhooks(
    session: AsyncSession, tenant_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> Sequence[RowMapping]:
    """Webhooks, oldest first."""
    return await fetch(
        session, _LIST, tenant=tenant_id, id=None, limit=limit,
        **beyond(after),
    )  # fmt: skip


async def webhook_of(session: AsyncSession, tenant_id: UUID, webhook: UUID) -> RowMapping:
    """One webhook.

    Raises:
        StoreError: webhook_unknown.
    """
    row = await fetch_one(session, _LIST, tenant=tenant_id, id=webhook, limit=1, **beyond(None))
    if row is None:
        raise WebhookUnknownError(id=str(webhook))
    return row


async def create_webhook(
    session: AsyncSession, person: Person, rules: WebhookRules, *, name: str, url: str, kinds: Sequence[str]
) -> tuple[RowMapping, str]:
    """Add a webhook.

    Returns:
        Its row, and the secret, which nobody can read again.

    Raises:
        StoreError: target_refused, event_type_unknown.
    """
    _check(rules, url, kinds)
    secret, webhook = new_secret(), uuid4()
    row = {
        "tenant_id": person.tenant_id, "id": webhook, "name": name, "url": url, "kinds": list(kinds),
        "secret": rules.box.seal(secret), "created_by": person.id,
    }  # fmt: skip
    await insert_rows(session, Webhook, [row])
    await _audit(session, person, webhook, "created", None, {"name": name, "url": url, "event_types": list(kinds)})
    return await webhook_of(session, person.tenant_id, webhook), secret


async def change_webhook(
    session: AsyncSession, person: Person, rules: WebhookRules, webhook: UUID, values: dict[str, Any], *, rotate: bool
) -> tuple[RowMapping, str | None]:
    """Change name, url, kinds or is_active; with `rotate`, give it a new secret.

    Returns:
        Its row, and the new secret where one was made.

    Raises:
        StoreError: webhook_unknown, target_refused, event_type_unknown.
    """
    before = await webhook_of(session, person.tenant_id, webhook)
    _check(rules, values.get("url", before["url"]), values.get("kinds", before["kinds"]))
    changes, secret = dict(values), new_secret() if rotate else None
    if values.get("is_active"):
        changes["disabled_reason"] = ""
    if secret is not None:
        changes |= {
            "secret": rules.box.seal(secret),
            "previous_secret": before["secret"],
            "previous_until": datetime.now(UTC) + BOTH_VALID_FOR,
        }
    await update_rows(session, Webhook, [{"tenant_id": person.tenant_id, "id": webhook, **changes}])
    new: dict[str, Any] = {name: value for name, value in values.items() if value != before[name]}
    old = {name: before[name] for name in new}
    if new or rotate:
        await _audit(session, person, webhook, "changed", old, {**new, **({"secret": "renewed"} if rotate else {})})
    return await webhook_of(session, person.tenant_id, webhook), secret


async def delete_webhook(session: AsyncSession, person: Person, webhook: UUID) -> None:
    """Take it away: its secrets are gone, what was on its way to it is dead, its deliveries stay to be read.

    Raises:
        StoreError: webhook_unknown.
    """
    before = await webhook_of(session, person.tenant_id, webhook)
    gone = {
        "is_active": False, "deleted_at": datetime.now(UTC), "secret": b"", "previous_secret": None,
        "previous_until": None,
    }  # fmt: skip
    await update_rows(session, Webhook, [{"tenant_id": person.tenant_id, "id": webhook, **gone}])
    await run(session, _BURY, {"tenant": person.tenant_id, "id": webhook})
    await _audit(session, person, webhook, "deleted", {"name": before["name"], "url": before["url"]}, None)


async def try_webhook(session: AsyncSession, person: Person, rules: WebhookRules, webhook: UUID) -> UUID:
    """Send an event of type `gatework.webhook.test`, on the way that all others go; the delivery's id.

    Raises:
        StoreError: webhook_unknown.
    """
    await webhook_of(session, person.tenant_id, webhook)
    delivery = uuid4()
    row = {
        "tenant_id": person.tenant_id, "id": delivery, "channel": DeliveryChannel.WEBHOOK.value, "kind": TEST_TYPE,
        "webhook_id": webhook,
        "payload": trial_event(str(delivery), TEST_TYPE, webhook, rules.base_url, datetime.now(UTC)),
    }  # fmt: skip
    await insert_rows(session, NotificationDelivery, [row])
    await run(session, RING, {"channel": NOTICES_CHANNEL})
    return delivery


def new_secret() -> str:
    """A secret as Standard Webhooks wants it: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def webhook_json(row: RowMapping) -> dict[str, Any]:
    """A webhook as the API shows it; never its secret."""
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "url": row["url"],
        "event_types": row["kinds"],
        "is_active": row["is_active"],
        "disabled_reason": row["disabled_reason"],
        "created_at": moment(row["created_at"]),
        "created_by": row["created_by_name"],
    }


def _check(rules: WebhookRules, url: str, kinds: Sequence[str]) -> None:
    try:
        check_url(url, private_allowed=rules.private_allowed)
    except TargetRefusedError as error:
        raise TargetRefusedByRulesError(detail=str(error)) from error
    unknown = unknown_types(kinds)
    if unknown:
        raise EventTypeUnknownError(unknown=", ".join(unknown), known=", ".join((EVERYTHING, *TYPES)))


async def _audit(
    session: AsyncSession, person: Person, webhook: UUID, verb: str, old: dict[str, Any] | None,
    new: dict[str, Any] | None,
) -> None:  # fmt: skip
    draft = AuditDraft(action=f"webhook.{verb}", object_type="webhook", object_id=webhook, old=old, new=new)
    await audit_tenant(session, person.actor, draft)
