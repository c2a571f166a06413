"""Who may do a step, and who gets it, over HTTP: candidates by name and rule, rework, load, and claims at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.drawing import act, all_at, approved, at, audited, begun, edge, end, step
from tests.e2e.people import Json, Person, new_person


@pytest.fixture(scope="module")
def crew(admin: Person) -> Iterator[list[Person]]:
    """Four operators."""
    with ExitStack() as stack:
        yield [stack.enter_context(new_person(admin, "operator")) for _ in range(4)]


def for_(**assignment: Any) -> Json:
    """The config of a step whose work is whose."""
    return {"config": {"assignment": assignment}}


def inbox(person: Person, workflow: Json) -> set[str]:
    """Executions of a workflow that a person is offered."""
    return {one["id"] for one in person.items("/api/my-tasks/", q=workflow["identifier"])}


def test_a_step_is_for_the_people_it_names_and_for_those_its_rule_finds(
    admin: Person, engineer: Person, crew: list[Person]
) -> None:
    named, ruled, other = crew[:3]
    rule = f'user.username == "{ruled.username}" && subject.attributes.lot == "A"'
    process = approved(admin, step("weld", **for_(users=[named.username], rule=rule)), end())
    workflow = begun(engineer, process, {"lot": "A"}, {"lot": "B"})
    in_a, in_b = all_at(engineer, workflow, "weld", 2)
    refused = act(other, in_a, "claim", 403)
    assert (refused["code"], named.username in refused["candidates"]) == ("not_candidate", True)
    assert in_b["id"] in inbox(named, workflow)
    assert act(ruled, in_b, "claim", 403)["code"] == "not_candidate"
    assert act(ruled, in_a, "claim")["outcome"] == "claimed"
    assert act(named, in_b)["outcome"] == "completed"
    assert {one["new"]["code"] for one in audited(admin, workflow, "command_refused")} == {"not_candidate"}


def test_only_those_whom_a_step_names_are_offered_it(admin: Person, engineer: Person, crew: list[Person]) -> None:
    workflow = begun(engineer, approved(admin, step("weld", **for_(users=[crew[0].username])), end()))
    weld = at(engineer, workflow, "weld")
    assert [inbox(person, workflow) for person in crew[:2]] == [{weld["id"]}, set()]


@pytest.mark.parametrize("broken", ["subject.attributes.missing == 1", '"a text"'])
def test_a_rule_that_says_nothing_makes_nobody_a_candidate(
    admin: Person, engineer: Person, crew: list[Person], broken: str
) -> None:
    workflow = begun(engineer, approved(admin, step("weld", **for_(rule=broken)), end()))
    assert act(crew[0], at(engineer, workflow, "weld"), "claim", 403)["code"] == "not_candidate"


def looping(admin: Person, revisit: str) -> Json:
    """Work that comes back."""
    return approved(
        admin, step("weld", **for_(revisit=revisit)), step("check", is_decision_point=True), end(),
        edge("weld", "check"), edge("check", "end"), edge("check", "weld", "alternate"),
    )  # fmt: skip


def come_back(engineer: Person, workflow: Json, worker: Person) -> Json:
    """Done once by `worker`, and not well."""
    act(worker, at(engineer, workflow, "weld"))
    act(engineer, at(engineer, workflow, "check"), decision_result="fail")
    return at(engineer, workflow, "weld")


def test_rework_goes_back_to_the_same_hands(admin: Person, engineer: Person, crew: list[Person]) -> None:
    workflow = begun(engineer, looping(admin, "same"))
    again = come_back(engineer, workflow, crew[0])
    assert (again["visit_number"], again["assigned_to"]["username"]) == (2, crew[0].username)
    assert act(crew[0], again, "release", reason="my gun is broken")["outcome"] == "released"
    refused = act(crew[1], again, "claim", 403)
    assert (refused["code"], refused["previous_name"]) == ("revisit_by_same", crew[0].username)
    why = "her welding gun is broken"
    act(admin, again, "reassign", to=crew[1].username, reason=why)
    assert act(crew[1], again)["outcome"] == "advanced"
    (entry,) = audited(admin, workflow, "execution_reassigned", again)
    assert (entry["new"]["how"], entry["reason"]) == ("reassign", why)


def test_rework_goes_to_other_hands(admin: Person, engineer: Person, crew: list[Person]) -> None:
    workflow = begun(engineer, looping(admin, "different"))
    again = come_back(engineer, workflow, crew[0])
    assert again["assigned_to"] is None
    assert act(crew[0], again, "claim", 403)["code"] == "revisit_by_another"
    assert act(crew[1], again, "claim")["outcome"] == "claimed"


def test_rework_goes_to_anybody_of_the_same_role(admin: Person, engineer: Person, crew: list[Person]) -> None:
    workflow = begun(engineer, looping(admin, "role"))
    again = come_back(engineer, workflow, crew[0])
    assert act(engineer, again, "claim", 403)["code"] == "not_candidate"
    assert act(crew[1], again, "claim")["outcome"] == "claimed"


def test_work_is_dealt_out_to_whoever_has_least_of_it(admin: Person, engineer: Person) -> None:
    with new_person(admin, "operator") as idle, new_person(admin, "operator") as other:
        names = [idle.username, other.username]
        process = approved(admin, step("weld", **for_(users=names, auto="least_loaded")), end())
        workflow = begun(engineer, process, {}, {}, {}, {})
        dealt = all_at(engineer, workflow, "weld", 4)
        assert sorted(one["assigned_to"]["username"] for one in dealt) == sorted(names * 2)
        for execution in dealt:
            if execution["assigned_to"]["username"] == idle.username:
                act(idle, execution)
        late = begun(engineer, process)
        assert at(engineer, late, "weld")["assigned_to"]["username"] == idle.username


def test_work_goes_back_to_the_pool_and_only_what_was_delegated_is_handed_back(
    admin: Person, engineer: Person, crew: list[Person]
) -> None:
    owner, helper = crew[:2]
    workflow = begun(engineer, approved(admin, step("weld"), end()))
    weld, why = at(engineer, workflow, "weld"), "the line has stopped"
    act(owner, weld, "claim")
    assert act(owner, weld, "hand-back", 409)["code"] == "not_delegated"
    assert act(owner, weld, "delegate", 409, to=owner.username)["code"] == "same_assignee"
    act(owner, weld, "delegate", to=helper.username, reason="knows the gauge")
    assert act(helper, weld, expect=409)["owner_name"] == owner.username
    act(helper, weld, "hand-back", reason="measured")
    assert act(owner, weld, "reassign", 403, to=None, reason=why)["permission"] == "execution.reassign"
    assert act(admin, weld, "reassign", to=None, reason=why)["execution"]["assigned_to"] is None
    assert act(admin, weld, "reassign", 409, to=None, reason=why)["code"] == "not_claimed"
    assert act(helper, weld)["outcome"] == "completed"
    hands = [(one["new"]["how"], one["actor"]["username"]) for one in audited(admin, workflow, "execution_reassigned")]
    assert hands == [("delegate", owner.username), ("hand_back", helper.username), ("reassign", admin.username)]


def test_of_many_who_claim_at_once_one_has_it_and_the_others_are_told_who(
    admin: Person, engineer: Person, crew: list[Person]
) -> None:
    workflow = begun(engineer, approved(admin, step("weld"), end()))
    page = f"/api/executions/{at(engineer, workflow, 'weld')['id']}/claim/"
    with ThreadPoolExecutor(len(crew)) as pool:
        answers = list(pool.map(lambda person: person.http.post(page, json={}), crew))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    (won,) = [one.json() for one in answers if one.status_code == 200]
    lost = [one.json() for one in answers if one.status_code == 409]
    winner = won["execution"]["assigned_to"]["username"]
    assert {(one["code"], one["assignee_name"]) for one in lost} == {("already_claimed", winner)}
    refused = audited(admin, workflow, "command_refused")
    assert {one["actor"]["username"] for one in refused} == {one.username for one in crew} - {winner}
    (claimed,) = audited(admin, workflow, "execution_claimed")
    assert claimed["actor"]["username"] == winner
