"""The `as_of` of a request: the same answers as for the present, from the rows as they were then."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BeforeValidator
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.past import recall
from activities.rebuild import UntellableError, in_scratch
from api.auth import Principal
from api.schemas.base import Moment
from models.store.refusals import HistoryDamagedError
from models.store.views import moment

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})")


def _written_out(value: object) -> object:
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError("write a time of RFC 3339 with its zone, such as 2026-03-31T14:05:00Z (encode + as %2B)")
    return value


AsOf = Annotated[
    Moment | None,
    BeforeValidator(_written_out),
    Query(description="RFC 3339 time: answer as of then, rebuilt from the journal."),
]


@asynccontextmanager
async def past(
    session: AsyncSession, caller: Principal, workflow_id: UUID, as_of: datetime, *, related: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """Within the block, reads of the request's transaction find the rows of the instance as they were.

    Yields:
        Which moment that is, to go with the answer.

    Raises:
        StoreError: not_found, as_of_before_start, as_of_in_future, history_damaged.
    """
    try:
        told = await recall(session, caller.tenant_id, workflow_id, as_of, related=related)
    except UntellableError as error:
        raise HistoryDamagedError(workflow=str(workflow_id), problem=str(error)) from error
    async with in_scratch(await session.connection()):
        yield {"as_of": moment(as_of), "journal_seq": told.seq}
