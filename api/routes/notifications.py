"""What the caller was told, how they want to be told, and which workflows they watch."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from api.deps import Caller, Db, Held, needs
from api.paging import Page, moment_after, page
from api.problems import responses
from api.schemas import notifications as shapes
from models.notices.kinds import NoticeKind
from models.store import notifications as store

router = APIRouter(tags=["notifications"])

READ: Final = [Depends(needs("instance.read"))]


@router.get(
    "/api/notifications/", response_model=shapes.Notifications, dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)  # fmt: skip
async def list_notifications(
    caller: Caller,
    session: Db,
    held: Held,
    asked: Page,
    unread: Annotated[bool | None, Query(description="Only unread ones, or only read ones.")] = None,
    kind: NoticeKind | None = None,
) -> Any:
    """What I was told, newest first."""
    found = await store.list_notifications(
        session, caller.person, limit=asked.fetch, unread=unread, kind=kind, before=moment_after(asked)
    )
    base = held.settings.base_url
    shown = page(
        found,
        asked,
        key=lambda row: [row["created_at"].isoformat(), str(row["id"])],
        show=lambda row: store.notification_json(row, base),
    )
    return JSONResponse(shown)


@router.post(
    "/api/notifications/read-all/", response_model=shapes.ReadCount, dependencies=READ,
    responses=responses("forbidden"),
)  # fmt: skip
async def read_all_notifications(caller: Caller, session: Db) -> Any:
    """Mark everything that I was told as read."""
    return JSONResponse({"read": await store.read_all(session, caller.person)})


@router.post(
    "/api/notifications/{notification_id}/read/", response_model=shapes.Notification, dependencies=READ,
    responses=responses("forbidden", "notification_unknown"),
)  # fmt: skip
async def read_notification(notification_id: UUID, caller: Caller, session: Db, held: Held) -> Any:
    """Mark one as read; asking again changes nothing."""
    row = await store.read_notification(session, caller.person, notification_id)
    return JSONResponse(store.notification_json(row, held.settings.base_url))


@router.get(
    "/api/me/notification-preferences/", response_model=shapes.PreferencesShown, responses=responses("forbidden"),
)  # fmt: skip
async def get_notification_preferences(caller: Caller, session: Db) -> Any:
    """How I am told of what, chosen or as shipped."""
    return JSONResponse(store.preferences_json(await store.my_preferences(session, caller.person)))


@router.put(
    "/api/me/notification-preferences/", response_model=shapes.PreferencesShown, responses=responses("forbidden"),
)  # fmt: skip
async def put_notification_preferences(caller: Caller, session: Db, body: shapes.NewPreferences) -> Any:
    """Say how I want to be told from now on; what is not named is as shipped. Security notices cannot be turned off."""
    await store.prefer(session, caller.person, body.preferences())
    return JSONResponse(store.preferences_json(await store.my_preferences(session, caller.person)))


@router.post(
    "/api/workflows/{workflow_id}/watch/", response_model=shapes.Watching, dependencies=READ,
    responses=responses("forbidden", "not_found"),
)  # fmt: skip
async def watch_workflow(workflow_id: UUID, caller: Caller, session: Db) -> Any:
    """Hear of this workflow: what is overdue, stopped, held, done."""
    await store.watch(session, caller.person, workflow_id, watching=True)
    return JSONResponse({"workflow": str(workflow_id), "watching": True})


@router.delete(
    "/api/workflows/{workflow_id}/watch/", response_model=shapes.Watching, dependencies=READ,
    responses=responses("forbidden", "not_found"),
)  # fmt: skip
async def unwatch_workflow(workflow_id: UUID, caller: Caller, session: Db) -> Any:
    """Hear no more of this workflow than its work asks for."""
    await store.watch(session, caller.person, workflow_id, watching=False)
    return JSONResponse({"workflow": str(workflow_id), "watching": False})
