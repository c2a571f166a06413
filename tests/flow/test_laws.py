"""Laws that hold for every valid graph and every walk through it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.flow import commands as cmd
from models.flow.batch import decide_all
from models.flow.canonical import canonical
from models.flow.evolve import fold
from models.flow.graph import parse_graph
from models.flow.runs import from_runs, to_runs
from models.flow.shape import STEP_FIELDS
from models.flow.state import Ref
from models.flow.status import ExecutionStatus, InstanceStatus
from models.flow.validate import problems_of
from tests.flow.scene import Json, Scene, hold, resume
from tests.flow.strategies import LAW, json_values, raw_graphs, valid_graphs
from tests.flow.walk import (
    TOGETHER,
    check_decision,
    check_moves,
    check_packing,
    check_repeat,
    check_state,
    draw_walk,
    lead_to_the_end,
)


def begun(raw: Json, subjects: int) -> Scene:
    return Scene(parse_graph(raw), subjects=subjects)


@pytest.mark.slow
@LAW
@given(valid_graphs(), st.integers(1, 3), st.data())
def test_every_walk(raw: Json, subjects: int, data: st.DataObject) -> None:
    """Nothing given changes, fold = state, nobody is lost, limits hold, refusals and repetitions move nothing."""
    scene = begun(raw, subjects)
    check_state(scene)
    for asked in draw_walk(data, scene, 30):
        check_decision(scene, asked)
        check_packing(scene, asked)
        check_moves(scene, asked)
        scene.play(asked)
        check_state(scene)
        check_repeat(scene, asked)


@LAW
@given(valid_graphs(), st.integers(1, 3), st.data())
def test_no_reachable_state_is_stuck(raw: Json, subjects: int, data: st.DataObject) -> None:
    scene = begun(raw, subjects)
    for asked in draw_walk(data, scene, 18):
        scene.play(asked)
    lead_to_the_end(scene)
    check_state(scene)
    assert scene.state.status in {InstanceStatus.COMPLETED, InstanceStatus.CANCELLED}


@LAW
@given(valid_graphs(), st.integers(2, 4), st.data())
def test_a_batch_of_commands_does_what_they_do_one_by_one(raw: Json, subjects: int, data: st.DataObject) -> None:
    raw = _without_gates(raw)
    together, apart = begun(raw, subjects), begun(raw, subjects)
    together.messages = apart.messages = None
    asked: list[cmd.Command] = []
    for one in draw_walk(data, apart, 15, TOGETHER):
        asked.append(one)
        apart.now = together.now
        apart.play(one)
    together.snoozed = apart.snoozed
    batch = together.decide(*asked)
    after = fold(together.state, (item.event for item in batch.happened))
    after.seq = apart.state.seq
    assert _without_incidents(after) == _without_incidents(apart.state)
    assert [(o.command_id, o.ref, o.outcome) for o in batch.outcomes] == [
        (o.command_id, o.ref, o.outcome) for o in apart.outcomes
    ]


def _without_gates(raw: Json) -> Json:
    return {**raw, "steps": [{**step, "requirements": []} for step in raw["steps"]]}


def _without_incidents(state: Any) -> Any:
    """An incident's id holds its journal position, which is another one when records are grouped otherwise."""
    tokens = {
        ref: (token.status, token.assignee, token.result, token.forced, token.incident is not None)
        for ref, token in state.tokens.items()
    }
    return tokens, state.status, state.finished, state.busy, state.hops


@LAW
@given(valid_graphs(), st.integers(1, 3), st.integers(0, 5_000), st.data())
def test_hold_and_resume_move_every_deadline_by_the_time_held(
    raw: Json, subjects: int, minutes: int, data: st.DataObject
) -> None:
    scene = begun(raw, subjects)
    for asked in draw_walk(data, scene, 10):
        scene.play(asked)
    if scene.state.status is not InstanceStatus.IN_PROGRESS:
        return
    before, start = dict(scene.state.tokens), scene.now
    scene.ask(hold())
    scene.pass_time(minutes=minutes)
    scene.ask(resume())
    for ref, token in scene.state.tokens.items():
        due = before[ref].due_at
        assert token.due_at == (None if due is None else due + (scene.now - start))
        rings = before[ref].wake_at
        assert token.wake_at == (None if rings is None else rings + (scene.now - start))
    assert scene.state.tokens.keys() == before.keys()


@LAW
@given(json_values)
def test_no_json_makes_validation_raise(value: Any) -> None:
    problems_of(value)
    problems_of({"steps": value, "edges": value})
    problems_of({"steps": [value], "edges": [value]})


@LAW
@given(raw_graphs(), json_values, st.data())
def test_a_damaged_graph_is_refused_or_still_works(raw: Json, value: Any, data: st.DataObject) -> None:
    """Whatever is put in any place: validation never raises, and what it passes can be parsed, hashed and begun."""
    part: Any = data.draw(st.sampled_from([*raw["steps"], *raw["edges"]]), label="part")
    part = dict(part)
    place = data.draw(st.sampled_from([*part, *STEP_FIELDS, "requirement"]), label="field")
    part[place] = [{"key": value, "requirement_type": "custom", "name": "n"}] if place == "requirement" else value
    changed = {
        "steps": [part if "key" in part and one.get("key") == part["key"] else one for one in raw["steps"]],
        "edges": [*raw["edges"], *([part] if "from_step" in part else [])],
    }
    if problems_of(changed):
        return
    scene = begun(changed, 2)
    assert canonical(changed)
    scene.play(cmd.Complete(command_id="c", actor="sue", ref=Ref(0, scene.graph.first.key), decision_result="pass"))
    check_state(scene)


@LAW
@given(valid_graphs())
def test_the_canonical_text_reads_back_as_the_same_graph(raw: Json) -> None:
    text = canonical(raw)
    assert parse_graph(json.loads(text)) == parse_graph(raw)
    assert canonical(json.loads(text)) == text


@LAW
@given(st.lists(st.none() | st.integers(-5, 5) | st.integers(), max_size=60))
def test_columns_of_numbers_read_back(column: list[int | None]) -> None:
    assert from_runs(to_runs(column)) == column


@LAW
@given(valid_graphs(), st.integers(1, 3))
def test_the_same_commands_make_the_same_events(raw: Json, subjects: int) -> None:
    one, other = begun(raw, subjects), begun(raw, subjects)
    assert one.events == other.events
    again = [
        decide_all(one.graph, one.state, [cmd.Recheck(ref=ref)], one.facts(), one.now)
        for ref in sorted(one.state.tokens)
    ]
    assert again == [
        decide_all(other.graph, other.state, [cmd.Recheck(ref=r)], other.facts(), other.now) for r in other.state.tokens
    ]
    assert ExecutionStatus.COMPLETED not in {token.status for token in one.state.tokens.values()}
