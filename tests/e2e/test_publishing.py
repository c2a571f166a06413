"""What cannot work is not put into force: all its problems at once, each with its code and its place; over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.drawing import edge, end, path, step
from tests.e2e.people import Json, Person

DECIDES = {"is_decision_point": True}
BY_ITSELF = {"is_decision_point": True, "requires_operator_completion": False}
TABLE = {"inputs": [{"expression": "subject.attributes.size"}], "outputs": [{"name": "result"}],
         "rules": [{"when": [">= 10"], "then": ["big"]}, {"when": ["-"], "then": ["small"]}]}  # fmt: skip
BRANCHES = [*path("split", "mill", "meet", "end"), *path("split", "drill", "meet")]


def forked(**join: Any) -> list[Json]:
    """Two branches that come together."""
    return [
        step("split", step_type="fork"), step("mill", **DECIDES), step("drill"),
        step("meet", step_type="join", config={"join": join} if join else {}), end(), end("scrap"), *BRANCHES,
        edge("mill", "scrap", "alternate"),
    ]  # fmt: skip


DRAWINGS: dict[str, tuple[list[Json], list[tuple[str, str]]]] = {
    "a result without a way on": (
        [step("judge", **DECIDES), end(), edge("judge", "end")],
        [("decision_result_without_edge", "steps[0]")],
    ),
    "a table that says what no edge takes": (
        [step("sort", decision_type="decision_table", config={"decision_table": TABLE}, **BY_ITSELF),
         end("large"), end("rest"), edge("sort", "large", condition="big"), edge("sort", "rest")],
        [("table_result_without_edge", "steps[0].config.decision_table.rules[1].then[0]")],
    ),
    "more branches than there are": (
        forked(require=3),
        [("join_too_many", "steps[3].config.join.require")],
    ),
    "a way out of a branch": (
        [*forked(), step("lab"), edge("mill", "lab", "alternate", "lab"), edge("lab", "drill")],
        [("branch_jump", "steps[2]")],
    ),
    "a timer that says when twice": (
        [step("cure", step_type="timer", config={"timer": {"duration": "PT1H", "until": "now"}}), end()],
        [("timer_config", "steps[0].config.timer")],
    ),
    "a message without a name": (
        [step("wait", step_type="message", config={"event": {"key": "subject.identifier"}}), end()],
        [("missing_field", "steps[0].config.event.name")],
    ),
    "conditions that cannot be read": (
        [step("sort", decision_type="expression", **BY_ITSELF), end("large"), end("rest"),
         edge("sort", "large", condition="subject.attributes.size >"), edge("sort", "rest")],
        [("expression_invalid", "edges[0].condition")],
    ),
    "an escalation that is never taken": (
        [step("weld"), step("chase"), end(), *path("weld", "end"), edge("weld", "chase", "escalation"),
         edge("chase", "end")],
        [("escalation_without_limit", "edges[1]")],
    ),
    "four eyes against nobody": (
        [step("weld", config={"assignment": {"not_who_did": ["cast"]}}), end()],
        [("four_eyes_unknown", "steps[0].config.assignment.not_who_did[0]")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_drawing_that_cannot_work_is_told_its_problems_and_not_approved(
    engineer: Person, quality_manager: Person, drawing: str
) -> None:
    parts, expected = DRAWINGS[drawing]
    graph = {"steps": [one for one in parts if "key" in one], "edges": [one for one in parts if "from_step" in one]}
    body = {"name": f"Drawn {uuid4().hex[:6]}", "category": "quality", "subject_type": "Part", "graph": graph}
    draft = engineer.post("/api/processes/", body, expect=201)
    page = f"/api/processes/{draft['id']}/"
    found = engineer.post(f"{page}validate/")["problems"]
    assert [(one["code"], one["path"]) for one in found] == expected
    assert all(one["message"] for one in found)
    for person, action in ((engineer, "submit"), (quality_manager, "approve")):
        refused = person.post(f"{page}{action}/", expect=422)
        assert (refused["code"], refused["problems"]) == ("process_invalid", found)
    assert engineer.get(page)["status"] == "draft"
