"""Which way a subject goes: by a person's word, by conditions, by a table; and what the audit trail says of it."""

from typing import Any

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
    ends,
    gate,
    give,
    incident,
    measured,
    step,
)
from tests.e2e.people import Json, Person


@pytest.fixture(scope="module")
def bore(admin: Person) -> str:
    """Key of a characteristic."""
    return characteristic(admin)


def test_conditions_see_attributes_context_forms_measurements_and_quality(
    admin: Person, engineer: Person, bore: str
) -> None:
    ways = {
        "big": "subject.attributes.size > 10",
        "urgent": "context.urgent == subject.attributes.lot",
        "red": 'steps.look.form.colour == "red"',
        "wide": f'steps.look.measurements["{bore}"] > 12.2',
        "bad": 'steps.look.quality == "fail"',
    }
    schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
    gates = [gate("paint", "form", schema=schema), gate("bore", "measurement", measurement_definition=bore)]
    process = approved(
        admin, step("look", requirements=gates), decision("expression"), *map(end, ways), end("stock"),
        edge("look", "sort"), edge("sort", "stock"),
        *(edge("sort", way, "alternate", condition=text) for way, text in ways.items()),
    )  # fmt: skip
    lots = [{"size": 11, "lot": "A"}, {"size": 3, "lot": "B"}, *({"size": 3, "lot": "C"} for _ in range(4))]
    workflow = begun(engineer, process, *lots, context={"urgent": "B"})
    looked = all_at(engineer, workflow, "look", 6)
    for execution, colour, value in zip(
        looked, ("", "", "red", "", "", ""), ("12",) * 3 + ("12.3", "12", "12"), strict=True
    ):
        give(engineer, execution, "paint", submitted_data={"colour": colour})
        give(engineer, execution, "bore", **measured(value))
    bad = {"subject": looked[4]["subject"]["id"], "execution": looked[4]["id"], "status": "fail"}
    engineer.post("/api/quality-reports/", bad, expect=201)
    for execution in looked:
        act(engineer, execution)
    assert ends(engineer, workflow, [*ways, "stock"]) == ["big", "urgent", "red", "wide", "bad", "stock"]
    assert decided(admin, workflow) == [*((text, way) for way, text in ways.items()), ("", "stock")]
    (entry,) = audited(admin, workflow, "quality.reported")
    assert (entry["new"]["status"], entry["execution"]) == ("fail", looked[4]["id"])


def test_a_condition_that_cannot_be_evaluated_is_an_incident_until_its_cause_is_gone(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    process = approved(
        admin, decision("expression"), end("big"), end("small"),
        edge("sort", "big", condition="subject.attributes.size > 10"), edge("sort", "small"),
    )  # fmt: skip
    workflow = begun(engineer, process)
    stopped = incident(engineer, workflow)
    assert stopped["code"] == "decision_failed"
    assert "size" in stopped["message"]
    (opened,) = audited(admin, workflow, "incident_opened")
    assert (opened["new"]["code"], opened["actor"]["id"]) == ("decision_failed", None)
    refused = act(engineer, at(engineer, workflow, "sort"), expect=422, decision_result="pass")
    assert refused["code"] == "decision_computed"
    subject = at(engineer, workflow, "sort")["subject"]["id"]
    engineer.patch(f"/api/subjects/{subject}/", {"attributes": {"size": 12}, "reason": "was forgotten"})
    quality_manager.post(f"/api/incidents/{stopped['id']}/retry/")
    assert ends(engineer, workflow, ("big", "small")) == ["big"]


def test_a_word_takes_the_edge_that_lists_it_and_an_unknown_one_is_told_which_there_are(
    admin: Person, engineer: Person
) -> None:
    process = approved(
        admin, step("judge", is_decision_point=True), end("stock"), end("scrap"), end("seconds"),
        edge("judge", "stock"), edge("judge", "scrap", "alternate"),
        edge("judge", "seconds", "alternate", results=["B grade", "C grade"]),
    )  # fmt: skip
    workflow = begun(engineer, process, {}, {}, {})
    first, second, third = all_at(engineer, workflow, "judge", 3)
    unknown = act(engineer, first, expect=422, decision_result="perhaps")
    assert (unknown["code"], unknown["allowed"]) == ("decision_unknown", ["pass", "fail", "B grade", "C grade"])
    missing = act(engineer, first, expect=422)
    assert (missing["code"], missing["allowed"]) == ("decision_required", unknown["allowed"])
    assert engineer.get(f"/api/executions/{first['id']}/")["status"] == "pending"
    for execution, word in ((first, "c GRADE"), (second, "Yes"), (third, "REJECTED")):
        act(engineer, execution, decision_result=word)
    assert ends(engineer, workflow, ("stock", "scrap", "seconds")) == ["seconds", "stock", "scrap"]
    assert decided(admin, workflow, "judge") == [("c GRADE", "seconds"), ("Yes", "stock"), ("REJECTED", "scrap")]
    refusals = audited(admin, workflow, "command_refused", first)
    assert [one["new"]["code"] for one in refusals] == ["decision_unknown", "decision_required"]
    assert {one["actor"]["username"] for one in refusals} == {engineer.username}


def table(policy: str, *rules: tuple[str, str], **more: Any) -> Json:
    """A table of one input, the size, and one output."""
    listed = [{"when": [when], "then": [then]} for when, then in rules]
    inputs, outputs = [{"expression": "subject.attributes.size"}], [{"name": "result"}]
    return {"hit_policy": policy, "inputs": inputs, "outputs": outputs, "rules": listed, **more}


RULES = ((">= 10", "big"), (">= 5", "medium"), ("< 0", "medium"))


def sorted_by(admin: Person, decision_table: Json) -> Json:
    """A process in which a table decides; what no rule matches is small."""
    ways = ("big", "medium")
    return approved(
        admin, decision("decision_table", decision_table=decision_table), end("small"), *map(end, ways),
        edge("sort", "small"), *(edge("sort", way, "alternate", condition=way) for way in ways),
    )  # fmt: skip


SIZES = ({"size": 12}, {"size": 7}, {"size": 1})


def test_the_first_rule_of_a_table_that_matches_decides(admin: Person, engineer: Person) -> None:
    workflow = begun(engineer, sorted_by(admin, table("first", *RULES, context="sorting.last")), *SIZES[:2])
    assert ends(engineer, workflow, ("big", "medium", "small")) == ["big", "medium"]
    assert decided(admin, workflow) == [("big", "big"), ("medium", "medium")]
    kept = [one["new"]["changes"]["context_at"]["sorting.last"] for one in audited(admin, workflow, "instance_amended")]
    assert sorted(kept) == ["big", "medium"]
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["context"] == {"sorting": {"last": kept[-1]}}


def test_where_rules_may_not_overlap_two_that_match_are_an_incident(admin: Person, engineer: Person) -> None:
    workflow = begun(engineer, sorted_by(admin, table("unique", *RULES)), *SIZES)
    stopped = incident(engineer, workflow)
    assert (stopped["code"], stopped["params"]["error"]) == (
        "decision_failed", "more than one rule matches; rule 2 is one of them"
    )  # fmt: skip
    at_work = at(engineer, workflow, "sort")
    assert (at_work["id"], at_work["subject"]["identifier"][:4]) == (stopped["execution"], "SN-0")
    (opened,) = audited(admin, workflow, "incident_opened", at_work)
    assert opened["new"]["params"] == stopped["params"]
    assert [key for _, key in decided(admin, workflow)] == ["medium", "small"]


def test_a_collecting_table_goes_the_first_edge_of_what_it_collects_and_keeps_all(
    admin: Person, engineer: Person
) -> None:
    collecting = table("collect", *RULES, ("> 11", "label twice"), context="sorted")
    workflow = begun(engineer, sorted_by(admin, collecting), SIZES[0])
    assert ends(engineer, workflow, ("big", "medium", "small")) == ["big"]
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["context"] == {"sorted": ["big", "medium", "label twice"]}
    assert decided(admin, workflow) == [("big, medium, label twice", "big")]
