"""The shape of what says how a subject goes on by itself: timer, event, action, join, decision table, comparisons.

Families of a step's `config`, for `config_shape`. Looks at form only: whether an expression can be evaluated is checked
where expressions are (`api/checking.py`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from models.flow import checks
from models.flow.problems import Problem, problem

LONGEST_EXPRESSION = 2_000
MAX_RULES, MAX_COLUMNS = 1_000, 50
ACTIONS = ("webhook", "erp", "expression", "start_process", "activity")
HIT_POLICIES = ("first", "unique", "collect")
OPERATORS = ("gte", "lte", "eq")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PRINTABLE = re.compile(r"[\t\x20-\x7e]*")
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)

_expression = checks.label(LONGEST_EXPRESSION)


def texts(name: str, value: Any, path: str) -> Iterator[Problem]:
    """An object of texts."""
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
        yield problem("wrong_type", path, field=name, expected="an object of texts")


def _headers(name: str, value: Any, path: str) -> Iterator[Problem]:
    """Of a request, as HTTP can carry them; none of those that say where it goes and how long it is."""
    yield from texts(name, value, path)
    for header, said in value.items() if isinstance(value, Mapping) else ():
        named = isinstance(header, str) and _HEADER.fullmatch(header) and header.lower() not in _OF_THE_CONNECTION
        if not named or (isinstance(said, str) and not _PRINTABLE.fullmatch(said)):
            yield problem("bad_header", f"{path}.{header}", header=str(header)[:100])


def _paths(name: str, value: Any, path: str) -> Iterator[Problem]:
    """Target path in the context → source."""
    yield from texts(name, value, path)
    if isinstance(value, Mapping) and not all(str(target).strip(". ") == target and target for target in value):
        yield problem("wrong_type", path, field=name, expected="an object whose keys are paths such as order.number")


_TIMER: Mapping[str, checks.Check] = {
    "duration": checks.duration,
    "until": _expression,
    "working_time": checks.flag,
}
_EVENT: Mapping[str, checks.Check] = {"name": checks.label(200), "key": _expression, "context": _paths}
_COMMON: Mapping[str, checks.Check] = {
    "type": checks.one_of("unknown_action", ACTIONS),
    "retries": checks.whole(0, 100),
    "timeout": checks.duration,
    "context": _paths,
}
_CALL: Mapping[str, checks.Check] = {
    "method": checks.one_of("unknown_method", METHODS),
    "headers": _headers,
    "body": _expression,
}
_ACTIVITY: Mapping[str, checks.Check] = {
    "activity": checks.label(200),
    "site": checks.label(100),
    "args": _expression,
    "patience": checks.duration,
}
_CONNECTOR: Mapping[str, checks.Check] = {**_CALL, "connector": checks.label(100), "path": _expression}
_BY_ACTION: Mapping[str, tuple[Mapping[str, checks.Check], tuple[str, ...]]] = {
    "webhook": ({**_CALL, "url": checks.label(2_000)}, ("url",)),
    "erp": ({**_CONNECTOR, **_ACTIVITY}, ()),
    "expression": ({"set": _paths}, ("set",)),
    "start_process": (
        {
            "process": checks.label(100),
            "process_id": checks.label(100),
            "subjects": checks.anything,
            "name": checks.text(200),
            "values": _paths,
        },
        (),
    ),
    "activity": (_ACTIVITY, ("activity",)),
}
_TABLE: Mapping[str, checks.Check] = {
    "hit_policy": checks.one_of("unknown_hit_policy", HIT_POLICIES),
    "inputs": checks.a_list(MAX_COLUMNS),
    "outputs": checks.a_list(MAX_COLUMNS),
    "rules": checks.a_list(MAX_RULES),
    "context": checks.label(200),
    "name": checks.text(200),
}
_INPUT: Mapping[str, checks.Check] = {"expression": _expression, "label": checks.text(200)}
_OUTPUT: Mapping[str, checks.Check] = {"name": checks.label(100), "label": checks.text(200)}
_RULE: Mapping[str, checks.Check] = {
    "when": checks.a_list(MAX_COLUMNS),
    "then": checks.a_list(MAX_COLUMNS),
    "description": checks.text(2_000),
}
_COMPARED: Mapping[str, checks.Check] = {
    "measurement_definition": checks.anything,
    "measurement_definition_id": checks.label(100),
    "operator": checks.one_of("unknown_operator", OPERATORS),
    "value": checks.decimal,
}


def edge_config(raw: Any, path: str) -> Iterator[Problem]:
    """What an edge out of a decision by measurement compares."""
    config = raw.get("config") if isinstance(raw, Mapping) else None
    if isinstance(config, Mapping) and config:
        yield from checks.check_fields(config, f"{path}.config", _COMPARED, ("operator", "value"))
        if not config.get("measurement_definition") and not config.get("measurement_definition_id"):
            yield problem("missing_field", f"{path}.config.measurement_definition", field="measurement_definition")


def _timer(_name: str, raw: Any, path: str) -> Iterator[Problem]:
    yield from checks.check_fields(raw, path, _TIMER)
    if isinstance(raw, Mapping) and bool(raw.get("duration")) == bool(raw.get("until")):
        yield problem("timer_config", path)


def _event(_name: str, raw: Any, path: str) -> Iterator[Problem]:
    yield from checks.check_fields(raw, path, _EVENT, ("name", "key"))


def _action(_name: str, raw: Any, path: str) -> Iterator[Problem]:
    kind = raw.get("type") if isinstance(raw, Mapping) else None
    own, required = _BY_ACTION.get(kind, ({}, ())) if isinstance(kind, str) else ({}, ())
    if kind == "erp":
        named = bool(raw.get("connector")), bool(raw.get("activity"))
        if named[0] == named[1]:
            yield problem("erp_config", path)
        else:
            own = _CONNECTOR if named[0] else _ACTIVITY
    yield from checks.check_fields(raw, path, {**_COMMON, **own}, ("type", *required))
    if kind == "start_process" and not raw.get("process") and not raw.get("process_id"):
        yield problem("missing_field", f"{path}.process", field="process")


def _join(_name: str, raw: Any, path: str) -> Iterator[Problem]:
    def required(name: str, value: Any, place: str) -> Iterator[Problem]:
        if value != "all":
            yield from checks.whole(1, MAX_COLUMNS)(name, value, place)

    yield from checks.check_fields(raw, path, {"require": required})


def _table(_name: str, raw: Any, path: str) -> Iterator[Problem]:
    yield from checks.check_fields(raw, path, _TABLE, ("inputs", "outputs", "rules"))
    if not isinstance(raw, Mapping):
        return
    for name in ("outputs", "rules"):
        if raw.get(name) == []:
            yield problem("table_empty", f"{path}.{name}", of=name)
    columns = {}
    for name, fields, required in (("inputs", _INPUT, "expression"), ("outputs", _OUTPUT, "name")):
        columns[name] = checks.entries(raw.get(name))
        for number, one in enumerate(columns[name]):
            yield from checks.check_fields(one, f"{path}.{name}[{number}]", fields, (required,))
    for number, rule in enumerate(checks.entries(raw.get("rules"))):
        place = f"{path}.rules[{number}]"
        yield from checks.check_fields(rule, place, _RULE, ("when", "then"))
        if not isinstance(rule, Mapping):
            continue
        for name, of in (("when", "inputs"), ("then", "outputs")):
            cells = checks.entries(rule.get(name))
            if len(cells) != len(columns[of]):
                yield problem("table_width", f"{place}.{name}", cells=len(cells), columns=len(columns[of]), of=of)
            if name == "when" and any(isinstance(cell, str) and len(cell) > LONGEST_EXPRESSION for cell in cells):
                yield problem("too_long", f"{place}.{name}", field=name, maximum=LONGEST_EXPRESSION)


ROUTING: Mapping[str, checks.Check] = {
    "timer": _timer,
    "event": _event,
    "action": _action,
    "join": _join,
    "decision_table": _table,
}
"""Key of a step's `config` → its check."""
