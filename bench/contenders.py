"""What can be measured: whoever completes steps whose only gate is a checklist of one item, already ticked."""

from collections.abc import Sequence
from typing import Protocol

CHECKLIST = ("Torque checked",)
STEPS = 12
"""Work steps of an instance; the last one is never completed, so that no instance ends while it is measured."""


class Contender(Protocol):
    """One way to complete steps. Instances are named by id, subjects by number from 0, steps by number from 0."""

    async def start(self, subjects: int) -> str:
        """A running instance whose subjects are at step 0; its id."""

    async def make_ready(self, instance: str, subjects: Sequence[int], step: int) -> None:
        """Tick the checklist of these executions; never measured."""

    async def complete(self, instance: str, subject: int, step: int) -> None:
        """Complete one execution and wait for the outcome.

        Raises:
            NotCompletedError: it was refused.
        """

    async def complete_many(self, instance: str, subjects: Sequence[int], step: int) -> None:
        """Complete many by one request and wait for the outcome of all."""

    async def history(self, instance: str) -> int:
        """Events in the history of the instance's workflow."""


class NotCompletedError(RuntimeError):
    """A completion that is measured was refused: what is measured would not be what is said."""
