"""A step may demand two persons for a deviation: the core refuses one alone, and names both."""

from typing import Any

import pytest

from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.authority import WITNESSED
from models.flow.state import Ref
from tests.flow.scene import Scene, end, gate, graph, kinds, of_type, step

WHY = "agreed with the customer"
REF = Ref(0, "a")


def guarded(rule: Any = True) -> Scene:
    """One subject at a step with a gate and a rule for deviations."""
    return Scene(
        graph(step("a", requirements=[gate()], config={"deviation": {"second_person": rule}}), step("b"), end())
    )


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


@pytest.mark.parametrize(("rule", "refused"), [(["move"], False), (["skip"], True), (False, False), ("skip", False)])
def test_a_step_may_demand_it_for_some_deviations_only(rule: Any, refused: bool) -> None:
    assert guarded(rule).do("skip", "sue", reason=WHY).refused is refused


@pytest.mark.parametrize(("second", "code"), [("sue", "self_confirmation"), ("bob", "forbidden")])
def test_the_second_is_another_person_with_the_same_permission(second: str, code: str) -> None:
    assert guarded().do("skip", "sue", reason=WHY, confirmed_by=second).outcome == code


def test_whoever_confirms_what_nobody_demanded_is_named_all_the_same() -> None:
    scene = guarded(rule=False)
    scene.do("skip", "sue", reason=WHY, confirmed_by="chief")
    assert len(of_type(scene.events, ev.DeviationConfirmed)) == 1
