"""What holds for any log: nothing is lost, every case can be walked, files bring back what was written."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.flow.graph import parse_graph
from models.flow.routing import choose
from models.flow.validate import problems_of
from models.templates.shape import Json
from tests.importlog.interpreter import walk
from tests.importlog.writing import read, write_csv, write_xes
from workers.importlog.compare import compare
from workers.importlog.discover import discover
from workers.importlog.executions import executions_of
from workers.importlog.lifecycle import find_lifecycle
from workers.importlog.log import Case, Event, LogError, Oddities
from workers.importlog.naming import END, HUB, START
from workers.importlog.ordering import in_order
from workers.importlog.plan import make_plan

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=12,
).filter(lambda text: bool(text.strip()))
activities = st.sampled_from(["A", "a", "A!", "Yes", "no", "Prüfen", "検査", "検", "log-start", "x" * 250]) | texts
lifecycles = st.sampled_from(
    ["", "start", "complete", "COMPLETE", "schedule", "assign", "suspend", "resume", "withdraw", "In Progress", "ended"]
)
times = st.integers(0, 20).map(lambda minutes: EPOCH + timedelta(minutes=minutes))
events = st.builds(
    Event,
    activity=activities,
    lifecycle=lifecycles,
    timestamp=st.none() | times,
    resource=st.sampled_from(["", "Ann", "Bo", "Åsa"]),
    instance=st.sampled_from(["", "1", "2"]),
)
logs = st.lists(st.lists(events, max_size=12), min_size=1, max_size=6).map(
    lambda cases: [Case(f"c{number}", in_order(found, "", Oddities())) for number, found in enumerate(cases)]
)


def shape(cases: Sequence[Case]) -> list[object]:
    """What a file must bring back of a log."""
    return [
        (case.id, [(one.activity, one.lifecycle, one.timestamp, one.resource) for one in case.events]) for case in cases
    ]


@given(logs)
def test_every_event_is_in_exactly_one_execution(cases: list[Case]) -> None:
    lifecycle = find_lifecycle(cases)
    for case in cases:
        grouped = [event for one in executions_of(case, lifecycle) for event in one.events]
        assert sorted(map(id, grouped)) == sorted(map(id, case.events))


@given(logs)
def test_every_case_can_be_walked_and_compares_equal(cases: list[Case]) -> None:
    plan = make_plan(cases, Oddities())
    assert [case.case_id for case in plan.cases] == [case.id for case in cases]
    for case in plan.cases:
        recorded, status = walk(plan.graph, case)
        assert compare(case, recorded) == []
        assert status == "completed"


@given(logs)
def test_a_graph_can_be_published_and_routes_as_planned(cases: list[Case]) -> None:
    plan = make_plan(cases, Oddities())
    assert problems_of(plan.graph) == ()
    graph = parse_graph(plan.graph)
    for case in plan.cases:
        following = [*(one.step for one in case.steps[1:]), END]
        for planned, after in zip(case.steps, following, strict=True):
            way = choose(graph, graph.steps[planned.step], planned.decision_result)
            assert way.step is not None
            assert way.step.key == after
    assert graph.first.key == START


@given(logs)
def test_a_graph_is_sound(cases: list[Case]) -> None:
    graph = make_plan(cases, Oddities()).graph
    keys = [step["key"] for step in graph["steps"]]
    names = [step["name"] for step in graph["steps"]]
    assert len(set(keys)) == len(keys)
    assert len(set(names)) == len(names)
    assert all(0 < len(key) <= 100 and key.isascii() for key in keys)
    assert all(0 < len(name) <= 200 for name in names)
    for step in graph["steps"]:
        _assert_ways(step, [edge for edge in graph["edges"] if edge["from_step"] == step["key"]])


@given(logs)
def test_a_hub_leads_every_case_where_edges_are_too_many(cases: list[Case]) -> None:
    lifecycle = find_lifecycle(cases)
    walks = [executions_of(case, lifecycle) for case in cases]
    direct, hub = discover(walks), discover(walks, most_edges=0)
    assert not direct.has_hub
    assert hub.has_hub
    assert problems_of(hub.graph) == ()
    ways = {(edge["from_step"], edge["to_step"]) for edge in hub.graph["edges"]}
    for executions in walks:
        assert set(pairwise(hub.way(executions))) <= ways
        assert [key for key in hub.way(executions) if key != HUB] == direct.way(executions)


def test_a_log_with_more_activities_than_a_process_has_steps_is_refused() -> None:
    wide = [Case("1", tuple(Event(f"A{number}") for number in range(500)))]
    with pytest.raises(LogError, match="log_too_wide"):
        make_plan(wide, Oddities())


def _assert_ways(step: Json, leaving: Sequence[Json]) -> None:
    if step["is_terminal"]:
        assert not leaving
        return
    assert [edge["edge_type"] for edge in leaving].count("default") == 1
    assert step["is_decision_point"] == (len(leaving) > 1)
    assert [edge["condition"] for edge in leaving] == [edge["to_step"] if len(leaving) > 1 else "" for edge in leaving]


@settings(deadline=None)
@given(cases=logs, packed=st.booleans())
def test_xes_brings_back_what_was_written(
    cases: list[Case], packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("xes") / ("log.xes.gz" if packed else "log.xes")
    assert shape(read(write_xes(path, cases))) == shape(cases)


@settings(deadline=None)
@given(
    cases=logs,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    header=st.sampled_from(
        [
            ("case:concept:name", "concept:name", "time:timestamp", "org:resource", "lifecycle:transition"),
            ("Case ID", "Activity", "Complete Timestamp", "Resource", "lifecycle"),
            ("case_id", "task", "time", "user", "transition"),
        ]
    ),
)
def test_csv_brings_back_what_was_written(
    cases: list[Case], delimiter: str, header: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    filled = [case for case in cases if case.events] or [Case("c", (Event("A"),))]
    path = tmp_path_factory.mktemp("csv") / "log.csv"
    assert shape(read(write_csv(path, filled, header, delimiter))) == shape(filled)


def test_a_path_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_xes(Path("log.xes"), [Case("1", (Event("A"),))])
    assert read(Path("log.xes"))[0].events[0].activity == "A"
