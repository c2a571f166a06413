"""Tables of DMN: what each cell becomes, that it decides the same, and what is refused with its place."""

import operator
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decisions.dmn import NAMESPACES, tables_of
from models.decisions.expressions import expression_problems
from models.decisions.tables import TableError, outputs_of
from models.decisions.unary_tests import NotTranslatedError, cell_of, read_output, read_tests
from models.flow.config_shape import step_config
from models.requirements.expressions import Prepared
from models.store.refusals import DmnInvalidError, DmnUnsupportedError

Json = dict[str, Any]
Rule = tuple[Sequence[str], Sequence[str]]
RELEASE = (Path(__file__).parent / "release.dmn").read_bytes()


def drawn(
    inputs: Sequence[str], *rules: Rule, table: str = 'hitPolicy="FIRST"', outputs: str = '<output name="result"/>',
    space: str = NAMESPACES[2], more: str = "", root: str = "",
) -> bytes:  # fmt: skip
    """A file with one decision, `Sorting`."""
    columns = "".join(f"<input><inputExpression><text>{escape(one)}</text></inputExpression></input>" for one in inputs)
    rows = "".join(
        "<rule>"
        + "".join(f"<inputEntry><text>{escape(one)}</text></inputEntry>" for one in when)
        + "".join(f"<outputEntry><text>{escape(one)}</text></outputEntry>" for one in then)
        + "</rule>"
        for when, then in rules
    )
    return (
        f'<definitions xmlns="{space}"{root}><decision name="Sorting">{more}'
        f"<decisionTable {table}>{columns}{outputs}{rows}</decisionTable></decision></definitions>"
    ).encode()


def only(content: bytes, **more: Any) -> Json:
    (table,) = tables_of(content, **more)
    return dict(table["decision_table"])


def cell(written: str) -> Any:
    tests = read_tests(written)
    return cell_of(tests, tests.kinds)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("-", "-"), ("  ", "-"), ('"gold"', '"gold"'), ('"-"', '"-"'), (r'"a\"b\u00e9"', '"a\\"bé"'),
        ("5", 5), ("-5", -5), ("- 2.50", -2.5), (".5", 0.5), ("true", True), ("false", False), ("null", "== null"),
        ("< 5", "< 5"), ("<=-5.5", "<= -5.5"), ('> "b"', '> "b"'), (">= 10", ">= 10"),
        ("[1..5]", "value >= 1 && value <= 5"), ("(1..5]", "value > 1 && value <= 5"),
        ("]1..5[", "value > 1 && value < 5"), ("[1.5..5)", "value >= 1.5 && value < 5"),
        ('"a","b"', 'value in ["a", "b"]'), ("1, 2", "value in [1, 2]"), ('"a,b"', '"a,b"'),
        ("< 1, [3..4], 7", "(value in [7]) || (value < 1) || (value >= 3 && value <= 4)"),
        ('not("a")', '!(value in ["a"])'), ("not(< 5)", "!(value < 5)"), ("not(null)", "!(value == null)"),
        ("< 5, null", "(type(value) in [int, double] && value < 5) || (value == null)"),
        ('>= date("2026-01-31")', 'value >= timestamp("2026-01-31T00:00:00Z")'),
        ('>= @"2026-01-31"', 'value >= timestamp("2026-01-31T00:00:00Z")'),
        ('<= date("2026-01-31")', 'value < timestamp("2026-02-01T00:00:00Z")'),
    ],
)  # fmt: skip
def test_a_cell(written: str, expected: Any) -> None:
    assert (cell(written), type(cell(written))) == (expected, type(expected))


@pytest.mark.parametrize(
    "written",
    [
        "gold", "5 6", "< ", "[1..5", "[1..]", "1..5", '[1.."a"]', "< null", "<= true", "not 5", "not()", "not(5", "5,",
        "size > 5", "? > 5", "5 + 1", '"a', "1e5", "5abc", '"\\x"', '"\\ud800"', '"\\u0000"', "9223372036854775808",
        'date("2026-02-30")', 'date("20260101")', 'date("9999-12-31")', "date(5)", '@"P1D"', "@5", "@",
        "date and time(\"2026-01-01T00:00:00\")",
        "today()", "not(not(5))", "-, 5", "= 5", "٣",
    ],
)  # fmt: skip
def test_anything_else_is_not_translated(written: str) -> None:
    with pytest.raises(NotTranslatedError):
        read_tests(written)


def test_a_date_with_its_time_is_told_as_such() -> None:
    with pytest.raises(NotTranslatedError, match="only a whole day"):
        read_tests('[date and time("2026-01-01T12:00:00")..date and time("2026-01-31T12:00:00")]')


def test_outputs_are_literals() -> None:
    said = [read_output(one) for one in ('"pass"', "5", "-2.5", "true", '""')]
    assert said == ["pass", 5, -2.5, True, ""]
    for written in ("", "-", "null", "pass", '"a","b"', 'date("2026-01-01")', "1 + 1"):
        with pytest.raises(NotTranslatedError):
            read_output(written)


def test_a_file_of_a_modeller_is_translated_without_what_is_its_own() -> None:
    (table,) = tables_of(RELEASE, names_from="subject.attributes")
    assert table == {
        "name": "Release of parts",
        "decision_table": {
            "hit_policy": "first",
            "inputs": [
                {"expression": "subject.attributes.size", "label": "Size in mm"},
                {"expression": "subject.attributes.grade", "label": "Grade"},
            ],
            "outputs": [{"name": "way", "label": "Way"}, {"name": "share"}],
            "rules": [
                {"when": ["> 20.5", "-"], "then": ["scrap", 0]},
                {"when": ["value >= 10 && value <= 20.5", 'value in ["A", "B"]'], "then": ["stock", 0.5]},
                {"when": ["-", '!(value in ["A"])'], "then": ["rework", 1]},
            ],
        },
    }
    assert publishable(table["decision_table"])


def publishable(table: Json) -> bool:
    """Neither the shape of the table nor an expression in it keeps a process from being put into force."""
    step = {"key": "a", "name": "A", "decision_type": "decision_table", "config": {"decision_table": table}}
    graph = {
        "steps": [{**step, "is_decision_point": True}, {"key": "b", "name": "B", "is_terminal": True}],
        "edges": [],
    }
    return not [*step_config("config", step["config"], "steps[0].config"), *expression_problems(graph)]


@pytest.mark.parametrize("space", NAMESPACES)
def test_each_version_of_dmn_and_each_hit_policy(space: str) -> None:
    for given_policy, policy in (("", "unique"), ('hitPolicy="FIRST"', "first"), ('hitPolicy="COLLECT"', "collect")):
        table = only(drawn(["subject.title"], (["-"], ['"a"']), table=given_policy, space=space, outputs="<output/>"))
        assert (table["hit_policy"], table["outputs"]) == (policy, [{"name": "result"}])


NEEDS = '<informationRequirement><requiredDecision href="#x"/></informationRequirement>'
PLAIN: Rule = (["-"], ['"a"'])


@pytest.mark.parametrize(
    ("content", "rule", "column", "words"),
    [
        (drawn(["now"], PLAIN, (["today()"], ['"a"'])), 2, "input 1", "today"),
        (drawn(["now"], PLAIN, (["-"], ["upper(1)"])), 2, "output 1", "upper"),
        (drawn(["now"], (["-", "-"], ['"a"'])), 1, None, "2 input entries"),
        (drawn(["now"], (["-"], [])), 1, None, "0 output entries"),
        (drawn(["season"], PLAIN), None, "input 1", "names_from"),
        (drawn(["subject.attributes.size * 2"], PLAIN), None, "input 1", "path of names"),
        (drawn(["subject.in"], PLAIN), None, "input 1", "no expression"),
        (drawn(["subject.size"], PLAIN), None, "input 1", "'subject' has no 'size'"),
        (drawn(["now"], PLAIN, table='hitPolicy="ANY"'), None, None, "ANY"),
        (drawn(["now"], PLAIN, table='hitPolicy="COLLECT" aggregation="SUM"'), None, None, "SUM"),
        (drawn(["now"], PLAIN, root=' expressionLanguage="http://www.w3.org/1999/XPath"'), None, None, "not FEEL"),
        (drawn(["now"], PLAIN, outputs='<output name="a"/><output name="a"/>'), None, "output 2", "name of its own"),
        (drawn(["now"], (["5"], ['"a"']), (['date("2026-01-01")'], ['"a"'])), None, "input 1", "dates and other"),
        (drawn(["now"], (['"' + "x" * 2_000 + '"'], ['"a"'])), 1, "input 1", "longer than"),
        (drawn(["now"], PLAIN, outputs=""), None, None, "at most"),
        (drawn(["now"], *[PLAIN] * 1_001), None, None, "1000 rules"),
        (
            drawn(["now"], PLAIN, outputs="<output><defaultOutputEntry><text>1</text></defaultOutputEntry></output>"),
            None, "output 1", "default output",
        ),
        (
            drawn(["now"], PLAIN, more=NEEDS),
            None, None, "another decision",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_place(content: bytes, rule: int | None, column: str | None, words: str) -> None:
    with pytest.raises(DmnUnsupportedError) as refused:
        tables_of(content)
    found = refused.value.params["problems"]
    assert ("Sorting", rule, column) in {(one["table"], one["rule"], one["column"]) for one in found}, found
    assert any(words in one["message"] for one in found), found
    assert "Sorting" in refused.value.message


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(DmnUnsupportedError) as refused:
        tables_of(drawn(["now", "now"], (["a", "b"], ["c"])))
    assert [one["column"] for one in refused.value.params["problems"]] == ["input 1", "input 2", "output 1"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no xml", b"<definitions/>", b"<html/>", f'<definitions xmlns="{NAMESPACES[2]}"/>'.encode(),
        b'<!DOCTYPE a [<!ENTITY x "y">]>' + drawn(["now"], PLAIN), b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)  # fmt: skip
def test_what_is_no_dmn(content: bytes) -> None:
    with pytest.raises(DmnInvalidError):
        tables_of(content)


@pytest.mark.parametrize(
    ("written", "value", "holds"),
    [
        ('date("2026-01-31")', "2026-01-31", True), ('date("2026-01-31")', "2026-02-01", False),
        ('date("2026-01-31")', "2026-01-31T23:30:00Z", True),
        ('date("2026-01-31")', "2026-01-31T23:30:00-05:00", False),
        ('<= date("2026-01-31")', datetime(2026, 1, 31, 23, 59, tzinfo=UTC), True),
        ('> date("2026-01-31")', datetime(2026, 1, 31, 23, 59, tzinfo=UTC), False),
        ('[date("2026-01-01")..date("2026-02-01")[', "2026-02-01", False),
        ('not(date("2026-01-31"))', "2026-01-31", False), ('not(date("2026-01-31"), null)', "2026-02-01", True),
        ('null, < date("2026-01-01")', None, True), ('not(< date("2026-01-01"), null)', None, False),
    ],
)  # fmt: skip
def test_dates_are_days_in_utc(written: str, value: Any, holds: bool) -> None:
    table = only(drawn(["context.due"], ([written], ['"yes"'])))
    assert publishable(table)
    assert bool(outputs_of(table, Prepared({"context": {"due": value}}))) is holds


def test_what_is_not_there_is_null_only_where_null_is_tested() -> None:
    world = Prepared({"context": {}})
    assert outputs_of(only(drawn(["context.a.b"], (["null"], ['"none"']))), world) == [{"result": "none"}]
    with pytest.raises(TableError):
        outputs_of(only(drawn(["context.a.b"], (["5"], ['"five"']))), world)


# A reading of FEEL that shares nothing with the translation: three-valued logic over Python's own values.

LITERALS = st.one_of(
    st.integers(-3, 3), st.sampled_from([-1.5, 0.5, 2.0]), st.sampled_from(["", "a", "b", 'q"\\', "é\n"]),
    st.booleans(), st.none(),
)  # fmt: skip
ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([-1.5, 0.5]))
ONE = st.one_of(
    st.tuples(st.just("="), LITERALS),
    st.tuples(st.sampled_from(sorted(ORDERS)), NUMBERS | st.sampled_from(["a", "b"])),
    st.tuples(st.sampled_from(["[]", "(]", "]]", "][", "[)"]), NUMBERS, NUMBERS),
)
Entry = tuple[bool, list[Any]]
ENTRY: st.SearchStrategy[Entry] = st.one_of(
    st.just((False, [])), st.tuples(st.booleans(), st.lists(ONE, min_size=1, max_size=3))
)


def feel(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def written(entry: Entry) -> str:
    negated, tests = entry
    if not tests:
        return "-"
    said = ", ".join(
        feel(one[1]) if one[0] == "=" else f"{one[0]} {feel(one[1])}" if one[0] in ORDERS
        else f"{one[0][0]}{feel(one[1])}..{feel(one[2])}{one[0][1]}"
        for one in tests
    )  # fmt: skip
    return f"not({said})" if negated else said


def kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def ordered(op: str, value: Any, limit: Any) -> bool | None:
    return ORDERS[op](value, limit) if kind(value) == kind(limit) else None


def one_holds(one: Any, value: Any) -> bool | None:
    if one[0] == "=":
        return kind(value) == kind(one[1]) and value == one[1]
    if one[0] in ORDERS:
        return ordered(one[0], value, one[1])
    low = ordered(">=" if one[0][0] == "[" else ">", value, one[1])
    high = ordered("<=" if one[0][1] == "]" else "<", value, one[2])
    return None if low is None or high is None else low and high


def holds(entry: Entry, value: Any) -> bool:
    negated, tests = entry
    found = [one_holds(one, value) for one in tests]
    if not tests:
        return True
    if negated:
        return True not in found and None not in found
    return True in found


def named(rows: Sequence[Any], column: int) -> set[str]:
    return {kind(value) for row in rows for one in row[column][1] for value in one[1:]}


@given(
    rows=st.lists(st.tuples(ENTRY, ENTRY), min_size=1, max_size=4),
    values=st.tuples(LITERALS, LITERALS),
    policy=st.sampled_from(["FIRST", "COLLECT", "UNIQUE"]),
)
def test_a_table_decides_as_a_plain_reading_of_its_rules(rows: Any, values: tuple[Any, Any], policy: str) -> None:
    rules: list[Rule] = [([written(entry) for entry in row], [f'"{number}"']) for number, row in enumerate(rows)]
    table = only(drawn(["context.a", "context.b"], *rules, table=f'hitPolicy="{policy}"'))
    assert publishable(table)
    expected = [
        {"result": str(number)}
        for number, row in enumerate(rows)
        if all(holds(entry, value) for entry, value in zip(row, values, strict=True))
    ]
    known: Mapping[str, Any] = {"context": dict(zip("ab", values, strict=True))}
    if any(names and kind(value) not in names for column, value in enumerate(values) if (names := named(rows, column))):
        # A kind that no rule of the column expects: it stops the subject, or decides as in FEEL; never otherwise.
        try:
            found = outputs_of(table, Prepared(known))
        except TableError:
            return
    elif policy == "UNIQUE" and len(expected) > 1:
        with pytest.raises(TableError, match="more than one"):
            outputs_of(table, Prepared(known))
        return
    else:
        found = outputs_of(table, Prepared(known))
    assert found == (expected[:1] if policy == "FIRST" else expected)
