"""Events: messages from outside, for steps that wait for them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends
from fastapi.responses import JSONResponse

from api.deps import Caller, Db, Held, needs
from api.paging import Page, moment_after, page
from api.problems import responses
from api.schemas import events as shapes
from models.store.messages import NewMessage, list_messages, message, message_json, post_message

router = APIRouter(tags=["events"])

READ = [Depends(needs("instance.read"))]


@router.get(
    "/api/events/",
    response_model=shapes.Events,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_events(
    caller: Caller, session: Db, asked: Page, name: str | None = None, key: str | None = None
) -> Any:
    """Messages, newest first."""
    found = await list_messages(
        session, caller.tenant_id, name=name, key=key, after=moment_after(asked), limit=asked.fetch
    )
    shown = page(found, asked, key=lambda row: [row["received_at"].isoformat(), str(row["id"])], show=message_json)
    return JSONResponse(shown)


@router.post(
    "/api/events/",
    status_code=202,
    response_model=shapes.Event,
    dependencies=[Depends(needs("event.post"))],
    responses=responses("forbidden", "event_changed"),
)
async def post_event(caller: Caller, session: Db, held: Held, body: Annotated[shapes.AnyEvent, Body()]) -> Any:
    """Take an event in, as it is here or as a CloudEvent; the same id twice is the same event and answered alike.

    Whatever waits for it goes on; `reached` says how many executions that are. Others that come to wait for it find it.
    """
    shown = await post_message(session, caller.person, _message(body), held.settings.message_retention)
    return JSONResponse(shown, 202, headers={"Location": f"/api/events/{shown['id']}/"})


@router.get(
    "/api/events/{event_id}/",
    response_model=shapes.EventInFull,
    dependencies=READ,
    responses=responses("forbidden", "not_found"),
)
async def get_event(event_id: UUID, caller: Caller, session: Db) -> Any:
    """One message, with what it let go on."""
    return JSONResponse(await message(session, caller.tenant_id, event_id))


def _message(body: shapes.NewEvent | shapes.CloudEvent) -> NewMessage:
    if isinstance(body, shapes.CloudEvent):
        return NewMessage(name=body.type, key=body.subject, data=body.data, id=f"{body.source} {body.id}")
    return NewMessage(name=body.name, key=body.key, data=body.data, id=body.id)
