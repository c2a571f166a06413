"""A recorded log as values: cases, events, what was odd about the file, and the errors it can raise.

No parsing and no interpretation here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PLACEHOLDERS = frozenset(
    {"", "unknown", "__invalid__", "invalid", "undefined", "none", "null", "nan", "n/a", "name", "string", "default"}
)
"""Texts (case-folded) that tools write where there is no value."""


class LogError(Exception):
    """A log that cannot be imported.

    `code` is stable: log_not_found, log_format_unknown, log_malformed, log_empty, log_column_unknown,
    log_no_case_id, log_no_activity.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded event.

    `timestamp` is the recorded time in UTC, None where the log has none. `lifecycle` and `resource` are empty
    where unknown. `instance` tells parallel executions of one activity apart, where the log does.
    """

    activity: str
    lifecycle: str = ""
    timestamp: datetime | None = None
    resource: str = ""
    instance: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its events in the order of their timestamps, ties in the order of the file."""

    id: str
    events: tuple[Event, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fields:
    """Names of the columns or attributes to read; empty means find out.

    Without `event_attributes`, events keep only what has a field of its own, which saves most of the memory.
    """

    case_id: str = ""
    activity: str = ""
    timestamp: str = ""
    start_timestamp: str = ""
    resource: str = ""
    lifecycle: str = ""
    delimiter: str = ""
    timestamp_format: str = ""
    event_attributes: bool = True


@dataclass(slots=True)
class Oddities:
    """Counts of what was unusual in a log, by kind, with the first few places of each.

    A kind that starts with `skipped` stands for records that are in the file and in no case.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: str = "") -> None:
        """Count one, and keep its place if it is among the first."""
        self.counts[kind] += 1
        if where:
            kept = self.examples.setdefault(kind, [])
            if len(kept) < 5 and where not in kept:
                kept.append(where)

    @property
    def skipped(self) -> int:
        """How many records of the file are in no case."""
        return sum(count for kind, count in self.counts.items() if kind.startswith("skipped"))


def is_placeholder(text: str) -> bool:
    """True for a text that only says that there is no value."""
    return text.strip().casefold() in PLACEHOLDERS
