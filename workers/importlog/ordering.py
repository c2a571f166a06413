"""From the records of a file to cases: start and end of a record, order in time, and ids that are unique."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workers.importlog.log import Case, Event, Oddities

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class CaseBuilder:
    """Makes cases with unique ids; what was odd is counted."""

    oddities: Oddities
    number: int = 0
    named: Counter[str] = field(default_factory=Counter)

    def build(self, name: str, events: Sequence[Event], attributes: Mapping[str, Any]) -> Case:
        """One case; a missing name is replaced by the case's number, a repeated one gets a counter."""
        self.number += 1
        if not name.strip():
            name = f"case {self.number}"
            self.oddities.add("cases without an id", name)
        unique = self._unique(name)
        if unique != name:
            self.oddities.add("case ids that repeat", name)
        if not events:
            self.oddities.add("cases without events", unique)
        return Case(unique, in_order(events, unique, self.oddities), attributes)

    def _unique(self, name: str) -> str:
        unique = name
        while unique in self.named:
            self.named[name] += 1
            unique = f"{name} ({self.named[name]})"
        self.named[unique] = 1
        return unique


def moments(
    begun: datetime | None, ended: datetime | None, lifecycle: str, where: str, oddities: Oddities
) -> list[tuple[datetime | None, str]]:
    """What a record with two times says: one event, or the start and the end of one execution, with transitions."""
    if begun is None or lifecycle.casefold() not in ("", "complete"):
        return [(ended, lifecycle)]
    if ended is None:
        return [(begun, "start")]
    if ended < begun:
        oddities.add("records that end before they start", where)
        return [(ended, lifecycle)]
    return [(begun, "start"), (ended, "complete")]


def in_order(events: Sequence[Event], case_id: str, oddities: Oddities) -> tuple[Event, ...]:
    """Sort by timestamp, ties in the order of the file; an event without one stays behind its predecessor."""
    keyed: list[tuple[datetime, Event]] = []
    latest = _BEFORE_ALL
    for event in events:
        if event.timestamp is None:
            oddities.add("events without a timestamp", case_id)
            keyed.append((keyed[-1][0] if keyed else _BEFORE_ALL, event))
            continue
        if event.timestamp < latest:
            oddities.add("events out of order in the file", case_id)
        latest = max(latest, event.timestamp)
        keyed.append((event.timestamp, event))
    return tuple(event for _, event in sorted(keyed, key=lambda pair: pair[0]))
