"""Electronic signatures: rows that are only ever added; which of them still count."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.evidence import Sealing
from models.store.people import Person
from models.store.reading import fetch
from models.tables import Signature

_VALID = text(
    """
    SELECT s.id, s.execution_id, s.requirement_id, s.signer_id, s.printed_name, s.meaning, s.content_hash, s.signed_at
    FROM signature s
    WHERE s.tenant_id = :tenant AND s.execution_id = ANY(:executions)
      AND NOT EXISTS (SELECT FROM signature_void v WHERE (v.tenant_id, v.signature_id) = (s.tenant_id, s.id))
    ORDER BY s.signed_at, s.id
    """
)


async def valid_signatures(
    session: AsyncSession, tenant_id: UUID, execution_ids: Collection[UUID]
) -> Sequence[RowMapping]:
    """The signatures of these executions that are not void, oldest first."""
    return await fetch(session, _VALID, tenant=tenant_id, executions=list(execution_ids))


async def add_signature(
    session: AsyncSession,
    link: Sealing,
    person: Person,
    *,
    signature_id: UUID,
    requirement_id: UUID,
    meaning: str,
    content_hash: str,
    now: datetime,
) -> None:
    """Add a signature with the signer's printed name, its meaning and the hash of what was shown."""
    row = {
        "id": signature_id,
        "requirement_id": requirement_id,
        "signer_id": person.id,
        "printed_name": person.printed_name,
        "meaning": meaning,
        "content_hash": content_hash,
        "signed_at": now,
        "source": person.source,
    }
    await link.add(session, Signature, [row])
    shown = {"printed_name": person.printed_name, "meaning": meaning, "content_hash": content_hash}
    link.tell("signature.given", "signature", signature_id, new=shown)
