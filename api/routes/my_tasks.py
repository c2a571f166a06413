"""One inbox over everything."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from api.deps import Caller, Db, needs
from api.paging import Page, Paging, page
from api.problems import Problem, responses
from api.schemas.tasks import Tasks
from models.store.inbox import NEVER, InboxFilter, Place, list_tasks, place_of, task_json

router = APIRouter(tags=["my tasks"])


@router.get(
    "/api/my-tasks/",
    response_model=Tasks,
    dependencies=[Depends(needs("instance.read"))],
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_my_tasks(
    caller: Caller,
    session: Db,
    asked: Page,
    category: Annotated[str, Query(max_length=50)] = "",
    overdue: bool | None = None,
    site: Annotated[str, Query(max_length=63)] = "",
    q: Annotated[str, Query(max_length=200, description="Part of workflow, subject or step.")] = "",
    kind: Literal["", "execution", "approval", "signature", "signoff", "deviation"] = "",
) -> Any:
    """What I may do now: overdue first, then the most urgent, then by due date, then by what has waited longest."""
    narrowed = InboxFilter(kind=kind, category=category, overdue=overdue, site=site, search=q)
    found = await list_tasks(session, caller.person, narrowed, after=_place(asked), limit=asked.fetch)
    return JSONResponse(page(found, asked, key=place_of, show=task_json))


def _place(asked: Paging) -> Place | None:
    if asked.after is None:
        return None
    try:
        soon, rank, due, since, last, kind = asked.after
        if due != NEVER:
            datetime.fromisoformat(due)
        datetime.fromisoformat(since)
        return Place(soon=bool(soon), rank=int(rank), due=due, since=since, id=str(UUID(last)), kind=str(kind))
    except (ValueError, TypeError, AttributeError) as error:
        raise Problem("cursor_invalid") from error
