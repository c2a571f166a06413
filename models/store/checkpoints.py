"""Checkpoints seal the heads of all chains that grew, so that cutting the end off a chain is found too.

Each checkpoint holds the heads of the chains that got links since the one before (with an overlap of an hour, longer
than any transaction lasts), and the digest of its predecessor. Its digest belongs outside the database: in the log, on
paper, in a mail to the auditor.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import system_session, tenant_session
from models.enums import Chain
from models.store.canonical import digest_of
from models.store.chain import lock_chain
from models.store.verify import Problem
from models.tables import ChainCheckpoint, Tenant

OVERLAP: Final = timedelta(hours=1)

_GROWN = text(
    "SELECT DISTINCT ON (chain, chain_id) chain, chain_id, n, hash FROM chain_link"
    " WHERE tenant_id = :tenant AND at >= :since ORDER BY chain, chain_id, n DESC"
)

_MISSING = text(
    """
    SELECT h.chain, h.chain_id, h.n
    FROM jsonb_to_recordset(CAST(:heads AS jsonb)) AS h (chain text, chain_id uuid, n bigint, hash text)
    LEFT JOIN chain_link l ON (l.tenant_id, l.chain, l.chain_id, l.n) = (:tenant, h.chain, h.chain_id, h.n)
    WHERE l.hash IS NULL OR encode(l.hash, 'hex') <> h.hash
    ORDER BY h.chain, h.chain_id
    """
)


async def write_checkpoint(session: AsyncSession, tenant_id: UUID, *, at: datetime | None = None) -> ChainCheckpoint:
    """Seal the heads of the chains that grew since the last checkpoint; where none did, that one is returned again.

    Locks the tenant's chain meanwhile.
    """
    moment = at or datetime.now(UTC)
    await lock_chain(session, tenant_id, Chain.TENANT, tenant_id)
    last = await _last(session, tenant_id)
    since = last.at - OVERLAP if last else datetime(1, 1, 1, tzinfo=UTC)
    connection = await session.connection()
    grown = await connection.execute(_GROWN, {"tenant": tenant_id, "since": since})
    heads: list[list[Any]] = [[row.chain, str(row.chain_id), row.n, row.hash.hex()] for row in grown]
    if last is not None and all(head in last.heads for head in heads):
        return last
    before = last.digest if last else b""
    written = ChainCheckpoint(
        tenant_id=tenant_id,
        id=uuid4(),
        at=moment,
        heads=heads,
        prev_digest=before,
        digest=_digest(tenant_id, before, moment, heads),
    )
    session.add(written)
    await session.flush()
    return written


async def seal_all_tenants(app: AsyncEngine, system: AsyncEngine) -> dict[UUID, ChainCheckpoint]:
    """A checkpoint for every tenant, each in a transaction of its own; for a worker to call once a day."""
    async with system_session(system) as session:
        tenants = (await session.exec(select(Tenant.id).order_by(col(Tenant.id)))).all()
    sealed = {}
    for tenant_id in tenants:
        async with tenant_session(app, tenant_id) as session:
            sealed[tenant_id] = await write_checkpoint(session, tenant_id)
    return sealed


async def verify_checkpoints(session: AsyncSession, tenant_id: UUID) -> list[Problem]:
    """Check that every checkpoint is as written, and that every head it sealed is still in its chain."""
    query = select(ChainCheckpoint).where(ChainCheckpoint.tenant_id == tenant_id).order_by(col(ChainCheckpoint.at))
    problems: list[Problem] = []
    before = b""
    connection = await session.connection()
    for number, one in enumerate((await session.exec(query)).all(), start=1):
        if one.prev_digest != before or one.digest != _digest(tenant_id, before, one.at, one.heads):
            problems.append(Problem(chain=Chain.TENANT, chain_id=tenant_id, what="checkpoint_changed", n=number))
        before = one.digest
        missing = await connection.execute(_MISSING, {"tenant": tenant_id, "heads": _records(one.heads)})
        problems += [Problem(chain=Chain(m.chain), chain_id=m.chain_id, what="chain_cut", n=m.n) for m in missing]
    return problems


async def _last(session: AsyncSession, tenant_id: UUID) -> ChainCheckpoint | None:
    query = (
        select(ChainCheckpoint)
        .where(ChainCheckpoint.tenant_id == tenant_id)
        .order_by(col(ChainCheckpoint.at).desc())
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()


def _digest(tenant_id: UUID, before: bytes, at: datetime, heads: list[list[Any]]) -> bytes:
    return digest_of([tenant_id, before, at, heads])


def _records(heads: list[list[Any]]) -> str:
    return json.dumps([dict(zip(("chain", "chain_id", "n", "hash"), head, strict=True)) for head in heads])
