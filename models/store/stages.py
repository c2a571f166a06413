"""Stages of an approval, in series: who may answer, and when a stage is passed. Pure."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.permissions import ASSIGNABLE_ROLES


class Mode(StrEnum):
    """How many have to agree."""

    ANY = "any"
    ALL = "all"
    N_OF_M = "n_of_m"


class Stage(BaseModel):
    """Users (by id or username) and roles that may answer.

    `any`: one person. `n_of_m`: n different persons. `all`: every named user, and for each role a person of its own.

    With `veto` (the default) one rejection ends the request. Without it a rejection is a vote against, and the request
    ends when those who have not answered can no longer pass the stage; only a rejection by one of `veto_users` or
    `veto_roles` ends it at once. These may reject also where they are not asked to agree.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    mode: Mode = Mode.ANY
    n: int = Field(default=1, ge=1, le=50)
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    veto: bool = True
    veto_roles: tuple[str, ...] = ()
    veto_users: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_passed(self) -> Self:
        if not self.roles and not self.users:
            raise ValueError("a stage names at least one role or user")
        unknown = sorted({*self.roles, *self.veto_roles} - ASSIGNABLE_ROLES)
        if unknown:
            raise ValueError(f"unknown roles: {', '.join(unknown)}")
        if self.mode is Mode.N_OF_M and not self.roles and self.n > len(set(self.users)):
            raise ValueError(f"{self.n} of {len(set(self.users))} users can never agree")
        return self

    @property
    def needed(self) -> int:
        """How many answers pass the stage."""
        match self.mode:
            case Mode.ANY:
                return 1
            case Mode.N_OF_M:
                return self.n
            case Mode.ALL:
                return len(set(self.users)) + len(set(self.roles))

    @property
    def approvers(self) -> str:
        """For a person to read."""
        return ", ".join((*self.users, *(f"role {role}" for role in self.roles)))

    def takes(self, names: Collection[str], roles: Collection[str]) -> bool:
        """Whether a person with these names (id, username) and roles is asked to agree."""
        return bool(set(self.users) & set(names)) or bool(set(self.roles) & set(roles))

    def has_veto(self, names: Collection[str], roles: Collection[str]) -> bool:
        """Whether the rejection of such a person ends the request at once."""
        named = bool(set(self.veto_users) & set(names)) or bool(set(self.veto_roles) & set(roles))
        return named or (self.veto and self.takes(names, roles))


class Answer(BaseModel):
    """One person who agreed, or who still may."""

    model_config = ConfigDict(frozen=True)

    names: tuple[str, ...]
    roles: tuple[str, ...]


def parse_stages(raw: Sequence[Mapping[str, Any]]) -> tuple[Stage, ...]:
    """The stages of a template.

    Raises:
        ValueError: in one sentence; an approval needs at least one stage.
    """
    if not raw:
        raise ValueError("an approval needs at least one stage")
    try:
        return tuple(Stage.model_validate(dict(one)) for one in raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(
            f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        ) from error


def parse_escalation(raw: Any) -> dict[str, list[str]]:
    """`{"roles", "users"}` who hear of what is overdue; `{}` for nobody.

    Raises:
        ValueError: in one sentence.
    """
    if not isinstance(raw, Mapping) or set(raw) - {"roles", "users"}:
        raise ValueError("escalate_to must be an object of roles and users")
    found = {name: list(raw.get(name) or ()) for name in ("roles", "users")}
    if not all(isinstance(one, str) for listed in found.values() for one in listed):
        raise ValueError("escalate_to lists roles and users as texts")
    unknown = sorted(set(found["roles"]) - ASSIGNABLE_ROLES)
    if unknown:
        raise ValueError(f"unknown roles: {', '.join(unknown)}")
    return {name: listed for name, listed in found.items() if listed}


def is_passed(stage: Stage, answers: Sequence[Answer]) -> bool:
    """Whether those who agreed are enough; one person never counts twice."""
    if stage.mode is not Mode.ALL:
        return len(answers) >= stage.needed
    seats = [
        *((user, True) for user in sorted(set(stage.users))),
        *((role, False) for role in sorted(set(stage.roles))),
    ]
    return _seated(seats, answers)


def _seated(seats: Sequence[tuple[str, bool]], answers: Sequence[Answer]) -> bool:
    """Whether every seat can be filled by a person of its own: a matching by augmenting paths (Kuhn)."""
    fitting = [
        [place for place, answer in enumerate(answers) if name in (answer.names if is_user else answer.roles)]
        for name, is_user in seats
    ]
    taken: dict[int, int] = {}

    def place_somebody(seat: int, tried: set[int]) -> bool:
        for person in fitting[seat]:
            if person in tried:
                continue
            tried.add(person)
            if person not in taken or place_somebody(taken[person], tried):
                taken[person] = seat
                return True
        return False

    return all(place_somebody(seat, set()) for seat in range(len(seats)))
