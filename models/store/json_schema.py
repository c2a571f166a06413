"""JSON Schema 2020-12: is a schema usable, and does a value fit. References never leave the schema itself."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Why this is no usable JSON Schema; None where it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    outside = next((ref for ref in _references(schema) if not ref.startswith("#")), None)
    return f"the reference {outside} leaves the schema" if outside is not None else None


def misfits(schema: Mapping[str, Any], value: Any, *, limit: int = 20) -> list[dict[str, str]]:
    """What does not fit, as `[{"path": "$.severity", "message": …}, …]`, in the order of the paths."""
    validator = validator_for(schema)
    try:
        found = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
    except Unresolvable as error:
        return [{"path": "$", "message": f"the schema refers to nothing: {error}"}]
    return [{"path": error.json_path, "message": error.message} for error in found[:limit]]


def validator_for(schema: Mapping[str, Any]) -> Draft202012Validator:
    """The validator of a schema, with formats checked and nothing fetched; equal schemas share one."""
    return _validator(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=512)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=FormatChecker(), registry=Registry())


def _references(schema: Any) -> Iterator[str]:
    """Every `$ref` within, however deep."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
