"""Prove that the record is as it was written: recompute every digest and link, and name what differs.

A superuser can change a row with SQL; these functions find it (21 CFR 11.10(c)(e)). They read, and change nothing.
Rewriting a whole chain with its head is found by the checkpoints (`models.store.checkpoints`).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import Chain
from models.store.audit import content_digest
from models.store.chain import HEAD_TABLES, Head, link_hash, payload_digest
from models.store.chained import CHAINED, Chained, row_digest
from models.tables import AuditEntry, ChainLink

PAGE: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as it was written.

    `what` is one of `row_changed`, `rows_missing`, `row_unsealed`, `link_changed`, `link_missing`, `head_changed`,
    `checkpoint_changed`, `chain_cut`; `n` the link concerned.
    """

    chain: Chain
    chain_id: UUID
    what: str
    n: int
    table: str = ""
    row: str = ""


async def verify_chain(session: AsyncSession, tenant_id: UUID, chain: Chain, chain_id: UUID) -> list[Problem]:
    """Check one chain: its rows against their digests, the digests against the links, the links against the head.

    Args:
        session: Tenant-scoped; ideally REPEATABLE READ, or the chain may grow while it is read.
        tenant_id: The tenant.
        chain: Which kind.
        chain_id: The instance, execution or tenant that carries it.

    Returns:
        What differs, in the order of the links; empty where all is well.
    """
    problems: list[Problem] = []
    sealed: dict[int, list[bytes]] = {}
    for kind in CHAINED:
        if kind.chain in (chain, None):
            async for row in _rows(session, tenant_id, chain, chain_id, kind):
                sealed.setdefault(row["chain_n"], []).append(row["digest"])
                if not _is_intact(kind, row):
                    problems.append(_changed(kind, row, chain, chain_id))
    head = await _head(session, tenant_id, chain, chain_id)
    problems += await _verify_links(session, head, sealed)
    return sorted(problems, key=lambda problem: (problem.n, problem.what, problem.row))


async def verify_tenant(session: AsyncSession, tenant_id: UUID) -> list[Problem]:
    """Check every chain of a tenant, also those that exist in name only because a row claims them."""
    problems = []
    for chain, chain_id in await _chains(session, tenant_id):
        problems += await verify_chain(session, tenant_id, chain, chain_id)
    return problems


def _changed(kind: Chained, row: dict[str, Any], chain: Chain, chain_id: UUID) -> Problem:
    return Problem(
        chain=chain,
        chain_id=chain_id,
        what="row_changed",
        n=row["chain_n"],
        table=str(kind.table.__tablename__),
        row=str(row.get("id", row.get("seq"))),
    )


def _is_intact(kind: Chained, row: dict[str, Any]) -> bool:
    stands = kind.table is not AuditEntry or row["erased_at"] is not None
    if not stands and content_digest(row["old"], row["new"]) != row["content_digest"]:
        return False
    return bool(row_digest(kind.table, row) == row["digest"])


async def _rows(
    session: AsyncSession, tenant_id: UUID, chain: Chain, chain_id: UUID, kind: Chained
) -> AsyncIterator[dict[str, Any]]:
    """The chain's rows of one table, page by page."""
    table = kind.table.metadata.tables[str(kind.table.__tablename__)]
    here = (table.c.tenant_id == tenant_id) & (table.c[kind.chain_id] == chain_id)
    if kind.chain is None:
        here &= table.c.chain == chain
    connection = await session.connection()
    async with connection.stream(table.select().where(here), execution_options={"yield_per": PAGE}) as result:
        async for row in result.mappings():
            yield dict(row)


async def _head(session: AsyncSession, tenant_id: UUID, chain: Chain, chain_id: UUID) -> Head:
    connection = await session.connection()
    where = "id = :id AND id = :tenant" if chain is Chain.TENANT else "id = :id AND tenant_id = :tenant"
    query = text(f"SELECT chain_n, chain_hash FROM {HEAD_TABLES[chain]} WHERE {where}")  # noqa: S608 - names from the code
    row = (await connection.execute(query, {"id": chain_id, "tenant": tenant_id})).one_or_none()
    n, hashed = (row.chain_n, row.chain_hash) if row else (0, b"")
    return Head(tenant_id=tenant_id, chain=chain, chain_id=chain_id, n=n, hash=hashed)


async def _verify_links(session: AsyncSession, head: Head, sealed: dict[int, list[bytes]]) -> list[Problem]:
    """The links in order, against the rows they seal, and the head against the last of them."""

    def problem(what: str, n: int) -> Problem:
        return Problem(chain=head.chain, chain_id=head.chain_id, what=what, n=n)

    problems = []
    links = await _links(session, head)
    before = b""
    for expected, link in enumerate(links, start=1):
        if link.n != expected:
            problems.append(problem("link_missing", expected))
            break
        hashed = link_hash(before, head, link.n, link.at, link.payload_digest)
        if link.prev_hash != before or link.hash != hashed:
            problems.append(problem("link_changed", link.n))
        if payload_digest(sealed.pop(link.n, [])) != link.payload_digest:
            problems.append(problem("rows_missing", link.n))
        before = link.hash
    problems += [problem("row_unsealed", n) for n in sorted(sealed)]
    if (head.n, head.hash) != (len(links), before):
        problems.append(problem("head_changed", head.n))
    return problems


async def _links(session: AsyncSession, head: Head) -> Sequence[ChainLink]:
    query = (
        select(ChainLink)
        .where(
            ChainLink.tenant_id == head.tenant_id, ChainLink.chain == head.chain, ChainLink.chain_id == head.chain_id
        )
        .order_by(col(ChainLink.n))
        .execution_options(populate_existing=True)
    )
    return (await session.exec(query)).all()


async def _chains(session: AsyncSession, tenant_id: UUID) -> list[tuple[Chain, UUID]]:
    """Every chain that a head, a link or a row names."""
    named = ["SELECT chain, chain_id FROM chain_link WHERE tenant_id = :tenant"]
    for chain, table in HEAD_TABLES.items():
        key = "id" if chain is Chain.TENANT else "tenant_id"
        named.append(f"SELECT '{chain}', id FROM {table} WHERE {key} = :tenant AND chain_n > 0")  # noqa: S608
    for kind in CHAINED:
        chain_sql = f"'{kind.chain}'" if kind.chain else "chain"
        named.append(f"SELECT {chain_sql}, {kind.chain_id} FROM {kind.table.__tablename__} WHERE tenant_id = :tenant")  # noqa: S608
    connection = await session.connection()
    rows = await connection.execute(text(" UNION ".join(named) + " ORDER BY 1, 2"), {"tenant": tenant_id})
    return [(Chain(chain), chain_id) for chain, chain_id in rows]
