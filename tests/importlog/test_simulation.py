"""Real logs: every planned case can be walked, and what is recorded is what the log says."""

from pathlib import Path

import pytest

from tests.importlog.interpreter import walk
from workers.importlog.compare import compare
from workers.importlog.log import Fields, Oddities
from workers.importlog.plan import ImportPlan, make_plan
from workers.importlog.reader import read_cases

DATA = Path(__file__).parents[3] / "shared" / "data"


def planned(name: str, limit: int | None = None) -> ImportPlan:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the sample log {name} is not at hand")
    oddities = Oddities()
    return make_plan(read_cases(path, Fields(), oddities, limit), oddities)


def assert_walks(plan: ImportPlan) -> None:
    for case in plan.cases:
        recorded, status = walk(plan.graph, case)
        assert compare(case, recorded) == []
        assert status == "completed"


def test_bpic_2013_its_first_300_cases() -> None:
    plan = planned("bpic2013_closed_problems.xes.gz", 300)
    assert len(plan.cases) == 300
    assert_walks(plan)


def test_bpic_2013_as_a_whole_has_a_step_per_state() -> None:
    plan = planned("bpic2013_closed_problems.xes.gz")
    assert (len(plan.cases), plan.events, plan.completions) == (1487, 6660, 6660)
    assert {step["name"] for step in plan.graph["steps"]} == {
        "Start",
        "Queued/Awaiting Assignment",
        "Accepted/In Progress",
        "Accepted/Assigned",
        "Accepted/Wait",
        "Completed/Closed",
        "Completed/Cancelled",
        "Unmatched/Unmatched",
        "End",
    }
    assert not plan.oddities.counts
    assert_walks(plan)


def test_repair_example_pairs_starts_with_completions() -> None:
    plan = planned("repair_example.xes.gz")
    assert (len(plan.cases), plan.events, plan.completions) == (1104, 11855, 7734)
    assert {step["name"] for step in plan.graph["steps"]} == {
        "Start",
        "Register",
        "Analyze Defect",
        "Repair (Simple)",
        "Repair (Complex)",
        "Test Repair",
        "Restart Repair",
        "Inform User",
        "Archive Repair",
        "End",
    }
    assert plan.oddities.counts["executions without an end in the log"] == 1
    assert plan.oddities.counts["cases with overlapping executions"] == 610
    assert plan.oddities.skipped == 0
    assert_walks(plan)
