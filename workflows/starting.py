"""How an instance's workflow is started and signalled from outside, in one place for API, dispatcher and sweep."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.contract import CheckRequest
from workflows.contract import SIGNAL_COMMANDS, WORKFLOW, InstanceInput, shortened, static_summary
from workflows.site_check import SITE_CHECK


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstance:
    """What Temporal is told about an instance; the rest the workflow loads itself."""

    tenant_id: str
    instance_id: str
    identifier: str
    process_name: str
    name: str = ""


async def start_instance(client: Client, instance: NewInstance, *, task_queue: str) -> None:
    """Start the workflow of a committed instance; one that runs or ran already is left alone."""
    try:
        await client.start_workflow(
            WORKFLOW,
            InstanceInput(tenant_id=instance.tenant_id, instance_id=instance.instance_id),
            id=instance.instance_id,
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=static_summary(instance.identifier, instance.process_name, instance.name),
        )
    except WorkflowAlreadyStartedError:
        return


async def start_check(client: Client, asked: CheckRequest, *, task_queue: str) -> None:
    """Start a run of a named check; one that runs or ran already is left alone."""
    try:
        await client.start_workflow(
            SITE_CHECK,
            asked,
            id=f"check-{asked.call.run}",
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=shortened(f"check {asked.call.check} on {asked.queue}"),
        )
    except WorkflowAlreadyStartedError:
        return


async def restart_instance(client: Client, instance: NewInstance, *, task_queue: str) -> None:
    """Start the workflow of an open instance whose run is gone; it goes on from the journal."""
    await client.start_workflow(
        WORKFLOW,
        InstanceInput(tenant_id=instance.tenant_id, instance_id=instance.instance_id),
        id=instance.instance_id,
        task_queue=task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=static_summary(instance.identifier, instance.process_name, instance.name),
    )


async def signal_commands(client: Client, instance_id: str, command_ids: Sequence[str]) -> None:
    """Tell a running instance of accepted commands.

    Raises:
        RPCError: no such run, or the server does not answer.
    """
    await client.get_workflow_handle(instance_id).signal(SIGNAL_COMMANDS, list(command_ids))


class Signals:
    """Signals of commands, grouped: while one to an instance is on its way, what follows waits and goes as one.

    A lone command is not held up; a hundred people at one instance cost Temporal a handful of signals.
    """

    def __init__(self, client: Client) -> None:
        """Nothing is on its way."""
        self._client = client
        self._waiting: dict[str, list[tuple[Sequence[str], asyncio.Future[None]]]] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def send(self, instance_id: str, command_ids: Sequence[str]) -> None:
        """Tell a running instance of accepted commands; returns when the signal that carries them was taken.

        Raises:
            RPCError: no such run, or the server does not answer.
        """
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(instance_id, []).append((command_ids, taken))
        if instance_id not in self._sending:
            self._sending[instance_id] = asyncio.create_task(self._empty(instance_id))
        await taken

    async def _empty(self, instance_id: str) -> None:
        try:
            while group := self._waiting.pop(instance_id, None):
                ids = [one for command_ids, _ in group for one in command_ids]
                try:
                    await signal_commands(self._client, instance_id, ids)
                    failure = None
                except Exception as error:  # noqa: BLE001 - each of those who wait hears of it
                    failure = error
                for _, taken in group:
                    if taken.done():
                        continue
                    if failure is None:
                        taken.set_result(None)
                    else:
                        taken.set_exception(failure)
        finally:
            del self._sending[instance_id]
