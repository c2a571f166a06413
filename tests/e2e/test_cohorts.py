"""Deviations of many at once: what the preview says of them comes to be, for each, with the reason; over HTTP."""

from typing import Any

import pytest

from tests.e2e.drawing import (
    act,
    all_at,
    approved,
    at,
    audited,
    begun,
    edge,
    end,
    executions,
    gate,
    incident,
    path,
    step,
)
from tests.e2e.people import Json, Person

WHY = "agreed with the customer"


@pytest.fixture(scope="module")
def line(admin: Person) -> Json:
    """Parts that are made with a checklist, inspected, packed."""
    return approved(
        admin, step("make", requirements=[gate("list", "checklist", items=["clean"])]),
        step("inspect", is_decision_point=True), step("rework"), step("pack"), end("stock"),
        *path("make", "inspect", "pack", "stock"), edge("inspect", "rework", "alternate"), edge("rework", "inspect"),
    )  # fmt: skip


def bulk(person: Person, cohort: list[Json], action: str, expect: int = 200, **more: Any) -> list[Json]:
    """The same command to all of them; each one's answer."""
    body = {"action": action, "execution_ids": [one["id"] for one in cohort], **more}
    answer = person.post("/api/executions/bulk/", body, expect)
    return list(answer["items"])


def previewed(person: Person, workflow: Json, cohort: list[Json], action: str, **more: Any) -> list[Json]:
    """What would become of each of them."""
    body = {"action": action, "execution_ids": [one["id"] for one in cohort], **more}
    answer = person.post(f"/api/workflows/{workflow['id']}/preview/", body)
    assert answer["subject_count"] == len(cohort)
    return list(answer["subjects"])


def standing(person: Person, workflow: Json) -> list[tuple[str, str, int]]:
    """Subject, step and visit of everything that is open."""
    return [
        (one["subject"]["id"], one["step"]["key"], one["visit_number"])
        for one in executions(person, workflow)
        if one["exited_at"] is None
    ]


def opening(seen: list[Json]) -> list[tuple[str, str, int]]:
    """The same of what a preview would open."""
    return [(one["subject"]["id"], place["step"], place["visit_number"]) for one in seen for place in one["opens"]]


@pytest.mark.parametrize(
    ("action", "asked", "outcome", "status", "leads_to"),
    [
        ("skip", {}, "skipped", "skipped", "inspect"),
        ("skip", {"to_step": "pack"}, "skipped", "skipped", "pack"),
        ("move", {"to_step": "rework"}, "moved", "cancelled", "rework"),
    ],
)
def test_a_cohort_goes_where_its_preview_said(
    admin: Person, engineer: Person, quality_manager: Person, line: Json,
    action: str, asked: Json, outcome: str, status: str, leads_to: str,
) -> None:  # fmt: skip
    workflow = begun(engineer, line, {}, {}, {}, {})
    *cohort, _ = all_at(engineer, workflow, "make", 4)
    seen = previewed(quality_manager, workflow, cohort, action, **asked)
    assert {one["subject"]["id"] for one in seen} == {one["subject"]["id"] for one in cohort}
    named = {"action": action, "execution_ids": [one["id"] for one in cohort], "reason": WHY, **asked}
    assert engineer.post("/api/executions/bulk/", named, 403)["permission"] == f"execution.{action}"
    answers = bulk(quality_manager, cohort, action, reason=WHY, **asked)
    assert [one["outcome"] for one in answers] == [outcome] * 3
    assert sorted(opening(seen)) == sorted(one for one in standing(engineer, workflow) if one[1] == leads_to)
    assert len(all_at(engineer, workflow, "make", 1)) == 1
    left = audited(admin, workflow, "execution_diverted")
    assert {one["execution"] for one in left} == {one["id"] for one in cohort}
    assert {(one["new"]["how"], one["new"]["status"], one["reason"]) for one in left} == {(action, status, WHY)}
    assert {one["actor"]["username"] for one in left} == {quality_manager.username}


def test_a_cohort_is_rewound_and_what_it_did_since_is_rolled_back(
    admin: Person, engineer: Person, quality_manager: Person, line: Json
) -> None:
    workflow = begun(engineer, line, {}, {})
    bulk(quality_manager, all_at(engineer, workflow, "make", 2), "move", to_step="inspect", reason=WHY)
    bulk(engineer, all_at(engineer, workflow, "inspect", 2), "complete", decision_result="fail")
    cohort = all_at(engineer, workflow, "rework", 2)
    seen = previewed(quality_manager, workflow, cohort, "rewind", to_step="inspect")
    bulk(quality_manager, cohort, "rewind", to_step="inspect", reason=WHY)
    assert sorted(opening(seen)) == sorted(standing(engineer, workflow))
    assert {key for _, key, visit in standing(engineer, workflow) if visit == 2} == {"inspect"}
    first = [one for one in executions(engineer, workflow, step="inspect") if one["visit_number"] == 1]
    assert [one["status"] for one in first] == ["rolled_back"] * 2
    back = audited(admin, workflow, "visit_rolled_back")
    assert {(one["execution"], one["reason"]) for one in back} == {(one["id"], WHY) for one in first}


def test_a_cohort_is_forced_past_what_is_unmet_by_those_who_may(
    admin: Person, engineer: Person, quality_manager: Person, line: Json
) -> None:
    workflow = begun(engineer, line, {}, {})
    cohort = all_at(engineer, workflow, "make", 2)
    unmet = bulk(engineer, cohort, "complete", 207)
    assert [(one["problem"]["code"], one["problem"]["unmet"][0]["name"]) for one in unmet] == [
        ("requirements_unmet", "List")
    ] * 2  # fmt: skip
    assert [one["problem"]["code"] for one in previewed(engineer, workflow, cohort, "complete")] == [
        "requirements_unmet"
    ] * 2  # fmt: skip
    force: Json = {"force": {"reason": WHY}}
    asked = {"action": "complete", "execution_ids": [one["id"] for one in cohort], **force}
    assert engineer.post("/api/executions/bulk/", asked, 403)["permission"] == "execution.force"
    seen = previewed(quality_manager, workflow, cohort, "force")
    assert [one["problem"] for one in seen] == [None, None]
    assert {one["outcome"] for one in bulk(quality_manager, cohort, "complete", **force)} == {"advanced"}
    assert sorted(opening(seen)) == sorted(standing(engineer, workflow))
    done = audited(admin, workflow, "execution_completed")
    assert {(one["reason"], one["actor"]["username"]) for one in done} == {(WHY, quality_manager.username)}


def test_some_of_a_cohort_may_be_refused_and_the_others_go(
    admin: Person, engineer: Person, quality_manager: Person, line: Json
) -> None:
    workflow = begun(engineer, line, {}, {})
    first, second = all_at(engineer, workflow, "make", 2)
    act(quality_manager, first, "skip", reason=WHY)
    again = bulk(quality_manager, [first, second], "skip", 207, reason=WHY)
    assert [one.get("outcome") or one["problem"]["code"] for one in again] == ["execution_closed", "skipped"]
    both = all_at(engineer, workflow, "inspect", 2)
    without = bulk(quality_manager, both, "skip", 207, reason=WHY)
    assert {one["problem"]["code"] for one in without} == {"decision_required"}
    act(engineer, both[0], decision_result="fail")
    mixed = [at(engineer, workflow, "rework"), both[1]]
    back = bulk(quality_manager, mixed, "rewind", 207, to_step="rework", reason=WHY)
    assert [one.get("outcome") or one["problem"]["code"] for one in back] == ["rewound", "never_visited"]
    refused = [one["new"]["code"] for one in audited(admin, workflow, "command_refused")]
    assert sorted(refused) == ["decision_required", "decision_required", "execution_closed", "never_visited"]


def test_what_leaves_a_branch_for_good_ends_the_other_branches(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    process = approved(
        admin, step("before"), step("split", step_type="fork"), step("mill"), step("turn"), step("drill"),
        step("meet", step_type="join"), step("pack"), end(), *path("before", "split", "mill", "turn", "meet"),
        edge("split", "drill"), *path("drill", "meet", "pack", "end"),
    )  # fmt: skip
    workflow = begun(engineer, process)
    act(engineer, at(engineer, workflow, "before"))
    drill = at(engineer, workflow, "drill")
    within = act(quality_manager, at(engineer, workflow, "mill"), "move", to_step="turn", reason=WHY)
    assert engineer.get(f"/api/executions/{drill['id']}/")["status"] == "pending"
    act(engineer, drill)
    (turn,) = within["next"]
    assert act(quality_manager, turn, "rewind", 409, to_step="drill", reason=WHY)["code"] == "other_branch"
    act(quality_manager, turn, "rewind", to_step="before", reason=WHY)
    before = at(engineer, workflow, "before")
    assert (before["visit_number"], before["branch"]) == (2, "")
    assert engineer.get(f"/api/executions/{drill['id']}/")["status"] == "rolled_back"
    act(engineer, before)
    left = at(engineer, workflow, "drill")
    act(quality_manager, at(engineer, workflow, "mill"), "move", to_step="pack", reason=WHY)
    assert engineer.get(f"/api/executions/{left['id']}/")["status"] == "cancelled"
    assert at(engineer, workflow, "pack")["branch"] == ""


def test_leaving_a_stopped_step_resolves_its_incident(admin: Person, engineer: Person, quality_manager: Person) -> None:
    sort = step("sort", is_decision_point=True, decision_type="expression", requires_operator_completion=False)
    big = edge("sort", "big", condition="subject.attributes.size > 1")
    process = approved(admin, sort, end("big"), end("small"), big, edge("sort", "small"))
    workflow = begun(engineer, process)
    stopped = incident(engineer, workflow)
    act(quality_manager, at(engineer, workflow, "sort"), "move", to_step="small", reason=WHY)
    shown = engineer.get(f"/api/incidents/{stopped['id']}/")
    assert shown["resolved_at"] is not None
    (resolved,) = audited(admin, workflow, "incident_resolved")
    assert resolved["actor"]["username"] == quality_manager.username
