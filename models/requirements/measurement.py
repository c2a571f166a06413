"""Measurement: enough values, each in tolerance or dispositioned by another person.

In tolerance from nominal − lower_tol to nominal + upper_tol (magnitudes), and from lower_limit to upper_limit; both
ends count, and what is missing does not bind. A value out of tolerance cannot be measured away: it stays until it is
dispositioned or withdrawn with a reason. How values become rows is in `models.requirements.measuring`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DispositionDecision
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
from models.requirements.measuring import Reading, measured
from models.requirements.references import Inline, Named, reference
from models.store.freezing import definition_copy
from models.store.gate_errors import SelfDispositionError
from models.store.measurements import definitions_of
from models.store.views import moment
from models.tables import StepExecution

MINIMUM_REASON = 10
"""Characters of the reason for what becomes of a nonconforming value."""
FINAL: Final = (DispositionDecision.SCRAP, DispositionDecision.RETURN_TO_SUPPLIER)
"""Dispositions after which there is nothing to measure again."""


class MeasurementConfig(Config):
    """What is measured (by id, by key, or written out); `sample_size` overrides the definition's.

    Attributes:
        samples: how many samples of `sample_size` values each.
        dispositions_that_pass: with which ones the step may be completed; unless told, all where the step decides,
            else `use_as_is` only (`models.store.freezing`).
        as_approved: the definition as it was when the version was approved; written then, whatever was sent.
    """

    measurement_definition_id: UUID | None = None
    measurement_definition: str | Inline | None = None
    sample_size: int | None = Field(default=None, ge=1, le=10_000)
    samples: int = Field(default=1, ge=1, le=1_000)
    dispositions_that_pass: tuple[DispositionDecision, ...] | None = None
    as_approved: dict[str, Any] | None = None

    @property
    def definition_wanted(self) -> Named | None:
        """The id or key of the definition."""
        return reference(self.measurement_definition_id, self.measurement_definition)

    @property
    def passing(self) -> Collection[str]:
        """The dispositions with which the step may be completed."""
        if self.dispositions_that_pass is not None:
            return self.dispositions_that_pass
        kept = (self.as_approved or {}).get("dispositions_that_pass")
        return kept if kept is not None else (DispositionDecision.USE_AS_IS,)


def _number(raw: Any) -> Any:
    if isinstance(raw, bool):
        raise ValueError("a truth is no measured value")
    return str(raw) if isinstance(raw, float) else raw


class Value(BaseModel):
    """One reading."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[Decimal, BeforeValidator(_number), Field(allow_inf_nan=False, max_digits=30)]
    unit: str = Field(max_length=200)
    gauge: str = Field(default="", max_length=200, description="Identifier or id of the equipment, or any name.")
    sample: int | None = Field(default=None, ge=1, description="Which sample, from 1; the next open one unless told.")


class Disposition(BaseModel):
    """Another person says what becomes of values out of tolerance."""

    model_config = ConfigDict(extra="forbid")

    measurement_ids: list[str] = Field(min_length=1)
    decision: DispositionDecision
    reason: str


class Readings(BaseModel):
    """`values`, or a `disposition` of values given before."""

    model_config = ConfigDict(extra="forbid")

    values: list[Value] = Field(default_factory=list, max_length=10_000)
    disposition: Disposition | None = None


class MeasurementKind(RequirementKind):
    """Evidence: `{"measurement_ids", "values": [{id, value, unit, gauge, in_tolerance, by, at, disposition?, …}]}`."""

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
            StoreError: evidence_invalid, gauge_overdue, self_disposition.
            FlowError: forbidden, for a disposition without the permission.
        """
        said = parsed(Readings, giving.evidence)
        if bool(said.values) == (said.disposition is not None):
            raise invalid("", "Send values, or a disposition of values given before.")
        before = list(giving.before.get("values", ()))
        if said.disposition is not None:
            return _evidence(_dispositioned(before, said.disposition, giving))
        config = MeasurementConfig(**giving.config)
        definition = (await _definitions(giving.session, giving.tenant_id, [config])).get(config.definition_wanted)
        if definition is None:
            raise invalid("/values", "What is to be measured is not defined. Have the process corrected.")
        readings = _in_samples(config, definition, before, said.values)
        return _evidence([*before, *await measured(definition, readings, giving)])

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:  # noqa: ARG002
        """The characteristic with its limits, and how many values there are."""
        config = MeasurementConfig(**gate.requirement.config)
        found = (await _definitions(look.session, look.tenant_id, [config])).get(config.definition_wanted)
        if found is None:
            return {"definition": None}
        shown = {name: value for name, value in found.items() if name != "dispositions_that_pass"}
        required = config.samples * _per_sample(config, found)
        return {"definition": {**shown, "required": required, "samples": config.samples,
                               "dispositions_that_pass": list(config.passing)}}  # fmt: skip


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


def _per_sample(config: MeasurementConfig, definition: Json) -> int:
    return config.sample_size or int(definition["sample_size"])


def _counts(config: MeasurementConfig, value: Json) -> bool:
    """Whether a value is good, or has been dispositioned in a way with which the step may be completed."""
    return value["in_tolerance"] or value.get("disposition", {}).get("decision") in config.passing


def _missing(config: MeasurementConfig, definition: Json | None, evidence: Json) -> str | None:
    if definition is None:
        return "what is to be measured is not defined; have the process corrected"
    values = evidence.get("values", ())
    out = [one for one in values if not one["in_tolerance"] and "disposition" not in one]
    if out:
        return f"{len(out)} of {len(values)} values out of tolerance ({_named(out)}); disposition or withdraw them"
    lost = [one for one in values if not _counts(config, one) and one["disposition"]["decision"] in FINAL]
    if lost:
        word = lost[0]["disposition"]["decision"].replace("_", " ")
        return f"{_named(lost)} dispositioned {word}; take the subject out of the process"
    wanted = _per_sample(config, definition)
    counted = Counter(one.get("sample", 1) for one in values if _counts(config, one))
    done, required = sum(min(number, wanted) for number in counted.values()), wanted * config.samples
    again = [one for one in values if not _counts(config, one)]
    note = f"; {_named(again)} to be reworked and measured again" if again else ""
    return f"{done} of {required} values measured{note}" if done < required else None


def _named(values: Sequence[Json]) -> str:
    return ", ".join(f"{one['value']} {one['unit']}" for one in values[:3])


def _in_samples(
    config: MeasurementConfig, definition: Json, before: Sequence[Json], values: Sequence[Value]
) -> list[Reading]:
    """Which sample each value is of: the one it names, else the first that lacks values."""
    counted = Counter(one.get("sample", 1) for one in before if one["in_tolerance"] or _counts(config, one))
    wanted, found = _per_sample(config, definition), []
    for place, one in enumerate(values):
        if one.sample is not None and one.sample > config.samples:
            raise invalid(f"/values/{place}/sample", f"There are {config.samples} samples to take.")
        lacking = (number for number in range(1, config.samples) if counted[number] < wanted)
        sample = one.sample or next(lacking, config.samples)
        counted[sample] += 1
        found.append(
            Reading(
                value=one.value,
                unit=one.unit.strip(),
                gauge=one.gauge.strip(),
                sample=sample if config.samples > 1 else None,
            )
        )
    return found


def _evidence(values: Sequence[Json]) -> Json:
    return {"measurement_ids": [one["id"] for one in values], "values": list(values)}


def _dispositioned(values: list[Json], said: Disposition, giving: Giving) -> list[Json]:
    giving.person.must("evidence.disposition")
    if len(said.reason.strip()) < MINIMUM_REASON:
        raise invalid("/disposition/reason", f"Give a reason of at least {MINIMUM_REASON} characters.")
    known = {one["id"]: one for one in values}
    for place, named in enumerate(said.measurement_ids):
        one = known.get(named)
        if one is None or one["in_tolerance"] or "disposition" in one:
            raise invalid(f"/disposition/measurement_ids/{place}", "This is no value that waits for a disposition.")
        if one["by"] == str(giving.person.id):
            raise SelfDispositionError
    decided = {
        "decision": said.decision.value,
        "reason": said.reason.strip(),
        "by": str(giving.person.id),
        "by_name": giving.person.printed_name,
        "at": moment(giving.now),
    }
    return [{**one, "disposition": decided} if one["id"] in said.measurement_ids else one for one in values]
