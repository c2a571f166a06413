"""Where the time of a completion goes: spans around the parts of facts, decide and record, while nothing else happens.

The parts are wrapped from outside, so the product carries no clock for this. A part that was renamed is left out and
its time shows up in what contains it.
"""

import functools
import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from bench.contenders import STEPS
from bench.ours import BySignal
from models import wire

WRAPPED = (
    ("activities.advance:Advancer.advance", "advance"),
    ("activities.advance:Reading.cut", "advance: batch"),
    ("activities.facts:Reading.facts", "advance: facts"),
    ("activities.advance:decide_all", "advance: decide"),
    ("activities.record:Writing._change_rows", "advance: projection, gates"),
    ("activities.record:Trail.note", "advance: audit drafts"),
    ("activities.record:to_be_sealed", "advance: journal"),
    ("activities.record:settle", "advance: answers"),
    ("activities.record:audit_entries", "advance: audit entries"),
    ("models.wire:Wire.commit", "advance: last round trip, commit"),
    ("workflows.engine:fold_packed", "fold"),
    ("workflows.starting:signal_commands", "signal"),
)
SENDABLE = "_sendable"
"""What every statement that does not go through SQLAlchemy passes."""
_current: ContextVar[str] = ContextVar("phase", default="")


@dataclass(slots=True)
class Phases:
    """Spans and statements of one request.

    Attributes:
        spans: name → (begun, ended) of each call, seconds of `perf_counter`.
        statements: name of the innermost span → statements that it sent.
    """

    spans: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    statements: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, begun: float) -> None:
        """A call ended."""
        self.spans.setdefault(name, []).append((begun, time.perf_counter()))

    def count(self, *_: object) -> None:
        """A statement was sent."""
        self.statements[_current.get()] = self.statements.get(_current.get(), 0) + 1

    def clear(self) -> None:
        """Before the next request."""
        self.spans.clear()
        self.statements.clear()

    def total(self, name: str) -> float:
        """Seconds of all calls of one name."""
        return sum(ended - begun for begun, ended in self.spans.get(name, ()))

    def begun(self, name: str) -> float:
        """When the last call of one name began."""
        return self.spans[name][-1][0]

    def ended(self, name: str) -> float:
        """When the last call of one name ended."""
        return self.spans[name][-1][1]


@contextmanager
def watching() -> Iterator[Phases]:
    """Wrap the parts. Begin before the worker is made and before its first workflow task."""
    phases = Phases()
    undo: list[tuple[Any, str, Any]] = []
    for path, name in WRAPPED:
        module, _, attribute = path.partition(":")
        holder: Any = importlib.import_module(module)
        *outer, last = attribute.split(".")
        for part in outer:
            holder = getattr(holder, part, None)
        original = getattr(holder, last, None)
        if original is not None:
            undo.append((holder, last, original))
            setattr(holder, last, _timed(phases, name, original))
    event.listen(Engine, "before_cursor_execute", phases.count)
    sendable = getattr(wire, SENDABLE)
    undo.append((wire, SENDABLE, sendable))
    setattr(wire, SENDABLE, _counted(phases, sendable))
    try:
        yield phases
    finally:
        event.remove(Engine, "before_cursor_execute", phases.count)
        for holder, last, original in reversed(undo):
            setattr(holder, last, original)


def _counted(phases: Phases, original: Callable[..., Any]) -> Callable[..., Any]:
    def sendable(statement: Any) -> Any:
        phases.count()
        return original(statement)

    return sendable


def _timed(phases: Phases, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def later(*args: Any, **kwargs: Any) -> Any:
        token, begun = _current.set(name), time.perf_counter()
        try:
            return await original(*args, **kwargs)
        finally:
            phases.note(name, begun)
            _current.reset(token)

    @functools.wraps(original)
    def now(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            phases.note(name, begun)

    return later if iscoroutinefunction(original) else now


Timeline = dict[str, float]
"""Part → milliseconds, in order; the parts whose names contain no colon add up to the whole."""


async def timeline_of(phases: Phases, ours: BySignal, subjects: int, repeat: int) -> tuple[Timeline, dict[str, float]]:
    """The median timeline of completing so many executions by one command, and the statements of its parts.

    Args:
        repeat: at most `STEPS` - 2; a first completion goes unmeasured.
    """
    instance = await ours.start(subjects)
    timelines: list[Timeline] = []
    statements: list[dict[str, int]] = []
    for step in range(min(repeat + 1, STEPS - 1)):
        await ours.make_ready(instance, range(subjects), step)
        await ours.history(instance)
        phases.clear()
        begun = time.perf_counter()
        await ours.command("complete", instance, range(subjects), step)
        ended = time.perf_counter()
        await ours.history(instance)  # the outcome may be here before the activity has returned
        if step:
            timelines.append(_timeline(phases, begun, ended))
            statements.append(dict(phases.statements))
    names = list(timelines[0])
    counted = sorted({name for one in statements for name in one})
    return (
        {name: statistics.median(one[name] for one in timelines) for name in names},
        {name: statistics.median(one.get(name, 0) for one in statements) for name in counted},
    )


def _timeline(phases: Phases, begun: float, ended: float) -> Timeline:
    advance, told = phases.begun("advance"), phases.begun("signal")
    parts: Timeline = {
        "accept the command (API's transaction)": told - begun,
        "signal until the activity begins": advance - told,
        "advance": phases.total("advance"),
        **_inside(phases, "advance: "),
        "notice and answer": max(0.0, ended - phases.ended("advance")),
        "after: folding what was recorded": phases.total("fold"),
    }
    return {name: seconds * 1_000 for name, seconds in parts.items()}


def _inside(phases: Phases, prefix: str) -> Timeline:
    named = {name: phases.total(name) for _, name in WRAPPED if name.startswith(prefix) and name in phases.spans}
    rest = phases.total(prefix.removesuffix(": ")) - sum(named.values())
    return {**named, f"{prefix}the rest (connection, first round trip)": rest}
