"""What routes ask for: who is calling, and a transaction of their tenant that commits before the answer is sent.

`Db` is one request = one transaction: it commits when the route returns and rolls back when it raises. Where a route
must commit in between (commands, starting a workflow) it opens `transaction(...)` itself. What only reads sees one
moment: an instance and its executions that are shown together belong together.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Final

from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import Principal, principal_of
from api.problems import Problem
from api.services import Services, services
from models.db import snapshot_session, tenant_session
from models.store.audit import AuditDraft, audit_tenant

LONGEST_SOURCE = 200
READING: Final = frozenset({"GET", "HEAD"})

bearer = OAuth2PasswordBearer(tokenUrl="/api/auth/token/", auto_error=False)


Held = Annotated[Services, Depends(services)]
# Dependencies are coroutines, also where they wait for nothing: FastAPI gives each plain function a thread of its own.


async def source_of(
    request: Request,
    client_name: Annotated[
        str | None, Header(alias="X-Client", description="Device, client or gauge that the entry comes from.")
    ] = None,
) -> str:
    """Where an entry comes from (21 CFR 11.10(h)): what the client says, and its address.

    The address is always there, so that no client can name itself like the engine's own source.
    """
    name = client_name or request.headers.get("user-agent", "")
    address = request.client.host if request.client else ""
    return f"{name[:LONGEST_SOURCE]} @ {address or 'local'}"


Source = Annotated[str, Depends(source_of)]


async def any_principal(
    request: Request, held: Held, source: Source, token: Annotated[str | None, Depends(bearer)]
) -> Principal:
    """The caller, also one who has to change the password first.

    Raises:
        Problem: unauthenticated.
    """
    if not token:
        raise Problem("unauthenticated")
    request.state.caller = caller = await principal_of(held, token, source)
    return caller


AnyCaller = Annotated[Principal, Depends(any_principal)]


async def principal(caller: AnyCaller) -> Principal:
    """The caller, ready to work.

    Raises:
        Problem: unauthenticated, password_change_required.
    """
    if caller.must_change_password:
        raise Problem("password_change_required")
    return caller


Caller = Annotated[Principal, Depends(principal)]


def transaction(held: Services, caller: Principal) -> AbstractAsyncContextManager[AsyncSession]:
    """A transaction of the caller's tenant; commits at the end of its block."""
    return tenant_session(held.app, caller.tenant_id)


def snapshot(held: Services, caller: Principal) -> AbstractAsyncContextManager[AsyncSession]:
    """A transaction of the caller's tenant for what is shown together: all its statements see one moment."""
    return snapshot_session(held.app, caller.tenant_id)


async def _session(request: Request, held: Held, caller: AnyCaller) -> AsyncIterator[AsyncSession]:
    opened = snapshot if request.method in READING else transaction
    async with opened(held, caller) as session:
        yield session


Db = Annotated[AsyncSession, Depends(_session, scope="function")]
"""The request's transaction. Function scope: it commits before the answer is sent, or a failed commit had said 200."""


def needs(permission: str) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets only holders of a permission in; a refused attempt is audited (21 CFR 11.10(d))."""

    async def check(caller: Caller) -> Principal:
        require(caller, permission)
        return caller

    return check


def require(caller: Principal, permission: str) -> None:
    """Refuse the caller who lacks a permission.

    Raises:
        Problem: forbidden.
    """
    if permission not in caller.permissions:
        raise Problem("forbidden", permission=permission)


async def note_refusal(request: Request, permission: str) -> None:
    """Write down that somebody tried what they may not, in a transaction of its own; the request's was rolled back."""
    caller: Principal | None = getattr(request.state, "caller", None)
    if caller is None:
        return
    draft = AuditDraft(
        action="access.refused",
        object_type="permission",
        object_id=permission,
        new={"attempted": f"{request.method} {request.url.path}"[:500]},
    )
    async with transaction(await services(request), caller) as session:
        await audit_tenant(session, caller.actor, draft)
