"""How long workflow activations take in this process: what the SDK's deadlock detector looks at (it kills at 2 s).

Wrapped from outside, around the SDK's own call of an activation, so that decoding of results, the core, encoding of
requests and the sandbox are all in it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from temporalio.worker import _workflow


@dataclass(slots=True)
class Activations:
    """Activations since `clear`.

    Attributes:
        walls: seconds by the clock of each; includes waiting for the interpreter while activities run.
        processor: seconds of processor time of each, on the activation's own thread.
    """

    walls: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, wall: float, processor: float) -> None:
        """One activation ended."""
        with self._lock:
            self.walls.append(wall)
            self.processor.append(processor)

    def clear(self) -> None:
        """Before the next part."""
        with self._lock:
            self.walls.clear()
            self.processor.clear()

    @property
    def longest(self) -> tuple[float, float]:
        """The longest by the clock, and the longest by processor time; seconds."""
        with self._lock:
            return max(self.walls, default=0.0), max(self.processor, default=0.0)


@contextmanager
def watched_activations() -> Iterator[Activations]:
    """Time every activation of the workers of this process."""
    found = Activations()
    original = _workflow._RunningWorkflow.activate  # noqa: SLF001 - the SDK tells of no single activation

    def timed(self: Any, act: Any) -> Any:
        wall, processor = time.perf_counter(), time.thread_time()
        try:
            return original(self, act)
        finally:
            found.note(time.perf_counter() - wall, time.thread_time() - processor)

    _workflow._RunningWorkflow.activate = timed  # type: ignore[method-assign] # noqa: SLF001 - as above
    try:
        yield found
    finally:
        _workflow._RunningWorkflow.activate = original  # type: ignore[method-assign] # noqa: SLF001 - as above
