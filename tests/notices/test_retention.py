"""How long deliveries are kept: what was delivered goes after a while, what nobody looked at does not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from models.db import tenant_session
from models.enums import DeliveryChannel, DeliveryState
from models.store import deliveries
from models.store.deliveries import forget_delivered
from models.store.webhooks import delete_webhook
from models.tables import NotificationDelivery
from tests.notices.conftest import Desk
from tests.notices.test_hooks import hook

LONG_AGO, LATELY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


async def kept(desk: Desk, webhook: UUID, state: str, at: datetime) -> UUID:
    """A delivery as it was left at that time."""
    sent_at = at if state == "sent" else None
    row = NotificationDelivery(
        tenant_id=desk.scene.tenant, id=uuid4(), channel=DeliveryChannel.WEBHOOK, kind="x", webhook_id=webhook,
        state=DeliveryState(state), created_at=at, next_attempt_at=at, sent_at=sent_at,
    )  # fmt: skip
    identity = row.id
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        session.add(row)
    return identity


async def left(desk: Desk) -> set[UUID]:
    return {UUID(str(row["id"])) for row in await desk.rows("SELECT id FROM notification_delivery")}


async def test_what_was_delivered_long_ago_is_deleted_in_slices_and_what_nobody_looked_at_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 2)
    _, webhook, _ = await hook(desk, "http://127.0.0.1:9/x", "*")
    old = [await kept(desk, webhook, "sent", LONG_AGO + timedelta(days=n)) for n in range(5)]
    stay = {await kept(desk, webhook, state, LONG_AGO) for state in ("pending", "failed", "dead")}
    stay.add(await kept(desk, webhook, "sent", LATELY))
    before = LONG_AGO + timedelta(days=30)
    assert await forget_delivered(desk.system, before, most=2) == 4
    assert await left(desk) == stay | {old[-1]}, "the oldest first"
    assert await forget_delivered(desk.system, before) == 1
    assert await left(desk) == stay


async def test_a_dead_letter_goes_with_the_webhook_that_it_was_for(desk: Desk) -> None:
    admin, webhook, _ = await hook(desk, "http://127.0.0.1:9/x", "*")
    await kept(desk, webhook, "dead", LONG_AGO)
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await delete_webhook(session, admin, webhook)
    assert await forget_delivered(desk.system, LATELY) == 1
    assert await left(desk) == set()
