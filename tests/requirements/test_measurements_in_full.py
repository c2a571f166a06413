"""Measurements: units, limits, gauges, samples, and what becomes of values out of tolerance."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.db import tenant_session
from models.enums import DispositionDecision
from models.requirements.measuring import in_tolerance
from models.requirements.units import UnitError, converted
from models.store.verify import verify_tenant
from models.tables import Subject, SubjectType
from tests.requirements.floor import Floor, gate, refused

BORE = {"key": "bore", "name": "Bore", "unit": "mm", "nominal": "12", "upper_tol": "0.018", "lower_tol": "0"}
NO_LIMITS = dict.fromkeys(("nominal", "upper_tol", "lower_tol", "lower_limit", "upper_limit"))
REASON = "Fit is not affected, see deviation 12."


async def equip(floor: Floor, identifier: str, **attributes: Any) -> str:
    """A gauge; its id."""
    gauge = uuid4()
    async with tenant_session(floor.engine, floor.tenant) as session:
        kind = SubjectType(tenant_id=floor.tenant, id=uuid4(), key="Equipment", name="Equipment")
        if not await floor.rows("SELECT 1 FROM subject_type WHERE key = 'Equipment'"):
            session.add(kind)
            await session.flush()
            await session.commit()
    [found] = await floor.rows("SELECT id FROM subject_type WHERE key = 'Equipment'")
    async with tenant_session(floor.engine, floor.tenant) as session:
        session.add(
            Subject(
                tenant_id=floor.tenant, id=gauge, subject_type_id=found["id"], identifier=identifier,
                attributes=attributes,
            )
        )  # fmt: skip
    return str(gauge)


def reading(value: str, unit: str = "mm", **more: Any) -> dict[str, Any]:
    return {"values": [{"value": value, "unit": unit, **more}]}


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "is_"),
    [
        ("0.5", "in", "mm", "12.7"),
        ("5", "µm", "mm", "0.005"),
        ("212", "degF", "degC", "100"),
        ("2", "bar", "kPa", "200"),
        ("12.50", "mm", "mm", "12.50"),
        ("3", "pcs", "pcs", "3"),
    ],
)
def test_units_are_converted_exactly(value: str, unit: str, wanted: str, is_: str) -> None:
    assert str(converted(Decimal(value), unit, wanted)) == is_


@pytest.mark.parametrize(
    ("unit", "wanted"), [("kg", "mm"), ("HRC", "mm"), ("mm", "HRC"), ("", "mm"), ("m**9**9**9", "mm"), ("x" * 99, "mm")]
)
def test_what_measures_something_else_is_refused(unit: str, wanted: str) -> None:
    with pytest.raises(UnitError, match="Measure in"):
        converted(Decimal(1), unit, wanted)


@given(
    nominal=st.decimals(-1000, 1000, places=3),
    lower=st.decimals(0, 10, places=3),
    upper=st.decimals(0, 10, places=3),
    value=st.decimals(-1020, 1020, places=3),
)
def test_tolerances_are_magnitudes_around_the_nominal(
    nominal: Decimal, lower: Decimal, upper: Decimal, value: Decimal
) -> None:
    definition = {**NO_LIMITS, "nominal": str(nominal), "upper_tol": str(upper), "lower_tol": str(lower)}
    assert in_tolerance(definition, value) is (nominal - lower <= value <= nominal + upper)


@pytest.mark.parametrize(
    ("limits", "value", "good"),
    [
        ({"lower_limit": "2"}, "2", True),
        ({"lower_limit": "2"}, "1.999", False),
        ({"upper_limit": "2"}, "2.001", False),
        ({"nominal": "5", "upper_tol": "1", "upper_limit": "5.5"}, "5.6", False),
        ({"nominal": "5", "upper_tol": "1", "upper_limit": "5.5"}, "-90", True),
        ({"upper_tol": "1"}, "99", True),
    ],
)
def test_limits_bind_with_or_without_a_nominal(limits: dict[str, str], value: str, good: bool) -> None:
    assert in_tolerance({**NO_LIMITS, **limits}, Decimal(value)) is good


async def test_a_value_in_inch_is_kept_as_read_and_as_judged(floor: Floor) -> None:
    await floor.approve(gate("bore", "measurement", measurement_definition=BORE))
    [execution] = await floor.start()
    await floor.give(execution, "bore", reading("0.4725", "in"))
    assert await floor.unmet(execution) == {}
    [row] = await floor.rows("SELECT value, unit, given_value, given_unit FROM measurement")
    assert dict(row) == {
        "value": Decimal("12.0015"), "unit": "mm", "given_value": Decimal("0.4725"), "given_unit": "in",
    }  # fmt: skip
    [value] = (await floor.shown(execution, "bore"))["evidence"]["values"]
    assert (value["value"], value["given_value"], value["given_unit"]) == ("12.0015", "0.4725", "in")
    assert await floor.do(verify_tenant, floor.tenant) == []
    await floor.tamper("UPDATE measurement SET given_value = 0.4")
    assert [one.what for one in await floor.do(verify_tenant, floor.tenant)] == ["row_changed"]


async def test_a_gauge_whose_calibration_is_due_is_refused(floor: Floor) -> None:
    await floor.approve(gate("bore", "measurement", measurement_definition={**BORE, "gauge_required": True}))
    [execution] = await floor.start()
    good = await equip(floor, "CAL-1", calibration_due="2026-11-22")
    await equip(floor, "CAL-2", calibration_due="2026-11-21")
    await equip(floor, "CAL-3")
    await equip(floor, "CAL-4", calibration_due="2027-01-01", status="out_of_service")
    error = await refused(floor.give(execution, "bore", reading("12.01", gauge="CAL-2")))
    assert (error.code, error.params) == ("gauge_overdue", {"gauge": "CAL-2", "due": "2026-11-21"})
    for gauge in ("", "CAL-9", "CAL-3", "CAL-4"):
        error = await refused(floor.give(execution, "bore", reading("12.01", gauge=gauge)))
        assert error.params["errors"][0]["pointer"] == "/values/0/gauge"
    await floor.give(execution, "bore", reading("12.01", gauge=good))
    [row] = await floor.rows("SELECT gauge, gauge_id, calibration_due FROM measurement")
    assert (row["gauge"], str(row["gauge_id"]), row["calibration_due"]) == ("CAL-1", good, date(2026, 11, 22))


async def test_where_no_gauge_is_asked_for_any_name_will_do_but_a_known_one_is_checked(floor: Floor) -> None:
    await floor.approve(gate("bore", "measurement", measurement_definition=BORE))
    [execution] = await floor.start()
    await equip(floor, "CAL-2", calibration_due="2026-11-21")
    assert (await refused(floor.give(execution, "bore", reading("12.01", gauge="CAL-2")))).code == "gauge_overdue"
    await floor.give(execution, "bore", reading("12.01", gauge="my own ruler"))


async def test_each_sample_needs_its_values(floor: Floor) -> None:
    await floor.approve(gate("bore", "measurement", measurement_definition=BORE, samples=2, sample_size=2))
    [execution] = await floor.start()
    error = await refused(floor.give(execution, "bore", reading("12.01", sample=3)))
    assert error.params["errors"][0]["pointer"] == "/values/0/sample"
    for _ in range(3):
        await floor.give(execution, "bore", reading("12.01", sample=2))
    assert await floor.unmet(execution) == {"bore": "2 of 4 values measured"}
    await floor.give(execution, "bore", {"values": [{"value": "12.01", "unit": "mm"}] * 2})
    assert await floor.unmet(execution) == {}
    rows = await floor.rows("SELECT sample, count(*) AS n FROM measurement GROUP BY sample ORDER BY sample")
    assert [(row["sample"], row["n"]) for row in rows] == [(1, 2), (2, 3)]


async def disposition(floor: Floor, execution: Any, decision: str, by: str = "quinn") -> None:
    values = (await floor.shown(execution, "bore"))["evidence"]["values"]
    ids = [one["id"] for one in values if not one["in_tolerance"] and "disposition" not in one]
    said = {"measurement_ids": ids, "decision": decision, "reason": REASON}
    await floor.give(execution, "bore", {"disposition": said}, by=by)


@pytest.mark.parametrize("decision", [one.value for one in DispositionDecision])
async def test_where_the_step_decides_any_disposition_lets_it(floor: Floor, decision: str) -> None:
    await floor.approve(
        gate("bore", "measurement", measurement_definition=BORE), is_decision_point=True, step_type="decision"
    )
    [execution] = await floor.start()
    await floor.give(execution, "bore", reading("12.5"))
    await disposition(floor, execution, decision)
    assert await floor.unmet(execution) == {}


async def test_elsewhere_reworked_values_are_measured_again_and_scrap_stays(floor: Floor) -> None:
    await floor.approve(gate("bore", "measurement", measurement_definition=BORE))
    used, reworked, scrapped = await floor.start(3)
    for execution, decision in ((used, "use_as_is"), (reworked, "rework"), (scrapped, "scrap")):
        await floor.give(execution, "bore", reading("12.5"))
        assert (await refused(disposition(floor, execution, decision, by="bob"))).code == "forbidden"
        await disposition(floor, execution, decision)
    assert await floor.unmet(used) == {}
    assert await floor.unmet(reworked) == {"bore": "0 of 1 values measured; 12.5 mm to be reworked and measured again"}
    await floor.give(reworked, "bore", reading("12.01"))
    assert await floor.unmet(reworked) == {}
    await floor.give(scrapped, "bore", reading("12.01"))
    assert await floor.unmet(scrapped) == {"bore": "12.5 mm dispositioned scrap; take the subject out of the process"}


async def test_a_requirement_may_say_which_dispositions_pass(floor: Floor) -> None:
    await floor.approve(
        gate("bore", "measurement", measurement_definition=BORE, dispositions_that_pass=["use_as_is", "scrap"])
    )
    [execution] = await floor.start()
    await floor.give(execution, "bore", reading("12.5"))
    await disposition(floor, execution, "scrap")
    assert await floor.unmet(execution) == {}
