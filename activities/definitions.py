"""Approved process versions in memory: they never change, so each is read and parsed once per worker."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from models.flow.graph import Graph, parse_graph

CAPACITY = 500

_READ = text(
    """
    SELECT p.key, p.name, p.category, p.graph, t.key AS tenant_key
    FROM process p JOIN tenant t ON t.id = p.tenant_id
    WHERE p.tenant_id = :tenant AND p.id = :process AND p.graph_hash IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One approved process version."""

    process_id: UUID
    key: str
    name: str
    category: str
    tenant_key: str
    json: dict[str, Any]
    graph: Graph


class Definitions:
    """The versions that were used last, by id: which one an instance is pinned to is read with the instance."""

    def __init__(self) -> None:
        """Start empty."""
        self._known: OrderedDict[UUID, Definition] = OrderedDict()

    async def version(self, session: AsyncSession, tenant_id: UUID, process_id: UUID) -> Definition:
        """One approved version.

        Raises:
            LookupError: no such version in this tenant.
        """
        known = self._known.get(process_id)
        if known is not None:
            self._known.move_to_end(process_id)
            return known
        keys = {"tenant": tenant_id, "process": process_id}
        connection = await session.connection()
        row = (await connection.execute(_READ, keys)).mappings().one_or_none()
        if row is None:
            raise LookupError(f"no approved process {process_id}")
        found = Definition(
            process_id=process_id,
            key=row["key"],
            name=row["name"],
            category=row["category"],
            tenant_key=row["tenant_key"],
            json=row["graph"],
            graph=parse_graph(row["graph"]),
        )
        self._known[process_id] = found
        while len(self._known) > CAPACITY:
            self._known.popitem(last=False)
        return found
