"""What calls of automatic actions ask, kept before anything is sent, so that every try asks the very same.

Whoever is first decides: a try that worked out something else meanwhile sends what is kept, not what it worked out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.reading import fetch, fetch_one, run

_KEEP: Final = text(
    """
    INSERT INTO action_request (tenant_id, id, execution_id, target, content, sha256)
    VALUES (:tenant, :call, :execution, :target, :content, :sha256)
    ON CONFLICT (tenant_id, id) DO NOTHING
    """
)
_KEPT: Final = text("SELECT target, content FROM action_request WHERE tenant_id = :tenant AND id = :call")
_HASHES: Final = text("SELECT id, sha256 FROM action_request WHERE tenant_id = :tenant AND id = ANY(:calls)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a call asks: `content` as it is sent, and the `target` that the step works out, empty where it does not."""

    target: str = ""
    content: bytes = field(default=b"", repr=False)

    @property
    def sha256(self) -> str:
        """Of the content, after the target and a newline where there is a target."""
        before = f"{self.target}\n".encode() if self.target else b""
        return sha256(before + self.content).hexdigest()


async def kept_request(session: AsyncSession, tenant_id: UUID, call_id: UUID) -> Request | None:
    """What the call asked before; None where nothing was sent for it yet."""
    row = await fetch_one(session, _KEPT, tenant=tenant_id, call=call_id)
    return None if row is None else Request(target=row["target"], content=row["content"])


async def keep_request(
    session: AsyncSession, tenant_id: UUID, call_id: UUID, execution_id: UUID, request: Request
) -> Request:
    """Keep what a call asks, unless another try was first.

    Returns:
        What is kept, and to be sent once this transaction is committed. Another try's transaction that is about to keep
        the same call's is waited for.
    """
    found = {"target": request.target, "content": request.content, "sha256": request.sha256}
    await run(session, _KEEP, {"tenant": tenant_id, "call": call_id, "execution": execution_id, **found})
    row = await fetch(session, _KEPT, tenant=tenant_id, call=call_id)
    return Request(target=row[0]["target"], content=row[0]["content"])


async def request_hashes(session: AsyncSession, tenant_id: UUID, call_ids: Sequence[str]) -> dict[str, str]:
    """SHA-256 of what each call asked; those that sent nothing are missing."""
    if not call_ids:
        return {}
    rows = await fetch(session, _HASHES, tenant=tenant_id, calls=[UUID(one) for one in call_ids])
    return {str(row["id"]): row["sha256"] for row in rows}
