"""Whether a worker of this machine does its job, for container health checks."""

import socket

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from activities.contract import SITE_PREFIX
from models.settings import Settings
from workers.temporal_client import connect


def queues(settings: Settings) -> dict[str, TaskQueueType.ValueType]:
    """Task queues that a worker with these settings serves, with the kind of task to look for."""
    served: dict[str, TaskQueueType.ValueType] = {}
    if settings.run_core:
        served[settings.core_task_queue] = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    if settings.run_site:
        served[SITE_PREFIX + settings.site] = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    return served


async def queues_without_us(settings: Settings) -> tuple[str, ...]:
    """Queues that no worker of this machine has polled in the last minutes.

    The SDK's identity is ``pid@host``; in a container the host is the container.
    """
    client = await connect()
    host = f"@{socket.gethostname()}"
    return tuple([name for name, kind in queues(settings).items() if not await _polled(client, name, kind, host)])


async def _polled(client: Client, name: str, kind: TaskQueueType.ValueType, host: str) -> bool:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind)
    )
    return any(poller.identity.endswith(host) for poller in described.pollers)
