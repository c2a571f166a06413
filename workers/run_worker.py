"""Composition root of a worker process: what it serves, with which connections.

A worker of the core queue also empties the outbox, carries notices out and sweeps; several may run side by side. A
worker of a site's queue holds no database credentials.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.contract import SITE_PREFIX
from activities.registry import core_activities
from activities.site import site_activities
from activities.subscriptions import Subscriptions
from models.db import app_engine, system_engine
from models.secret_box import secret_box
from models.settings import Settings
from workers import garbage
from workers.by_the_clock import watch_the_clock
from workers.dispatcher import Dispatcher
from workers.lifecycle import stop_on_signals
from workers.notices.consumer import NoticeConsumer
from workers.notices.courier import Courier
from workers.sandbox import workflow_runner
from workers.sealing import seal_daily
from workers.sweep import Sweep
from workers.sweep_schedule import keep_schedule
from workers.temporal_client import connect
from workflows.process_instance import ProcessInstance
from workflows.site_check import SiteCheck
from workflows.sweep import SweepOnce


async def run(settings: Settings) -> None:
    """Serve the queues of this worker until SIGTERM or SIGINT, then drain."""
    garbage.settle()
    await serve(settings, await connect(), stop_on_signals())


async def serve(settings: Settings, client: Client, stop: asyncio.Event) -> None:
    """Serve until `stop` what the settings say: the core queue, the site's queue, or both."""
    async with AsyncExitStack() as serving:
        if settings.run_core:
            await serving.enter_async_context(_core(settings, client, stop))
        if settings.run_site:
            await serving.enter_async_context(site_worker(settings, client))
        await stop.wait()


@asynccontextmanager
async def _core(settings: Settings, client: Client, stop: asyncio.Event) -> AsyncIterator[None]:
    """Instance workflows, database activities, outbox, notices, sweep and the daily checkpoint."""
    app, system = app_engine(settings), system_engine(settings)
    queue, wanted, box = settings.core_task_queue, Subscriptions(), secret_box(settings)
    notices = NoticeConsumer(
        system=system, app=app, base_url=settings.base_url, with_email=settings.smtp_host is not None
    )
    courier = Courier(system=system, app=app, settings=settings, box=box)
    sweep = Sweep(
        system=system,
        app=app,
        client=client,
        task_queue=queue,
        delivery_retention=settings.delivery_retention,
    )
    try:
        await wanted.begin(system, stop)
        async with (
            core_worker(
                settings,
                client,
                [
                    *core_activities(
                        app,
                        site=settings.site,
                        box=box,
                        subscriptions=wanted,
                        private_allowed=settings.private_targets_allowed,
                    ),
                    sweep.sweep,
                ],
            ),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(wanted.run(system, stop))
            group.create_task(notices.run(stop))
            group.create_task(courier.run(stop))
            dispatcher = Dispatcher(
                system=system, app=app, client=client, task_queue=queue, site_queue=SITE_PREFIX + settings.site
            )
            group.create_task(dispatcher.run(stop))
            group.create_task(keep_schedule(client, queue, timedelta(seconds=settings.sweep_seconds), stop))
            group.create_task(seal_daily(app, system, stop))
            group.create_task(watch_the_clock(app, system, stop))
            yield
    finally:
        await app.dispose()
        await system.dispose()


def core_worker(settings: Settings, client: Client, activities: Sequence[Callable[..., Any]]) -> Worker:
    """The Temporal worker of the core queue."""
    return Worker(
        client,
        task_queue=settings.core_task_queue,
        workflows=[ProcessInstance, SweepOnce, SiteCheck],
        activities=activities,
        workflow_runner=workflow_runner(),
        max_cached_workflows=settings.max_cached_workflows,
        max_concurrent_local_activities=settings.max_concurrent_activities,
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_seconds),
    )


def site_worker(settings: Settings, client: Client) -> Worker:
    """The Temporal worker of a site's queue."""
    return Worker(
        client,
        task_queue=SITE_PREFIX + settings.site,
        activities=site_activities(settings.site),
        max_concurrent_activities=settings.max_concurrent_activities,
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_seconds),
    )
