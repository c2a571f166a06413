"""A step may demand two persons for a deviation: the core refuses one alone, and names both."""

from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.authority import WITNESSED, demanded
from models.flow.graph import parse_graph
from models.flow.state import Ref
from models.flow.validate import problems_of
from tests.flow.scene import Scene, end, gate, kinds, of_type, raw_graph, step

WHY = "agreed with the customer"
REF = Ref(0, "a")


def guarded(rule: Any = True, everywhere: Any = None) -> Scene:
    """One subject at a step with a gate and a rule for deviations, and perhaps one for the whole process."""
    raw = raw_graph(step("a", requirements=[gate()], config={"deviation": {"second_person": rule}}), step("b"), end())
    if everywhere is not None:
        raw["config"] = {"deviation": {"second_person": everywhere}}
    assert problems_of(raw) == ()
    return Scene(parse_graph(raw))


ASKED: dict[str, Any] = {
    "force": lambda **who: cmd.Complete(ref=REF, force=WHY, **who),
    "skip": lambda **who: cmd.Skip(ref=REF, reason=WHY, **who),
    "move": lambda **who: cmd.Move(ref=REF, reason=WHY, to_step="b", **who),
    "rewind": lambda **who: cmd.Rewind(ref=REF, reason=WHY, to_step="a", **who),
    "add_subjects": lambda **who: cmd.AddSubjects(subject_ids=("x",), reason=WHY, **who),
    "remove_subjects": lambda **who: cmd.RemoveSubjects(subject_ids=("s0",), reason=WHY, **who),
    "split": lambda **who: cmd.Split(groups=(cmd.Group(lot="x", refs=(REF,)),), reason=WHY, **who),
    "merge": lambda **who: cmd.Merge(refs=(REF,), into="x", reason=WHY, **who),
}


def test_every_deviation_of_the_table_is_covered() -> None:
    assert set(ASKED) == WITNESSED


@pytest.mark.parametrize("deviation", ASKED)
def test_one_alone_is_refused_and_two_are_named(deviation: str) -> None:
    scene = guarded()
    alone = ASKED[deviation](command_id="c", actor="sue")
    assert scene.ask(alone).params == {"deviation": deviation}
    witnessed = ASKED[deviation](command_id="c", actor="sue", confirmed_by="chief")
    assert scene.ask(witnessed).refused is False
    (confirmed,) = of_type(scene.events, ev.DeviationConfirmed)
    assert (confirmed.proposed_by, confirmed.confirmed_by, confirmed.deviation) == ("sue", "chief", deviation)
    assert kinds(scene.events).index("deviation_confirmed") == kinds(scene.events).index("command_refused") + 1


@pytest.mark.parametrize(("rule", "refused"), [(["move"], False), (["skip"], True), (False, False)])
def test_a_step_may_demand_it_for_some_deviations_only(rule: Any, refused: bool) -> None:
    assert guarded(rule).do("skip", "sue", reason=WHY).refused is refused


@pytest.mark.parametrize(
    ("rule", "everywhere", "refused"),
    [(["move"], ["skip"], True), (["move"], True, True), (False, True, True), (False, ["move"], False)],
)
def test_what_the_process_demands_adds_to_what_a_step_does(rule: Any, everywhere: Any, refused: bool) -> None:
    assert guarded(rule, everywhere).do("skip", "sue", reason=WHY).refused is refused


def test_where_nothing_is_concerned_the_process_demands_nobody() -> None:
    assert demanded(guarded(everywhere=True).graph, [], "skip") is False
    assert demanded(guarded(False, everywhere=True).graph, ["b"], "skip") is True


@pytest.mark.parametrize(("second", "code"), [("sue", "self_confirmation"), ("bob", "forbidden")])
def test_the_second_is_another_person_with_the_same_permission(second: str, code: str) -> None:
    assert guarded().do("skip", "sue", reason=WHY, confirmed_by=second).outcome == code


def test_whoever_confirms_what_nobody_demanded_is_named_all_the_same() -> None:
    scene = guarded(rule=False)
    scene.do("skip", "sue", reason=WHY, confirmed_by="chief")
    assert len(of_type(scene.events, ev.DeviationConfirmed)) == 1
