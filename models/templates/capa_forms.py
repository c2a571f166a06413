"""The forms of the 8D process, as JSON Schemas with their screen layout.

Source: the 8D fields that IATF 16949 clause 10.2.3 asks for, and Is/Is-Not from 5W2H practice.
"""

from models.templates.shape import (
    Json,
    date,
    list_of,
    object_schema,
    one_of,
    optional_text,
    quantity,
    text,
    yes_no,
)

LONG: Json = {"ui:widget": "textarea"}
"""Shown as several lines."""


def team_members() -> tuple[Json, Json]:
    """D1: champion, leader and members with their roles."""
    member = object_schema(
        {
            "name": text("Name", at_most=200),
            "role": one_of(
                "Role",
                "quality",
                "production",
                "engineering",
                "maintenance",
                "logistics",
                "purchasing",
                "supplier",
                "customer",
                "other",
            ),
            "department": optional_text("Department"),
            "contact": optional_text("E-mail or phone"),
        },
        required=("name", "role"),
    )
    schema = object_schema(
        {
            "champion": text("Champion", at_most=200),
            "leader": text("Team leader", at_most=200),
            "members": list_of(member, "Members"),
            "formed_on": date("Team formed on"),
            "remarks": optional_text("Remarks"),
        },
        required=("champion", "leader", "members"),
        title="Team Members",
    )
    return schema, _layout(schema, "remarks")


def problem_statement() -> tuple[Json, Json]:
    """D2: the problem in one sentence, by 5W2H, each with what it is and what it is not."""
    asked = {
        "what": "What: object and defect",
        "where": "Where: seen, and on the part",
        "when": "When: first seen, and pattern",
        "who": "Who: found it, is affected",
        "why": "Why is it a problem",
        "how": "How was it detected",
        "how_many": "How many: quantity and trend",
    }
    schema = object_schema(
        {
            "statement": text("Problem statement", at_least=10),
            **{key: _is_is_not(title) for key, title in asked.items()},
            "quantity_affected": quantity("Quantity affected"),
            "detected_on": date("Detected on"),
            "repeat_problem": yes_no("Seen before"),
        },
        required=("statement", *asked),
        title="Problem Statement",
    )
    layout = _layout(schema, "statement")
    for key in asked:
        layout[key] = {"is": LONG, "is_not": LONG}
    return schema, layout


def containment_actions() -> tuple[Json, Json]:
    """D3: what protects the customer now, where, for how many pieces, and whether it works."""
    action = object_schema(
        {
            "action": text("Action"),
            "location": one_of(
                "Location",
                "customer",
                "in_transit",
                "finished_goods",
                "in_process",
                "incoming",
                "supplier",
                "service",
            ),
            "site": optional_text("Site or store"),
            "quantity_suspect": quantity("Quantity suspect"),
            "quantity_sorted": quantity("Quantity sorted"),
            "quantity_rejected": quantity("Quantity rejected"),
            "responsible": text("Responsible", at_most=200),
            "due_date": date("Due"),
            "completed_on": date("Completed on"),
            "verified": yes_no("Verified to work"),
            "verified_by": optional_text("Verified by"),
        },
        required=(
            "action",
            "location",
            "quantity_suspect",
            "responsible",
            "due_date",
            "verified",
        ),
    )
    schema = object_schema(
        {
            "actions": list_of(action, "Containment actions"),
            "clean_point": optional_text("Clean point: first lot or serial number known good"),
            "customer_informed": yes_no("Customer informed"),
        },
        required=("actions",),
        title="Containment Actions",
    )
    layout = _layout(schema)
    layout["actions"] = {"items": {"action": LONG}}
    return schema, layout


def corrective_action_plan() -> tuple[Json, Json]:
    """D5: the root causes and the permanent actions chosen against them."""
    action = object_schema(
        {
            "action": text("Corrective action"),
            "addresses": one_of("Addresses", "occurrence", "escape", "system"),
            "owner": text("Owner", at_most=200),
            "due_date": date("Due"),
            "verification_method": text("How its effect will be verified"),
            "side_effects": optional_text("Risks and side effects considered"),
        },
        required=("action", "addresses", "owner", "due_date", "verification_method"),
    )
    schema = object_schema(
        {
            "root_cause": text("Root cause of occurrence", at_least=10),
            "escape_cause": optional_text("Root cause of escape"),
            "actions": list_of(action, "Corrective actions"),
            "acceptance_criterion": optional_text("Criterion of effectiveness"),
        },
        required=("root_cause", "actions"),
        title="Corrective Action Plan",
    )
    layout = _layout(schema, "root_cause", "escape_cause", "acceptance_criterion")
    layout["actions"] = {"items": {"action": LONG, "verification_method": LONG}}
    return schema, layout


def preventive_measures() -> tuple[Json, Json]:
    """D7: what changes in the system, so that it does not happen here or elsewhere again."""
    changed = one_of("Update", "updated", "planned", "not_affected")
    read_across = object_schema(
        {
            "product_or_process": text("Similar product, process or site"),
            "action": text("Action"),
            "owner": text("Owner", at_most=200),
            "due_date": date("Due"),
        },
        required=("product_or_process", "action", "owner", "due_date"),
    )
    schema = object_schema(
        {
            "measures": text("Preventive measures", at_least=10),
            "fmea": {**changed, "title": "FMEA"},
            "fmea_reference": optional_text("FMEA document and revision"),
            "control_plan": {**changed, "title": "Control plan"},
            "control_plan_reference": optional_text("Control plan document and revision"),
            "work_instructions": {**changed, "title": "Work instructions"},
            "training": optional_text("Training given"),
            "read_across": list_of(read_across, "Read-across", at_least=0),
            "lessons_learned": optional_text("Lessons learned"),
        },
        required=("measures", "fmea", "control_plan"),
        title="Preventive Measures",
    )
    return schema, _layout(schema, "measures", "lessons_learned")


def _is_is_not(title: str) -> Json:
    return object_schema({"is": text("Is"), "is_not": optional_text("Is not")}, required=("is",), title=title)


def _layout(schema: Json, *long: str) -> Json:
    """The screen: fields in the order of the schema, the named ones as several lines."""
    return {"ui:order": list(schema["properties"]), **{name: dict(LONG) for name in long}}
