"""A small value that a JSON Schema accepts, as a person would fill in a form with the least effort."""

from collections.abc import Mapping
from typing import Any


def sample(schema: Mapping[str, Any]) -> Any:
    """The least value of a schema: required properties, first choices, shortest texts."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return sample(schema[choice][0])
    match schema.get("type", "object"):
        case "object":
            properties = schema.get("properties", {})
            return {name: sample(properties[name]) for name in schema.get("required", ())}
        case "array":
            return [sample(schema["items"]) for _ in range(schema.get("minItems", 0))]
        case "string":
            return _text(schema)
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case _:
            return None


def _text(schema: Mapping[str, Any]) -> str:
    given = {"date": "2026-11-22", "email": "ann@example.com", "date-time": "2026-11-22T08:00:00Z"}
    if schema.get("format") in given:
        return given[schema["format"]]
    return "Porosity in bore".ljust(schema.get("minLength", 0), ".")
