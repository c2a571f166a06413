"""Every problem code is produced at its place; shipped and good graphs have none; no JSON makes validation raise."""

import copy
import json
from typing import Any

import pytest

from models.flow.graph import parse_graph
from models.flow.problems import PROBLEMS
from models.flow.shape import MAX_STEPS
from models.flow.validate import problems_of
from models.templates import get_templates
from tests.flow.routed import forked, table
from tests.flow.scene import edge, end, gate, raw_graph, step


def requirement(requirement_type: str, **config: Any) -> dict[str, Any]:
    return {"key": "r", "requirement_type": requirement_type, "name": "R", "config": config}


def asks(requirement_type: str, **config: Any) -> dict[str, Any]:
    return raw_graph(step("a", requirements=[requirement(requirement_type, **config)]), end())


def lone(**settings: Any) -> dict[str, Any]:
    return raw_graph(step("a", **settings), end())


def decision(*edges: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return raw_graph(step("a", is_decision_point=True, **settings), step("b"), end("x"), end("y"), *edges)


def computed(decision_type: str, *edges: dict[str, Any], **config: Any) -> dict[str, Any]:
    return decision(*edges, decision_type=decision_type, config=config)


YES, NO = edge("a", "x"), edge("a", "b", "alternate")
TO_Y = edge("b", "y")
SIZE = {"measurement_definition": "size", "operator": "gte", "value": "1.5"}

CASES: list[tuple[Any, str, str]] = [
    ([], "not_an_object", ""),
    (lone(config={"assignment": {"auto": "fairly"}}), "unknown_word", "steps[0].config.assignment.auto"),
    (
        lone(config={"assignment": {"not_who_did": ["x"]}}),
        "four_eyes_unknown",
        "steps[0].config.assignment.not_who_did[0]",
    ),
    (lone(config={"escalation": {"levels": [{}]}}), "levels_without_due", "steps[0].config.escalation"),
    *(
        (
            lone(expected_duration="PT8H", config={"escalation": {"levels": [{"to": ["owner", word]}]}}),
            "unknown_word",
            "steps[0].config.escalation.levels[0].to[1]",
        )
        for word in ("quality_manager", "role:", "team:night", "Owner")
    ),
    (
        lone(expected_duration="PT8H", config={"escalation": {"levels": [{"action": "route"}]}}),
        "route_without_edge",
        "steps[0]",
    ),
    (lone(config={"deviation": True}), "wrong_type", "steps[0].config.deviation"),
    (lone(config={"deviation": {"two": True}}), "unknown_field", "steps[0].config.deviation.two"),
    (
        lone(config={"deviation": {"second_person": "skip"}}),
        "wrong_type",
        "steps[0].config.deviation.second_person",
    ),
    (
        lone(config={"deviation": {"second_person": ["skip", "undo"]}}),
        "unknown_word",
        "steps[0].config.deviation.second_person[1]",
    ),
    (lone(config={"assignmnt": {"not_who_did": ["end"]}}), "unknown_field", "steps[0].config.assignmnt"),
    (lone(config={"Escalation": {}}), "unknown_field", "steps[0].config.Escalation"),
    (lone(config={"decisionTable": {}}), "unknown_field", "steps[0].config.decisionTable"),
    (lone(config={"timer": {"duration": "PT1H"}}), "config_misplaced", "steps[0].config.timer"),
    (
        lone(step_type="timer", config={"event": {"name": "paid", "key": "subject.identifier"}}),
        "config_misplaced",
        "steps[0].config.event",
    ),
    (
        lone(step_type="task", config={"action": {"type": "expression", "set": {"a": "1"}}}),
        "config_misplaced",
        "steps[0].config.action",
    ),
    (lone(step_type="fork", config={"join": {"require": 1}}), "config_misplaced", "steps[0].config.join"),
    ({**lone(), "config": []}, "wrong_type", "config"),
    ({**lone(), "config": {"assignment": {}}}, "unknown_field", "config.assignment"),
    (
        {**lone(), "config": {"deviation": {"second_person": [1]}}},
        "wrong_type",
        "config.deviation.second_person[0]",
    ),
    (None, "not_an_object", ""),
    ({}, "steps_missing", "steps"),
    ({"steps": []}, "steps_missing", "steps"),
    ({"steps": {}}, "wrong_type", "steps"),
    ({"steps": "abc"}, "wrong_type", "steps"),
    ({"steps": [1]}, "wrong_type", "steps[0]"),
    (lone(name=7), "wrong_type", "steps[0].name"),
    (lone(is_terminal="yes"), "wrong_type", "steps[0].is_terminal"),
    (lone(is_terminal=1), "wrong_type", "steps[0].is_terminal"),
    (lone(max_visits=True), "wrong_type", "steps[0].max_visits"),
    (lone(max_visits=1.5), "wrong_type", "steps[0].max_visits"),
    (lone(max_visits=0), "out_of_range", "steps[0].max_visits"),
    (lone(max_visits=-1), "out_of_range", "steps[0].max_visits"),
    (lone(order=-1), "out_of_range", "steps[0].order"),
    (lone(order=2**40), "out_of_range", "steps[0].order"),
    (lone(expected_duration=5), "wrong_type", "steps[0].expected_duration"),
    (lone(expected_duration="5 days"), "bad_duration", "steps[0].expected_duration"),
    (lone(expected_duration="P1Y"), "bad_duration", "steps[0].expected_duration"),
    (lone(expected_duration="PT0S"), "bad_duration", "steps[0].expected_duration"),
    (lone(max_duration="P99999999D"), "bad_duration", "steps[0].max_duration"),
    (lone(max_duration="P٣D"), "bad_duration", "steps[0].max_duration"),
    (lone(expected_duration="P2D", max_duration="P1D"), "duration_order", "steps[0].max_duration"),
    (lone(requires_qa_sign_off=True), "unknown_field", "steps[0].requires_qa_sign_off"),
    (lone(step_type="tusk"), "unknown_step_type", "steps[0].step_type"),
    (lone(step_type=[]), "wrong_type", "steps[0].step_type"),
    (lone(step_type="terminal", is_terminal=False), "step_type_contradiction", "steps[0].is_terminal"),
    (lone(step_type="decision", is_decision_point=False), "step_type_contradiction", "steps[0].is_decision_point"),
    (lone(config=[]), "wrong_type", "steps[0].config"),
    (lone(description="x" * 10_001), "too_long", "steps[0].description"),
    (lone(name=""), "missing_field", "steps[0].name"),
    (lone(name="  "), "missing_field", "steps[0].name"),
    (lone(requirements={}), "wrong_type", "steps[0].requirements"),
    (lone(requirements=["r"]), "wrong_type", "steps[0].requirements[0]"),
    (lone(requirements=[gate("g"), gate("g")]), "duplicate_key", "steps[0].requirements[1].key"),
    (lone(requirements=[gate(None), gate("r1")]), "duplicate_key", "steps[0].requirements[1].key"),
    (lone(requirements=[gate(name="")]), "missing_field", "steps[0].requirements[0].name"),
    (lone(requirements=[gate(title="t")]), "unknown_field", "steps[0].requirements[0].title"),
    ({"steps": [{"key": "a"}]}, "missing_field", "steps[0].name"),
    ({"steps": [{"name": "A"}]}, "missing_field", "steps[0].key"),
    (raw_graph(step("")), "missing_field", "steps[0].key"),
    (raw_graph(step("a" * 101)), "too_long", "steps[0].key"),
    (raw_graph(step("a/b")), "bad_key", "steps[0].key"),
    (raw_graph(step(" a")), "bad_key", "steps[0].key"),
    (raw_graph(step("a\n")), "bad_key", "steps[0].key"),
    (raw_graph(step("a"), step("b"), step("a")), "duplicate_key", "steps[2].key"),
    ({"steps": [step("a")], "edges": {}}, "wrong_type", "edges"),
    ({"steps": [step("a")], "edges": [{}]}, "missing_field", "edges[0].from_step"),
    ({"steps": [step("a")], "edge": []}, "unknown_field", "edge"),
    (raw_graph(step("a"), end(), edge("a", "end", "sideways")), "unknown_edge_type", "edges[0].edge_type"),
    (raw_graph(step("a"), end(), {**edge("a", "end"), "when": "x"}), "unknown_field", "edges[0].when"),
    (raw_graph(step("a"), end(), edge("a", "ghost")), "unknown_step", "edges[0].to_step"),
    (raw_graph(step("a"), end(), edge("ghost", "end")), "unknown_step", "edges[0].from_step"),
    (raw_graph(*(step(f"s{n}") for n in range(MAX_STEPS + 1))), "too_many", "steps"),
    (asks("crystal_ball"), "unknown_requirement_type", "steps[0].requirements[0].requirement_type"),
    (asks("checklist"), "config_items", "steps[0].requirements[0].config.items"),
    (asks("checklist", items=[]), "config_items", "steps[0].requirements[0].config.items"),
    (asks("checklist", items=["a", " "]), "config_item", "steps[0].requirements[0].config.items[1]"),
    (asks("checklist", items=[{}]), "config_item", "steps[0].requirements[0].config.items[0]"),
    (asks("checklist", items=[7]), "config_item", "steps[0].requirements[0].config.items[0]"),
    (asks("checklist", items=["a", "a "]), "duplicate_item", "steps[0].requirements[0].config.items[1]"),
    (asks("checklist", items=[str(n) for n in range(501)]), "too_many", "steps[0].requirements[0].config.items"),
    (asks("form"), "config_schema", "steps[0].requirements[0].config.schema"),
    (asks("form", schema=[]), "config_schema", "steps[0].requirements[0].config.schema"),
    (asks("document", min_count=0), "out_of_range", "steps[0].requirements[0].config.min_count"),
    (asks("document", min_count="2"), "wrong_type", "steps[0].requirements[0].config.min_count"),
    (asks("child_workflow", count=0), "out_of_range", "steps[0].requirements[0].config.count"),
    (asks("custom", text="a\0b"), "unstorable", "steps[0].requirements[0].config.text"),
    (asks("custom", text="\ud800"), "unstorable", "steps[0].requirements[0].config.text"),
    (asks("custom", number=float("nan")), "unstorable", "steps[0].requirements[0].config.number"),
    (asks("custom", **{"\0": 1}), "unstorable", "steps[0].requirements[0].config"),
    (lone(config=json.loads("[" * 50 + "]" * 50)), "wrong_type", "steps[0].config"),
    (lone(config={"deep": json.loads("[" * 50 + "]" * 50)}), "too_deep", "steps[0].config.deep" + "[0]" * 37),
    (
        raw_graph(step("a", step_type="start"), step("b", step_type="start"), end()),
        "several_starts",
        "steps[1].step_type",
    ),
    (raw_graph(step("a"), end(), edge("a", "end"), edge("a", "end")), "duplicate_edge", "edges[1]"),
    (raw_graph(step("a"), step("b"), end(), edge("a", "b"), edge("a", "end")), "several_defaults", "steps[0]"),
    (raw_graph(step("a"), end(), edge("a", "end", "alternate")), "alternate_without_decision", "edges[0]"),
    (raw_graph(step("a"), end(), edge("a", "end", "default", "ok")), "condition_without_decision", "edges[0]"),
    (
        raw_graph(step("a", max_visits=1), end(), edge("a", "end", "escalation", "ok")),
        "condition_without_decision",
        "edges[0]",
    ),
    (decision(), "decision_without_edges", "steps[0]"),
    (decision(YES), "decision_result_without_edge", "steps[0]"),
    (decision(NO, TO_Y), "decision_result_without_edge", "steps[0]"),
    (decision(edge("a", "x", "default", "maybe")), "decision_result_without_edge", "steps[0]"),
    (
        decision(YES, NO, TO_Y, requires_operator_completion=False),
        "decision_needs_operator",
        "steps[0].requires_operator_completion",
    ),
    (
        decision(YES, edge("a", "b", "alternate", "Mend"), edge("a", "y", "alternate", "mend "), TO_Y),
        "duplicate_condition",
        "edges[2]",
    ),
    (decision(YES, edge("a", "b", "alternate", "Approved"), TO_Y), "reserved_condition", "edges[1]"),
    (decision(edge("a", "x", "default", "no"), NO, TO_Y), "reserved_condition", "edges[0]"),
    (decision(YES, edge("a", "y"), NO, TO_Y), "ambiguous_edge", "edges[1]"),
    (decision(YES, edge("a", "y", "default", "yes"), NO, TO_Y), "ambiguous_edge", "edges[1]"),
    (decision(YES, NO, edge("a", "y", "alternate", "fail"), TO_Y), "ambiguous_edge", "edges[2]"),
    (raw_graph(step("a"), end(is_decision_point=True)), "terminal_decision", "steps[1].is_decision_point"),
    (raw_graph(step("a"), end(), edge("end", "a")), "edge_from_terminal", "edges[0]"),
    (raw_graph(step("a"), end(), edge("end", "a", "escalation")), "edge_from_terminal", "edges[0]"),
    (raw_graph(step("a"), step("b"), end(), edge("a", "end", "escalation")), "escalation_without_limit", "edges[0]"),
    (
        raw_graph(
            step("a", max_visits=1), step("b"), end(), edge("a", "end", "escalation"), edge("a", "b", "escalation")
        ),
        "several_escalations",
        "edges[1]",
    ),
    (raw_graph(step("a", max_visits=1), end(), edge("a", "a", "escalation")), "escalation_to_itself", "edges[0]"),
    (raw_graph(step("a"), step("b"), end(), edge("a", "end")), "unreachable_step", "steps[1]"),
    (raw_graph(end("e"), step("a")), "unreachable_step", "steps[1]"),
    (raw_graph(step("a"), step("b"), edge("a", "b"), edge("b", "a")), "no_way_to_end", "steps[0]"),
    (raw_graph(step("a"), end(), edge("a", "a")), "no_way_to_end", "steps[0]"),
    # decisions that nobody takes
    (lone(decision_type="dice"), "unknown_decision_type", "steps[0].decision_type"),
    (computed("qa_result", YES, TO_Y), "decision_result_without_edge", "steps[0]"),
    (computed("qa_result"), "decision_without_edges", "steps[0]"),
    (computed("expression", YES, edge("a", "b"), TO_Y), "several_unconditional", "edges[1]"),
    (computed("expression", YES, NO, TO_Y), "missing_field", "edges[1].condition"),
    (decision(edge("a", "x", condition="x" * 1_001), NO, TO_Y), "too_long", "edges[0].condition"),
    (decision(edge("a", "x", results=["ok", ""]), NO, TO_Y), "missing_field", "edges[0].results[1]"),
    (decision(edge("a", "x", results=["ok"]), edge("a", "b", "alternate", "OK")), "duplicate_condition", "edges[1]"),
    (computed("measurement", edge("a", "x", config={"operator": "gte", "value": 1}), NO), "missing_field",
     "edges[0].config.measurement_definition"),
    (computed("measurement", edge("a", "x", config={**SIZE, "operator": "lt"}), NO), "unknown_operator",
     "edges[0].config.operator"),
    (computed("measurement", edge("a", "x", config={**SIZE, "value": "much"}), NO), "wrong_type",
     "edges[0].config.value"),
    (computed("measurement", edge("a", "x", "default", "pass", config=SIZE), edge("a", "b")),
     "measurement_decision_mixed", "edges[0]"),
    (computed("", YES, NO, TO_Y, decision_table=table((">= 1", "pass"))), "config_misplaced",
     "steps[0].config.decision_table"),
    (computed("decision_table", YES, NO), "missing_field", "steps[0].config.decision_table"),
    (computed("decision_table", YES, NO, decision_table=table((">= 1", "maybe"))), "table_result_without_edge",
     "steps[0].config.decision_table.rules[0].then[0]"),
    (computed("decision_table", YES, NO, decision_table=table((">= 1", "pass"), hit_policy="any")),
     "unknown_hit_policy", "steps[0].config.decision_table.hit_policy"),
    (computed("decision_table", YES, NO, decision_table={**table(), "rules": [{"when": [], "then": ["pass"]}]}),
     "table_width", "steps[0].config.decision_table.rules[0].when"),
    (computed("decision_table", YES, NO, decision_table=table()), "table_empty",
     "steps[0].config.decision_table.rules"),
    (computed("decision_table", YES, NO,
              decision_table={**table(), "outputs": [], "rules": [{"when": [1], "then": []}]}),
     "table_empty", "steps[0].config.decision_table.outputs"),
    # the engine's own steps
    (lone(step_type="timer", config={"timer": {}}), "timer_config", "steps[0].config.timer"),
    (lone(step_type="timer", config={"timer": {"duration": "soon"}}), "bad_duration", "steps[0].config.timer.duration"),
    (lone(step_type="message"), "missing_field", "steps[0].config.event"),
    (lone(step_type="message", config={"event": {"name": "paid"}}), "missing_field", "steps[0].config.event.key"),
    (lone(step_type="automatic"), "missing_field", "steps[0].config.action"),
    (lone(step_type="automatic", config={"action": {"type": "dance"}}), "unknown_action",
     "steps[0].config.action.type"),
    (lone(step_type="automatic", config={"action": {"type": "webhook"}}), "missing_field",
     "steps[0].config.action.url"),
    (lone(step_type="automatic", config={"action": {"type": "webhook", "url": "https://x.example", "method": "LOOK"}}),
     "unknown_method", "steps[0].config.action.method"),
    *(
        (lone(step_type="automatic", config={"action": {"type": "webhook", "url": "https://x.test", "headers": one}}),
         "bad_header", f"steps[0].config.action.headers.{next(iter(one))}")
        for one in ({"Host": "x"}, {"content-length": "3"}, {"X Plant": "A"}, {"X-Plant": "A\r\nB: c"}, {"X": "ü"})
    ),
    (lone(step_type="automatic", config={"action": {"type": "erp"}}), "erp_config", "steps[0].config.action"),
    (lone(step_type="automatic", config={"action": {"type": "erp", "connector": "sap", "activity": "book"}}),
     "erp_config", "steps[0].config.action"),
    (lone(step_type="automatic", config={"action": {"type": "erp", "connector": "sap", "args": "{}"}}),
     "unknown_field", "steps[0].config.action.args"),
    (lone(step_type="automatic", config={"action": {"type": "erp", "activity": "book", "path": "\"a\""}}),
     "unknown_field", "steps[0].config.action.path"),
    (lone(step_type="automatic", config={"action": {"type": "activity"}}), "missing_field",
     "steps[0].config.action.activity"),
    (lone(step_type="automatic", config={"action": {"type": "start_process"}}), "missing_field",
     "steps[0].config.action.process"),
    (lone(step_type="automatic", config={"action": {"type": "expression", "set": {".a": "1"}}}), "wrong_type",
     "steps[0].config.action.set"),
    (lone(step_type="automatic", config={"action": {"type": "expression", "set": {"a": "1"}}},
          requires_qa_signoff=True), "engine_step_with_gates", "steps[0].requires_qa_signoff"),
    # forks and joins
    (raw_graph(step("a", step_type="join"), end()), "join_without_fork", "steps[0]"),
    (raw_graph(step("a", step_type="fork"), end(), edge("a", "end")), "fork_without_branches", "steps[0]"),
    (raw_graph(step("a", step_type="fork"), step("b"), step("c"), end(), edge("a", "b"), edge("a", "c"),
               edge("b", "end")), "fork_without_join", "steps[0]"),
    (raw_graph(*forked("a", "b", require=3)), "join_too_many", "steps[3].config.join.require"),
    (raw_graph(*forked("a", "b", require=0)), "out_of_range", "steps[3].config.join.require"),
    (raw_graph(*(part for part in forked("a", "b") if part != edge("a", "j")), edge("a", "b")), "branch_jump",
     "steps[2]"),
    (raw_graph(*(part for part in forked("a", "b") if part != edge("a", "j")), edge("a", "after")), "branch_jump",
     "steps[4]"),
    (raw_graph(*(part for part in forked("a", "b") if part != edge("a", "j")), step("k", step_type="join"),
               edge("a", "k"), edge("k", "after")), "several_joins", "steps[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "code", "path"), CASES, ids=[f"{code} at {path}"[:60] for _, code, path in CASES])
def test_problem(raw: Any, code: str, path: str) -> None:
    before = copy.deepcopy(raw)
    found = problems_of(raw)
    assert (code, path) in {(one.code, one.path) for one in found}
    assert repr(raw) == repr(before)
    for one in found:
        assert one.message
        assert "{" not in one.message.replace('{"steps"', "")
        assert len({(two.code, two.path) for two in found}) == len(found)


def test_every_code_has_a_case() -> None:
    assert {code for _, code, _ in CASES} == set(PROBLEMS)


def test_all_problems_of_a_stage_are_named_at_once() -> None:
    found = problems_of(lone(max_visits=0, expected_duration="soon", step_type="x"))
    assert {one.code for one in found} == {"out_of_range", "bad_duration", "unknown_step_type"}


@pytest.mark.parametrize("key", get_templates())
def test_shipped_templates_have_no_problem(key: str) -> None:
    assert problems_of(get_templates()[key].graph) == ()


@pytest.mark.parametrize(
    "raw",
    [
        raw_graph(step("only")),
        raw_graph(end()),
        raw_graph(
            step("a", step_type="decision"),
            end("x", step_type="terminal"),
            step("y"),
            edge("a", "x"),
            NO | {"to_step": "y"},
        ),
        decision(edge("a", "x", "default", "use as is"), edge("a", "b", "alternate", "rework"), TO_Y),
        decision(YES, NO, TO_Y, edge("a", "y", "alternate", "scrap")),
        {
            "steps": [step("a", ui={"x": 1}, order=None, max_visits=None, expected_duration="", requirements=None)],
            "edges": None,
        },
        lone(config={"colour": "blue", "reviewed_by_lab": True, "timeout": 5, "timer": None, "join": None}),
        asks("document", min_count=3, document_type_id=5),
        asks("checklist", items=["a", {"item": "b", "value": "number"}]),
    ],
)
def test_good_graphs(raw: Any) -> None:
    assert problems_of(raw) == ()
    parse_graph(raw)


def test_settings_of_a_step_type_that_is_not_known_are_not_told_apart_from_it() -> None:
    found = problems_of(lone(step_type="mesage", config={"event": {"name": "paid", "key": "subject.identifier"}}))
    assert [one.code for one in found] == ["unknown_step_type"]


def test_types_of_plug_ins_are_known_when_passed_in() -> None:
    raw = asks("crystal_ball", colour="blue")
    assert problems_of(raw, ["crystal_ball"]) == ()


def test_a_step_type_brings_its_flag() -> None:
    parsed = parse_graph(raw_graph(step("d", step_type="decision"), step("e", step_type="terminal")))
    assert parsed.steps["d"].is_decision_point
    assert parsed.steps["e"].is_terminal


def test_a_requirement_is_mandatory_unless_it_says_otherwise() -> None:
    parsed = parse_graph(lone(requirements=[gate(is_mandatory=None), gate("o", is_mandatory=False)]))
    assert [one.key for one in parsed.steps["a"].mandatory] == ["gate"]
