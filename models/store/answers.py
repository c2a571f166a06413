"""Answers kept under an `Idempotency-Key`, for requests that are carried out in one transaction."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.people import Person
from models.store.reading import run

_KEEP = text(
    "UPDATE request SET response_status = :status, response = CAST(:response AS jsonb)"
    " WHERE tenant_id = :tenant AND actor_id = :actor AND key = :key"
)


async def keep_answer(session: AsyncSession, person: Person, key: str, status: int, answer: Mapping[str, Any]) -> None:
    """Keep the answer of a request whose key this transaction has taken (`models.store.commands.take_key`)."""
    values = {"tenant": person.tenant_id, "actor": person.id, "key": key}
    await run(session, _KEEP, {**values, "status": status, "response": json.dumps(answer)})
