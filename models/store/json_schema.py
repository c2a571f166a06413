"""JSON Schema 2020-12: is a schema usable, and does a value fit. References never leave the schema itself.

Whatever a schema says, looking at a value comes to an end soon: patterns are those of `models.patterns`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from models.patterns import matches, pattern_problem

Path = tuple[str | int, ...]
_Errors = Iterator[ValidationError]


class UnusableSchemaError(ValueError):
    """A value cannot be held against a schema, though it is one: it refers to nothing, or to itself without end."""


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Why this is no usable JSON Schema; None where it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    outside = next((ref for ref in _references(schema) if not ref.startswith("#")), None)
    if outside is not None:
        return f"the reference {outside} leaves the schema"
    return next((message for _, message in pattern_faults(schema)), None)


def pattern_faults(schema: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Each pattern that is not taken, with its place; also where no keyword stands, for a reference may lead there."""
    found = list(_patterns(schema))
    for path, pattern in found:
        problem = pattern_problem(pattern)
        if problem is not None:
            yield path, f"The pattern '{pattern}' is not taken: {problem}."
    if any(path[-2:-1] == ("patternProperties",) for path, _ in found) and _mentions(schema, "unevaluatedProperties"):
        yield (), "patternProperties and unevaluatedProperties are not taken together; use additionalProperties."


def misfits(schema: Mapping[str, Any], value: Any, *, limit: int = 20) -> list[dict[str, str]]:
    """What does not fit, as `[{"path": "$.severity", "message": …}, …]`, in the order of the paths."""
    try:
        found = sorted(errors_of(schema, value), key=lambda error: error.json_path)
    except UnusableSchemaError as error:
        return [{"path": "$", "message": str(error)}]
    return [{"path": error.json_path, "message": error.message} for error in found[:limit]]


def errors_of(schema: Mapping[str, Any], value: Any) -> list[ValidationError]:
    """All that does not fit, with formats checked and nothing fetched.

    Raises:
        UnusableSchemaError: with a sentence for whoever gave the value.
    """
    try:
        return list(_validator(json.dumps(schema, sort_keys=True)).iter_errors(value))
    except Unresolvable as error:
        raise UnusableSchemaError(f"the schema refers to nothing: {error}") from error
    except RecursionError as error:
        raise UnusableSchemaError("it is nested too deep, or the schema refers to itself without end") from error


@lru_cache(maxsize=512)
def _validator(schema: str) -> Draft202012Validator:
    read = json.loads(schema, object_hook=_undeclared)
    found: Draft202012Validator = _Validator(read, format_checker=FormatChecker(), registry=Registry())
    return found


def _undeclared(schema: dict[str, Any]) -> dict[str, Any]:
    """Without `$schema`, which would have jsonschema go on with a validator of its own, and its patterns."""
    return {key: value for key, value in schema.items() if key != "$schema" or not isinstance(value, str)}


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> _Errors:  # noqa: ARG001 - as jsonschema calls
    if validator.is_type(instance, "string") and not matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> _Errors:  # noqa: ARG001
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> _Errors:
    """As jsonschema's own, which looks for the other names by all patterns at once."""
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", ())
    named = {one for one in instance if any(matches(pattern, one) for pattern in patterns)}
    others = {name: value for name, value in instance.items() if name not in named}
    plain = {key: value for key, value in schema.items() if key != "patternProperties"}
    own: Callable[..., Any] = Draft202012Validator.VALIDATORS["additionalProperties"]
    yield from own(validator, allowed, others, plain)


_Validator: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)


def _patterns(schema: Any) -> Iterator[tuple[Path, str]]:
    """Every pattern within, however deep."""
    for path, value in _entries((), schema):
        if path[-1] == "pattern" and isinstance(value, str):
            yield path, value
        if path[-1] == "patternProperties" and isinstance(value, Mapping):
            yield from (((*path, pattern), pattern) for pattern in value)


def _mentions(schema: Any, keyword: str) -> bool:
    return any(path[-1] == keyword for path, _ in _entries((), schema))


def _references(schema: Any) -> Iterator[str]:
    """Every reference within, however deep."""
    for path, value in _entries((), schema):
        if path[-1] in {"$ref", "$dynamicRef"} and isinstance(value, str):
            yield value


def _entries(path: Path, schema: Any) -> Iterator[tuple[Path, Any]]:
    """All that stands in objects and lists, each before what is in it."""
    if isinstance(schema, Mapping | list):
        inner = schema.items() if isinstance(schema, Mapping) else enumerate(schema)
        for key, value in inner:
            yield (*path, key), value
            yield from _entries((*path, key), value)
