"""The core's work grows with what is asked, never with its square (DESIGN §3.14: 10,000 subjects in one instance).

Calls are counted, not seconds, so that no neighbour on the machine changes the answer; `bench` has the seconds.
"""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow.batch import Decision, decide_all
from models.flow.carry import carry, restore
from models.flow.cohorts import pack, unpack
from models.flow.evolve import fold
from models.flow.facts import Facts
from models.flow.state import Ref, State
from models.flow.timing import next_deadline
from tests.flow.scene import INSTANCE, LINE, NOW, PERMISSIONS, graph, step

FEW, MANY = 1_000, 10_000
BATCH = (step("a", requires_batch_completion=True), step("b"))
FACTS = Facts(permissions=PERMISSIONS)

Work = Callable[[], object]


def calls(work: Work) -> int:
    """How many functions and methods are called while it is done."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def decide(parts: tuple[dict[str, object], ...], state: State, *asked: cmd.Command) -> Decision:
    return decide_all(graph(*parts), state, asked, FACTS, NOW)


def after(state: State, decision: Decision) -> State:
    return fold(state, (item.event for item in unpack(pack(decision.happened))))


def begun(subjects: int, parts: tuple[dict[str, object], ...] = LINE) -> State:
    state = State(instance_id=INSTANCE)
    return after(state, decide(parts, state, cmd.Begin(subjects=subjects)))


def completes(subjects: range) -> list[cmd.Command]:
    return [cmd.Complete(command_id="bulk", actor="ann", ref=Ref(n, "a")) for n in subjects]


def beginning(subjects: int) -> Work:
    return lambda: begun(subjects)


def carrying(subjects: int) -> Work:
    state = begun(subjects)
    return lambda: restore(carry(state))


def looking_for_the_next_deadline(subjects: int) -> Work:
    state = begun(subjects)
    return lambda: next_deadline(state)


def releasing_a_batch(subjects: int) -> Work:
    state = begun(subjects, BATCH)
    state = after(state, decide(BATCH, state, *completes(range(subjects - 1))))
    last = completes(range(subjects - 1, subjects))
    return lambda: after(state, decide(BATCH, state, *last))


@pytest.mark.parametrize("work", [beginning, carrying, looking_for_the_next_deadline, releasing_a_batch])
def test_ten_times_the_subjects_are_ten_times_the_work(work: Callable[[int], Work]) -> None:
    few, many = calls(work(FEW)), calls(work(MANY))
    assert few > FEW
    assert many / few < 11


def test_a_command_costs_the_same_in_a_crowd() -> None:
    def completing(crowd: int) -> int:
        state = begun(crowd)
        return calls(lambda: decide(LINE, state, *completes(range(500))))

    assert completing(MANY) / completing(FEW) < 1.1


def test_what_all_of_a_batch_do_is_few_events_to_be_kept() -> None:
    state = begun(MANY, BATCH)
    state = after(state, decide(BATCH, state, *completes(range(MANY - 1))))
    released = decide(BATCH, state, *completes(range(MANY - 1, MANY)))
    assert len(released.happened) > MANY
    assert len(pack(released.happened)) < 10
