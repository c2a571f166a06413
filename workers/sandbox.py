"""The sandbox in which instances run: restricted as the SDK restricts it, entered for activations only.

For every payload of a workflow task the SDK asks the workflow's instance several times in which context to convert it,
and each question is a piece of code that is compiled and run in the sandbox: 1.3 ms of processor for a completion,
as much as the whole decision takes (measured). Our converter converts alike everywhere (`workflows.converter`) and no
payload is stored elsewhere, so the answer is known outside.
"""

from typing import Any, Final

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info

PASSED_THROUGH: Final = ("models", "activities", "pydantic", "pydantic_core", "annotated_types", "typing_extensions")
"""Modules that the sandbox shares instead of importing them again for every run (62 KiB an instance, not megabytes)."""
_NOWHERE: Final = StorageDriverStoreContext(target=None)


class ContextFree(WorkflowInstance):
    """A workflow's instance whose payloads are converted the same way wherever they belong."""

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        """Take the instance that does the work."""
        self._sandboxed = sandboxed

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Let the workflow go on, in the sandbox."""
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:  # noqa: ARG002 - the SDK's
        """None whatever it is about."""
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:  # noqa: ARG002
        """Nothing is stored outside of the history."""
        return _NOWHERE

    def get_info(self) -> Info:
        """Which workflow it is."""
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        """Where it runs at this moment; the SDK's watch asks for the place where an activation hangs."""
        return self._sandboxed.get_thread_id()


class Sandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox with `ContextFree` instances."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """An instance as the SDK makes it, asked for activations only."""
        return ContextFree(super().create_instance(det))


def workflow_runner() -> Sandbox:
    """What instances run in; replays in tests use the same."""
    return Sandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
