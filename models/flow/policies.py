"""What a step's `config` says about whose work it is and what happens when it is late, as values.

Shapes are checked by `working_shape.py` before a process is published; what is read here has passed that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from models.flow.durations import parse_duration
from models.flow.graph import Step


class Revisit(StrEnum):
    """Who may do a step again that the subject comes back to (the seed's revisit assignment)."""

    ANY = "any"
    SAME = "same"
    DIFFERENT = "different"
    ROLE = "role"


class Auto(StrEnum):
    """Whether the engine puts new work into somebody's hands."""

    NONE = "none"
    LEAST_LOADED = "least_loaded"


class LevelAction(StrEnum):
    """What a level of an escalation policy does besides being seen."""

    NOTIFY = "notify"
    REASSIGN = "reassign"
    RAISE_PRIORITY = "raise_priority"
    START_PROCESS = "start_process"
    ROUTE = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Whose work a step is.

    Attributes:
        roles, users: candidates; without any (and without a rule) everybody who may work.
        rule: CEL over `user`, `subject` and `context`; true makes the person a candidate.
        revisit: who may do it again.
        not_who_did: steps whose workers may not do this one for the same subject (four eyes).
        priority: of new executions; the higher, the more urgent.
    """

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    rule: str = ""
    revisit: Revisit = Revisit.ANY
    not_who_did: tuple[str, ...] = ()
    auto: Auto = Auto.NONE
    priority: int = 0

    @property
    def restricts(self) -> bool:
        """Whether anybody who may work is kept from this."""
        chosen = self.roles or self.users or self.rule or self.not_who_did
        return bool(chosen) or self.revisit is not Revisit.ANY

    @property
    def puts_into_hands(self) -> bool:
        """Whether new executions come with an assignee."""
        return self.auto is not Auto.NONE or self.revisit is Revisit.SAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of an escalation policy, `after` so much working time beyond the due time.

    Attributes:
        to: roles and users, as `role:quality_manager`, `user:ann`, `owner`.
        priority: for `raise_priority`.
        process_key: for `start_process`.
    """

    after: timedelta = timedelta()
    action: LevelAction = LevelAction.NOTIFY
    to: tuple[str, ...] = ()
    priority: int = 0
    process_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """What happens around the due time of a step: reminders before it, then level after level."""

    remind_before: tuple[timedelta, ...] = ()
    """Working time before the due time, longest first."""
    levels: tuple[Level, ...] = ()

    @property
    def has_moments(self) -> bool:
        """Whether anything happens besides being late."""
        return bool(self.remind_before or self.levels)


_NOBODY = Assignment()
_NOTHING = Escalation()


def assignment_of(step: Step) -> Assignment:
    """The step's assignment rule; one that restricts nothing where it has none."""
    raw = step.config.get("assignment")
    if not raw:
        return _NOBODY
    return Assignment(
        roles=_words(raw.get("roles")),
        users=_words(raw.get("users")),
        rule=raw.get("rule") or "",
        revisit=Revisit(raw.get("revisit") or Revisit.ANY),
        not_who_did=_words(raw.get("not_who_did")),
        auto=Auto(raw.get("auto") or Auto.NONE),
        priority=raw.get("priority") or 0,
    )


def escalation_of(step: Step) -> Escalation:
    """The step's escalation policy; one without reminders and levels where it has none."""
    raw = step.config.get("escalation")
    if not raw:
        return _NOTHING
    reminders = sorted((parse_duration(one) for one in raw.get("remind_before") or ()), reverse=True)
    return Escalation(remind_before=tuple(reminders), levels=tuple(map(_level, raw.get("levels") or ())))


def level_at(step: Step, mark: int) -> tuple[int, Level] | None:
    """The level (numbered from 1) that the `mark`-th moment stands for; None where it is a reminder.

    Marks are the reminders, and then the levels in their order.
    """
    policy = escalation_of(step)
    number = mark - len(policy.remind_before)
    return (number + 1, policy.levels[number]) if 0 <= number < len(policy.levels) else None


def _level(raw: Mapping[str, Any]) -> Level:
    return Level(
        after=parse_duration(raw["after"]) if raw.get("after") else timedelta(),
        action=LevelAction(raw.get("action") or LevelAction.NOTIFY),
        to=_words(raw.get("to")),
        priority=raw.get("priority") or 0,
        process_key=raw.get("process_key") or "",
    )


def _words(found: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(found or ())
