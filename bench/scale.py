"""Scale: 10,000 subjects in one instance by bulk commands, and many live instances in one worker (`--scale`)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import psutil

from activities.journal import fold_journal
from bench.activations import Activations, watched_activations
from bench.by_hand import by_hand
from bench.measure import bulk
from bench.ours import BySignal, Site
from bench.run import Say
from bench.servers import Servers, by_signal, caller, site_of
from models.db import tenant_session
from models.flow.carry import carry

WORKER = "worker-1"
CALLERS = 20
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSizes:
    """How much is measured.

    Attributes:
        subjects: of the large instance.
        steps: that all of them pass, at most `STEPS` - 1.
        bulk: executions of the smaller bulk request.
        live: instances that are open at once.
        rest: after how many of them memory is read.
    """

    subjects: int = 10_000
    steps: int = 10
    bulk: int = 1_000
    live: int = 5_000
    rest: int = 500


SCALE = ScaleSizes()
SCALE_QUICK = ScaleSizes(steps=3, live=0)


@dataclass(slots=True)
class Scale:
    """What was measured; seconds, bytes, MiB.

    Attributes:
        b: executions of a bulk request → completions a second of B, by hand.
        ours: the same of ours.
        parts: what was done → seconds it took, longest activation by the clock and by processor.
        carried: bytes of the state as it would continue as new, after the last step.
        memory: live instances → resident memory of the worker, MiB.
    """

    b: dict[int, float] = field(default_factory=dict)
    ours: dict[int, float] = field(default_factory=dict)
    parts: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    carried: int = 0
    memory: dict[int, float] = field(default_factory=dict)


async def scale(running: Servers, sizes: ScaleSizes, say: Say) -> Scale:
    """Everything, in turn."""
    found = Scale()
    client = await running.client()
    with watched_activations() as activations:
        async with by_hand(client, running.hand_url) as rows, site_of(running) as site:
            for executions in (sizes.bulk, sizes.subjects):
                say(f"B, {executions:,} executions")
                found.b[executions] = executions / await bulk(rows["H"], executions)
            async with by_signal(running, site) as ours:
                say(f"ours, {sizes.bulk:,} executions")
                found.ours[sizes.bulk] = sizes.bulk / await bulk(ours, sizes.bulk)
                await _large(found, site, ours, sizes, activations, say)
    if sizes.live:
        async with site_of(running) as site, _worker_apart(running):
            await _live(found, running, site, sizes, say)
    return found


async def _large(
    found: Scale, site: Site, ours: BySignal, sizes: ScaleSizes, activations: Activations, say: Say
) -> None:
    """One instance with all the subjects, through its steps by bulk commands."""
    everyone = range(sizes.subjects)
    activations.clear()
    begun = time.perf_counter()
    instance = await ours.start(sizes.subjects)
    found.parts[f"start {sizes.subjects:,}"] = (time.perf_counter() - begun, *activations.longest)
    taken = []
    for step in range(sizes.steps):
        await ours.make_ready(instance, everyone, step)
        activations.clear()
        begun = time.perf_counter()
        await ours.complete_many(instance, everyone, step)
        taken.append(time.perf_counter() - begun)
        found.parts[f"step {step + 1}"] = (taken[-1], *activations.longest)
        say(f"step {step + 1}: {taken[-1]:.1f} s, longest activation {activations.longest[0]:.2f} s")
    found.ours[sizes.subjects] = sizes.subjects / sorted(taken)[len(taken) // 2]
    async with tenant_session(site.app, site.person.tenant_id) as session:
        state = await fold_journal(await session.connection(), site.person.tenant_id, UUID(instance))
    found.carried = len(json.dumps(carry(state)))


@asynccontextmanager
async def _worker_apart(running: Servers) -> AsyncIterator[None]:
    """A worker process of its own, so that its memory is the worker's and nothing else's."""
    await asyncio.to_thread(running.product.start, WORKER)
    try:
        yield
    finally:
        await asyncio.to_thread(running.product.stop, WORKER)


async def _live(found: Scale, running: Servers, site: Site, sizes: ScaleSizes, say: Say) -> None:
    """Instance after instance that stays open; the worker keeps only so many of them in memory.

    Each also completes a step, so that it has a history. At the end the oldest, long out of memory, go on.
    """
    process = psutil.Process(running.product.processes[WORKER].pid)
    async with caller(running, site) as ours:
        instances: list[str] = []
        while len(instances) < sizes.live:
            instances += await _at_once(ours, sizes.rest)
            found.memory[len(instances)] = process.memory_info().rss / MEGABYTE
            say(f"{len(instances):,} live instances, worker at {found.memory[len(instances)]:.0f} MiB")
        for instance in instances[:CALLERS]:
            await ours.make_ready(instance, [0], 1)
            await ours.complete(instance, 0, 1)


async def _at_once(ours: BySignal, count: int) -> list[str]:
    """So many more instances, each past its first step."""
    waiting, begun = iter(range(count)), []

    async def call() -> None:
        for _ in waiting:
            instance = await ours.start(1)
            await ours.make_ready(instance, [0], 0)
            await ours.complete(instance, 0, 0)
            begun.append(instance)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(call())
    return begun
