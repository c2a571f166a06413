"""People and their roles."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Secret

from api.deps import Caller, Db, needs
from api.paging import Page, page, word_after
from api.problems import responses
from api.schemas import people as shapes
from models.store.identity import NewUser, User, UserChanges, change_user, create_user, get_user, list_users
from models.store.views import moment

router = APIRouter(tags=["users"])

READ = [Depends(needs("user.read"))]
MANAGE = [Depends(needs("user.manage"))]


@router.get(
    "/api/users/", response_model=shapes.Users, dependencies=READ, responses=responses("forbidden", "cursor_invalid")
)
async def list_all_users(
    caller: Caller,
    session: Db,
    asked: Page,
    q: Annotated[str, Query(max_length=200, description="Part of a name or address.")] = "",
) -> Any:
    """Users by username."""
    found = await list_users(session, caller.tenant_id, after=word_after(asked), limit=asked.fetch, search=q)
    return JSONResponse(page(found, asked, key=lambda one: [one.account.username], show=_shown))


@router.post(
    "/api/users/",
    status_code=201,
    response_model=shapes.User,
    dependencies=MANAGE,
    responses=responses(
        "forbidden", "username_taken", "username_invalid", "role_unknown", "role_not_allowed", "password_too_weak"
    ),
)
async def create_a_user(caller: Caller, session: Db, body: shapes.NewUser) -> Any:
    """Create a user. Without a password nobody can log in as them."""
    new = NewUser(
        username=body.username,
        full_name=body.full_name,
        email=body.email,
        password=_secret(body.password),
        roles=body.roles,
    )
    user = await create_user(session, caller.actor, new)
    if not body.is_active:
        user = await change_user(session, caller.actor, user.account.id, UserChanges(is_active=False))
    return JSONResponse(_shown(user), 201, headers={"Location": f"/api/users/{user.account.id}/"})


@router.get(
    "/api/users/{user_id}/",
    response_model=shapes.User,
    dependencies=READ,
    responses=responses("forbidden", "not_found"),
)
async def get_a_user(user_id: UUID, caller: Caller, session: Db) -> Any:
    """One user."""
    return JSONResponse(_shown(await get_user(session, caller.tenant_id, user_id)))


@router.patch(
    "/api/users/{user_id}/",
    response_model=shapes.User,
    dependencies=MANAGE,
    responses=responses(
        "forbidden", "not_found", "role_unknown", "role_not_allowed", "password_too_weak", "last_administrator"
    ),
)
async def change_a_user(user_id: UUID, caller: Caller, session: Db, body: shapes.ChangedUser) -> Any:
    """Change a user. Deactivating or a new password ends their sessions at once."""
    changes = UserChanges(
        full_name=body.full_name,
        email=body.email,
        is_active=body.is_active,
        roles=body.roles,
        password=_secret(body.password),
        unlock=body.unlock,
    )
    return JSONResponse(_shown(await change_user(session, caller.actor, user_id, changes)))


def _secret(value: Secret[str] | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _shown(user: User) -> dict[str, Any]:
    account = user.account
    return {
        "id": str(account.id),
        "username": account.username,
        "full_name": account.full_name,
        "email": account.email,
        "roles": list(user.roles),
        "is_active": account.is_active,
        "is_service": account.is_service,
        "created_at": moment(account.created_at),
        "last_login_at": moment(account.last_login_at),
        "locked_until": moment(account.locked_until),
    }
