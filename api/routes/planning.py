"""Working calendars of sites, and who is away."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from api.deps import Caller, Db, needs
from api.paging import Page, Paging, page, word_after
from api.problems import Problem, responses
from api.schemas import planning as shapes
from models.store.absences import NewAbsence, absence_json, add_absence, end_absence, list_absences
from models.store.calendars import (
    add_calendar,
    calendar_json,
    calendar_row,
    change_calendar,
    delete_calendar,
    list_calendars,
)

router = APIRouter(tags=["planning"])

READ = [Depends(needs("process.read"))]
PLAN = [Depends(needs("catalog.edit"))]


@router.get(
    "/api/calendars/",
    response_model=shapes.Calendars,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_calendars(caller: Caller, session: Db, asked: Page) -> Any:
    """Working calendars by the key of their site. Without any, all time is working time."""
    found = await list_calendars(session, caller.tenant_id, after=word_after(asked), limit=asked.fetch)
    return JSONResponse(page(found, asked, key=lambda row: [row["key"]], show=calendar_json))


@router.post(
    "/api/calendars/",
    status_code=201,
    response_model=shapes.Calendar,
    dependencies=PLAN,
    responses=responses("forbidden", "calendar_key_taken", "calendar_invalid"),
)
async def create_a_calendar(caller: Caller, session: Db, body: shapes.NewCalendar) -> Any:
    """Enter when a site works. Work that is entered from now on is due by it."""
    values = body.model_dump(mode="json", exclude={"key"})
    row = await add_calendar(session, caller.person, body.key, values)
    return JSONResponse(calendar_json(row), 201, headers={"Location": f"/api/calendars/{row['id']}/"})


@router.get(
    "/api/calendars/{calendar_id}/",
    response_model=shapes.Calendar,
    dependencies=READ,
    responses=responses("forbidden", "calendar_unknown"),
)
async def get_a_calendar(calendar_id: UUID, caller: Caller, session: Db) -> Any:
    """One working calendar."""
    return JSONResponse(calendar_json(await calendar_row(session, caller.tenant_id, calendar_id)))


@router.patch(
    "/api/calendars/{calendar_id}/",
    response_model=shapes.Calendar,
    dependencies=PLAN,
    responses=responses("forbidden", "calendar_unknown", "calendar_invalid", "nothing_to_change"),
)
async def change_a_calendar(calendar_id: UUID, caller: Caller, session: Db, body: shapes.ChangedCalendar) -> Any:
    """Change when a site works. Due times that are set already stay where they are."""
    values = body.model_dump(mode="json", exclude_none=True)
    if not values:
        raise Problem("nothing_to_change")
    return JSONResponse(calendar_json(await change_calendar(session, caller.person, calendar_id, values)))


@router.delete(
    "/api/calendars/{calendar_id}/",
    status_code=204,
    response_class=Response,
    dependencies=PLAN,
    responses=responses("forbidden", "calendar_unknown", "calendar_in_use"),
)
async def delete_a_calendar(calendar_id: UUID, caller: Caller, session: Db) -> Response:
    """Take a calendar away that no open workflow goes by, and whose site no step of a process names.

    Its site goes by the calendar `default` from then on; without one all time is working time.
    """
    await delete_calendar(session, caller.person, calendar_id)
    return Response(status_code=204)


@router.get(
    "/api/absences/",
    response_model=shapes.Absences,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_absences(
    caller: Caller,
    session: Db,
    asked: Page,
    user: Annotated[UUID | None, Query(description="Theirs, and those in which they stand in.")] = None,
    past: Annotated[bool, Query(description="Also those that are over.")] = False,
) -> Any:
    """Who is or will be away, by the beginning."""
    since = datetime(1970, 1, 1, tzinfo=UTC) if past else datetime.now(UTC)
    found = await list_absences(
        session, caller.tenant_id, user_id=user, since=since, after=_after(asked), limit=asked.fetch
    )
    return JSONResponse(
        page(found, asked, key=lambda row: [row["starts_at"].isoformat(), str(row["id"])], show=absence_json)
    )


@router.post(
    "/api/absences/",
    status_code=201,
    response_model=shapes.Absence,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("forbidden", "absence_invalid"),
)
async def enter_an_absence(caller: Caller, session: Db, body: shapes.NewAbsence) -> Any:
    """Enter one's own absence and who stands in; that of another person needs `user.manage`."""
    new = NewAbsence(
        user_id=body.user_id or caller.person.id,
        delegate_id=body.delegate_id,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        reason=body.reason,
    )
    row = await add_absence(session, caller.person, new)
    return JSONResponse(absence_json(row), 201)


@router.post(
    "/api/absences/{absence_id}/end/",
    response_model=shapes.Absence,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("forbidden", "absence_unknown", "absence_invalid"),
)
async def end_an_absence(absence_id: UUID, caller: Caller, session: Db) -> Any:
    """Back early, or not going at all; what was done meanwhile keeps its trace."""
    return JSONResponse(absence_json(await end_absence(session, caller.person, absence_id, datetime.now(UTC))))


def _after(asked: Paging) -> tuple[datetime, UUID] | None:
    if asked.after is None:
        return None
    try:
        starts_at, last = asked.after
        return datetime.fromisoformat(starts_at), UUID(last)
    except (ValueError, TypeError, AttributeError) as error:
        raise Problem("cursor_invalid") from error
