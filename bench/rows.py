"""The workflows that one would write by hand for one process, without an engine: what our engine is measured against.

One signal completes one step. They keep no state but an inbox, know nothing of graphs, permissions or subjects, and
never continue as new. Only what the sandbox may import belongs here; the database side is in `bench.hand_database`.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

QUEUE = "bench-by-hand"
CHECK, RECORD, CHECK_AND_RECORD, CHECK_AND_RECORD_MANY = "check", "record", "check_and_record", "check_and_record_many"
STEPS = SearchAttributeKey.for_keyword_list("GateworkSteps")
TIMEOUT = timedelta(seconds=30)
DEADLINE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One step to be completed; `number` only makes the search attribute change."""

    execution_id: str
    number: int = 0
    tick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Many executions to be completed by one signal; `key` is announced when all are recorded."""

    key: str
    execution_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What the variants of L2 do besides the two activities."""

    upsert: bool = False
    timer: bool = False


class _Inbox:
    """What arrived and was not handled."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    async def next(self) -> Item:
        await workflow.wait_condition(lambda: bool(self.items))
        return self.items.pop(0)


@workflow.defn(name="T2")
class TwoActivities:
    """T2: signal, then one activity that checks and one that records."""

    def __init__(self) -> None:
        self._inbox = _Inbox()

    @workflow.signal
    def complete(self, item: Item) -> None:
        self._inbox.items.append(item)

    @workflow.run
    async def run(self) -> None:
        while True:
            item = await self._inbox.next()
            await workflow.execute_activity(CHECK, item, start_to_close_timeout=TIMEOUT)
            await workflow.execute_activity(RECORD, item, start_to_close_timeout=TIMEOUT)


@workflow.defn(name="L1")
class OneLocalActivity:
    """L1: signal, then one local activity that checks and records."""

    def __init__(self) -> None:
        self._inbox = _Inbox()

    @workflow.signal
    def complete(self, item: Item) -> None:
        self._inbox.items.append(item)

    @workflow.run
    async def run(self) -> None:
        while True:
            item = await self._inbox.next()
            await workflow.execute_local_activity(CHECK_AND_RECORD, item, start_to_close_timeout=TIMEOUT)


@workflow.defn(name="L2")
class TwoLocalActivities:
    """L2: signal, one local activity that checks, one that records; search attribute and deadline on demand."""

    def __init__(self) -> None:
        self._inbox = _Inbox()
        self._timer: asyncio.Task[None] | None = None

    @workflow.signal
    def complete(self, item: Item) -> None:
        self._inbox.items.append(item)

    @workflow.run
    async def run(self, extras: Extras) -> None:
        while True:
            item = await self._inbox.next()
            await workflow.execute_local_activity(CHECK, item, start_to_close_timeout=TIMEOUT)
            if not item.tick:
                await workflow.execute_local_activity(RECORD, item, start_to_close_timeout=TIMEOUT)
            if extras.upsert:
                workflow.upsert_search_attributes([STEPS.value_set([f"step-{item.number}-{item.tick}"])])
            if extras.timer:
                self._reset()

    def _reset(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.create_task(workflow.sleep(DEADLINE))


@workflow.defn(name="H")
class Hot:
    """H: whatever queued up is one batch for one local activity; B: a signal may bring a thousand at once."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._batches: list[Batch] = []

    @workflow.signal
    def complete(self, item: Item) -> None:
        self._items.append(item)

    @workflow.signal
    def complete_many(self, batch: Batch) -> None:
        self._batches.append(batch)

    @workflow.run
    async def run(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._items or self._batches))
            items, self._items = self._items, []
            batches, self._batches = self._batches, []
            if items:
                batches.append(Batch(key="", execution_ids=tuple(item.execution_id for item in items)))
            for batch in batches:
                await workflow.execute_local_activity(CHECK_AND_RECORD_MANY, batch, start_to_close_timeout=TIMEOUT)


WORKFLOWS = (TwoActivities, OneLocalActivity, TwoLocalActivities, Hot)
