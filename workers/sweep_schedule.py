"""Keeps the Temporal Schedule that starts the sweep.

Why something of this stays in the worker: a Schedule lives in Temporal, and with a Temporal that was lost it is lost as
well, just when a sweep is needed most. So each worker looks once a minute whether the Schedule is there, makes it where
it is not, and has it sweep at once when a worker starts. The sweeping itself is done by the Schedule alone.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from workflows.sweep import SWEEP_WORKFLOW

log = logging.getLogger(__name__)

LOOK_AGAIN: Final = timedelta(minutes=1)
CATCH_UP: Final = timedelta(minutes=1)
"""Looks that were missed while no server ran are worth nothing; the next one sees all."""


def schedule_id(task_queue: str) -> str:
    """One Schedule for all workers of a queue."""
    return f"{task_queue}-sweep"


async def keep_schedule(client: Client, task_queue: str, every: timedelta, stop: asyncio.Event) -> None:
    """Have the Schedule there until told to stop, and sweep when this worker begins."""
    trigger = True
    while not stop.is_set():
        try:
            await ensure_schedule(client, task_queue, every, trigger=trigger)
            trigger = False
        except Exception:
            log.exception("the sweep's schedule cannot be looked after; trying again")
        try:
            async with asyncio.timeout(LOOK_AGAIN.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue


async def ensure_schedule(client: Client, task_queue: str, every: timedelta, *, trigger: bool = False) -> None:
    """Make the Schedule, or give the one that is there this interval; a second call changes nothing.

    Args:
        client: Connection to the namespace.
        task_queue: Of the workers that sweep.
        every: How often; a look that is still under way lets the next one fall out.
        trigger: Sweep now.
    """
    wanted = _schedule(task_queue, every)
    try:
        await client.create_schedule(schedule_id(task_queue), wanted, trigger_immediately=True)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(schedule_id(task_queue))
        known = (await handle.describe()).schedule
        if [one.every for one in known.spec.intervals] != [every]:
            await handle.update(lambda found: _with_interval(found, wanted))
        if trigger:
            await handle.trigger()


def _schedule(task_queue: str, every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SWEEP_WORKFLOW,
            id=schedule_id(task_queue),
            task_queue=task_queue,
            execution_timeout=timedelta(minutes=15),
            static_summary="looks for what was left behind",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )


def _with_interval(found: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    """The interval alone: who paused the Schedule in the Web UI meant it."""
    schedule = found.description.schedule
    schedule.spec = wanted.spec
    return ScheduleUpdate(schedule=schedule)
