"""Which way a subject goes by what was measured, and by what quality reports say; the audit trail says which it was."""

import pytest

from tests.e2e.drawing import (
    act,
    all_at,
    approved,
    at,
    audited,
    begun,
    characteristic,
    decided,
    decision,
    edge,
    end,
    ended,
    ends,
    executions,
    gate,
    give,
    measured,
    path,
    step,
)
from tests.e2e.people import Json, Person


@pytest.fixture(scope="module")
def bore(admin: Person) -> str:
    """Key of a characteristic: 12 mm, and 0.5 more or less."""
    return characteristic(admin, nominal="12", upper_tol="0.5", lower_tol="0.5")


def measure(person: Person, execution: Json, value: str) -> None:
    """A bore."""
    give(person, execution, "bore", **measured(value))


def report(person: Person, workflow: Json, status: str) -> None:
    """What an inspection said of the first subject."""
    subject = executions(person, workflow)[0]["subject"]["id"]
    body = {"subject": subject, "status": status, "description": "seen by eye"}
    person.post("/api/quality-reports/", body, expect=201)


def test_measurements_decide_by_what_edges_compare(admin: Person, engineer: Person, bore: str) -> None:
    def compared(operator: str, value: str) -> Json:
        return {"config": {"measurement_definition": bore, "operator": operator, "value": value}}

    ways = ("large", "small", "exact", "between")
    process = approved(
        admin, step("gauge", requirements=[gate("bore", "measurement", measurement_definition=bore)]),
        decision("measurement"), *map(end, ways), edge("gauge", "sort"), edge("sort", "between"),
        edge("sort", "large", "alternate", **compared("gte", "12.3")),
        edge("sort", "small", "alternate", **compared("lte", "11.7")),
        edge("sort", "exact", "alternate", **compared("eq", "12")),
    )  # fmt: skip
    workflow = begun(engineer, process, {}, {}, {}, {})
    for execution, value in zip(all_at(engineer, workflow, "gauge", 4), ("12.3", "11.6", "12.0", "12.1"), strict=True):
        measure(engineer, execution, value)
        act(engineer, execution)
    assert ends(engineer, workflow, ways) == ["large", "small", "exact", "between"]
    assert decided(admin, workflow) == [("12.3", "large"), ("11.6", "small"), ("12", "exact"), ("", "between")]


def test_measurements_decide_by_tolerance_and_what_was_not_measured_fails(
    admin: Person, engineer: Person, quality_manager: Person, bore: str
) -> None:
    optional = {**gate("bore", "measurement", measurement_definition=bore), "is_mandatory": False}
    process = approved(
        admin, step("gauge", requirements=[optional]), decision("measurement"), end("good"), end("bad"),
        edge("gauge", "sort"), edge("sort", "good"), edge("sort", "bad", "alternate"),
    )  # fmt: skip
    workflow = begun(engineer, process, {}, {}, {}, {})
    inside, outside, unmeasured, accepted = all_at(engineer, workflow, "gauge", 4)
    measure(engineer, inside, "12.5")
    measure(engineer, outside, "12.51")
    measure(engineer, accepted, "12.51")
    (shown,) = engineer.requirements(accepted["id"])
    said = {"measurement_ids": [shown["evidence"]["values"][0]["id"]], "decision": "use_as_is",
            "reason": "Fit is not affected."}  # fmt: skip
    give(quality_manager, accepted, "bore", disposition=said)
    for execution in (inside, outside, unmeasured, accepted):
        act(engineer, execution)
    assert ends(engineer, workflow, ("good", "bad")) == ["good", "bad", "bad", "good"]
    assert decided(admin, workflow) == [("pass", "good"), ("fail", "bad"), ("fail", "bad"), ("pass", "good")]


def test_quality_results_decide_and_each_visit_needs_its_own(admin: Person, engineer: Person) -> None:
    process = approved(
        admin, step("look"), decision("qa_result"), step("rework"), end("good"),
        *path("look", "sort"), edge("sort", "good"), edge("sort", "rework", "alternate"), edge("rework", "sort"),
    )  # fmt: skip
    workflow = begun(engineer, process)
    act(engineer, at(engineer, workflow, "look"))
    first = at(engineer, workflow, "rework")
    report(engineer, workflow, "pass")
    report(engineer, workflow, "pending")
    act(engineer, first)
    second = at(engineer, workflow, "rework")
    assert second["visit_number"] == 2
    report(engineer, workflow, "pass")
    act(engineer, second)
    ended(engineer, workflow)
    assert decided(admin, workflow) == [("fail", "rework"), ("fail", "rework"), ("pass", "good")]
    assert [one["new"]["status"] for one in audited(admin, workflow, "quality.reported")] == [
        "pass", "pending", "pass"
    ]  # fmt: skip


def test_a_quality_result_counts_for_one_visit_only(admin: Person, engineer: Person) -> None:
    process = approved(
        admin, step("look"), decision("qa_result"), step("again", is_decision_point=True), step("rework"), end("good"),
        *path("look", "sort", "again"), edge("sort", "rework", "alternate"), edge("again", "good"),
        edge("again", "sort", "alternate"),
        edge("rework", "sort"),
    )  # fmt: skip
    workflow = begun(engineer, process)
    report(engineer, workflow, "pass")
    act(engineer, at(engineer, workflow, "look"))
    act(engineer, at(engineer, workflow, "again"), decision_result="fail")
    assert at(engineer, workflow, "rework")["visit_number"] == 1
    assert decided(admin, workflow) == [("pass", "again"), ("fail", "rework")]
