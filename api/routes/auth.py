"""Tokens, and the caller's own account."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordRequestForm

from api.auth import Principal
from api.deps import AnyCaller, Db, Held, Source, transaction
from api.problems import responses
from api.schemas import people as shapes
from models.store.audit import AuditDraft, audit_tenant
from models.store.identity import UserChanges, change_user
from models.store.sessions import log_in, reauthenticate, revoke_token

router = APIRouter(tags=["auth"])


@router.post(
    "/api/auth/token/",
    response_model=shapes.Token,
    responses=responses("invalid_credentials", "account_locked", public=True),
)
async def create_token(form: Annotated[OAuth2PasswordRequestForm, Depends()], held: Held, source: Source) -> Any:
    """Exchange username and password for a bearer token. Repeated failures lock the account."""
    grant = await log_in(
        held.app, held.system, form.username, form.password, ttl=held.settings.token_ttl, source=source
    )
    expires_in = int((grant.expires_at - datetime.now(UTC)).total_seconds())
    body = {"access_token": grant.token, "token_type": "bearer", "expires_in": expires_in}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.post("/api/auth/logout/", status_code=204, responses=responses())
async def log_out(caller: AnyCaller, session: Db) -> Response:
    """End this session."""
    await revoke_token(session, caller.tenant_id, caller.token_id)
    draft = AuditDraft(action="user.logged_out", object_type="user", object_id=caller.user_id)
    await audit_tenant(session, caller.actor, draft)
    return Response(status_code=204)


@router.get("/api/me/", response_model=shapes.Me, responses=responses())
async def get_me(caller: AnyCaller) -> Any:
    """Who I am, and what I may do now."""
    return JSONResponse(_me(caller))


@router.post(
    "/api/me/password/",
    status_code=204,
    responses=responses("invalid_credentials", "account_locked", "password_too_weak"),
)
async def change_my_password(caller: AnyCaller, held: Held, body: shapes.NewPassword) -> Response:
    """Change my password; ends my sessions, also this one."""
    # The proof opens transactions of its own: a request that held one meanwhile would want two connections of the pool.
    current, new = body.current_password.get_secret_value(), body.new_password.get_secret_value()
    await reauthenticate(held.app, caller.tenant_id, caller.user_id, current, source=caller.source)
    async with transaction(held, caller) as session:
        await change_user(session, caller.actor, caller.user_id, UserChanges(password=new))
    return Response(status_code=204)


def _me(caller: Principal) -> dict[str, Any]:
    return {
        "id": str(caller.user_id),
        "username": caller.username,
        "full_name": caller.full_name,
        "email": caller.email,
        "roles": list(caller.roles),
        "permissions": sorted(caller.permissions),
        "must_change_password": caller.must_change_password,
        "tenant": {
            "id": str(caller.tenant_id),
            "key": caller.tenant_key,
            "name": caller.tenant_name,
            "is_sandbox": caller.is_sandbox,
        },
    }
