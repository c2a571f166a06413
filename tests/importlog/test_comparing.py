"""A comparison finds every difference of step, person, order and number."""

from workers.importlog.compare import Completed, compare
from workers.importlog.plan import CasePlan, PlannedStep

PLAN = CasePlan(
    "7",
    (
        PlannedStep(step="log-start"),
        PlannedStep(step="weld", completer="Ann"),
        PlannedStep(step="test", completer="Bo", starter="Ann", starts=True),
    ),
)
RIGHT = [Completed("log-start", ""), Completed("weld", "Ann"), Completed("test", "Bo", "Ann"), Completed("log-end", "")]


def told(*found: Completed) -> list[str]:
    return [str(one) for one in compare(PLAN, found)]


def test_the_same_record_has_no_mismatch() -> None:
    assert told(*RIGHT) == []


def test_another_person_is_a_mismatch() -> None:
    assert told(Completed("weld", "Bo"), RIGHT[2]) == ["7, step 1: expected weld by Ann, found weld by Bo"]
    assert told(RIGHT[1], Completed("test", "Bo")) == [
        "7, step 2: expected test by Bo, started by Ann, found test by Bo"
    ]


def test_another_order_is_a_mismatch_at_each_place() -> None:
    assert len(told(RIGHT[2], RIGHT[1])) == 2


def test_a_missing_and_an_extra_step_are_mismatches() -> None:
    assert told(RIGHT[1]) == ["7, step 2: expected test by Bo, started by Ann, found nothing"]
    assert told(*RIGHT, Completed("pack", "")) == ["7, step 3: expected nothing, found pack by nobody named"]


def test_who_started_counts_only_where_the_log_says_so() -> None:
    assert told(Completed("weld", "Ann", starter="Bo"), RIGHT[2]) == []
