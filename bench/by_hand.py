"""The hand-written rows as contenders: worker and caller in one process, as ours."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg
from psycopg_pool import AsyncConnectionPool
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from bench.contenders import CHECKLIST
from bench.hand_database import CHANNEL, TABLES, HandDatabase
from bench.measure import history_length
from bench.rows import QUEUE, WORKFLOWS, Batch, Extras, Item
from workers.sandbox import PASSED_THROUGH

POOL = 10
"""Connections, as many as `GATEWORK_DATABASE_POOL_SIZE` gives our worker."""


class Outcomes:
    """Who waits for which notice."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def expect(self, key: str) -> asyncio.Future[None]:
        """To be awaited after the signal; registered before it."""
        return self._waiting.setdefault(key, asyncio.get_running_loop().create_future())

    async def listen(self, url: str) -> None:
        """Until cancelled."""
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            async for notice in connection.notifies():
                for key in notice.payload.split(","):
                    self._waiting.pop(key).set_result(None)


@dataclass(slots=True)
class ByHand:
    """One hand-written workflow; `ticks` sends a signal for the evidence before each completion."""

    workflow: str
    client: Client
    database: HandDatabase
    outcomes: Outcomes
    extras: Extras | None = None
    ticks: bool = False
    _subjects: dict[str, int] = field(default_factory=dict)

    async def start(self, subjects: int) -> str:
        instance = str(uuid4())
        self._subjects[instance] = subjects
        arguments: list[Any] = [] if self.extras is None else [self.extras]
        await self.client.start_workflow(self.workflow, args=arguments, id=instance, task_queue=QUEUE)
        return instance

    async def make_ready(self, instance: str, subjects: Sequence[int], step: int) -> None:
        await self.database.make_ready(instance, [_id(instance, subject, step) for subject in subjects], CHECKLIST)
        if self.ticks:
            tick = Item(execution_id=str(_id(instance, subjects[0], step)), number=step, tick=True)
            await self.client.get_workflow_handle(instance).signal("complete", tick)
            await self.history(instance)

    async def complete(self, instance: str, subject: int, step: int) -> None:
        item = Item(execution_id=str(_id(instance, subject, step)), number=step)
        settled = self.outcomes.expect(item.execution_id)
        await self.client.get_workflow_handle(instance).signal("complete", item)
        await settled

    async def complete_many(self, instance: str, subjects: Sequence[int], step: int) -> None:
        ids = tuple(str(_id(instance, subject, step)) for subject in subjects)
        batch = Batch(key=str(uuid4()), execution_ids=ids)
        settled = self.outcomes.expect(batch.key)
        await self.client.get_workflow_handle(instance).signal("complete_many", batch)
        await settled

    async def history(self, instance: str) -> int:
        return await history_length(self.client, instance)


def _id(instance: str, subject: int, step: int) -> UUID:
    return uuid5(UUID(instance), f"{subject}/{step}")


@asynccontextmanager
async def by_hand(client: Client, url: str) -> AsyncIterator[dict[str, ByHand]]:
    """The rows by name, at work on an empty database.

    Args:
        client: With the Pydantic converter.
        url: As libpq takes it.
    """
    async with AsyncConnectionPool(url, min_size=POOL, max_size=POOL, open=False) as pool:
        async with pool.connection() as connection:
            await connection.execute(TABLES.encode())
        database, outcomes = HandDatabase(pool), Outcomes()
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=list(WORKFLOWS),
            activities=database.activities,
            workflow_runner=SandboxedWorkflowRunner(
                restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
            ),
        )
        listening = asyncio.create_task(outcomes.listen(url))
        try:
            async with worker:
                yield {
                    "T2": ByHand("T2", client, database, outcomes),
                    "L1": ByHand("L1", client, database, outcomes),
                    "L2": ByHand("L2", client, database, outcomes, Extras()),
                    "L2 + search attribute": ByHand("L2", client, database, outcomes, Extras(upsert=True)),
                    "L2 + timer reset": ByHand("L2", client, database, outcomes, Extras(upsert=True, timer=True)),
                    "L2 + signal per tick": ByHand(
                        "L2", client, database, outcomes, Extras(upsert=True, timer=True), ticks=True
                    ),
                    "H": ByHand("H", client, database, outcomes),
                }
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
