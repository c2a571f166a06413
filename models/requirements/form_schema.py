"""What is wrong with a form's JSON Schema before anybody fills it in: broken references, conditions that cannot hold.

The metaschema accepts what a person never meant: a `then` without `if`, a conditional field that
`additionalProperties: false` forbids, a reference that comes round to itself. Such forms could not be filled in, so
they cannot be published.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from models.requirements.base import pointer_of
from models.store.json_schema import pattern_faults

Fault = tuple[str, str]
"""JSON pointer into the schema, and a sentence."""

_ONE: Final = (
    "if", "then", "else", "not", "items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip
_LIST: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_IN_PLACE: Final = ("if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas")
"""Keywords whose subschemas look at the same object."""


def schema_faults(schema: Mapping[str, Any]) -> list[Fault]:
    """All faults of a form's schema, in the order of their places; the metaschema's first one alone, where it fails."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [(pointer_of(error.absolute_path), error.message)]
    found: list[Fault] = []
    resolver = None if _has_ids(schema) else Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for path, one in _walk((), schema):
        found += _reference_faults(path, one, resolver)
        found += _condition_faults(path, one)
        found += _hidden_fields(path, one)
    found += [(pointer_of(path), message) for path, message in pattern_faults(schema)]
    if resolver is not None and not found:
        found += _endless(schema, resolver)
    return found


def _walk(path: tuple[Any, ...], schema: Any) -> Iterator[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    """A schema and all schemas in it, each with its place; names of properties are no keywords."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for inner, one in _subschemas(schema, (*_ONE, *_LIST, *_NAMED)):
        yield from _walk((*path, *inner), one)


def _subschemas(schema: Mapping[str, Any], keywords: Iterable[str]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for name in keywords:
        value = schema.get(name)
        if name in _LIST and isinstance(value, list):
            yield from (((name, number), one) for number, one in enumerate(value))
        elif name in _NAMED and isinstance(value, Mapping):
            yield from (((name, key), one) for key, one in value.items())
        elif name in _ONE and value is not None:
            yield (name,), value


def _has_ids(schema: Mapping[str, Any]) -> bool:
    """With an `$id` of their own, references within mean something else; those are left to the validator."""
    return any("$id" in one for _, one in _walk((), schema))


def _reference_faults(path: tuple[Any, ...], schema: Mapping[str, Any], resolver: Any) -> Iterator[Fault]:
    for name in ("$ref", "$dynamicRef"):
        target = schema.get(name)
        if not isinstance(target, str):
            continue
        if not target.startswith("#"):
            yield pointer_of((*path, name)), f"'{target}' leads outside the schema; copy it in."
        elif resolver is not None:
            try:
                resolver.lookup(target)
            except Unresolvable:
                yield pointer_of((*path, name)), f"'{target}' leads nowhere; there is no such definition."


def _endless(schema: Mapping[str, Any], resolver: Any) -> Iterator[Fault]:
    """The first reference that comes round to its own schema without going into the value: it would never end."""
    done: set[int] = set()
    for path, start in _walk((), schema):
        if _comes_round(start, resolver, (), done):
            yield pointer_of(path), "It refers to itself without going deeper into the value, and would never end."
            return


def _comes_round(schema: Any, resolver: Any, above: tuple[int, ...], done: set[int]) -> bool:
    if not isinstance(schema, Mapping) or id(schema) in done:
        return False
    if id(schema) in above:
        return True
    targets = (schema[name] for name in ("$ref", "$dynamicRef") if isinstance(schema.get(name), str))
    inner = [resolver.lookup(one).contents for one in targets]
    inner += [one for _, one in _subschemas(schema, (*_IN_PLACE, "not"))]
    if any(_comes_round(one, resolver, (*above, id(schema)), done) for one in inner):
        return True
    done.add(id(schema))
    return False


def _condition_faults(path: tuple[Any, ...], schema: Mapping[str, Any]) -> Iterator[Fault]:
    for name in ("then", "else"):
        if name in schema and "if" not in schema:
            yield pointer_of((*path, name)), f"'{name}' is never looked at without 'if'."
    if "if" in schema and not {"then", "else"} & set(schema):
        yield pointer_of((*path, "if")), "'if' leads to nothing without 'then' or 'else'."


def _hidden_fields(path: tuple[Any, ...], schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Fields that are asked for, and that `additionalProperties: false` forbids all the same."""
    if schema.get("additionalProperties") is not False or "patternProperties" in schema:
        return
    known = set(schema.get("properties") or {})
    for place, name in _asked_for((), schema):
        if name not in known:
            at = pointer_of((*path, *place))
            yield at, f"'{name}' can never be given: additionalProperties is false and properties does not list it."


def _asked_for(path: tuple[Any, ...], schema: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Names of fields that a schema of an object and its conditions speak of, each with its place."""
    if not isinstance(schema, Mapping):
        return
    yield from (((*path, "required"), name) for name in schema.get("required") or ())
    for name, others in (schema.get("dependentRequired") or {}).items():
        yield from (((*path, "dependentRequired", name), one) for one in (name, *others))
    if path:
        yield from (((*path, "properties", name), name) for name in schema.get("properties") or {})
    for inner, one in _subschemas(schema, _IN_PLACE):
        yield from _asked_for((*path, *inner), one)
