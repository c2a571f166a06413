"""Rooms and mailboxes of teams, and a tenant's own wording of notices. For administrators."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from api.deps import Caller, Db, Held, needs
from api.paging import Page, moment_after, page
from api.problems import Problem, responses
from api.schemas import notifications as shapes
from api.services import Services
from models.notices.sample import sample_values
from models.notices.shipped import Wording
from models.secret_box import secret_box
from models.store import notice_templates as templates
from models.store import notification_channels as store

router = APIRouter(tags=["notification channels"])

MANAGE: Final = [Depends(needs("tenant.manage"))]


def rules(held: Services) -> store.ChannelRules:
    """What this deployment says about channels."""
    settings = held.settings
    return store.ChannelRules(
        box=secret_box(settings),
        apprise_allowed=settings.apprise_allowed,
        private_allowed=settings.private_targets_allowed,
    )


@router.get(
    "/api/notification-channels/", response_model=shapes.Channels, dependencies=MANAGE,
    responses=responses("forbidden", "cursor_invalid"),
)  # fmt: skip
async def list_notification_channels(caller: Caller, session: Db, asked: Page) -> Any:
    """Channels, oldest first."""
    found = await store.list_channels(session, caller.tenant_id, limit=asked.fetch, after=moment_after(asked))
    shown = page(found, asked, key=lambda row: [row["created_at"].isoformat(), str(row["id"])], show=store.channel_json)
    return JSONResponse(shown)


@router.post(
    "/api/notification-channels/", status_code=201, response_model=shapes.ChannelShown, dependencies=MANAGE,
    responses=responses("forbidden", "target_refused"),
)  # fmt: skip
async def create_notification_channel(caller: Caller, session: Db, held: Held, body: shapes.NewChannel) -> Any:
    """Send notices of some kinds to a room (Teams, Slack, … by an Apprise URL) or to a shared mailbox."""
    row = await store.create_channel(
        session, caller.person, rules(held),
        name=body.name, kind=body.channel_kind, target=body.target, kinds=body.kinds,
    )  # fmt: skip
    return JSONResponse(store.channel_json(row), 201)


@router.get(
    "/api/notification-channels/{channel_id}/", response_model=shapes.ChannelShown, dependencies=MANAGE,
    responses=responses("forbidden", "channel_unknown"),
)  # fmt: skip
async def get_notification_channel(channel_id: UUID, caller: Caller, session: Db) -> Any:
    """One channel."""
    return JSONResponse(store.channel_json(await store.channel_of(session, caller.tenant_id, channel_id)))


@router.patch(
    "/api/notification-channels/{channel_id}/", response_model=shapes.ChannelShown, dependencies=MANAGE,
    responses=responses("forbidden", "channel_unknown", "nothing_to_change", "target_refused"),
)  # fmt: skip
async def change_notification_channel(
    channel_id: UUID, caller: Caller, session: Db, held: Held, body: shapes.ChangedChannel
) -> Any:
    """Change it, or switch it off or on."""
    values = body.model_dump(exclude_none=True)
    if not values:
        raise Problem("nothing_to_change")
    return JSONResponse(
        store.channel_json(await store.change_channel(session, caller.person, rules(held), channel_id, values))
    )


@router.delete(
    "/api/notification-channels/{channel_id}/", status_code=204, response_class=Response, dependencies=MANAGE,
    responses=responses("forbidden", "channel_unknown"),
)  # fmt: skip
async def delete_notification_channel(channel_id: UUID, caller: Caller, session: Db) -> Response:
    """Take it away; what is on its way to it is not sent any more."""
    await store.delete_channel(session, caller.person, channel_id)
    return Response(status_code=204)


@router.post(
    "/api/notification-channels/{channel_id}/test/", status_code=202, response_model=shapes.Queued,
    dependencies=MANAGE, responses=responses("forbidden", "channel_unknown"),
)  # fmt: skip
async def test_notification_channel(channel_id: UUID, caller: Caller, session: Db) -> Any:
    """Send a message there to try it; what became of it is in `/api/notification-deliveries/`."""
    return JSONResponse({"delivery": str(await store.try_channel(session, caller.person, channel_id))}, 202)


@router.get(
    "/api/notification-templates/{kind}/", response_model=shapes.WordingShown, dependencies=MANAGE,
    responses=responses("forbidden", "notice_kind_unknown"),
)  # fmt: skip
async def get_notification_template(kind: str, caller: Caller, session: Db) -> Any:
    """How notices of a kind are worded: our own, as shipped, what a template may name, and why ours last failed."""
    known = templates.kind_named(kind)
    return JSONResponse(templates.template_json(known, await templates.template_row(session, caller.tenant_id, known)))


@router.put(
    "/api/notification-templates/{kind}/", response_model=shapes.WordingShown, dependencies=MANAGE,
    responses=responses("forbidden", "notice_kind_unknown", "template_refused"),
)  # fmt: skip
async def put_notification_template(kind: str, caller: Caller, session: Db, body: shapes.NewWording) -> Any:
    """Reword a kind; an empty part is as shipped. It is tried first, and refused where it cannot be rendered."""
    known = templates.kind_named(kind)
    await templates.keep_template(session, caller.person, known, _wording(body))
    return JSONResponse(templates.template_json(known, await templates.template_row(session, caller.tenant_id, known)))


@router.post(
    "/api/notification-templates/{kind}/preview/", response_model=shapes.Preview, dependencies=MANAGE,
    responses=responses("forbidden", "notice_kind_unknown", "template_refused"),
)  # fmt: skip
async def preview_notification_template(kind: str, body: shapes.NewWording) -> Any:
    """How a wording would read, with example values; nothing is kept."""
    known = templates.kind_named(kind)
    said = templates.try_template(known, _wording(body))
    return JSONResponse(templates.preview_json(said, str(sample_values(known)["link"])))


def _wording(body: shapes.NewWording) -> Wording:
    return Wording(subject=body.subject, body=body.body, body_html=body.body_html)
