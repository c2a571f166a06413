"""Readings become rows: converted into the characteristic's unit, judged, with a gauge that may be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping

from models.requirements.base import Giving, Json, invalid
from models.requirements.units import UnitError, converted
from models.store.gate_errors import GaugeOverdueError
from models.store.measurements import add_measurements, gauges_of
from models.store.views import moment

OUT_OF_SERVICE: Final = "out_of_service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value as it was read; `sample` where several are taken."""

    value: Decimal
    unit: str
    gauge: str
    sample: int | None = None


def in_tolerance(definition: Mapping[str, Any], value: Decimal) -> bool:
    """Whether a value lies within the tolerances (which need a nominal) and within the limits."""
    names = ("nominal", "upper_tol", "lower_tol", "lower_limit", "upper_limit")
    given = (definition.get(name) for name in names)
    nominal, upper, lower, least, most = (None if one is None else Decimal(one) for one in given)
    if (least is not None and value < least) or (most is not None and value > most):
        return False
    if nominal is None:
        return True
    return (upper is None or value <= nominal + upper) and (lower is None or value >= nominal - lower)


async def measured(definition: Json, readings: Sequence[Reading], giving: Giving) -> list[Json]:
    """Judge readings, add them as rows, and say how they stand in the evidence.

    Raises:
        StoreError: evidence_invalid, gauge_overdue.
    """
    gauges = await _usable_gauges(definition, readings, giving)
    rows = [_row(definition, one, place, gauges, giving) for place, one in enumerate(readings)]
    await add_measurements(giving.session, giving.link, rows)
    return [_json(row, giving) for row in rows]


async def _usable_gauges(definition: Json, readings: Sequence[Reading], giving: Giving) -> dict[str, RowMapping]:
    """Known equipment by its name; whatever is known is also checked.

    Calibration holds through its last day, in UTC. Only where the characteristic asks for known equipment is another
    name refused.
    """
    named = {one.gauge for one in readings if one.gauge}
    found = await gauges_of(giving.session, giving.tenant_id, named) if named else {}
    for place, one in enumerate(readings):
        _check_gauge(definition, one.gauge, found, f"/values/{place}/gauge", giving.now)
    return found


def _check_gauge(definition: Json, gauge: str, found: Mapping[str, RowMapping], pointer: str, now: datetime) -> None:
    needed, row = bool(definition.get("gauge_required")), found.get(gauge)
    if row is None:
        if needed:
            raise invalid(pointer, f"There is no equipment '{gauge}'." if gauge else "Say with which gauge.")
        return
    if row["status"] == OUT_OF_SERVICE:
        raise invalid(pointer, f"The gauge {row['identifier']} is out of service.")
    due = _day(row["calibration_due"])
    if due is None and needed:
        raise invalid(pointer, f"The gauge {row['identifier']} has no calibration date.")
    if due is not None and due < now.date():
        raise GaugeOverdueError(gauge=row["identifier"], due=due.isoformat())


def _row(
    definition: Json, one: Reading, place: int, gauges: Mapping[str, RowMapping], giving: Giving
) -> dict[str, Any]:
    try:
        value = converted(one.value, one.unit, definition["unit"])
    except UnitError as error:
        raise invalid(f"/values/{place}/unit", str(error)) from error
    as_read = one.unit == definition["unit"]
    gauge = gauges.get(one.gauge)
    return {
        "id": uuid4(),
        "requirement_id": giving.gate.id,
        "definition_id": UUID(definition["id"]),
        "value": value,
        "unit": definition["unit"],
        "gauge": one.gauge if gauge is None else gauge["identifier"],
        "given_value": None if as_read else one.value,
        "given_unit": None if as_read else one.unit,
        "gauge_id": None if gauge is None else gauge["id"],
        "calibration_due": None if gauge is None else _day(gauge["calibration_due"]),
        "sample": one.sample,
        "in_tolerance": in_tolerance(definition, value),
        "operator_id": giving.person.id,
        "at": giving.now,
        "source": giving.person.source,
    }


def _json(row: Mapping[str, Any], giving: Giving) -> Json:
    """A value in the evidence; what it does not have is left out."""
    more: dict[str, Any] = {
        "given_value": None if row["given_value"] is None else f"{row['given_value']:f}",
        "given_unit": row["given_unit"],
        "gauge_id": None if row["gauge_id"] is None else str(row["gauge_id"]),
        "calibration_due": None if row["calibration_due"] is None else row["calibration_due"].isoformat(),
        "sample": row["sample"],
    }
    return {
        "id": str(row["id"]),
        "value": f"{row['value']:f}",
        "unit": row["unit"],
        "gauge": row["gauge"],
        "in_tolerance": row["in_tolerance"],
        "by": str(giving.person.id),
        "at": moment(giving.now),
        **{name: value for name, value in more.items() if value is not None},
    }


def _day(written: Any) -> date | None:
    """A date in an attribute; what is none counts as missing."""
    try:
        return date.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
