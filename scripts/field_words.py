"""What a field takes, in words: asked of the very checks that validation runs, and of the shapes of configs.

A check is a function and says nothing about itself. So each is shown what it cannot want, and its answer is read by the
sentence that it is made from (`models.flow.problems`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from models.flow.problems import PROBLEMS, Problem

Json = dict[str, Any]
Asking = Callable[[Any], Iterable[Problem]]
"""Value of a field → what is wrong with it."""

_UNWANTED: Final = (object(), "?" * 100_000, 10**12, [None] * 100_000)


def taken_by(asking: Asking) -> str:
    """What a field takes, such as `a text, at most 200 characters`."""
    said = {one.code: _params(one) for value in _UNWANTED for one in asking(value)}
    words = next((given["allowed"] for code, given in said.items() if code.startswith("unknown_")), None)
    if words is not None:
        return ", ".join(f"`{word}`" for word in words.split(", ") if word)
    if "bad_duration" in said:
        return "an ISO 8601 duration"
    kind = said.get("wrong_type", {}).get("expected", "anything")
    if "too_long" in said:
        kind = f"{kind}, at most {said['too_long']['maximum']} characters"
    if "too_many" in said:
        kind = f"{kind}, at most {said['too_many']['maximum']} entries"
    if "out_of_range" in said:
        kind = f"{kind}, {said['out_of_range']['minimum']} to {said['out_of_range']['maximum']}"
    return kind


def at(path: str, asking: Asking) -> Asking:
    """Only what is wrong at that very place."""
    return lambda value: (one for one in asking(value) if one.path == path)


def fields_known(asking: Asking) -> list[str]:
    """The fields of an object, as its check lists them to whoever writes another one."""
    said = [_params(one) for one in asking({"?": True}) if one.code == "unknown_field" and one.path.endswith("?")]
    return [name for given in said for name in given["allowed"].split(", ")]


def fields_needed(asking: Asking) -> set[str]:
    """The fields that an object cannot do without."""
    return {_params(one)["field"] for one in asking({}) if one.code == "missing_field"}


def _params(one: Problem) -> Mapping[str, str]:
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(PROBLEMS[one.code]))
    found = re.fullmatch(pattern, one.message, re.DOTALL)
    if found is None:
        raise ValueError(f"not a sentence of {one.code}: {one.message}")
    return found.groupdict()


def of_schema(schema: Json, defined: Json) -> str:
    """What a JSON Schema of a config takes."""
    if "$ref" in schema:
        return of_schema(defined[schema["$ref"].rsplit("/", 1)[-1]], defined)
    if "anyOf" in schema:
        ways = [of_schema(one, defined) for one in schema["anyOf"] if one.get("type") != "null"]
        return ", or ".join(dict.fromkeys(ways))
    if words := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return ", ".join(f"`{word}`" for word in words)
    return _OF_TYPE[schema["type"]](schema, defined)


def _a_text(schema: Json, _: Json) -> str:
    kind = {"uuid": "an id", "duration": "an ISO 8601 duration"}.get(schema.get("format", ""), "a text")
    return kind + (f", at most {schema['maxLength']} characters" if "maxLength" in schema else "")


def _a_number(schema: Json, _: Json) -> str:
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        return f"{kind}, {least} to {most}"
    return kind if least is None else f"{kind}, {least} or more"


def _a_list(schema: Json, defined: Json) -> str:
    return f"a list, each {of_schema(schema['items'], defined)}"


def _an_object(schema: Json, _: Json) -> str:
    names = ", ".join(f"`{name}`" for name in schema.get("properties", ()))
    return f"an object of {names}" if names else "an object"


_OF_TYPE: Final[Mapping[str, Callable[[Json, Json], str]]] = {
    "string": _a_text,
    "integer": _a_number,
    "number": _a_number,
    "boolean": lambda *_: "true or false",
    "array": _a_list,
    "object": _an_object,
}
