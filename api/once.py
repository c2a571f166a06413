"""A request in one transaction that happens once, however often it is sent with the same `Idempotency-Key`."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import Principal
from api.commanding import Manner
from api.deps import transaction
from api.services import Services
from models.store.answers import keep_answer
from models.store.commands import take_key
from models.store.people import Person

Work = Callable[[AsyncSession], Awaitable[dict[str, Any]]]


async def once(
    held: Services, caller: Principal, person: Person, how: Manner, mark: str, work: Work, *, status: int = 200
) -> JSONResponse:
    """Do the work and keep its answer; a repetition waits for the first one and gets the same answer.

    A refusal is not kept: the request can be sent again with the same key.

    Args:
        mark: from `api.commanding.fingerprint`; without any password.
        work: writes within the session; its answer is JSON-ready.
        status: of the answer.

    Raises:
        StoreError: idempotency_conflict.
    """
    async with transaction(held, caller) as session:
        if how.key is not None:
            before = await take_key(session, person, how.key, mark)
            if before is not None and before["response"] is not None:
                return JSONResponse(before["response"], before["response_status"])
        answer = await work(session)
        if how.key is not None:
            await keep_answer(session, person, how.key, status, answer)
    return JSONResponse(answer, status)
