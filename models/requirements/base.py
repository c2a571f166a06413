"""What every type of requirement is: the class that it implements, and the values that pass through it.

A type judges *in bulk*: one call for all executions of a batch, at most one query per type. It gives evidence for one
execution at a time. It never commits, never locks (the caller has) and never writes the audit trail.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.graph import Requirement
from models.store.evidence import Sealing
from models.store.gate_errors import DerivedRequirementError, EvidenceInvalidError
from models.store.people import Person
from models.tables import StepExecution

Json = dict[str, Any]
Key = tuple[UUID, UUID]
"""Execution id, requirement id."""

M = TypeVar("M", bound=BaseModel)


class Config(BaseModel):
    """The keys of a type; an unknown one is a mistake, because a mistyped rule would not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConfigProblem(NamedTuple):
    """What is wrong in a requirement's config; `pointer` is a JSON pointer into it."""

    code: str
    pointer: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One requirement of a step of a process version, with the id of its row."""

    id: UUID
    step: str
    requirement: Requirement


class Asked(NamedTuple):
    """One gate, and the executions at its step that are to be judged."""

    gate: Gate
    executions: Sequence[StepExecution]


class Standing(NamedTuple):
    """Where a requirement of an execution stands by its evidence; the evidence may be left out of complete ones."""

    complete: bool
    evidence: Json


NOTHING = Standing(complete=False, evidence={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a type may read to judge: the session, and the evidence of all executions asked about."""

    session: AsyncSession
    tenant_id: UUID
    standing: Mapping[Key, Standing] = field(default_factory=dict)

    def of(self, execution: StepExecution, gate: Gate) -> Standing:
        """What was given for one requirement of one execution."""
        return self.standing.get((execution.id, gate.id), NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """One person gives (or withdraws) evidence for one requirement of one locked execution.

    Attributes:
        link: the end of the execution's chain, for append-only rows of the type's own.
        evidence: what was sent, without any password.
        before: the evidence as it stands; `{}` where nothing is given.
        proven: whether the person has just proven who they are by password.
        now: UTC.
    """

    session: AsyncSession
    tenant_id: UUID
    link: Sealing
    gate: Gate
    person: Person
    now: datetime
    evidence: Json = field(default_factory=dict)
    before: Json = field(default_factory=dict)
    proven: bool = False
    reason: str = ""

    @property
    def execution(self) -> StepExecution:
        """Locked."""
        return self.link.execution

    @property
    def config(self) -> Mapping[str, Any]:
        """The keys of the requirement's type."""
        return self.gate.requirement.config


class RequirementKind(ABC):
    """One type of requirement. A plug-in subclasses this and registers under `gatework.requirements`."""

    name: ClassVar[str]
    config_model: ClassVar[type[Config]]
    derived: ClassVar[bool] = False
    """Met by what happens elsewhere; completing it by hand is refused."""
    needs_password: ClassVar[bool] = False
    """The giver proves who they are at the moment of giving."""
    only_by_holder: ClassVar[bool] = True
    """Where somebody holds the execution, nobody else gives this."""

    def problems(self, config: Mapping[str, Any]) -> tuple[ConfigProblem, ...]:
        """What is wrong with a config, for the process designer; empty where it can be published."""
        try:
            parsed = self.config_model.model_validate(dict(config))
        except ValidationError as error:
            return tuple(ConfigProblem("config_invalid", pointer_of(one["loc"]), one["msg"]) for one in error.errors())
        return tuple(self.further_problems(parsed))

    def further_problems(self, config: Any) -> Iterable[ConfigProblem]:  # noqa: ARG002 - for subclasses
        """What the shape alone does not tell."""
        return ()

    def named_steps(self, config: Mapping[str, Any]) -> Mapping[str, str]:
        """Steps of the process that a valid config names, by JSON pointer; publication checks that they exist."""
        return self.steps_named(self.config_model.model_validate(dict(config)))

    def steps_named(self, config: Any) -> Mapping[str, str]:  # noqa: ARG002 - for subclasses
        """As `named_steps`, of the config in its shape."""
        return {}

    @abstractmethod
    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """The reason of each requirement that is not met; those without an entry are met."""

    async def give(self, giving: Giving) -> Json | None:  # noqa: ARG002 - for subclasses
        """Check what was sent and return the whole evidence as it then stands; None where nothing changes.

        Raises:
            StoreError: evidence_invalid, derived_requirement, and those of the type.
        """
        raise DerivedRequirementError(requirement_type=self.name)

    async def withdraw(self, giving: Giving) -> None:  # noqa: B027 - most types have nothing to do here
        """Undo what `give` did outside the evidence itself."""

    async def open(self, look: Look, asked: Sequence[Asked], now: datetime) -> None:  # noqa: B027
        """What has to be there from the moment executions enter the step."""

    async def close(self, look: Look, execution_ids: Sequence[UUID], now: datetime) -> None:  # noqa: B027
        """What must not stay open once executions have left the step."""

    async def reopen(  # noqa: B027
        self, look: Look, asked: Sequence[Asked], links: Mapping[UUID, Sealing], closed_at: datetime, now: datetime
    ) -> None:
        """What `close` ended at `closed_at` and is needed again, because executions are open again.

        `links` are the ends of their chains, for append-only rows and audit entries; the caller finishes them.
        """

    async def drop(self, look: Look, execution_ids: Sequence[UUID], now: datetime) -> None:  # noqa: B027
        """What must not stay open at executions that go on under a version which does not ask for it any more.

        What still counts is named by their `kept_gates`.
        """

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:  # noqa: ARG002 - for subclasses
        """Further fields of the requirement on the screen, such as its progress."""
        return {}


class Recorded(RequirementKind):
    """A type whose verdict follows from its evidence alone, so that the projection can be believed."""

    @abstractmethod
    def missing(self, config: Mapping[str, Any], evidence: Json) -> str | None:
        """What is still missing, as a sentence; None where the evidence is complete."""

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """No query: complete ones are known, the others say why."""
        found: dict[Key, str] = {}
        for gate, executions in asked:
            config = gate.requirement.config
            of_nothing = self.missing(config, {})
            for execution in executions:
                standing = look.of(execution, gate)
                if standing.complete:
                    continue
                reason = self.missing(config, standing.evidence) if standing.evidence else of_nothing
                if reason is not None:
                    found[execution.id, gate.id] = reason
        return found


def parsed(model: type[M], evidence: Mapping[str, Any]) -> M:
    """The evidence in its shape.

    Raises:
        EvidenceInvalidError: with a JSON pointer for each fault.
    """
    try:
        return model.model_validate(dict(evidence))
    except ValidationError as error:
        raise EvidenceInvalidError(
            errors=[{"pointer": pointer_of(one["loc"]), "message": one["msg"]} for one in error.errors()]
        ) from error


def invalid(pointer: str, message: str) -> EvidenceInvalidError:
    """One fault in the evidence."""
    return EvidenceInvalidError(errors=[{"pointer": pointer, "message": message}])


def pointer_of(path: Iterable[Any]) -> str:
    """A JSON pointer (RFC 6901) of keys and indexes."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
