"""One text and one hash for all ways of writing the same process."""

import json
from datetime import timedelta
from typing import Any

import pytest

from models.flow.canonical import canonical, graph_as_json, graph_hash
from models.flow.durations import format_duration, parse_duration
from models.flow.graph import parse_graph
from models.flow.validate import problems_of
from models.templates import get_templates
from tests.flow.scene import edge, end, gate, raw_graph, step

SPARSE = raw_graph(step("a"), end(), edge("a", "end"))


@pytest.mark.parametrize("key", get_templates())
def test_the_canonical_text_is_a_fixed_point_and_means_the_same(key: str) -> None:
    raw = get_templates()[key].graph
    text = canonical(raw)
    assert canonical(json.loads(text)) == text
    assert parse_graph(json.loads(text)) == parse_graph(raw)
    assert problems_of(json.loads(text)) == ()


@pytest.mark.parametrize(
    "same",
    [
        {**SPARSE, "ui": {"zoom": 2}},
        {**SPARSE, "config": {}},
        {"edges": [{"to_step": "end", "from_step": "a", "ui": {"bend": 1}}], "steps": SPARSE["steps"]},
        raw_graph(
            end(order=2), step("a", order=1, description="", max_visits=None, is_terminal=False), edge("a", "end")
        ),
        raw_graph(step("a", ui={"x": 3}), end(requirements=[]), edge("a", "end", "default", "")),
        raw_graph(step("a", config={}), end(is_terminal=True, step_type="task"), edge("a", "end")),
    ],
)
def test_the_same_process_has_the_same_hash(same: Any) -> None:
    assert problems_of(same) == ()
    assert graph_hash(same) == graph_hash(SPARSE)


@pytest.mark.parametrize(
    "other",
    [
        raw_graph(step("a", name="B"), end(), edge("a", "end")),
        {**SPARSE, "config": {"deviation": {"second_person": True}}},
        raw_graph(step("a"), end()),
        raw_graph(step("a", requires_qa_signoff=True), end(), edge("a", "end")),
        raw_graph(step("a", requirements=[gate()]), end(), edge("a", "end")),
        raw_graph(step("a", expected_duration="P1D"), end(), edge("a", "end")),
    ],
)
def test_another_process_has_another_hash(other: Any) -> None:
    assert graph_hash(other) != graph_hash(SPARSE)


def test_numbers_survive_jsonb() -> None:
    """PostgreSQL writes 1e2 as 100 and 1e300 in full; both are the same number."""
    hashes = {
        graph_hash(raw_graph(step("a", config={"n": [n, 1.5, 1e-7, m]})))
        for n, m in ((1e2, 1e300), (100, 10**300), (100.0, 1e300))
    }
    assert len(hashes) == 1


def test_keys_are_written_in_their_order_at_every_depth() -> None:
    text = canonical(raw_graph(step("a", config={"b": {"z": 1, "y": 2}, "a": 3}), end()))
    assert '{"a":3,"b":{"y":2,"z":1}}' in text
    assert text.startswith('{"edges":')


def test_durations_have_one_spelling() -> None:
    spelled = ["P1D", "PT24H", "PT1440M", "PT86400S"]
    assert {format_duration(parse_duration(text)) for text in spelled} == {"P1D"}
    assert format_duration(timedelta(days=8, hours=1, minutes=2, seconds=3.5)) == "P8DT1H2M3.5S"
    assert parse_duration("P1W1DT1H2M3.5S") == timedelta(days=8, hours=1, minutes=2, seconds=3.5)
    for duration in (timedelta(microseconds=1), timedelta(days=400, microseconds=120), timedelta(hours=3)):
        assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "P1", "1D", "P-1D", "P1M", "P1Y", "PT0S", "P1DT", "P1.5.5D", "p1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_every_field_is_written_out() -> None:
    shown = graph_as_json(parse_graph(SPARSE))
    assert shown["steps"][0]["requires_operator_completion"] is True
    assert shown["edges"] == [{"from_step": "a", "to_step": "end", "edge_type": "default", "condition": ""}]
