"""What needs no database: stages, expressions, and what is wrong with a config."""

from typing import Any

import pytest

from models.flow.graph import RequirementType
from models.requirements.expressions import ExpressionError, evaluate, in_whole_sentences, problem_in
from models.requirements.registry import kinds, problems_of
from models.store.stages import Answer, Stage, is_passed, parse_stages
from models.templates import get_templates


def stage(**fields: Any) -> Stage:
    return Stage.model_validate(fields)


def answer(name: str, *roles: str) -> Answer:
    return Answer(names=(name,), roles=roles)


def test_every_shipped_type_is_registered() -> None:
    assert set(kinds()) == {one.value for one in RequirementType}


@pytest.mark.parametrize("key", sorted(get_templates()))
def test_every_shipped_template_has_good_configs(key: str) -> None:
    for step in get_templates()[key].graph["steps"]:
        for one in step["requirements"]:
            assert problems_of(one["requirement_type"], one["config"]) == ()


@pytest.mark.parametrize(
    ("kind", "config", "pointer"),
    [
        ("document", {"min_count": 0}, "/min_count"),
        ("document", {"min_cuont": 2}, "/min_cuont"),
        ("document", {"document_type_id": "7"}, "/document_type_id"),
        ("approval", {}, "/template"),
        ("approval", {"roles": ["nobody"]}, "/stages"),
        ("approval", {"roles": ["approver"], "due_in": "P0D"}, "/due_in"),
        ("approval", {"roles": ["approver"], "due_in": "P1D", "remind_before": "-PT1H"}, "/remind_before"),
        ("checklist", {"items": []}, "/items"),
        ("checklist", {"items": ["a", {"label": "a"}]}, "/items/1"),
        ("form", {}, "/schema"),
        ("form", {"schema": {"type": "no"}}, "/schema/type"),
        ("form", {"schema": {"$ref": "https://example.com/x"}}, "/schema/$ref"),
        ("measurement", {}, "/measurement_definition"),
        ("signature", {"meaning": "fun"}, "/meaning"),
        ("signature", {"role": "king"}, "/role"),
        ("child_workflow", {"count": 0}, "/count"),
        ("custom", {"expression": "1 +"}, "/expression"),
        ("custom", {"expression": "subjct.attributes.lot == 'A'"}, "/expression"),
        ("custom", {"expression": "form.lot == 'A'"}, "/expression"),
        ("custom", {}, "/expression"),
        ("spell", {}, ""),
    ],
)
def test_a_bad_config_is_found_at_its_place(kind: str, config: Any, pointer: str) -> None:
    assert pointer in [one.pointer for one in problems_of(kind, config)]


def test_any_and_n_of_m_count_persons() -> None:
    assert is_passed(stage(roles=["approver"]), [answer("a")])
    two = stage(mode="n_of_m", n=2, roles=["approver"])
    assert not is_passed(two, [answer("a")])
    assert is_passed(two, [answer("a"), answer("b")])


def test_all_wants_a_person_of_its_own_for_each_user_and_role() -> None:
    both = stage(mode="all", users=["ann"], roles=["engineer", "approver"])
    ann = answer("ann", "engineer", "approver")
    assert not is_passed(both, [ann, answer("bob", "engineer")])
    assert not is_passed(both, [ann, answer("bob", "engineer"), answer("cy", "engineer")])
    assert is_passed(both, [answer("bob", "engineer", "approver"), ann, answer("cy", "engineer")])


def test_an_approval_has_stages() -> None:
    with pytest.raises(ValueError, match="at least one stage"):
        parse_stages([])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("a.b > 1", True), ("size(l) == 3", True), ("l.all(x, x > 1)", False), ("'x' in a", False), ("a.b == 2.0", True)],
)
def test_expressions_see_plain_values(expression: str, expected: bool) -> None:
    assert evaluate(expression, {"a": {"b": 2}, "l": [1, 2, 3]}) is expected


def test_a_whole_number_where_others_are_computed_with_is_made_one_by_double() -> None:
    with pytest.raises(ExpressionError, match="mixing int"):
        evaluate("form.length * 1.5", {"form": {"length": 12}})
    assert evaluate("double(form.length) * 1.5", {"form": {"length": 12}}) == 18
    assert evaluate("form.length > 11.5", {"form": {"length": 12}}) is True


@pytest.mark.parametrize("expression", ["a.c", "1 / 0", "'a' + 1", "nobody", "a +", "x" * 2001, "(" * 500])
def test_an_expression_without_an_answer_says_why(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression, {"a": {"b": 1}})


def test_why_an_expression_has_no_answer_is_told_in_whole_sentences() -> None:
    with pytest.raises(ExpressionError, match=r"string\(x\), or check the CEL specification\.$"):
        evaluate("a + 1.5", {"a": 1})
    with pytest.raises(ExpressionError, match=r"^Undefined variable or function: 'x+…$") as found:
        evaluate("x" * 1_900, {})
    assert len(str(found.value)) == 500
    assert in_whole_sentences("There is a first one. The second one is " + "long" * 200) == "There is a first one."


def test_what_could_run_long_is_refused_before_it_runs() -> None:
    assert problem_in("l.all(x, l.exists(y, x == y))") is None
    assert problem_in("l.all(x, l.all(y, l.all(z, true)))") is not None
    assert problem_in("f == 'l.all(x, l.all(y, l.all(z, true)))'") is None
    with pytest.raises(ExpressionError, match="too much"):
        evaluate("l == []", {"l": [0] * 1001})


def test_a_value_that_grows_deeper_at_every_round_is_refused_in_time() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = evaluate('{"a": a}', {"a": deep})
    with pytest.raises(ExpressionError, match="nested more than 100 levels"):
        evaluate('{"a": a}', {"a": deep})


@pytest.mark.parametrize(
    "expression",
    [
        '["a"]' + ".map(s, s+s)" * 100 + " == []",
        '["a"].map(s, s + s) == []',
        '["a"].map(s, [s, s]).map(s, [s, s]) == []',
        f"({'+'.join(['l'] * 400)}).all(a, ({'+'.join(['l'] * 400)}).all(b, true))",
        "(l // why\n + l).exists(a, a == 1)",
        "l . map\n(a, a) == l",
        "l" + ".filter(a, true)" * 5 + " == l",
        "l.all(a, f.matches('(a{1,100}){1,100}'))",
    ],
)
def test_what_grows_within_an_expression_is_refused(expression: str) -> None:
    assert [one.pointer for one in problems_of("custom", {"expression": expression})] == ["/expression"]
    with pytest.raises(ExpressionError, match=r"comprehension"):
        evaluate(expression, {"l": [1, 2], "f": "a"})


def test_comprehensions_over_much_data_are_refused_before_they_run() -> None:
    parts = [{"ok": True, "values": [1, 2, 3]} for _ in range(100)]
    each = "parts.all(p, p.ok && p.values.all(v, v > 0)) && size(parts.filter(p, p.ok)) == 100"
    assert evaluate(each, {"parts": parts}) is True
    assert evaluate("parts.all(p, p.ok)", {"parts": parts * 10}) is True
    everything = {"l": list(range(1000)), "e": [list(range(900)) for _ in range(50)]}
    for costly in ("l.all(a, l.all(b, true))", f"l.all(a, {' && '.join(['e == e'] * 100)})"):
        with pytest.raises(ExpressionError, match="too much"):
            evaluate(costly, everything)
    with pytest.raises(ExpressionError, match="too much"):
        evaluate("l.all(a, t == u)", {"l": list(range(1000)), "t": "a" * 10_000_000, "u": "a" * 10_000_000})


@pytest.mark.parametrize(
    "expression",
    [
        'r"\\" == f || l.all(a, l.all(b, l.all(c, true))) || f == ""',
        '// "\n l.all(a, l.all(b, l.all(c, true))) // "',
        "l.all // why\n (a, l.all(b, l.all(c, true)))",
        '"""a"b""" == f || l.all(a, l.all(b, l.all(c, true))) || """ " """ == f',
        "l.existsOne(a, l.existsOne(b, l.existsOne(c, true)))",
    ],
)
def test_no_spelling_hides_how_deep_an_expression_is(expression: str) -> None:
    assert "nested" in (problem_in(expression) or "")
