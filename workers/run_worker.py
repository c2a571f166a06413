"""Composition root of a worker process: what it serves, with which connections.

A worker of the core queue also empties the outbox and sweeps; several may run side by side.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.registry import core_activities
from models.db import app_engine, system_engine
from models.settings import Settings
from workers.dispatcher import Dispatcher
from workers.lifecycle import stop_on_signals
from workers.sweep import Sweep
from workers.temporal_client import connect
from workflows.process_instance import ProcessInstance

PASSED_THROUGH = ("models", "activities", "pydantic", "pydantic_core", "annotated_types", "typing_extensions")
"""Modules that the sandbox shares instead of importing them again for every run (62 KiB an instance, not megabytes)."""


async def run(settings: Settings) -> None:
    """Serve the queues of this worker until SIGTERM or SIGINT, then drain."""
    await serve(settings, await connect(), stop_on_signals())


async def serve(settings: Settings, client: Client, stop: asyncio.Event) -> None:
    """Serve until `stop`: instance workflows, database activities, outbox and sweep."""
    app, system = app_engine(settings), system_engine(settings)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(app.dispose)
        closing.push_async_callback(system.dispose)
        queue = settings.core_task_queue
        dispatcher = Dispatcher(system=system, app=app, client=client, task_queue=queue)
        sweep = Sweep(system=system, app=app, client=client, task_queue=queue)
        worker = core_worker(settings, client, core_activities(app, site=settings.site))
        async with worker, asyncio.TaskGroup() as group:
            group.create_task(dispatcher.run(stop))
            group.create_task(sweep.run(stop))
            await stop.wait()


def core_worker(settings: Settings, client: Client, activities: object) -> Worker:
    """The Temporal worker of the core queue."""
    return Worker(
        client,
        task_queue=settings.core_task_queue,
        workflows=[ProcessInstance],
        activities=activities,  # type: ignore[arg-type]
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
        ),
        max_cached_workflows=settings.max_cached_workflows,
        max_concurrent_local_activities=settings.max_concurrent_activities,
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_seconds),
    )
