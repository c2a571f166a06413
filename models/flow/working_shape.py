"""The shape of what says whose work a step is, what happens when it is late, and who may deviate from it.

Families of a step's `config`, for `config_shape`; `policies` and `authority` read what has passed here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from models.flow.authority import WITNESSED
from models.flow.checks import (
    Check,
    a_list,
    check_fields,
    duration,
    entries,
    key,
    one_of,
    text,
    whole,
)
from models.flow.policies import Auto, LevelAction, Revisit
from models.flow.problems import Problem, problem

HIGHEST_PRIORITY: Final = 100
_ADDRESSEES: Final = ("owner", "role:…", "user:…")


def words(maximum: int) -> Check:
    """A list of names."""

    def check(name: str, value: Any, path: str) -> Iterator[Problem]:
        yield from a_list(maximum)(name, value, path)
        for number, one in enumerate(value if isinstance(value, list | tuple) else ()):
            yield from text(200)(name, one, f"{path}[{number}]")
            if isinstance(one, str) and not one.strip():
                yield problem("missing_field", f"{path}[{number}]", field=name)

    return check


def _addressees(name: str, value: Any, path: str) -> Iterator[Problem]:
    """Whom a level tells or gives the work to; whether they are there is looked up in the tenant."""
    yield from words(50)(name, value, path)
    for number, one in enumerate(entries(value)):
        kind, _, who = one.partition(":") if isinstance(one, str) else ("", "", "")
        if isinstance(one, str) and one.strip() and one != "owner" and (kind not in {"role", "user"} or not who):
            yield problem("unknown_word", f"{path}[{number}]", value=one[:100], allowed=_ADDRESSEES)


def _durations(name: str, value: Any, path: str) -> Iterator[Problem]:
    yield from a_list(20)(name, value, path)
    for number, one in enumerate(value if isinstance(value, list | tuple) else ()):
        if one == "":
            yield problem("bad_duration", f"{path}[{number}]")
        yield from duration(name, one, f"{path}[{number}]")


def _levels(name: str, value: Any, path: str) -> Iterator[Problem]:
    yield from a_list(20)(name, value, path)
    for number, one in enumerate(value if isinstance(value, list | tuple) else ()):
        place = f"{path}[{number}]"
        yield from check_fields(one, place, _LEVEL)
        yield from _needs(one, place)


def _needs(level: Any, path: str) -> Iterator[Problem]:
    """What an action cannot do without."""
    if not isinstance(level, Mapping):
        return
    for action, needed in _NEEDED.items():
        if level.get("action") == action and not level.get(needed):
            yield problem("missing_field", f"{path}.{needed}", field=needed)


def _witnessed(name: str, value: Any, path: str) -> Iterator[Problem]:
    """All deviations (true), none, or a list of some."""
    if not isinstance(value, bool | list | tuple):
        yield problem("wrong_type", path, field=name, expected="true, false or a list of deviations")
    for number, one in enumerate(entries(value)):
        yield from one_of("unknown_word", sorted(WITNESSED))(name, one, f"{path}[{number}]")


def _object(fields: Mapping[str, Check]) -> Check:
    def check(_name: str, value: Any, path: str) -> Iterator[Problem]:
        yield from check_fields(value, path, fields)

    return check


_PRIORITY = whole(-HIGHEST_PRIORITY, HIGHEST_PRIORITY)
_NEEDED: Final = {
    LevelAction.REASSIGN: "to",
    LevelAction.RAISE_PRIORITY: "priority",
    LevelAction.START_PROCESS: "process_key",
}
_LEVEL: Mapping[str, Check] = {
    "after": duration,
    "action": one_of("unknown_word", LevelAction),
    "to": _addressees,
    "priority": _PRIORITY,
    "process_key": key,
}
WORKING: Mapping[str, Check] = {
    "assignment": _object(
        {
            "roles": words(50),
            "users": words(500),
            "rule": text(2_000),
            "revisit": one_of("unknown_word", Revisit),
            "not_who_did": words(100),
            "auto": one_of("unknown_word", Auto),
            "priority": _PRIORITY,
        }
    ),
    "escalation": _object({"remind_before": _durations, "levels": _levels}),
    "deviation": _object({"second_person": _witnessed}),
}
"""Key of a step's `config` → its check."""
