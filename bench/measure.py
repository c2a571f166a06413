"""Clocks and counts: the same procedure for every contender."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from temporalio.client import Client

from bench.contenders import STEPS, Contender
from bench.cpu import Meter

SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured.

    Attributes:
        passes: how often everything is repeated, contenders in turn; the median counts.
        lone: completions one after the other, for the latency; those who are compared take turns.
        instances: live instances of the throughput, one caller each.
        rounds: completions per instance, at most `STEPS` - 1.
        hot: executions of the one hot instance.
        bulk: executions of one bulk request, and subjects of one start.
    """

    passes: int = 3
    lone: int = 88
    instances: int = 50
    rounds: int = 8
    hot: int = 1_000
    bulk: int = 1_000


UNTIL_PLANNED = 22
"""Completions one after the other, after which no statement of any contender is planned any more."""
QUICK = Sizes(passes=1, lone=22, instances=25, rounds=4, hot=300)
TINY = Sizes(passes=1, lone=4, instances=3, rounds=2, hot=12, bulk=20)


async def warm_up(contender: Contender) -> None:
    """Connections, sandbox imports, and statements.

    psycopg prepares a statement after five uses of a connection, and after five more PostgreSQL plans it no longer.
    """
    await throughput(contender, instances=5, rounds=2)
    await latencies(contender, UNTIL_PLANNED)


async def latencies_in_turn(contenders: Mapping[str, Contender], completions: int) -> dict[str, float]:
    """The median of each, an instance of one after an instance of the other: what disturbs one disturbs all."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for done in range(0, completions, STEPS - 1):
        for name, contender in contenders.items():
            taken[name] += await latencies(contender, min(STEPS - 1, completions - done))
    return {name: statistics.median(found) for name, found in taken.items()}


async def latencies(contender: Contender, completions: int) -> list[float]:
    """Milliseconds of each completion while nothing else happens, its predecessor's workflow task included."""
    taken: list[float] = []
    instance = ""
    for number in range(completions):
        step = number % (STEPS - 1)
        if step == 0:
            instance = await contender.start(1)
        await contender.make_ready(instance, [0], step)
        begun = time.perf_counter()
        await contender.complete(instance, 0, step)
        taken.append(time.perf_counter() - begun)
        await contender.history(instance)
    return [seconds * 1_000 for seconds in taken]


async def throughput(contender: Contender, *, instances: int, rounds: int, meter: Meter | None = None) -> float:
    """Completions a second over live instances, each completing one step at a time, all at once.

    Args:
        meter: runs while the clock does.
    """
    live = await asyncio.gather(*(contender.start(1) for _ in range(instances)))
    seconds = 0.0
    for step in range(rounds):
        for instance in live:
            await contender.make_ready(instance, [0], step)
        with nullcontext() if meter is None else meter.running():
            begun = time.perf_counter()
            await asyncio.gather(*(contender.complete(instance, 0, step) for instance in live))
            seconds += time.perf_counter() - begun
    return instances * rounds / seconds


async def hot(contender: Contender, *, callers: int, executions: int) -> float:
    """Completions a second at one instance where so many callers each complete one execution after the other."""
    instance = await contender.start(executions)
    await contender.make_ready(instance, range(executions), 0)
    waiting = deque(range(executions))

    async def call() -> None:
        while waiting:
            await contender.complete(instance, waiting.popleft(), 0)

    begun = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return executions / (time.perf_counter() - begun)


async def bulk(contender: Contender, executions: int) -> float:
    """Seconds of one request for so many executions; the second of two steps counts."""
    instance = await contender.start(executions)
    seconds = 0.0
    for step in range(2):
        await contender.make_ready(instance, range(executions), step)
        begun = time.perf_counter()
        await contender.complete_many(instance, range(executions), step)
        seconds = time.perf_counter() - begun
    return seconds


async def events(contender: Contender, completions: int) -> float:
    """Events of the history per lone completion."""
    instance = await contender.start(1)
    before = await contender.history(instance)
    for step in range(completions):
        await contender.make_ready(instance, [0], step)
        await contender.complete(instance, 0, step)
        await contender.history(instance)
    return (await contender.history(instance) - before) / completions


async def history_length(client: Client, workflow_id: str) -> int:
    """Events in the history of a workflow, once no task of it is on its way any more."""
    handle = client.get_workflow_handle(workflow_id)
    length = -1
    while length != (length := (await handle.describe()).history_length):  # noqa: ASYNC110
        await asyncio.sleep(SETTLE_SECONDS)  # the server has no call that waits for this
    return length
