"""Processor time by process: what a completion costs, however busy the neighbours are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil


@dataclass(slots=True)
class Meter:
    """Adds up the processor seconds of groups of processes while it runs.

    Attributes:
        roots: group → pids of its processes; their children count too.
        seconds: group → user and system time so far.
    """

    roots: Mapping[str, tuple[int, ...]]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what is used within the block."""
        before = {group: _used(pids) for group, pids in self.roots.items()}
        yield
        for group, pids in self.roots.items():
            self.seconds[group] = self.seconds.get(group, 0.0) + _used(pids) - before[group]


def _used(pids: tuple[int, ...]) -> float:
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        for process in (root, *(root.children(recursive=True) if pid != psutil.Process().pid else ())):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
    return total
