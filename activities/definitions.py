"""Approved process versions in memory: they never change, so each is read and parsed once per worker."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.flow.graph import Graph, parse_graph

CAPACITY = 500

_READ = text(
    """
    SELECT i.process_id, p.key, p.name, p.category, p.graph, t.key AS tenant_key
    FROM workflow_instance i
    JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    JOIN tenant t ON t.id = i.tenant_id
    WHERE i.tenant_id = :tenant AND i.id = :instance
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
    """The versions that this worker's instances are pinned to, least recently used out first."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_instance: OrderedDict[UUID, UUID] = OrderedDict()
        self._by_process: OrderedDict[UUID, Definition] = OrderedDict()

    async def of(self, connection: AsyncConnection, tenant_id: UUID, instance_id: UUID) -> Definition:
        """The version an instance is pinned to.

        Raises:
            LookupError: no such instance in this tenant.
        """
        known = self._by_instance.get(instance_id)
        if known is not None and known in self._by_process:
            self._by_process.move_to_end(known)
            return self._by_process[known]
        row = (await connection.execute(_READ, {"tenant": tenant_id, "instance": instance_id})).mappings().one_or_none()
        if row is None:
            raise LookupError(f"no instance {instance_id}")
        process_id = row["process_id"]
        found = self._by_process.get(process_id) or Definition(
            process_id=process_id,
            key=row["key"],
            name=row["name"],
            category=row["category"],
            tenant_key=row["tenant_key"],
            json=row["graph"],
            graph=parse_graph(row["graph"]),
        )
        self._remember(instance_id, found)
        return found

    def _remember(self, instance_id: UUID, definition: Definition) -> None:
        self._by_process[definition.process_id] = definition
        self._by_instance[instance_id] = definition.process_id
        while len(self._by_process) > CAPACITY:
            self._by_process.popitem(last=False)
        while len(self._by_instance) > 20 * CAPACITY:
            self._by_instance.popitem(last=False)
