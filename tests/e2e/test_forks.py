"""Several things at once: forks and joins, batches in which each goes its own way, rework with limits; over HTTP."""

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
    ended,
    ends,
    executions,
    incident,
    path,
    step,
)
from tests.e2e.people import Json, Person

WHY = "agreed with the customer"


def fork(key: str, join: str, *branches: str, require: Any = "all") -> list[Json]:
    """A fork, its branches of one step each, and the join of them."""
    return [
        step(key, step_type="fork"), *map(step, branches),
        step(join, step_type="join", config={"join": {"require": require}}),
        *(edge(key, one) for one in branches), *(edge(one, join) for one in branches),
    ]  # fmt: skip


def open_steps(person: Person, workflow: Json) -> set[str]:
    """Where its subjects are, by the workflow itself."""
    return {one["key"] for one in person.get(f"/api/workflows/{workflow['id']}/")["current_steps"]}


def test_a_join_waits_for_all_branches(admin: Person, engineer: Person) -> None:
    process = approved(
        admin, *fork("split", "meet", "mill", "drill"), step("pack"), end(), *path("meet", "pack", "end")
    )
    workflow = begun(engineer, process)
    mill, drill = at(engineer, workflow, "mill"), at(engineer, workflow, "drill")
    assert (mill["branch"], drill["branch"]) == ("split.1.1", "split.1.2")
    shown = engineer.get(f"/api/workflows/{workflow['id']}/")
    assert (shown["current_execution"], {one["key"] for one in shown["current_steps"]}) == (None, {"mill", "drill"})
    act(engineer, mill)
    assert open_steps(engineer, workflow) == {"drill"}
    act(engineer, drill)
    pack = at(engineer, workflow, "pack")
    assert (pack["branch"], engineer.get(f"/api/workflows/{workflow['id']}/")["current_execution"]) == ("", pack["id"])
    arrived = audited(admin, workflow, "branch_arrived")
    assert [(one["execution"], one["new"]["branch"], one["new"]["join"]) for one in arrived] == [
        (mill["id"], "split.1.1", "meet"), (drill["id"], "split.1.2", "meet")
    ]  # fmt: skip
    act(engineer, pack)
    ended(engineer, workflow)


def test_where_two_of_three_branches_are_enough_the_third_is_cancelled_and_says_why(
    admin: Person, engineer: Person
) -> None:
    branches = ("lab", "plant", "customer")
    process = approved(admin, *fork("ask", "enough", *branches, require=2), step("pack"), end(),
                       *path("enough", "pack", "end"))  # fmt: skip
    workflow = begun(engineer, process)
    lab, plant, customer = (at(engineer, workflow, key) for key in branches)
    act(engineer, customer)
    act(engineer, lab)
    at(engineer, workflow, "pack")
    assert engineer.get(f"/api/executions/{plant['id']}/")["status"] == "cancelled"
    (closed,) = audited(admin, workflow, "execution_diverted")
    assert (closed["execution"], closed["new"]["how"], closed["new"]["status"]) == (plant["id"], "join", "cancelled")
    assert closed["reason"]
    refused = act(engineer, plant, expect=409)
    assert (refused["code"], "is cancelled" in refused["detail"]) == ("execution_closed", True)


def test_a_fork_inside_a_branch_comes_together_inside_that_branch(admin: Person, engineer: Person) -> None:
    process = approved(
        admin, *fork("outer", "last", "paper"), *fork("inner", "first", "mill", "drill"), end(),
        edge("outer", "inner"), edge("first", "last"), edge("last", "end"),
    )  # fmt: skip
    workflow = begun(engineer, process)
    mill, drill, paper = (at(engineer, workflow, key) for key in ("mill", "drill", "paper"))
    assert [one["branch"] for one in (paper, mill, drill)] == [
        "outer.1.1",
        "outer.1.2/inner.1.1",
        "outer.1.2/inner.1.2",
    ]
    for execution in (mill, paper, drill):
        assert engineer.get(f"/api/workflows/{workflow['id']}/")["status"] == "in_progress"
        act(engineer, execution)
    ended(engineer, workflow)
    joins = [one["new"]["join"] for one in audited(admin, workflow, "branch_arrived")]
    assert sorted(joins) == ["first", "first", "last", "last"]


def test_an_end_inside_a_branch_ends_the_subject_and_cancels_its_other_branches(
    admin: Person, engineer: Person
) -> None:
    check = step("check", is_decision_point=True)
    process = approved(
        admin, step("split", step_type="fork"), check, step("paper"), step("meet", step_type="join"),
        end("stock"), end("scrap", "scrapped"), edge("split", "check"), edge("split", "paper"), edge("check", "meet"),
        edge("check", "scrap", "alternate"), edge("paper", "meet"), edge("meet", "stock"),
    )  # fmt: skip
    workflow = begun(engineer, process, {}, {})
    bad, good = all_at(engineer, workflow, "check", 2)
    papers = all_at(engineer, workflow, "paper", 2)
    act(engineer, bad, decision_result="fail")
    assert engineer.get(f"/api/executions/{papers[0]['id']}/")["status"] == "cancelled"
    (closed,) = audited(admin, workflow, "execution_diverted")
    assert (closed["execution"], closed["new"]["status"]) == (papers[0]["id"], "cancelled")
    (finished,) = audited(admin, workflow, "subject_finished")
    assert finished["new"]["terminal_status"] == "scrapped"
    act(engineer, good, decision_result="pass")
    act(engineer, papers[1])
    assert ended(engineer, workflow)["subjects_finished"] == {"scrapped": 1, "stock": 1}


def test_a_batch_waits_for_its_last_and_then_each_goes_its_own_way(admin: Person, engineer: Person) -> None:
    judge = step("judge", is_decision_point=True, requires_batch_completion=True)
    process = approved(
        admin, judge, step("rework"), end("stock"), end("scrap", "scrapped"), edge("judge", "stock"),
        edge("judge", "rework", "alternate"), edge("judge", "scrap", "alternate", condition="scrap"),
        edge("rework", "judge"),
    )  # fmt: skip
    workflow = begun(engineer, process, {}, {}, {})
    first, second, third = all_at(engineer, workflow, "judge", 3)
    for execution, word in ((first, "fail"), (second, "scrap")):
        assert act(engineer, execution, decision_result=word)["outcome"] == "waiting"
    assert act(engineer, first, expect=409, decision_result="pass")["code"] == "already_done"
    assert open_steps(engineer, workflow) == {"judge"}
    act(engineer, third, decision_result="pass")
    rework = at(engineer, workflow, "rework")
    assert rework["subject"] == first["subject"]
    judged = executions(engineer, workflow, step="judge")
    assert [(one["decision_result"], one["next_step"]["key"]) for one in judged] == [
        ("fail", "rework"), ("scrap", "scrap"), ("pass", "stock")
    ]  # fmt: skip
    assert {one["execution"] for one in audited(admin, workflow, "batch_awaited")} >= {first["id"], second["id"]}
    left = audited(admin, workflow, "execution_completed")
    assert {one["execution"]: one["new"]["result"] for one in left if one["new"].get("result")} == {
        first["id"]: "fail", second["id"]: "scrap", third["id"]: "pass"
    }  # fmt: skip
    act(engineer, rework)
    act(engineer, at(engineer, workflow, "judge"), decision_result="pass")
    assert ended(engineer, workflow)["subjects_finished"] == {"scrapped": 1, "stock": 2}


def limited(admin: Person, *more: Json) -> Json:
    """Parts that may be reworked twice."""
    return approved(
        admin, step("inspect", is_decision_point=True), step("rework", max_visits=2), end("stock"),
        edge("inspect", "stock"), edge("inspect", "rework", "alternate"), edge("rework", "inspect"), *more,
    )  # fmt: skip


def failed(person: Person, workflow: Json, expect: int = 200) -> Json:
    """What the inspection answers to a failure."""
    return act(person, at(person, workflow, "inspect"), expect=expect, decision_result="fail")


def test_rework_beyond_its_limit_takes_the_escalation_edge(admin: Person, engineer: Person) -> None:
    workflow = begun(
        engineer, limited(admin, step("board"), edge("rework", "board", "escalation"), edge("board", "stock"))
    )
    for visit in (1, 2):
        failed(engineer, workflow)
        rework = at(engineer, workflow, "rework")
        assert rework["visit_number"] == visit
        act(engineer, rework)
    answer = failed(engineer, workflow)
    assert (answer["outcome"], [one["step"]["key"] for one in answer["next"]]) == ("escalated", ["board"])
    routes = [one["new"]["route"] for one in audited(admin, workflow, "execution_completed")
              if one["new"]["step"] == "Inspect"]  # fmt: skip
    assert routes == ["alternate", "alternate", "escalation"]
    act(engineer, at(engineer, workflow, "board"))
    assert ends(engineer, workflow, ("stock",)) == ["stock"]


@pytest.mark.parametrize("by", ["force", "another decision"])
def test_rework_beyond_its_limit_without_a_way_is_an_incident_that_a_person_resolves(
    admin: Person, engineer: Person, quality_manager: Person, by: str
) -> None:
    workflow = begun(engineer, limited(admin))
    for _ in range(2):
        failed(engineer, workflow)
        act(engineer, at(engineer, workflow, "rework"))
    refused = failed(engineer, workflow, expect=409)
    assert (refused["code"], refused["max_visits"]) == ("visit_limit_reached", 2)
    stopped = incident(engineer, workflow)
    inspect = at(engineer, workflow, "inspect")
    assert (stopped["code"], stopped["execution"], inspect["incident"]["id"]) == (
        "visit_limit_reached", inspect["id"], stopped["id"]
    )  # fmt: skip
    (opened,) = audited(admin, workflow, "incident_opened")
    assert (opened["execution"], opened["new"]["params"]["max_visits"]) == (inspect["id"], 2)
    if by == "force":
        act(quality_manager, inspect, decision_result="fail", force={"reason": WHY})
        assert at(engineer, workflow, "rework")["visit_number"] == 3
    else:
        act(engineer, inspect, decision_result="pass")
        ended(engineer, workflow)
    (resolved,) = audited(admin, workflow, "incident_resolved")
    assert resolved["execution"] == inspect["id"]
    assert engineer.items("/api/incidents/", state="open", workflow=workflow["id"]) == []
