"""Equal events of many subjects as one value: what the journal stores and what travels between worker and database.

`pack` may reorder events of different subjects (they commute, see `evolve`), never those of one subject, and never
across an event of the whole instance. `unpack(pack(x))` folds to the same state as `x`.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, get_args

from models.flow import events as ev
from models.flow.batch import Happened
from models.flow.state import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """One event for many subjects: `event.ref.subject` stands for each of them; no `subjects` without a ref."""

    event: ev.Event
    subjects: tuple[int, ...] = ()
    command_id: str | None = None


def pack(happened: Iterable[Happened]) -> tuple[Cohort, ...]:
    """Group equal events layer by layer: a layer holds the k-th event of each subject since the last barrier."""
    packed: list[Cohort] = []
    layers: list[_Layer] = []
    depth: dict[int, int] = {}
    for item in happened:
        ref = getattr(item.event, "ref", None)
        if ref is None:
            packed += _flush(layers)
            depth.clear()
            packed.append(Cohort(event=item.event, command_id=item.command_id))
            continue
        level = depth.get(ref.subject, 0)
        depth[ref.subject] = level + 1
        if level == len(layers):
            layers.append({})
        _, subjects = layers[level].setdefault((_shape(item.event, ref), item.command_id), (item.event, []))
        subjects.append(ref.subject)
    packed += _flush(layers)
    return tuple(packed)


_Layer = dict[tuple[Hashable, str | None], tuple[ev.Event, list[int]]]


def _flush(layers: list[_Layer]) -> list[Cohort]:
    cohorts = [
        Cohort(event=_standing_for_all(event), subjects=tuple(subjects), command_id=command_id)
        for layer in layers
        for (_, command_id), (event, subjects) in layer.items()
    ]
    layers.clear()
    return cohorts


def _standing_for_all(event: Any) -> Any:
    """The event as subject 0 would have it."""
    return replace(event, ref=event.ref._replace(subject=0))


def _shape(event: ev.Event, ref: Ref) -> Hashable:
    """What equal events have in common. Those with an identity of their own have nothing."""
    match event:
        case (
            ev.IncidentOpened()
            | ev.IncidentResolved()
            | ev.ChildRequested()
            | ev.ChildStarted()
            | ev.ChildEnded()
            | ev.ActionRequested()
            | ev.ActionEnded()
        ):
            return object()
        case ev.CommandRefused(at=at, code=code, params=params):
            return (event.kind, ref[1:], at, code, json.dumps(params, sort_keys=True, default=str))
        case _:
            return (ref[1:], _VALUES[type(event)](event))


_VALUES: Mapping[type[Any], Callable[[ev.Event], Hashable]] = {
    kind: attrgetter("kind", *(one.name for one in fields(kind) if one.name not in {"kind", "ref"}))
    for kind in get_args(ev.Event)
}
"""What tells two events of one kind apart, beside their place: all other fields."""


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
