"""What holds of every event and every refusal, whichever rule they come from; `Scene.play` asks it of all."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from models.flow import events as ev
from models.flow.batch import Outcome
from models.flow.errors import REFUSALS, describe


def check_event(event: ev.Event, now: datetime) -> None:
    """It happened now, and every field is of the type that readers of the journal count on."""
    assert event.at == now
    kind: type = type(event)
    for name, declared in _fields(kind).items():
        value = getattr(event, name)
        assert _is_a(value, declared), f"{event.kind}.{name} is {value!r}"


def check_refusal(outcome: Outcome) -> None:
    """It has a sentence, and everything that the sentence mentions comes with it."""
    mentioned = set(re.findall(r"{(\w+)}", REFUSALS[outcome.outcome]))
    assert mentioned <= outcome.params.keys()
    assert None not in outcome.params.values()
    assert describe(outcome.outcome, outcome.params)


@cache
def _fields(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _is_a(value: object, declared: Any) -> bool:
    of, inner = get_origin(declared), get_args(declared)
    if declared is Any:
        return True
    if of is Literal:
        return value in inner
    if of in {Union, UnionType}:
        return any(_is_a(value, one) for one in inner)
    if of is tuple and len(inner) == 2 and inner[1] is ...:
        return isinstance(value, tuple) and all(_is_a(one, inner[0]) for one in value)
    if of is tuple:
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(_is_a, value, inner))
    if inner and isinstance(value, Mapping):
        return all(_is_a(key, inner[0]) and _is_a(one, inner[1]) for key, one in value.items())
    if declared is int:
        return type(value) is int
    return isinstance(value, of or declared)
