"""Decision tables of DMN 1.1 to 1.5 as `config.decision_table` of a step; no session, no clock.

Only what means the same here is taken over. Everything else is a problem with its table, rule and column: a table that
decides slightly differently than in the tool that it was drawn in would be worse than none. Elements and attributes
of other namespaces (of modellers, diagrams) are left aside.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from models.decisions.unary_tests import NotTranslatedError, Tests, cell_of, read_output, read_tests
from models.flow.routing_shape import MAX_COLUMNS, MAX_RULES
from models.requirements.expressions import LONGEST, problem_in
from models.requirements.scopes import OF_A_STEP, misnamed
from models.store.refusals import DmnInvalidError, DmnUnsupportedError

Json = dict[str, Any]

NAMESPACES: Final = (
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
    "http://www.omg.org/spec/DMN/20180521/MODEL/",
    "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "https://www.omg.org/spec/DMN/20211108/MODEL/",
    "https://www.omg.org/spec/DMN/20230324/MODEL/",
)
"""1.1 to 1.5; decision tables are the same in all of them."""
MOST_PROBLEMS: Final = 100
_POLICIES: Final = {"UNIQUE": "unique", "FIRST": "first", "COLLECT": "collect"}
_FEEL = re.compile(r"(?:https?://www\.omg\.org/spec/.*)?feel(?:/[0-9]+)?/?", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\s*\.\s*[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(slots=True)
class _Found:
    """The problems so far, of one table at a time."""

    table: str = ""
    problems: list[Json] = field(default_factory=list)

    def add(self, message: str, *, rule: int | None = None, column: str | None = None) -> None:
        self.problems.append({"table": self.table, "rule": rule, "column": column, "message": message})


def tables_of(content: bytes, *, names_from: str = "") -> list[Json]:
    """Every decision table of a file: `name`, and `decision_table` as a step's config takes it.

    Args:
        content: XML.
        names_from: A path such as `subject.attributes`, in which names that are no variable are looked up.

    Raises:
        DmnInvalidError: it is no DMN, or has no decision table.
        DmnUnsupportedError: it says what is not translated; with every place.
    """
    root = _parsed(content)
    found = _Found()
    tables = []
    for decision in _children(root, "decision"):
        table = _child(decision, "decisionTable")
        if table is None:
            continue
        found.table = (decision.get("name") or decision.get("id") or "")[:200]
        _check_language(root, found)
        if any(_child(one, "requiredDecision") is not None for one in _children(decision, "informationRequirement")):
            found.add("it needs the result of another decision; give each its own step")
        tables.append({"name": found.table, "decision_table": _table(table, found, names_from)})
    if not tables:
        raise DmnInvalidError(detail="it has no decision with a decision table")
    if found.problems:
        first = found.problems[0]
        raise DmnUnsupportedError(first=_sentence(first), problems=found.problems[:MOST_PROBLEMS])
    return tables


def _sentence(problem: Json) -> str:
    rule = f"rule {problem['rule']}" if problem["rule"] is not None else None
    place = ", ".join(one for one in (f"table '{problem['table']}'", rule, problem["column"]) if one)
    return f"{place}: {problem['message']}"


def _parsed(content: bytes) -> Element:
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DmnInvalidError(detail=f"it is not plain XML ({str(error)[:200]})") from error
    if root.tag not in {f"{{{one}}}definitions" for one in NAMESPACES}:
        raise DmnInvalidError(detail="it does not begin with the definitions of DMN 1.1 to 1.5")
    return root


def _children(element: Element, name: str) -> list[Element]:
    """Those of DMN by this name; what belongs to other namespaces is not looked at."""
    return [one for space in NAMESPACES for one in element.findall(f"{{{space}}}{name}")]


def _child(element: Element, name: str) -> Element | None:
    return next(iter(_children(element, name)), None)


def _text(element: Element | None) -> str:
    """The text of an entry or of an expression."""
    inner = None if element is None else _child(element, "text")
    return "" if inner is None else "".join(inner.itertext()).strip()


def _check_language(element: Element, found: _Found, *, rule: int | None = None, column: str | None = None) -> None:
    language = element.get("expressionLanguage")
    if language and not _FEEL.fullmatch(language.strip()):
        found.add(f"the expression language '{language[:100]}' is not FEEL", rule=rule, column=column)


def _table(table: Element, found: _Found, names_from: str) -> Json:
    policy = (table.get("hitPolicy") or "UNIQUE").strip().upper()
    if policy not in _POLICIES:
        found.add(f"the hit policy {policy[:50]} is not translated; UNIQUE, FIRST and COLLECT are")
    if aggregation := table.get("aggregation"):
        found.add(f"the aggregation {aggregation[:50]} is not translated; a collecting table gives a list")
    inputs, outputs, rules = (_children(table, name) for name in ("input", "output", "rule"))
    if len(rules) > MAX_RULES or max(len(inputs), len(outputs)) > MAX_COLUMNS or not outputs:
        found.add(f"a table has at most {MAX_RULES} rules and {MAX_COLUMNS} inputs, and 1 to {MAX_COLUMNS} outputs")
        return {}
    tests = [_tests(rule, number, len(inputs), found) for number, rule in enumerate(rules, start=1)]
    kinds = [frozenset[str]().union(*(row[place].kinds for row in tests)) for place in range(len(inputs))]
    return {
        "hit_policy": _POLICIES.get(policy, ""),
        "inputs": [
            _input(one, f"input {number}", kinds[number - 1], found, names_from)
            for number, one in enumerate(inputs, start=1)
        ],
        "outputs": list(_outputs(outputs, found)),
        "rules": [
            {"when": _when(row, kinds, number, found), "then": _then(rule, number, len(outputs), found)}
            for number, (rule, row) in enumerate(zip(rules, tests, strict=True), start=1)
        ],
    }


def _input(column: Element, place: str, kinds: frozenset[str], found: _Found, names_from: str) -> Json:
    expression = _child(column, "inputExpression")
    for one in (column, expression):
        if one is not None:
            _check_language(one, found, column=place)
    if "date" in kinds and not kinds <= {"date", "null"}:
        found.add("dates and other values are tested in one column", column=place)
    written = _text(expression)
    if not _PATH.fullmatch(written):
        found.add(f"the input '{written[:100]}' is not a path of names such as subject.attributes.size", column=place)
        return {}
    path = "".join(written.split())
    if path.partition(".")[0] not in OF_A_STEP:
        if not names_from:
            known = ", ".join(sorted(OF_A_STEP))
            found.add(f"'{path[:100]}' begins with none of {known}; say with names_from where it is", column=place)
            return {}
        path = f"{names_from}.{path}"
    translated = _translated(path, kinds)
    if problem := problem_in(translated) or misnamed(translated, OF_A_STEP):
        found.add(f"the input '{path[:100]}' is no expression here: {problem}", column=place)
    label = (column.get("label") or "").strip()[:200]
    return {"expression": translated, **({"label": label} if label else {})}


def _translated(path: str, kinds: frozenset[str]) -> str:
    """In FEEL what is not there is null: so it is where a rule asks for null. A date is read where one is tested."""
    value = path
    if "date" in kinds:
        value = f'timestamp(type({path}) == string && {path}.size() == 10 ? {path} + "T00:00:00Z" : {path})'
    if "null" not in kinds:
        return value
    names = path.split(".")
    there = [f"has({'.'.join(names[:depth])})" for depth in range(2, len(names) + 1)]
    if "date" in kinds:
        there.append(f"{path} != null")
    return f"{' && '.join(there)} ? {value} : null" if there else value


def _outputs(outputs: Sequence[Element], found: _Found) -> Iterator[Json]:
    seen: set[str] = set()
    for number, one in enumerate(outputs, start=1):
        place = f"output {number}"
        name = (one.get("name") or "").strip() or ("result" if len(outputs) == 1 else "")
        if not name or name in seen or len(name) > 100:
            found.add("an output needs a name of its own of at most 100 characters", column=place)
        seen.add(name)
        default = _child(one, "defaultOutputEntry")
        if default is not None and _text(default):
            found.add("a default output is not translated; add a last rule, or draw a default edge", column=place)
        label = (one.get("label") or "").strip()[:200]
        yield {"name": name, **({"label": label} if label else {})}


def _tests(rule: Element, number: int, width: int, found: _Found) -> list[Tests]:
    """Those of one rule; tests that cannot be read stand as `-`, beside their problem."""
    entries = _children(rule, "inputEntry")
    if len(entries) != width:
        found.add(f"it has {len(entries)} input entries for {width} inputs", rule=number)
        return [Tests()] * width
    read = []
    for place, entry in enumerate(entries, start=1):
        column = f"input {place}"
        _check_language(entry, found, rule=number, column=column)
        written = _text(entry)
        try:
            read.append(read_tests(written))
        except NotTranslatedError as error:
            found.add(f"'{written[:100]}': {error}", rule=number, column=column)
            read.append(Tests())
    return read


def _when(row: Sequence[Tests], kinds: Sequence[frozenset[str]], number: int, found: _Found) -> list[Any]:
    cells = [cell_of(tests, of) for tests, of in zip(row, kinds, strict=True)]
    for place, cell in enumerate(cells, start=1):
        if isinstance(cell, str) and len(f"value {cell}") > LONGEST:
            found.add(f"the tests are longer than {LONGEST} characters", rule=number, column=f"input {place}")
    return cells


def _then(rule: Element, number: int, width: int, found: _Found) -> list[Any]:
    entries = _children(rule, "outputEntry")
    if len(entries) != width:
        found.add(f"it has {len(entries)} output entries for {width} outputs", rule=number)
        return []
    said: list[Any] = []
    for place, entry in enumerate(entries, start=1):
        column = f"output {place}"
        _check_language(entry, found, rule=number, column=column)
        written = _text(entry)
        try:
            said.append(read_output(written))
        except NotTranslatedError as error:
            found.add(f"'{written[:100]}': {error}", rule=number, column=column)
    return said
