"""Equal events of many subjects as one value: what the journal stores and what travels between worker and database.

`pack` may reorder events of different subjects (they commute, see `evolve`), never those of one subject, and never
across an event of the whole instance. `unpack(pack(x))` folds to the same state as `x`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from models.flow import events as ev
from models.flow.batch import Happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """One event for many subjects: `event.ref.subject` stands for each of them; no `subjects` without a ref."""

    event: ev.Event
    subjects: tuple[int, ...] = ()
    command_id: str | None = None


def pack(happened: Iterable[Happened]) -> tuple[Cohort, ...]:
    """Group equal events layer by layer (the k-th event of each subject since the last barrier)."""
    packed: list[Cohort] = []
    layers: list[dict[tuple[ev.Event, str | None], list[int]]] = []
    depth: dict[int, int] = {}

    def flush() -> None:
        for layer in layers:
            packed.extend(
                Cohort(event=event, subjects=tuple(found), command_id=command)
                for (event, command), found in layer.items()
            )
        layers.clear()
        depth.clear()

    for item in happened:
        ref = getattr(item.event, "ref", None)
        if ref is None or not _groups(item.event):
            flush()
            packed.append(
                Cohort(
                    event=item.event,
                    subjects=() if ref is None else (ref.subject,),
                    command_id=item.command_id,
                )
            )
            continue
        level = depth.get(ref.subject, 0)
        depth[ref.subject] = level + 1
        if level == len(layers):
            layers.append({})
        shape = replace(item.event, ref=ref._replace(subject=0))
        layers[level].setdefault((shape, item.command_id), []).append(ref.subject)
    flush()
    return tuple(packed)


def _groups(event: ev.Event) -> bool:
    """Events with free-form or individual content stand alone (a mapping cannot be a key, an id is never shared)."""
    return not isinstance(
        event,
        ev.CommandRefused
        | ev.IncidentOpened
        | ev.IncidentResolved
        | ev.ChildRequested
        | ev.ChildStarted
        | ev.ChildEnded
        | ev.InstanceAmended,
    )


def unpack(cohorts: Iterable[Cohort]) -> Iterator[Happened]:
    """One event per subject again."""
    for cohort in cohorts:
        ref = getattr(cohort.event, "ref", None)
        if ref is None:
            yield Happened(event=cohort.event, command_id=cohort.command_id)
            continue
        for subject in cohort.subjects:
            event = replace(cohort.event, ref=ref._replace(subject=subject))
            yield Happened(event=event, command_id=cohort.command_id)
