"""Expressions of a drawing: those that cannot be evaluated, and those that name a step which is not there."""

from typing import Any

import pytest

from models.decisions.expressions import expression_problems
from models.requirements.expressions import members_of
from tests.flow.routed import table
from tests.flow.scene import edge, end, raw_graph, step


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("steps.prepare.result == 'ok'", ("prepare",)),
        ("steps . prepare . visits > 1 || steps.paint.visits > 1", ("prepare", "paint")),
        ("""steps["cut off"] == steps[ 'drill' ] || steps['''weld''']""", ("cut off", "drill", "weld")),
        ('steps.a.form[steps["b"].result]', ("a", "b")),
        ("has(steps.prepare)", ("prepare",)),
        ('"steps.no" + steps.a.result + \'steps["no"]\' // steps.no', ("a",)),
        ('"prepare" in steps && steps.size() > 1', ()),
        ("steps.all(key, steps[key].visits > 0)", ()),
        ("context.steps.no == context . steps.no", ()),
        ("mysteps.no || steps2.no || steps_.no", ()),
        ("[context].exists(steps, steps.no)", ()),
        (r'steps["a\x62"].visits', ()),
        ("steps[r'no'].visits", ()),
    ],
)  # fmt: skip
def test_members_are_read_outside_of_texts_and_comments(expression: str, named: tuple[str, ...]) -> None:
    assert members_of(expression, "steps") == named


WRONG, RIGHT = "steps.prepar.visits > 0", 'steps.prepare.visits > 0 && steps["pack up"].visits == 0'


def drawing(expression: str) -> dict[str, Any]:
    """A graph with one expression wherever the engine has one."""
    acting = {"body": expression, "set": {"a": expression}, "values": {"b": expression}}
    decided = {**table((f"value == ({expression})", "x")), "inputs": [{"expression": expression}]}
    return raw_graph(
        step("prepare", config={"timer": {"until": expression}, "event": {"key": expression}}),
        step("pack up", decision_type="expression", config={"action": acting, "decision_table": decided}),
        end(),
        edge("pack up", "end", condition=expression),
    )


def test_an_expression_names_only_steps_that_are_there() -> None:
    assert expression_problems(drawing(RIGHT)) == []
    found = expression_problems(drawing(WRONG))
    assert {one["path"] for one in found} == {
        "steps[0].config.timer.until",
        "steps[0].config.event.key",
        "steps[1].config.action.body",
        "steps[1].config.action.set.a",
        "steps[1].config.action.values.b",
        "steps[1].config.decision_table.inputs[0].expression",
        "steps[1].config.decision_table.rules[0].when[0]",
        "edges[0].condition",
    }
    assert {one["code"] for one in found} == {"expression_invalid"}
    assert {one["message"] for one in found} == {
        "There is no step with the key 'prepar' in this process. Did you mean prepare?"
    }


def test_what_is_like_no_step_is_refused_without_a_guess() -> None:
    (found,) = expression_problems(raw_graph(step("a", config={"timer": {"until": 'steps["zzz"].result'}}), end()))
    assert found["message"] == "There is no step with the key 'zzz' in this process."


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("subjct.attributes.size > 5", "There is no 'subjct' here. Did you mean subject?"),
        ("subject.atributes.size > 5", "'subject' has no 'atributes'. Did you mean attributes?"),
        ('execution["visits"] > 1', "'execution' has no 'visits'."),
        ("evidence.ok", "There is no 'evidence' here."),
        ("context.lots.filter(lot, lots.ok).size() > 0", "There is no 'lots' here."),
    ],
)
def test_an_expression_uses_only_names_that_are_there(expression: str, told: str) -> None:
    found = expression_problems(drawing(expression))
    assert len(found) == 8
    assert all(one["code"] == "expression_invalid" and one["message"].startswith(told) for one in found), found


@pytest.mark.parametrize(
    "expression",
    [
        "context.lots.exists(lot, lot.ok && lot.parts.all(part, part in context.known))",
        "type(context.size) in [int, double, string, bool, list, map, bytes, uint, null_type, type]",
        'has(subject.attributes.nested.deeply) && subject["title"] != "" && execution.due_at > now',
        "optional.of(form.size).hasValue() || size(quality) > 0 || instance.name == 'subjct'",
        "context.exists(subject, subject.whatever)",
    ],
)
def test_names_that_an_expression_makes_itself_or_cel_has_are_no_mistake(expression: str) -> None:
    assert expression_problems(drawing(expression)) == []


def test_the_rule_of_an_assignment_sees_the_person() -> None:
    def told(rule: str) -> list[tuple[str, str]]:
        graph = raw_graph(step("a", config={"assignment": {"rule": rule}}), end())
        return [(one["path"], one["message"].partition(" Known")[0]) for one in expression_problems(graph)]

    path = "steps[0].config.assignment.rule"
    assert told("'welder' in user.roles && user.username != context.author && subject.attributes.grade == 'A'") == []
    assert told("'welder' in user.rols") == [
        (path, "'user' has no 'rols'. Did you mean roles? It has id, username, roles.")
    ]
    assert told("form.author == user.id") == [(path, "There is no 'form' here.")]
    assert told("user.roles.size(") != []
