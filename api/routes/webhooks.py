"""Webhooks and what went out to them, and all other messages with what became of them. For administrators."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from sqlalchemy import RowMapping

from api.deps import Caller, Db, Held, needs
from api.paging import Page, moment_after, page
from api.problems import Problem, responses
from api.schemas import notifications as shapes
from api.services import Services
from models.enums import DeliveryChannel, DeliveryState
from models.secret_box import secret_box
from models.store import webhooks as store
from models.store.deliveries import delivery_json, list_deliveries, replay

router = APIRouter(tags=["webhooks"])

MANAGE: Final = [Depends(needs("tenant.manage"))]
COLUMNS: Final = {"name": "name", "url": "url", "event_types": "kinds", "is_active": "is_active"}
"""Field of a request → column."""


def rules(held: Services) -> store.WebhookRules:
    """What this deployment says about webhooks."""
    settings = held.settings
    return store.WebhookRules(
        box=secret_box(settings), base_url=settings.base_url, private_allowed=settings.private_targets_allowed
    )


@router.get(
    "/api/webhooks/", response_model=shapes.Webhooks, dependencies=MANAGE,
    responses=responses("forbidden", "cursor_invalid"),
)  # fmt: skip
async def list_webhooks(caller: Caller, session: Db, asked: Page) -> Any:
    """Webhooks, oldest first; secrets are never shown."""
    found = await store.list_webhooks(session, caller.tenant_id, limit=asked.fetch, after=moment_after(asked))
    return JSONResponse(page(found, asked, key=_key, show=store.webhook_json))


@router.post(
    "/api/webhooks/", status_code=201, response_model=shapes.WebhookWithSecret, dependencies=MANAGE,
    responses=responses("forbidden", "target_refused", "event_type_unknown"),
)  # fmt: skip
async def create_webhook(caller: Caller, session: Db, held: Held, body: shapes.NewWebhook) -> Any:
    """Send events to another system. The answer has the secret that they are signed with: keep it, it is shown once."""
    row, secret = await store.create_webhook(
        session, caller.person, rules(held), name=body.name, url=body.url, kinds=body.event_types
    )
    return JSONResponse({**store.webhook_json(row), "secret": secret}, 201)


@router.get(
    "/api/webhooks/{webhook_id}/", response_model=shapes.WebhookShown, dependencies=MANAGE,
    responses=responses("forbidden", "webhook_unknown"),
)  # fmt: skip
async def get_webhook(webhook_id: UUID, caller: Caller, session: Db) -> Any:
    """One webhook."""
    return JSONResponse(store.webhook_json(await store.webhook_of(session, caller.tenant_id, webhook_id)))


@router.patch(
    "/api/webhooks/{webhook_id}/", response_model=shapes.WebhookWithSecret, dependencies=MANAGE,
    responses=responses("forbidden", "webhook_unknown", "nothing_to_change", "target_refused", "event_type_unknown"),
)  # fmt: skip
async def change_webhook(
    webhook_id: UUID, caller: Caller, session: Db, held: Held, body: shapes.ChangedWebhook
) -> Any:  # fmt: skip
    """Change it, switch it off or on, or give it a new secret; only a new secret is in the answer."""
    given = body.model_dump(exclude_none=True, exclude={"rotate_secret"})
    if not given and not body.rotate_secret:
        raise Problem("nothing_to_change")
    values = {COLUMNS[name]: value for name, value in given.items()}
    row, secret = await store.change_webhook(
        session, caller.person, rules(held), webhook_id, values, rotate=body.rotate_secret
    )
    return JSONResponse({**store.webhook_json(row), "secret": secret})


@router.delete(
    "/api/webhooks/{webhook_id}/", status_code=204, response_class=Response, dependencies=MANAGE,
    responses=responses("forbidden", "webhook_unknown"),
)  # fmt: skip
async def delete_webhook(webhook_id: UUID, caller: Caller, session: Db) -> Response:
    """Take it away; what is on its way to it is not sent any more."""
    await store.delete_webhook(session, caller.person, webhook_id)
    return Response(status_code=204)


@router.post(
    "/api/webhooks/{webhook_id}/test/", status_code=202, response_model=shapes.Queued, dependencies=MANAGE,
    responses=responses("forbidden", "webhook_unknown"),
)  # fmt: skip
async def test_webhook(webhook_id: UUID, caller: Caller, session: Db, held: Held) -> Any:
    """Send an event of type `gatework.webhook.test`; what became of it is among the deliveries."""
    delivery = await store.try_webhook(session, caller.person, rules(held), webhook_id)
    return JSONResponse({"delivery": str(delivery)}, 202)


@router.get(
    "/api/webhooks/{webhook_id}/deliveries/", response_model=shapes.Deliveries, dependencies=MANAGE,
    responses=responses("forbidden", "webhook_unknown", "cursor_invalid"),
)  # fmt: skip
async def list_webhook_deliveries(
    webhook_id: UUID, caller: Caller, session: Db, asked: Page, state: DeliveryState | None = None
) -> Any:
    """What went out to it, newest first; `?state=dead` are the dead letters."""
    await store.webhook_of(session, caller.tenant_id, webhook_id)
    found = await list_deliveries(
        session, caller.tenant_id, limit=asked.fetch, webhook=webhook_id, state=state, before=moment_after(asked)
    )
    return JSONResponse(page(found, asked, key=_key, show=delivery_json))


@router.post(
    "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/replay/", status_code=202, response_model=shapes.Delivery,
    dependencies=MANAGE, responses=responses("forbidden", "delivery_unknown", "delivery_pending"),
)  # fmt: skip
async def replay_webhook_delivery(webhook_id: UUID, delivery_id: UUID, caller: Caller, session: Db) -> Any:
    """Send it again, with the same id, so that the receiver knows it."""
    return JSONResponse(delivery_json(await replay(session, caller.person, delivery_id, webhook_id)), 202)


@router.get(
    "/api/notification-deliveries/", response_model=shapes.Deliveries, dependencies=MANAGE,
    responses=responses("forbidden", "cursor_invalid"),
)  # fmt: skip
async def list_notification_deliveries(
    caller: Caller,
    session: Db,
    asked: Page,
    state: DeliveryState | None = None,
    channel: DeliveryChannel | None = None,
) -> Any:
    """Every message that went out or is to, newest first: e-mails, rooms, webhooks."""
    found = await list_deliveries(
        session, caller.tenant_id, limit=asked.fetch, state=state, channel=channel, before=moment_after(asked)
    )
    return JSONResponse(page(found, asked, key=_key, show=delivery_json))


@router.post(
    "/api/notification-deliveries/{delivery_id}/replay/", status_code=202, response_model=shapes.Delivery,
    dependencies=MANAGE, responses=responses("forbidden", "delivery_unknown", "delivery_pending"),
)  # fmt: skip
async def replay_delivery(delivery_id: UUID, caller: Caller, session: Db) -> Any:
    """Send a message again that was sent or is dead."""
    return JSONResponse(delivery_json(await replay(session, caller.person, delivery_id)), 202)


def _key(row: RowMapping) -> list[str]:
    """The keyset of all lists here: the moment, and the id."""
    return [row["created_at"].isoformat(), str(row["id"])]
