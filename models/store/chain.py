"""Hash chains: each link seals what one transaction added, and the link before it.

A chain hangs on a row that is locked anyway: the journal's on its instance, evidence on its execution, everything
else on the tenant. Lock order everywhere: instance → executions by id → tenant. Heads are locked FOR NO KEY UPDATE,
which foreign-key checks of others do not wait for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.enums import Chain
from models.store.canonical import canonical
from models.store.errors import NotFoundError

HEAD_TABLES: Final = {Chain.INSTANCE: "workflow_instance", Chain.EXECUTION: "step_execution", Chain.TENANT: "tenant"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last link of a chain whose row this transaction has locked; `n` is 0 and `hash` empty before the first."""

    tenant_id: UUID
    chain: Chain
    chain_id: UUID
    n: int
    hash: bytes


class ChainNotLockedError(RuntimeError):
    """The head of a chain moved although it should have been locked; nothing was written."""


def link_hash(prev_hash: bytes, head: Head, n: int, at: datetime, payload: bytes) -> bytes:
    """SHA-256 over the hash before, the name of the chain, `n`, the moment (UTC) and the payload's digest."""
    named = canonical([head.tenant_id, head.chain, head.chain_id, n, at, payload])
    return sha256(prev_hash + named).digest()


async def lock_chain(session: AsyncSession, tenant_id: UUID, chain: Chain, chain_id: UUID) -> Head:
    """Lock the row that carries a chain and read its head.

    Raises:
        NotFoundError: `not_found`, where the tenant has no such row.
    """
    connection = await session.connection()
    row = (await connection.execute(_LOCK[chain], {"tenant": tenant_id, "id": chain_id})).one_or_none()
    if row is None:
        raise NotFoundError(what=chain.value, id=str(chain_id))
    return Head(tenant_id=tenant_id, chain=chain, chain_id=chain_id, n=row.chain_n, hash=row.chain_hash)


async def seal(session: AsyncSession, head: Head, digests: Sequence[bytes], *, at: datetime | None = None) -> Head:
    """Add the link that seals these digests and move the head.

    Args:
        session: The transaction that locked the head.
        head: From `lock_chain` or an earlier `seal` of this transaction.
        digests: Of every row added with `chain_n = head.n + 1`.
        at: Server time in UTC; now unless given.

    Returns:
        The new head.
    """
    link = next_link(head, digests, at or datetime.now(UTC))
    connection = await session.connection()
    written = await connection.execute(_SEAL[head.chain], link)
    if written.rowcount != 1:
        raise ChainNotLockedError(f"{head.chain} {head.chain_id}: expected link {head.n} to be the last.")
    return Head(tenant_id=head.tenant_id, chain=head.chain, chain_id=head.chain_id, n=link["n"], hash=link["hash"])


def next_link(head: Head, digests: Sequence[bytes], at: datetime) -> dict[str, Any]:
    """The link that follows `head`: parameters of the statement that adds it and moves the head."""
    payload, n = payload_digest(digests), head.n + 1
    return {
        "tenant": head.tenant_id, "chain": head.chain.value, "id": head.chain_id, "n": n, "at": at, "payload": payload,
        "prev": head.hash, "hash": link_hash(head.hash, head, n, at, payload),
    }  # fmt: skip


def payload_digest(digests: Sequence[bytes]) -> bytes:
    """The digest of everything one link seals, whatever its order."""
    return sha256(b"".join(sorted(digests))).digest()


def _where(chain: Chain) -> str:
    return "id = :id AND id = :tenant" if chain is Chain.TENANT else "tenant_id = :tenant AND id = :id"


def _lock(chain: Chain) -> TextClause:
    return text(
        f"SELECT chain_n, chain_hash FROM {HEAD_TABLES[chain]} "  # noqa: S608 - names from the code
        f"WHERE {_where(chain)} FOR NO KEY UPDATE"
    )


def _seal(chain: Chain) -> TextClause:
    return text(
        f"WITH moved AS (UPDATE {HEAD_TABLES[chain]} SET chain_n = :n, chain_hash = :hash "  # noqa: S608 - as above
        f"WHERE {_where(chain)} AND chain_n = :n - 1 RETURNING 1) "
        "INSERT INTO chain_link (tenant_id, chain, chain_id, n, at, payload_digest, prev_hash, hash) "
        "SELECT :tenant, :chain, :id, :n, :at, :payload, :prev, :hash FROM moved"
    )


_LOCK: Final = {chain: _lock(chain) for chain in Chain}
_SEAL: Final = {chain: _seal(chain) for chain in Chain}
