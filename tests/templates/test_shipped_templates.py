"""The shipped templates are complete, correct and named as users know them."""

from collections import Counter
from typing import Any

import jsonschema
import pytest

from api.checking import process_problems
from models.permissions import ROLE_PERMISSIONS
from models.templates import SUBJECT_TYPES, ProcessTemplate, get_templates
from models.templates.shape import Json

TEMPLATES = get_templates()
EVERY_TEMPLATE = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)

# (step name, [(requirement type, name)]), in order
EXPECTED: dict[str, list[tuple[str, list[tuple[str, str]]]]] = {
    "APQP": [
        (
            "Planning",
            [
                ("document", "Project Charter"),
                ("document", "Timing Plan"),
                ("approval", "Phase Gate 1"),
            ],
        ),
        (
            "Product Design",
            [
                ("document", "DFMEA"),
                ("document", "Design Review Minutes"),
                ("checklist", "Design Verification"),
                ("approval", "Phase Gate 2"),
            ],
        ),
        (
            "Process Design",
            [
                ("document", "PFMEA"),
                ("document", "Control Plan"),
                ("document", "Process Flow Diagram"),
                ("approval", "Phase Gate 3"),
            ],
        ),
        (
            "Validation",
            [
                ("child_workflow", "Pilot Run"),
                ("document", "MSA Report"),
                ("document", "Capability Study"),
                ("document", "PPAP Package"),
                ("approval", "Customer PPAP Approval"),
            ],
        ),
        ("Production", []),
    ],
    "CAPA_8D": [
        ("D1: Team Formation", [("form", "Team Members")]),
        ("D2: Problem Description", [("form", "Problem Statement")]),
        (
            "D3: Containment",
            [("form", "Containment Actions"), ("approval", "Containment Approval")],
        ),
        (
            "D4: Root Cause Analysis",
            [("document", "5-Why Analysis"), ("document", "Fishbone Diagram")],
        ),
        (
            "D5: Corrective Actions",
            [("form", "Corrective Action Plan"), ("approval", "CA Approval")],
        ),
        (
            "D6: Implementation",
            [("checklist", "Implementation Tasks"), ("document", "Evidence of Implementation")],
        ),
        ("D7: Preventive Actions", [("form", "Preventive Measures")]),
        ("D8: Verification", [("document", "Effectiveness Evidence")]),
        ("Closure", [("approval", "Final Approval")]),
    ],
    "DOCUMENT_APPROVAL": [
        ("Draft", [("document", "Document Content")]),
        ("Review", [("approval", "Technical Review")]),
        (
            "Approve",
            [("approval", "Management Approval"), ("signature", "Electronic Signature")],
        ),
        ("Released", []),
    ],
}

REFERENCES = {
    "document": ("document_type", "document_types"),
    "approval": ("template", "approval_templates"),
    "measurement": ("measurement_definition", "measurement_definitions"),
}


def requirements_of(template: ProcessTemplate) -> list[Json]:
    return [one for step in template.graph["steps"] for one in step["requirements"]]


def followers(template: ProcessTemplate, step: str) -> dict[str, str]:
    edges = template.graph["edges"]
    return {one["edge_type"]: one["to_step"] for one in edges if one["from_step"] == step}


@pytest.mark.parametrize("key", EXPECTED)
def test_steps_and_requirements_are_the_standard_ones_in_order(key: str) -> None:
    named = [
        (step["name"], [(one["requirement_type"], one["name"]) for one in step["requirements"]])
        for step in TEMPLATES[key].graph["steps"]
    ]
    assert named == EXPECTED[key]


@pytest.mark.parametrize(
    ("key", "category", "subject_type"),
    [
        ("APQP", "npi", "PartType"),
        ("CAPA_8D", "quality", "CAPA"),
        ("DOCUMENT_APPROVAL", "document", "Document"),
        ("MANUFACTURING", "manufacturing", "Part"),
    ],
)
def test_category_and_subject_type(key: str, category: str, subject_type: str) -> None:
    template = TEMPLATES[key]
    assert (template.key, template.category, template.subject_type) == (key, category, subject_type)
    assert subject_type in SUBJECT_TYPES


@EVERY_TEMPLATE
def test_it_can_be_put_into_force(template: ProcessTemplate) -> None:
    assert process_problems(template.graph, private_allowed=False) == []


@EVERY_TEMPLATE
def test_keys_are_unique_and_orders_count_up(template: ProcessTemplate) -> None:
    steps = template.graph["steps"]
    assert len({step["key"] for step in steps}) == len(steps)
    assert [step["order"] for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        requirements = step["requirements"]
        assert len({one["key"] for one in requirements}) == len(requirements)
        assert [one["order"] for one in requirements] == list(range(1, len(requirements) + 1))


@EVERY_TEMPLATE
def test_every_reference_resolves_and_nothing_is_left_over(template: ProcessTemplate) -> None:
    for kind, (name, plural) in REFERENCES.items():
        listed = [one["key"] for one in getattr(template, plural)]
        used = {one["config"][name] for one in requirements_of(template) if one["requirement_type"] == kind}
        assert sorted(listed) == sorted(used)
    children = {
        one["config"]["process_template"]
        for one in requirements_of(template)
        if one["requirement_type"] == "child_workflow"
    }
    assert children == set(template.child_templates)
    for child in children:
        assert child in TEMPLATES


def test_the_pilot_run_makes_subjects_that_its_child_takes() -> None:
    (pilot,) = (one for one in requirements_of(TEMPLATES["APQP"]) if one["name"] == "Pilot Run")
    child = TEMPLATES[pilot["config"]["process_template"]]
    assert pilot["config"]["subjects"]["new"]["type"] == child.subject_type


@EVERY_TEMPLATE
def test_every_step_is_reached_and_leads_to_an_end(template: ProcessTemplate) -> None:
    steps = {step["key"]: step for step in template.graph["steps"]}
    edges = [(one["from_step"], one["to_step"]) for one in template.graph["edges"]]
    assert {key for pair in edges for key in pair} <= set(steps)
    first = template.graph["steps"][0]["key"]
    ends = {key for key, step in steps.items() if step["is_terminal"]}
    assert ends
    assert _closure({first}, edges) == set(steps)
    assert _closure(ends, [(after, before) for before, after in edges]) == set(steps)


@EVERY_TEMPLATE
def test_edges_fit_their_steps(template: ProcessTemplate) -> None:
    for step in template.graph["steps"]:
        leaving = Counter(one["edge_type"] for one in template.graph["edges"] if one["from_step"] == step["key"])
        assert all(count == 1 for count in leaving.values())
        if step["is_terminal"]:
            assert not leaving
            assert step["terminal_status"]
            assert step["step_type"] == "terminal"
        elif step["is_decision_point"]:
            assert {"default", "alternate"} <= set(leaving)
            assert step["step_type"] == "decision"
        else:
            assert leaving["default"] == 1
            assert not leaving["alternate"]
        assert (step["max_visits"] is not None) == bool(leaving["escalation"])


def test_an_ineffective_capa_goes_back_to_the_root_cause() -> None:
    assert followers(TEMPLATES["CAPA_8D"], "d8") == {"default": "closure", "alternate": "d4"}


def test_a_part_is_reworked_until_it_is_scrapped() -> None:
    template = TEMPLATES["MANUFACTURING"]
    assert followers(template, "final-inspection") == {"default": "stock", "alternate": "rework"}
    assert followers(template, "rework") == {
        "default": "final-inspection",
        "escalation": "scrapped",
    }
    statuses = {step["terminal_status"] for step in template.graph["steps"] if step["is_terminal"]}
    assert statuses == {"stock", "scrapped"}


@EVERY_TEMPLATE
def test_forms_are_valid_schemas_laid_out_completely(template: ProcessTemplate) -> None:
    for one in requirements_of(template):
        if one["requirement_type"] != "form":
            continue
        schema, ui_schema = one["config"]["schema"], one["config"]["ui_schema"]
        jsonschema.Draft202012Validator.check_schema(schema)
        assert set(schema["required"]) <= set(schema["properties"])
        assert ui_schema["ui:order"] == list(schema["properties"])
        assert {key for key in ui_schema if not key.startswith("ui:")} <= set(schema["properties"])
        jsonschema.Draft202012Validator(schema).validate(_smallest(schema))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate({})


@EVERY_TEMPLATE
def test_checklists_have_distinct_items(template: ProcessTemplate) -> None:
    for one in requirements_of(template):
        if one["requirement_type"] == "checklist":
            items = one["config"]["items"]
            assert items
            assert len(set(items)) == len(items)


@EVERY_TEMPLATE
def test_approvals_and_signatures_name_shipped_roles(template: ProcessTemplate) -> None:
    for approval in template.approval_templates:
        for stage in approval["stages"]:
            assert stage["roles"]
            assert set(stage["roles"]) <= set(ROLE_PERMISSIONS)
            assert all("approval.decide" in ROLE_PERMISSIONS[role] for role in stage["roles"])
            assert stage["mode"] in {"all", "any", "n_of_m"}
    for one in requirements_of(template):
        if one["requirement_type"] == "signature":
            assert one["config"]["role"] in ROLE_PERMISSIONS


def test_subject_types_take_any_usual_subject() -> None:
    assert set(SUBJECT_TYPES) == {"Part", "PartType", "CAPA", "Document", "WorkOrder", "Equipment"}
    for one in SUBJECT_TYPES.values():
        jsonschema.Draft202012Validator.check_schema(one.attributes_schema)
        jsonschema.Draft202012Validator(one.attributes_schema).validate({})
    capa = jsonschema.Draft202012Validator(SUBJECT_TYPES["CAPA"].attributes_schema)
    assert capa.is_valid({"severity": "major"})
    assert not capa.is_valid({"severity": "whatever"})


def test_a_caller_may_change_what_it_got() -> None:
    get_templates()["APQP"].graph["steps"].clear()
    assert get_templates()["APQP"].graph["steps"]


def _closure(start: set[str], edges: list[tuple[str, str]]) -> set[str]:
    reached = set(start)
    while more := {after for before, after in edges if before in reached} - reached:
        reached |= more
    return reached


def _smallest(schema: Json) -> Any:
    """The smallest data that a schema of these templates takes."""
    match schema:
        case {"enum": [first, *_]}:
            data: Any = first
        case {"type": "object"}:
            data = {key: _smallest(schema["properties"][key]) for key in schema["required"]}
        case {"type": "array"}:
            data = [_smallest(schema["items"])] * schema["minItems"]
        case {"type": "integer"}:
            data = 0
        case {"type": "boolean"}:
            data = False
        case {"format": "date"}:
            data = "2026-03-31"
        case _:
            data = "x" * schema["minLength"]
    return data
