"""Executions that are started and given in one record change once; anything else keeps its order."""

from dataclasses import replace

import pytest

from activities.contract import Cohort
from activities.projection import starts_to_join
from models.flow import events as ev
from models.flow.state import Ref
from tests.flow.scene import NOW

A, B = Ref(0, "a"), Ref(0, "b")


def started(*subjects: int, at: Ref = A) -> Cohort:
    return Cohort(event=ev.ExecutionStarted(ref=at, at=NOW, by="ann"), subjects=subjects)


def completed(*subjects: int, at: Ref = A) -> Cohort:
    return Cohort(event=ev.ExecutionCompleted(ref=at, at=NOW, by="ann"), subjects=subjects)


def released(*subjects: int) -> Cohort:
    return Cohort(event=ev.ExecutionReleased(ref=A, at=NOW, by="ann"), subjects=subjects)


@pytest.mark.parametrize(
    ("cohorts", "joined"),
    [
        ([started(0, 1), completed(0, 1)], {1: 0}),
        ([started(0, 1), completed(2), completed(0, 1)], {2: 0}),
        ([started(0), started(1), completed(1), completed(0)], {2: 1, 3: 0}),
        ([started(0, 1), completed(0)], {}),
        ([started(0, 1), completed(0), completed(1)], {}),
        ([started(0), completed(0, 1)], {}),
        ([started(0), completed(0, at=B)], {}),
        ([started(0), completed(0, at=A._replace(visit=2))], {}),
        ([started(0), released(0), completed(0)], {}),
        ([completed(0), started(0)], {}),
        ([started(0), Cohort(event=ev.InstanceCompleted(at=NOW)), completed(0)], {1 + 1: 0}),
    ],
)
def test_which_starts_go_with_what_was_given(cohorts: list[Cohort], joined: dict[int, int]) -> None:
    assert starts_to_join(cohorts) == joined


def test_what_waits_for_others_is_given_too() -> None:
    awaited = ev.BatchAwaited(ref=A, at=NOW, by="ann")
    for event in (awaited, ev.SignoffAwaited(ref=A, at=NOW, by="ann")):
        assert starts_to_join([started(0), replace(completed(0), event=event)]) == {1: 0}
