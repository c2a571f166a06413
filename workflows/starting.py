"""How an instance's workflow is started and signalled from outside, in one place for API, dispatcher and sweep."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.contract import CheckRequest
from models.together import Together
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
        self._together: Together[str, Sequence[str], None] = Together(self._signal)

    async def send(self, instance_id: str, command_ids: Sequence[str]) -> None:
        """Tell a running instance of accepted commands; returns when the signal that carries them was taken.

        Raises:
            RPCError: no such run, or the server does not answer.
        """
        await self._together.ask(instance_id, command_ids)

    async def _signal(self, instance_id: str, group: Sequence[Sequence[str]]) -> Sequence[None]:
        await signal_commands(self._client, instance_id, [one for command_ids in group for one in command_ids])
        return [None] * len(group)
