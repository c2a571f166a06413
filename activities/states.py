"""States of instances in this worker's memory, so that they need not travel with every batch.

Only a memory: a state is used where it stands at the journal position that the run and the locked row name, and whoever
uses it takes it out. Where it is missing, the run sends its own.
"""

from collections import OrderedDict
from uuid import UUID

from models.flow.state import State

CAPACITY = 200_000
"""Open executions of all instances together; some 100 MB."""


class States:
    """The states that were used last, up to a number of open executions."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Start empty."""
        self._capacity = capacity
        self._held: OrderedDict[UUID, State] = OrderedDict()
        self._weight = 0

    def take(self, instance: UUID, seq: int) -> State | None:
        """The state at this journal position, which is then the caller's; None where it is not here."""
        state = self._held.pop(instance, None)
        if state is None:
            return None
        self._weight -= _weight(state)
        return state if state.seq == seq else None

    def keep(self, instance: UUID, state: State) -> None:
        """Remember a state; its transaction has been committed."""
        self.take(instance, state.seq)
        self._held[instance] = state
        self._weight += _weight(state)
        while self._weight > self._capacity:
            _, oldest = self._held.popitem(last=False)
            self._weight -= _weight(oldest)


def _weight(state: State) -> int:
    return 10 + len(state.tokens)
