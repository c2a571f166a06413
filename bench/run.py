"""The whole benchmark: every row and every way of ours in turn, so many passes, in one run on one pair of servers."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.by_hand import ByHand, by_hand
from bench.contenders import STEPS, Contender
from bench.cpu import Meter
from bench.measure import Sizes, bulk, events, hot, latencies_in_turn, throughput, warm_up
from bench.ours import BySignal, Site
from bench.phases import Timeline, timeline_of, watching
from bench.servers import Servers, by_signal, over_http, site_of

Say = Callable[[str], None]
EVENTS_OF = 8
"""Completions over which events are counted."""
BY_SIGNAL, OVER_HTTP = "ours, by signal", "ours, over HTTP"


@dataclass(slots=True)
class Samples:
    """What was measured.

    Attributes:
        values: (contender, measure) → one value per pass.
        timelines: executions of one command → its parts in milliseconds; statements by part likewise.
    """

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    timelines: dict[int, Timeline] = field(default_factory=dict)
    statements: dict[int, Timeline] = field(default_factory=dict)

    def add(self, contender: str, measure: str, value: float) -> None:
        """One more pass."""
        self.values.setdefault((contender, measure), []).append(value)


async def run(running: Servers, sizes: Sizes, say: Say) -> Samples:
    """All passes. The contenders take turns, so that a busy neighbour meets all of them."""
    samples = Samples()
    client = await running.client()
    async with by_hand(client, running.hand_url) as rows, site_of(running) as site:
        for number in range(sizes.passes):
            say(f"pass {number + 1} of {sizes.passes}: rows written by hand")
            await _prepare(running, site, rows, first=number == 0)
            await _rows(samples, rows, sizes, running.meter, first=number == 0)
            say(f"pass {number + 1} of {sizes.passes}: {BY_SIGNAL}")
            async with by_signal(running, site) as ours:
                await _lone(samples, {"L1": rows["L1"], BY_SIGNAL: ours}, sizes)
                await _completions(samples, BY_SIGNAL, ours, sizes, running.meter())
                await _many(samples, BY_SIGNAL, ours, sizes)
                if number == 0:
                    samples.add(BY_SIGNAL, "events", await events(ours, min(EVENTS_OF, sizes.lone)))
                    samples.add(BY_SIGNAL, "events_of_claim", await _events_of_claim(ours))
            say(f"pass {number + 1} of {sizes.passes}: {OVER_HTTP}")
            async with over_http(running, site) as http:
                await _lone(samples, {OVER_HTTP: http}, sizes)
                await _completions(samples, OVER_HTTP, http, sizes, running.meter())
                await _many(samples, OVER_HTTP, http, sizes)
        say("where the time goes")
        with watching() as phases:
            async with by_signal(running, site) as ours:
                await warm_up(ours)
                for executions in (1, sizes.bulk):
                    found = await timeline_of(phases, ours, executions, min(sizes.lone, STEPS - 2))
                    samples.timelines[executions], samples.statements[executions] = found
    return samples


async def _prepare(running: Servers, site: Site, rows: dict[str, ByHand], *, first: bool) -> None:
    """Some rows in every table, then statistics of them; the passes before leave enough for the later ones."""
    if first:
        for name in ("L1", "T2"):
            await warm_up(rows[name])
        async with by_signal(running, site) as ours:
            await hot(ours, callers=50, executions=500)
    await asyncio.to_thread(running.analyse)


async def _rows(
    samples: Samples, rows: dict[str, ByHand], sizes: Sizes, meter: Callable[[], Meter], *, first: bool
) -> None:
    await _lone(samples, {"T2": rows["T2"]}, sizes)
    for name in ("T2", "L1"):
        await _completions(samples, name, rows[name], sizes, meter())
    for callers in (50, 100):
        value = await hot(rows["H"], callers=callers, executions=sizes.hot)
        samples.add(f"H, {callers} callers", "per_second", value)
    samples.add("B", "per_second", sizes.bulk / await bulk(rows["H"], sizes.bulk))
    if first:
        for name, row in rows.items():
            samples.add(name, "events", await events(row, min(EVENTS_OF, sizes.lone)))


async def _lone(samples: Samples, contenders: Mapping[str, Contender], sizes: Sizes) -> None:
    for contender in contenders.values():
        await warm_up(contender)
    for name, value in (await latencies_in_turn(contenders, sizes.lone)).items():
        samples.add(name, "p50_ms", value)


async def _completions(samples: Samples, name: str, contender: Contender, sizes: Sizes, meter: Meter) -> None:
    await warm_up(contender)
    value = await throughput(contender, instances=sizes.instances, rounds=sizes.rounds, meter=meter)
    samples.add(name, "per_second", value)
    completions = sizes.instances * sizes.rounds
    for group, seconds in meter.seconds.items():
        samples.add(name, f"cpu_ms {group}", seconds * 1_000 / completions)
    samples.add(name, "cpu_ms", sum(meter.seconds.values()) * 1_000 / completions)


async def _many(samples: Samples, name: str, contender: Contender, sizes: Sizes) -> None:
    samples.add(name, "hot_per_second", await hot(contender, callers=100, executions=sizes.hot))
    seconds = await bulk(contender, sizes.bulk)
    samples.add(name, "bulk_seconds", seconds)
    samples.add(name, "bulk_per_second", sizes.bulk / seconds)
    begun = time.perf_counter()
    await contender.start(sizes.bulk)
    samples.add(name, "start_seconds", time.perf_counter() - begun)


async def _events_of_claim(ours: BySignal) -> float:
    """A claim changes no step, so it needs no search attribute."""
    instance = await ours.start(EVENTS_OF)
    before = await ours.history(instance)
    for subject in range(EVENTS_OF):
        await ours.command("claim", instance, [subject], 0)
        await asyncio.sleep(0)
        await ours.history(instance)
    return (await ours.history(instance) - before) / EVENTS_OF
