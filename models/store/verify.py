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
_STRAYS: Final = text(
    """
    SELECT DISTINCT claimed.chain, claimed.chain_id
    FROM (SELECT chain, chain_id FROM chain_link WHERE tenant_id = :tenant
          UNION ALL SELECT chain, chain_id FROM audit_entry WHERE tenant_id = :tenant) AS claimed
    WHERE NOT EXISTS (SELECT FROM workflow_instance WHERE tenant_id = :tenant AND id = chain_id AND chain = 'instance')
      AND NOT EXISTS (SELECT FROM step_execution WHERE tenant_id = :tenant AND id = chain_id AND chain = 'execution')
      AND NOT (chain = 'tenant' AND chain_id = :tenant)
    ORDER BY chain, chain_id LIMIT 1000
    """
)

Name = tuple[Chain, UUID]
"""What a chain is called: its kind, and the row that carries it."""
Only = tuple[Chain, Sequence[UUID]]
"""Some chains of one kind."""


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
        What differs, by chain and link; empty where all is well.
    """
    return await _verify(session, tenant_id, (chain, [chain_id]))


async def verify_chains(
    session: AsyncSession, tenant_id: UUID, chain: Chain, chain_ids: Sequence[UUID]
) -> list[Problem]:
    """Check some chains of one kind, as `verify_chain` does one; memory grows with their rows."""
    return await _verify(session, tenant_id, (chain, chain_ids))


async def verify_tenant(session: AsyncSession, tenant_id: UUID) -> list[Problem]:
    """Check every chain of a tenant, also those that exist in name only because a row claims them. One pass."""
    return await _verify(session, tenant_id, None)


async def verify_long_chain(session: AsyncSession, tenant_id: UUID, chain: Chain, chain_id: UUID) -> list[Problem]:
    """Check one chain of any length, such as the tenant's own, in windows: memory stays as it is."""
    only: Only = (chain, [chain_id])
    n, hashed = (await _heads(session, tenant_id, only)).get((chain, chain_id), (0, b""))
    walk = _Walk(Head(tenant_id=tenant_id, chain=chain, chain_id=chain_id, n=n, hash=hashed))
    changed: list[Problem] = []
    goes_on = True
    while goes_on:
        links = (await _links(session, tenant_id, only, after=walk.n, limit=PAGE)).get((chain, chain_id), [])
        is_last = len(links) < PAGE
        window = (walk.n, None if is_last else links[-1].n)
        sealed: dict[int, list[bytes]] = {}
        for kind in CHAINED:
            if kind.chain in (chain, None):
                async for row in _rows(session, tenant_id, kind, only, window):
                    sealed.setdefault(row["chain_n"], []).append(row["digest"])
                    if not _is_intact(kind, row):
                        changed.append(_changed(kind, row, (chain, chain_id)))
        goes_on = walk.take(links, sealed) and not is_last
        session.expunge_all()
    return [*changed, *walk.end()]


async def strays(session: AsyncSession, tenant_id: UUID) -> list[tuple[Chain, UUID]]:
    """Chains that exist in name only: links or entries claim them, and nothing carries them."""
    connection = await session.connection()
    found = await connection.execute(_STRAYS, {"tenant": tenant_id})
    return [(Chain(row.chain), row.chain_id) for row in found]


async def _verify(session: AsyncSession, tenant_id: UUID, only: Only | None) -> list[Problem]:
    problems: list[Problem] = []
    sealed: dict[Name, dict[int, list[bytes]]] = {}
    for kind in CHAINED:
        if only is None or kind.chain in (only[0], None):
            async for row in _rows(session, tenant_id, kind, only):
                name: Name = (kind.chain or row["chain"], row[kind.chain_id])
                sealed.setdefault(name, {}).setdefault(row["chain_n"], []).append(row["digest"])
                if not _is_intact(kind, row):
                    problems.append(_changed(kind, row, name))
    heads = await _heads(session, tenant_id, only)
    links = await _links(session, tenant_id, only)
    for name in sealed.keys() | heads.keys() | links.keys():
        chain, chain_id = name
        n, hashed = heads.get(name, (0, b""))
        walk = _Walk(Head(tenant_id=tenant_id, chain=chain, chain_id=chain_id, n=n, hash=hashed))
        walk.take(links.get(name, []), sealed.get(name, {}))
        problems += walk.end()
    return sorted(problems, key=lambda one: (one.chain, one.chain_id, one.n, one.what, one.row))


def _changed(kind: Chained, row: dict[str, Any], name: Name) -> Problem:
    return Problem(
        chain=name[0],
        chain_id=name[1],
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


class _Walk:
    """The links of one chain in order, against the rows they seal; in one go or window by window."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.n = 0
        self.before = b""
        self.problems: list[Problem] = []

    def take(self, links: Sequence[ChainLink], sealed: dict[int, list[bytes]]) -> bool:
        """The next links and the rows that claim them; whether the chain goes on unbroken."""
        unsealed, unbroken = dict(sealed), True
        for link in links:
            if link.n != self.n + 1:
                self._note("link_missing", self.n + 1)
                unbroken = False
                break
            sealing = link_hash(self.before, self.head, link.n, link.at, link.payload_digest)
            if (link.prev_hash, link.hash) != (self.before, sealing):
                self._note("link_changed", link.n)
            if payload_digest(unsealed.pop(link.n, [])) != link.payload_digest:
                self._note("rows_missing", link.n)
            self.n, self.before = link.n, link.hash
        for n in sorted(unsealed):
            self._note("row_unsealed", n)
        return unbroken

    def end(self) -> list[Problem]:
        """Everything found, once the head was compared with the last link."""
        if (self.head.n, self.head.hash) != (self.n, self.before):
            self._note("head_changed", self.head.n)
        return self.problems

    def _note(self, what: str, n: int) -> None:
        self.problems.append(Problem(chain=self.head.chain, chain_id=self.head.chain_id, what=what, n=n))


async def _rows(
    session: AsyncSession,
    tenant_id: UUID,
    kind: Chained,
    only: Only | None,
    window: tuple[int, int | None] = (0, None),
) -> AsyncIterator[dict[str, Any]]:
    """The sealed rows of one table, page by page; of links after the window's first up to its second number."""
    table = kind.table.metadata.tables[str(kind.table.__tablename__)]
    here = table.c.tenant_id == tenant_id
    if only is not None:
        here &= table.c[kind.chain_id].in_(only[1])
        if kind.chain is None:
            here &= table.c.chain == only[0]
    after, last = window
    if after:
        here &= table.c.chain_n > after
    if last is not None:
        here &= table.c.chain_n <= last
    connection = await session.connection()
    async with connection.stream(table.select().where(here), execution_options={"yield_per": PAGE}) as result:
        async for row in result.mappings():
            yield dict(row)


async def _heads(session: AsyncSession, tenant_id: UUID, only: Only | None) -> dict[Name, tuple[int, bytes]]:
    """The heads of all chains that have links, by their names."""
    parts = []
    for chain, table in HEAD_TABLES.items():
        key = "id" if chain is Chain.TENANT else "tenant_id"
        parts.append(
            f"SELECT '{chain}' AS chain, id, chain_n, chain_hash FROM {table} "  # noqa: S608 - names from the code
            f"WHERE {key} = :tenant AND chain_n > 0"
        )
    query = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS heads"  # noqa: S608 - as above
    values: dict[str, Any] = {"tenant": tenant_id}
    if only is not None:
        query += " WHERE chain = :chain AND id = ANY(:ids)"
        values |= {"chain": only[0].value, "ids": list(only[1])}
    connection = await session.connection()
    rows = await connection.execute(text(query), values)
    return {(Chain(row.chain), row.id): (row.chain_n, row.chain_hash) for row in rows}


async def _links(
    session: AsyncSession, tenant_id: UUID, only: Only | None, *, after: int = 0, limit: int | None = None
) -> dict[Name, list[ChainLink]]:
    query = select(ChainLink).where(ChainLink.tenant_id == tenant_id, ChainLink.n > after).limit(limit)
    if only is not None:
        query = query.where(ChainLink.chain == only[0], col(ChainLink.chain_id).in_(only[1]))
    query = query.order_by(col(ChainLink.n)).execution_options(populate_existing=True)
    links: dict[Name, list[ChainLink]] = {}
    for link in (await session.exec(query)).all():
        links.setdefault((link.chain, link.chain_id), []).append(link)
    return links
