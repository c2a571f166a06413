"""What a shipped process template is, and small builders for its JSON graph.

Belongs here: the template's type and one builder per step, edge and requirement type, so that the
data modules beside it read like the process they describe. No content of any one process, no store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Json = dict[str, Any]
"""A JSON object, as it is stored and as it goes over the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTemplate:
    """A standard process, and all that its requirements refer to by key.

    ``graph`` has the steps and edges of the HTTP contract. The lists beside it name what
    instantiating creates where the tenant does not have it yet.
    """

    key: str
    name: str
    description: str
    category: str
    subject_type: str
    graph: Json
    document_types: tuple[Json, ...] = ()
    approval_templates: tuple[Json, ...] = ()
    measurement_definitions: tuple[Json, ...] = ()
    child_templates: tuple[str, ...] = ()


def process_graph(steps: Sequence[Json], edges: Sequence[Json]) -> Json:
    """Put steps (numbered in the order given) and edges into one graph."""
    return {
        "steps": [{**one, "order": number} for number, one in enumerate(steps, start=1)],
        "edges": list(edges),
    }


def in_series(*keys: str) -> list[Json]:
    """Default edges from each step to the one named after it."""
    return [edge(before, after) for before, after in pairwise(keys)]


def edge(from_step: str, to_step: str, edge_type: str = "default", condition: str = "") -> Json:
    """One way on: default, alternate or escalation."""
    return {
        "from_step": from_step,
        "to_step": to_step,
        "edge_type": edge_type,
        "condition": condition,
    }


def step(
    key: str,
    name: str,
    *requirements: Json,
    description: str = "",
    expected_duration: str | None = None,
    **settings: Any,
) -> Json:
    """A task step; ``settings`` overrides any other field of the step by its own name."""
    return {
        "key": key,
        "name": name,
        "description": description,
        "step_type": "task",
        "is_decision_point": False,
        "decision_type": "manual",
        "is_terminal": False,
        "terminal_status": "",
        "requires_explicit_start": False,
        "requires_operator_completion": True,
        "requires_batch_completion": False,
        "requires_qa_signoff": False,
        "max_visits": None,
        "expected_duration": expected_duration,
        "max_duration": None,
        "escalate_on_overdue": False,
        "requirements": [{**one, "order": number} for number, one in enumerate(requirements, start=1)],
        **settings,
    }


def decision(key: str, name: str, *requirements: Json, **settings: Any) -> Json:
    """A step whose person says which way on: yes takes the default edge, no the alternate one."""
    return step(
        key,
        name,
        *requirements,
        **{
            "step_type": "decision",
            "is_decision_point": True,
            "decision_type": "manual",
            **settings,
        },
    )


def terminal(key: str, name: str, status: str, *requirements: Json, **settings: Any) -> Json:
    """An end; without requirements the subject passes it on entry."""
    return step(
        key,
        name,
        *requirements,
        **{
            "step_type": "terminal",
            "is_terminal": True,
            "terminal_status": status,
            **settings,
        },
    )


def document(key: str, name: str, document_type: str, **config: Any) -> Json:
    """At least one released document of a type (drafts count only with ``allow_draft``)."""
    return _requirement("document", key, name, {"document_type": document_type, "min_count": 1, **config})


def approval(key: str, name: str, template: str) -> Json:
    """An approval by the stages of an approval template."""
    return _requirement("approval", key, name, {"template": template})


def checklist(key: str, name: str, *items: str | Json) -> Json:
    """Items that are ticked one by one."""
    return _requirement("checklist", key, name, {"items": list(items)})


def form(key: str, name: str, schema: Json, ui_schema: Json) -> Json:
    """A form that must validate against a JSON Schema (Draft 2020-12)."""
    return _requirement("form", key, name, {"schema": schema, "ui_schema": ui_schema})


def measurement(key: str, name: str, definition: str) -> Json:
    """Readings of a characteristic, against its nominal and tolerances."""
    return _requirement("measurement", key, name, {"measurement_definition": definition})


def signature(key: str, name: str, *, meaning: str, role: str) -> Json:
    """An electronic signature with a meaning from the controlled list, by a role."""
    return _requirement("signature", key, name, {"meaning": meaning, "role": role})


def child_workflow(key: str, name: str, template: str, *, count: int, subjects: Json) -> Json:
    """Children of another template's process, which must complete first."""
    return _requirement(
        "child_workflow",
        key,
        name,
        {"process_template": template, "count": count, "subjects": subjects},
    )


def approval_template(
    key: str, name: str, roles: Sequence[str], *, due_in: str = "P5D", stage: str = "Approval"
) -> Json:
    """An approval of one stage, given by any one holder of one of the roles."""
    return {
        "key": key,
        "name": name,
        "stages": [{"name": stage, "mode": "any", "n": 1, "roles": list(roles), "users": []}],
        "due_in": due_in,
    }


def object_schema(properties: Mapping[str, Json], *, required: Sequence[str] = (), title: str = "") -> Json:
    """A JSON Schema of an object that takes no other fields than the ones named."""
    schema: Json = {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }
    return {"title": title, **schema} if title else schema


def list_of(item: Json, title: str, *, at_least: int = 1) -> Json:
    """A JSON Schema of a list with a least number of rows."""
    return {"type": "array", "title": title, "minItems": at_least, "items": item}


def text(title: str, *, at_least: int = 1, at_most: int = 4000) -> Json:
    """A JSON Schema of a text; ``at_least`` 1 means that an empty one is no answer."""
    return {"type": "string", "title": title, "minLength": at_least, "maxLength": at_most}


def optional_text(title: str) -> Json:
    """A text that may stay empty."""
    return text(title, at_least=0)


def date(title: str) -> Json:
    """A calendar date, ``2026-03-31``."""
    return {"type": "string", "format": "date", "title": title}


def quantity(title: str) -> Json:
    """A whole number of pieces, zero or more."""
    return {"type": "integer", "minimum": 0, "title": title}


def yes_no(title: str) -> Json:
    """A tick."""
    return {"type": "boolean", "title": title}


def one_of(title: str, *choices: str) -> Json:
    """One of a fixed list of words."""
    return {"type": "string", "enum": list(choices), "title": title}


def _requirement(requirement_type: str, key: str, name: str, config: Json) -> Json:
    return {
        "key": key,
        "requirement_type": requirement_type,
        "name": name,
        "description": "",
        "is_mandatory": True,
        "config": config,
    }
