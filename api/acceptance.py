"""Requests of the same moment are accepted together: one transaction per tenant, one round trip, no wait for the disk.

A command whose outcome is known was on the disk before it, for the database writes its log in order; who answers
without an outcome asks `keep` first (ADR 9). What one request holds never harms another: where the database refuses a
group, each goes alone.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from models.store.acceptance import Lone, accepting, keeping
from models.together import Together
from models.wire import tenant_wire

UNCERTAIN: Final = ("08", "57")
"""Classes of SQLSTATE after which nobody knows whether the commit was done: connection lost, server going down."""


class Acceptance:
    """The acceptance of one process."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Accept with the application's role."""
        self._engine = engine
        self._together: Together[UUID, Lone, UUID | None] = Together(self._accept)

    async def take(self, one: Lone) -> UUID | None:
        """The instance of a command that is committed now; None: nothing was written, it has to go the long way.

        Raises:
            psycopg.OperationalError: the database went away; the command may be there.
        """
        return await self._together.ask(one.tenant_id, one)

    async def keep(self, tenant: UUID, commands: Sequence[UUID]) -> bool:
        """Wait until accepted commands are on the disk; False where a database that died has forgotten one.

        A lock on a row is written to the log as well, so this commit waits for all that was written before it.
        """
        async with tenant_wire(self._engine, tenant) as wire:
            (rows,) = await wire.finish(keeping(tenant, commands))
        return len(rows) == len(commands)

    async def _accept(self, tenant: UUID, group: Sequence[Lone]) -> list[UUID | None]:
        plain = list(_first_of_each_key(group))
        try:
            written = await self._write(tenant, plain)
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(UNCERTAIN):
                raise
            if len(group) == 1:
                return [None]
            return [found for one in group for found in await self._accept(tenant, [one])]
        taken = {id(one) for one in plain}
        return [written.get(one.id) if id(one) in taken else None for one in group]

    async def _write(self, tenant: UUID, group: Sequence[Lone]) -> dict[UUID, UUID]:
        async with tenant_wire(self._engine, tenant, kept=False) as wire:
            (rows,) = await wire.finish(accepting(tenant, group))
        return {row.id: row.workflow_instance_id for row in rows}


def _first_of_each_key(group: Sequence[Lone]) -> Iterator[Lone]:
    """Without repetitions: who sends a key twice at once gets, the long way, what the first one got."""
    seen: set[tuple[UUID, str]] = set()
    for one in group:
        if one.key is not None:
            if (one.actor_id, one.key) in seen:
                continue
            seen.add((one.actor_id, one.key))
        yield one
