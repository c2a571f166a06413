"""Measurement: enough values, each in tolerance or dispositioned by another person.

In tolerance from nominal − lower_tol to nominal + upper_tol (magnitudes, both ends count); a missing one does not
bind. A value out of tolerance cannot be measured away: it stays until it is dispositioned or withdrawn with a reason.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from models.requirements.base import (
    Asked,
    Config,
    ConfigProblem,
    Gate,
    Giving,
    Json,
    Key,
    Look,
    RequirementKind,
    invalid,
    parsed,
)
from models.requirements.references import Inline, Named, reference
from models.store.freezing import definition_copy
from models.store.gate_errors import SelfDispositionError
from models.store.measurements import add_measurements, definitions_of
from models.store.views import moment
from models.tables import StepExecution

MINIMUM_REASON = 10
"""Characters of the reason for using a nonconforming value as it is."""


class MeasurementConfig(Config):
    """What is measured (by id, by key, or written out); `sample_size` overrides the definition's.

    Attributes:
        as_approved: the definition as it was when the version was approved; written then, whatever was sent.
    """

    measurement_definition_id: UUID | None = None
    measurement_definition: str | Inline | None = None
    sample_size: int | None = Field(default=None, ge=1, le=10_000)
    as_approved: dict[str, Any] | None = None

    @property
    def definition_wanted(self) -> Named | None:
        """The id or key of the definition."""
        return reference(self.measurement_definition_id, self.measurement_definition)


def _number(raw: Any) -> Any:
    if isinstance(raw, bool):
        raise ValueError("a truth is no measured value")
    return str(raw) if isinstance(raw, float) else raw


class Value(BaseModel):
    """One reading."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[Decimal, BeforeValidator(_number), Field(allow_inf_nan=False, max_digits=30)]
    unit: str
    gauge: str = Field(default="", max_length=200)


class Disposition(BaseModel):
    """Another person accepts values out of tolerance."""

    model_config = ConfigDict(extra="forbid")

    measurement_ids: list[str] = Field(min_length=1)
    decision: Literal["use_as_is"]
    reason: str


class Readings(BaseModel):
    """`values`, or a `disposition` of values given before."""

    model_config = ConfigDict(extra="forbid")

    values: list[Value] = Field(default_factory=list, max_length=10_000)
    disposition: Disposition | None = None


class MeasurementKind(RequirementKind):
    """Evidence: `{"measurement_ids", "values": [{id, value, unit, gauge, in_tolerance, by, at, disposition?}]}`."""

    name = "measurement"
    config_model = MeasurementConfig

    def further_problems(self, config: MeasurementConfig) -> Iterable[ConfigProblem]:
        """It says what is measured."""
        if config.definition_wanted is None:
            yield ConfigProblem("config_invalid", "/measurement_definition", "Name what is to be measured.")

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """No query, unless the version was approved before versions kept copies of their definitions."""
        open_ones = [
            (gate, [execution for execution in at if not look.of(execution, gate).complete]) for gate, at in asked
        ]
        configs = {gate.id: MeasurementConfig(**gate.requirement.config) for gate, at in open_ones if at}
        if not configs:
            return {}
        definitions = await _definitions(look.session, look.tenant_id, configs.values())
        found: dict[Key, str] = {}
        for gate, at in open_ones:
            for execution in at:
                config = configs[gate.id]
                definition = definitions.get(config.definition_wanted)
                reason = _missing(config, definition, look.of(execution, gate).evidence)
                if reason is not None:
                    found[execution.id, gate.id] = reason
        return found

    async def give(self, giving: Giving) -> Json:
        """Add readings, or disposition readings out of tolerance.

        Raises:
            StoreError: evidence_invalid, self_disposition.
            FlowError: forbidden, for a disposition without the permission.
        """
        said = parsed(Readings, giving.evidence)
        if bool(said.values) == (said.disposition is not None):
            raise invalid("", "Send values, or a disposition of values given before.")
        before = list(giving.before.get("values", ()))
        if said.disposition is not None:
            return _evidence(_dispositioned(before, said.disposition, giving))
        return _evidence([*before, *await _measured(said.values, giving)])

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:  # noqa: ARG002
        """The characteristic with its limits, and how many values there are."""
        config = MeasurementConfig(**gate.requirement.config)
        found = (await _definitions(look.session, look.tenant_id, [config])).get(config.definition_wanted)
        return {"definition": None if found is None else {**found, "required": _required(config, found)}}


async def _definitions(
    session: AsyncSession, tenant_id: UUID, configs: Collection[MeasurementConfig]
) -> dict[Named | None, Json]:
    """What each config measures, as `models.store.freezing.definition_copy` makes it, by what it names."""
    found: dict[Named | None, Json] = {
        config.definition_wanted: config.as_approved for config in configs if config.as_approved is not None
    }
    wanted = {config.definition_wanted for config in configs} - found.keys()
    if wanted:
        rows = await definitions_of(session, tenant_id, wanted)
        found |= {name: definition_copy(row) for name, row in rows.items()}
    return found


def in_tolerance(definition: Mapping[str, Any], value: Decimal) -> bool:
    """Whether a value lies within the limits; without a nominal there are none."""
    limits = ("nominal", "upper_tol", "lower_tol")
    nominal, upper, lower = (None if definition[name] is None else Decimal(definition[name]) for name in limits)
    if nominal is None:
        return True
    return (upper is None or value <= nominal + upper) and (lower is None or value >= nominal - lower)


def _required(config: MeasurementConfig, definition: Json) -> int:
    return config.sample_size or int(definition["sample_size"])


def _missing(config: MeasurementConfig, definition: Json | None, evidence: Json) -> str | None:
    if definition is None:
        return "what is to be measured is not defined; have the process corrected"
    values = evidence.get("values", ())
    out = [one for one in values if not one["in_tolerance"] and "disposition" not in one]
    if out:
        named = ", ".join(f"{one['value']} {one['unit']}" for one in out[:3])
        return f"{len(out)} of {len(values)} values out of tolerance ({named}); disposition or withdraw them"
    required = _required(config, definition)
    return None if len(values) >= required else f"{len(values)} of {required} values measured"


def _evidence(values: Sequence[Json]) -> Json:
    return {"measurement_ids": [one["id"] for one in values], "values": list(values)}


async def _measured(values: Sequence[Value], giving: Giving) -> list[Json]:
    config = MeasurementConfig(**giving.config)
    definition = (await _definitions(giving.session, giving.tenant_id, [config])).get(config.definition_wanted)
    if definition is None:
        raise invalid("/values", "What is to be measured is not defined. Have the process corrected.")
    rows: list[Json] = []
    for place, one in enumerate(values):
        if one.unit.strip() != definition["unit"]:
            raise invalid(f"/values/{place}/unit", f"Measure in '{definition['unit']}', not in '{one.unit}'.")
        rows.append(
            {
                "id": uuid4(),
                "requirement_id": giving.gate.id,
                "definition_id": UUID(definition["id"]),
                "value": one.value,
                "unit": definition["unit"],
                "gauge": one.gauge,
                "in_tolerance": in_tolerance(definition, one.value),
                "operator_id": giving.person.id,
                "at": giving.now,
                "source": giving.person.source,
            }
        )
    await add_measurements(giving.session, giving.link, rows)
    return [
        {
            "id": str(row["id"]),
            "value": f"{row['value']:f}",
            "unit": row["unit"],
            "gauge": row["gauge"],
            "in_tolerance": row["in_tolerance"],
            "by": str(giving.person.id),
            "at": moment(giving.now),
        }
        for row in rows
    ]


def _dispositioned(values: list[Json], said: Disposition, giving: Giving) -> list[Json]:
    giving.person.must("evidence.disposition")
    if len(said.reason.strip()) < MINIMUM_REASON:
        raise invalid("/disposition/reason", f"Give a reason of at least {MINIMUM_REASON} characters.")
    known = {one["id"]: one for one in values}
    for place, measured in enumerate(said.measurement_ids):
        one = known.get(measured)
        if one is None or one["in_tolerance"] or "disposition" in one:
            raise invalid(f"/disposition/measurement_ids/{place}", "This is no value that waits for a disposition.")
        if one["by"] == str(giving.person.id):
            raise SelfDispositionError
    decided = {
        "decision": said.decision,
        "reason": said.reason.strip(),
        "by": str(giving.person.id),
        "by_name": giving.person.printed_name,
        "at": moment(giving.now),
    }
    return [{**one, "disposition": decided} if one["id"] in said.measurement_ids else one for one in values]
