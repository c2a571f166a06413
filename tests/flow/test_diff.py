"""What differs between two versions, as a table."""

import json
from typing import Any

import pytest

from models.flow.canonical import canonical
from models.flow.diff import Difference, difference

BEFORE: dict[str, Any] = {
    "steps": [
        {"key": "weld", "name": "Weld", "requirements": [
            {"key": "look", "requirement_type": "checklist", "name": "Look", "config": {"items": ["Seam"]}}]},
        {"key": "end", "name": "End", "step_type": "terminal"},
    ],
    "edges": [{"from_step": "weld", "to_step": "end"}],
}  # fmt: skip


def changed(**steps: dict[str, Any]) -> dict[str, Any]:
    """`BEFORE` with other fields at some steps."""
    return {**BEFORE, "steps": [{**step, **steps.get(step["key"], {})} for step in BEFORE["steps"]]}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE, []),
        (json.loads(canonical(BEFORE)), []),
        (changed(weld={"max_visits": 3}), [("step", "changed", "weld", {"max_visits": (None, 3)})]),
        (changed(weld={"requires_operator_completion": False}),
         [("step", "changed", "weld", {"requires_operator_completion": (True, False)})]),
        (changed(weld={"requirements": []}), [("requirement", "removed", "weld/look", {})]),
        (changed(weld={"requirements": [{**BEFORE["steps"][0]["requirements"][0], "config": {"items": ["A"]}}]}),
         [("requirement", "changed", "weld/look", {"config": ({"items": ["Seam"]}, {"items": ["A"]})})]),
        ({**BEFORE, "edges": []}, [("edge", "removed", "weld → end", {})]),
        ({**BEFORE, "edges": [*BEFORE["edges"], {"from_step": "weld", "to_step": "end", "edge_type": "alternate"}]},
         [("edge", "added", "weld → end (alternate )", {})]),
        ({"steps": [*BEFORE["steps"], {"key": "new", "name": "New"}], "edges": BEFORE["edges"]},
         [("step", "added", "new", {})]),
        ({**BEFORE, "config": {}}, []),
        ({**BEFORE, "config": {"deviation": {"second_person": True}}},
         [("process", "changed", "", {"config": (None, {"deviation": {"second_person": True}})})]),
        ({"steps": BEFORE["steps"][1:], "edges": []},
         [("step", "changed", "end", {"order": (2, 1)}), ("step", "removed", "weld", {}),
          ("requirement", "removed", "weld/look", {}), ("edge", "removed", "weld → end", {})]),
    ],
)  # fmt: skip
def test_what_differs(after: dict[str, Any], expected: list[Any]) -> None:
    found = [(one.what, one.change, one.key, dict(one.fields)) for one in difference(BEFORE, after)]
    assert found == expected


def test_against_nothing_all_is_new() -> None:
    assert {one.change for one in difference({}, BEFORE)} == {"added"}
    assert [one.key for one in difference({}, BEFORE)] == ["weld", "end", "weld/look", "weld → end"]


@pytest.mark.parametrize("odd", [{"steps": None}, {"steps": ["x"], "edges": 5}, {"steps": [{}]}])
def test_a_draft_may_be_anything(odd: dict[str, Any]) -> None:
    assert all(isinstance(one, Difference) for one in difference(odd, BEFORE))
    assert all(isinstance(one, Difference) for one in difference(BEFORE, odd))
