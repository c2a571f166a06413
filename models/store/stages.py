"""Stages of an approval, in series: who may answer, and when a stage is passed. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    mode: Mode = Mode.ANY
    n: int = Field(default=1, ge=1, le=50)
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_passed(self) -> Self:
        if not self.roles and not self.users:
            raise ValueError("a stage names at least one role or user")
        unknown = sorted(set(self.roles) - ASSIGNABLE_ROLES)
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

    def takes(self, names: Collection[str], roles: Iterable[str]) -> bool:
        """Whether a person with these names (id, username) and roles may answer."""
        return bool(set(self.users) & set(names)) or bool(set(self.roles) & set(roles))


class Answer(BaseModel):
    """One person who agreed."""

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
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")) from error


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
    """Whether every seat can be filled by a person of its own."""
    if not seats:
        return True
    (name, is_user), rest = seats[0], seats[1:]
    return any(
        name in (answer.names if is_user else answer.roles) and _seated(rest, [*answers[:place], *answers[place + 1 :]])
        for place, answer in enumerate(answers)
    )
