"""The only door to Temporal: start an instance's workflow, signal its commands, ask whether the server answers.

Whatever passes through here may fail without loss: the outbox starts what was not started, the sweep signals
accepted commands again.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from workflows.converter import data_converter
from workflows.starting import NewInstance, Signals, start_instance

__all__ = ["Gateway", "NewInstance", "TemporalGateway"]

log = logging.getLogger(__name__)


class Gateway(Protocol):
    """What the API wants from the engine."""

    async def start(self, start: NewInstance) -> bool:
        """Start the workflow of a committed instance; True also where it runs already, False where it must wait."""

    async def signal(self, instance_id: UUID, command_ids: Sequence[UUID]) -> bool:
        """Tell the workflow of accepted commands; False where that failed (the sweep repeats it)."""

    async def healthy(self) -> bool:
        """Whether the server answers."""


class TemporalGateway:
    """The real one. Connects on first use, so that the API starts while Temporal is still on its way.

    Args:
        task_queue: The core queue.
        timeout: Seconds after which a call counts as failed.
    """

    def __init__(self, *, task_queue: str, timeout: float = 5) -> None:
        self._queue = task_queue
        self._timeout = timeout
        self._client: Client | None = None
        self._signals: Signals | None = None
        self._connecting = asyncio.Lock()

    async def start(self, start: NewInstance) -> bool:
        """See `Gateway.start`."""
        try:
            async with asyncio.timeout(self._timeout):
                client = await self._connect()
                await start_instance(client, start, task_queue=self._queue)
        except (RPCError, RuntimeError, OSError, TimeoutError) as error:
            log.warning("instance %s not started yet: %s", start.instance_id, error)
            return False
        return True

    async def signal(self, instance_id: UUID, command_ids: Sequence[UUID]) -> bool:
        """See `Gateway.signal`."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._connect()
                assert self._signals is not None  # noqa: S101 - made with the connection
                await self._signals.send(str(instance_id), [str(one) for one in command_ids])
        except (RPCError, RuntimeError, OSError, TimeoutError) as error:
            log.warning("instance %s not signalled: %s", instance_id, error)
            return False
        return True

    async def healthy(self) -> bool:
        """See `Gateway.healthy`."""
        try:
            async with asyncio.timeout(self._timeout):
                client = await self._connect()
                return await client.service_client.check_health()
        except (RPCError, RuntimeError, OSError, TimeoutError):
            return False

    async def _connect(self) -> Client:
        async with self._connecting:
            if self._client is None:
                config = ClientConfig.load_client_connect_config()
                config.setdefault("target_host", "localhost:7233")
                self._client = await Client.connect(**config, data_converter=data_converter)
                self._signals = Signals(self._client)
            return self._client
