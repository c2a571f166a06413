"""What a form's schema and a checklist's items may say, and what fits them."""

from typing import Any

import pytest

from models.requirements.form import faults_of
from models.requirements.form_schema import schema_faults
from models.requirements.registry import problems_of
from tests.requirements.floor import Floor, gate, refused

PRESSURE = {"label": "Pressure", "value": {"type": "number", "minimum": 2, "maximum": 6.5, "unit": "bar"}}
COLOUR = {"label": "Colour", "value": {"type": "choice", "choices": ["red", "green"]}}
REMARK = {"label": "Remark", "value": {"type": "text", "min_length": 3}, "needs_value": False}
SEALED = {"label": "Sealed", "value": {"type": "boolean"}}
VALUES = gate("checks", "checklist", items=[PRESSURE, COLOUR, REMARK, SEALED])
CLOSED = {"type": "object", "additionalProperties": False}
CONDITIONAL = {
    **CLOSED,
    "properties": {"result": {"enum": ["ok", "nok"]}, "defect": {"type": "string"}, "photo": {"type": "string"},
                   "by": {"type": "string"}},
    "required": ["result"],
    "if": {"properties": {"result": {"const": "nok"}}, "required": ["result"]},
    "then": {"required": ["defect"]},
    "dependentRequired": {"photo": ["by"]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"item": "Pressure"}, "needs a value"),
        ({"item": "Pressure", "value": 1.9}, "at least 2 bar"),
        ({"item": "Pressure", "value": 7}, "at most 6.5 bar"),
        ({"item": "Pressure", "value": "3"}, "takes a number"),
        ({"item": "Pressure", "value": True}, "takes a number"),
        ({"item": "Colour", "value": "Red"}, "takes one of: red, green"),
        ({"item": "Remark", "value": "x "}, "takes 3 to"),
        ({"item": "Remark", "value": 5}, "takes a text"),
        ({"item": "Sealed", "value": 1}, "true or false"),
    ],
)
async def test_a_value_outside_its_limits_is_refused(floor: Floor, value: Any, says: str) -> None:
    await floor.approve(VALUES)
    [execution] = await floor.start()
    error = await refused(floor.give(execution, "checks", {"checked_items": [value]}))
    [fault] = error.params["errors"]
    assert fault["pointer"] == "/checked_items/0/value"
    assert says in fault["message"]


async def test_values_within_their_limits_are_kept(floor: Floor) -> None:
    await floor.approve(VALUES)
    [execution] = await floor.start()
    values = {"Pressure": 2, "Colour": "green", "Sealed": False}
    ticks: list[Any] = [{"item": item, "value": value} for item, value in values.items()]
    given = await floor.give(execution, "checks", {"checked_items": [*ticks, "Remark"]})
    assert given.reason is None
    assert [one.get("value") for one in given.evidence["checked_items"]] == [2, "green", None, False]


async def test_an_item_sent_twice_counts_once_and_may_not_contradict_itself(floor: Floor) -> None:
    await floor.approve(VALUES)
    [execution] = await floor.start()
    twice = [{"item": 0, "value": 3}, {"item": "Pressure", "value": 3}]
    given = await floor.give(execution, "checks", {"checked_items": twice})
    assert given.reason is not None
    assert given.reason.startswith("1 of 4 items")
    error = await refused(floor.give(execution, "checks", {"checked_items": [*twice, {"item": 0, "value": 4}]}))
    assert error.params["errors"][0]["pointer"] == "/checked_items/2"


async def test_a_photo_is_an_uploaded_document(floor: Floor) -> None:
    await floor.approve(gate("checks", "checklist", items=[{"label": "Weld", "needs_photo": True}]))
    [execution] = await floor.start()
    for bad in ({"item": 0}, {"item": 0, "photo": "00000000-0000-4000-8000-000000000000"}):
        error = await refused(floor.give(execution, "checks", {"checked_items": [bad]}))
        assert error.params["errors"][0]["pointer"] == "/checked_items/0/photo"
    photo = str(await floor.upload(release=False))
    given = await floor.give(execution, "checks", {"checked_items": [{"item": 0, "photo": photo}]})
    assert given.reason is None
    assert given.evidence["checked_items"][0]["photo"] == photo


@pytest.mark.parametrize(
    "value",
    [
        {"type": "choice"},
        {"type": "choice", "choices": ["a", "a"]},
        {"type": "number", "minimum": 3, "maximum": 2},
        {"type": "text", "minimum": 3},
        {"type": "text", "min_length": 5, "max_length": 4},
        {"type": "number", "choices": ["1"]},
        {"type": "colour"},
    ],
)
def test_a_value_that_nobody_can_give_is_not_published(value: Any) -> None:
    problem, *_ = problems_of("checklist", {"items": [{"label": "x", "value": value}]})
    assert problem.pointer.startswith("/items/0")


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        ({"result": "ok"}, []),
        ({"result": "nok"}, ["/submitted_data/defect"]),
        ({"result": "nok", "defect": "pore"}, []),
        ({"result": "ok", "photo": "p.jpg"}, ["/submitted_data"]),
        ({"result": "ok", "photo": "p.jpg", "by": "bob"}, []),
    ],
)
async def test_conditional_fields_are_asked_for_when_their_condition_holds(
    floor: Floor, data: Any, missing: list[str]
) -> None:
    await floor.approve(gate("form", "form", schema=CONDITIONAL))
    [execution] = await floor.start()
    if not missing:
        assert (await floor.give(execution, "form", {"submitted_data": data})).reason is None
        return
    error = await refused(floor.give(execution, "form", {"submitted_data": data}))
    assert [fault["pointer"] for fault in error.params["errors"]] == missing


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "objekt"}, "/type"),
        ({"$ref": "https://example.com/x"}, "/$ref"),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "/properties/a/$ref"),
        ({"then": {"required": ["a"]}}, "/then"),
        ({"if": {"required": ["a"]}}, "/if"),
        ({**CLOSED, "properties": {"a": {}}, "required": ["b"]}, "/required"),
        ({**CLOSED, "properties": {"a": {}}, "dependentRequired": {"a": ["b"]}}, "/dependentRequired/a"),
        ({**CLOSED, "properties": {"a": {}}, "if": {}, "then": {"properties": {"b": {}}}}, "/then/properties/b"),
        ({**CLOSED, "properties": {"a": {}}, "allOf": [{"required": ["b"]}]}, "/allOf/0/required"),
        ({"properties": {"a": {**CLOSED, "required": ["b"]}}}, "/properties/a/required"),
        ({"$ref": "#"}, ""),
        ({"properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/properties/a"}]}}}, "/properties/a"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}, "/$defs/a"),
        ({"properties": {"a": {"pattern": r"^(?=.*\d).+$"}}}, "/properties/a/pattern"),
        ({"properties": {"a": {"pattern": r"(.)\1"}}}, "/properties/a/pattern"),
        ({"$ref": "#/kept", "kept": {"pattern": "(?!a)(a+)+$"}}, "/kept/pattern"),
        ({"patternProperties": {"(?<!a)b": {}}}, "/patternProperties/(?<!a)b"),
        ({"patternProperties": {"^x": {}}, "unevaluatedProperties": False}, ""),
    ],
)
def test_a_schema_that_cannot_be_meant_is_not_published(schema: Any, pointer: str) -> None:
    assert [place for place, _ in schema_faults(schema)] == [pointer]
    assert [one.pointer for one in problems_of("form", {"schema": schema})] == ["/schema" + pointer]


@pytest.mark.parametrize(
    "schema",
    [
        CONDITIONAL,
        {"properties": {"if": {"type": "string"}, "then": {"type": "string"}, "$ref": {"type": "string"}}},
        {"$defs": {"lot": {"type": "string"}}, "properties": {"lot": {"$ref": "#/$defs/lot"}}},
        {**CLOSED, "patternProperties": {"^x_": {}}, "required": ["x_1"]},
        {"properties": {"parts": {"type": "array", "items": {"$ref": "#"}}, "of": {"anyOf": [{"$ref": "#"}]}}},
        {"properties": {"serial": {"pattern": "^([A-Z0-9]+[-_ ]?)*$"}, "pattern": {"type": "string"}}},
    ],
)
def test_what_can_be_filled_in_is_published(schema: Any) -> None:
    assert schema_faults(schema) == []


ALMOST = "a" * 5000 + "!"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"properties": {"serial": {"pattern": "^(a+)+$"}}}, {"serial": ALMOST}),
        ({**CLOSED, "patternProperties": {"^(a+)+$": {}}}, {ALMOST: 1}),
        ({"patternProperties": {"^(a+)+$": False, "^.*!$": False}}, {ALMOST: 1}),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema",
          "properties": {"in": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}}},
         {"in": ALMOST}),
    ],
)  # fmt: skip
def test_a_pattern_is_held_against_a_text_in_a_moment(schema: Any, data: Any) -> None:
    assert schema_faults(schema) == []
    assert len(faults_of(schema, data)) == 1


def test_names_that_no_pattern_takes_are_still_refused() -> None:
    schema = {**CLOSED, "properties": {"a": {}}, "patternProperties": {"^x_": {"type": "number"}}}
    assert faults_of(schema, {"a": 1, "x_1": 2}) == []
    assert [one["pointer"] for one in faults_of(schema, {"b": 1})] == ["/submitted_data"]
    assert [one["pointer"] for one in faults_of(schema, {"x_1": "2"})] == ["/submitted_data/x_1"]
    others = {"properties": {"a": {}}, "patternProperties": {"^x_": {}}, "additionalProperties": {"type": "number"}}
    assert [one["pointer"] for one in faults_of(others, {"x_1": "2", "b": "3"})] == ["/submitted_data/b"]


def test_what_leads_round_in_a_schema_that_is_in_force_is_a_fault_of_the_form() -> None:
    (fault,) = faults_of({"$ref": "#"}, {})
    assert (fault["pointer"], "to itself without end" in fault["message"]) == ("/submitted_data", True)
