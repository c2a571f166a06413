"""In whose hands, on real servers: candidates, four eyes, load, absence, delegation."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from models.db import tenant_session
from models.flow.branches import name_of
from models.flow.state import Ref
from models.store.absences import NewAbsence, add_absence
from models.store.people import Person
from tests.support.plant import Plant, edge, end, line, step

WHY = "she is on leave until Monday"


async def away(plant: Plant, who: str, stands_in: str | None) -> None:
    now = datetime.now(UTC)
    new = NewAbsence(
        user_id=plant.people[who],
        delegate_id=plant.people[stands_in] if stands_in else None,
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=1),
        reason="holiday",
    )
    async with tenant_session(plant.app, plant.tenant) as session:
        await add_absence(session, Person(tenant_id=plant.tenant, id=plant.people[who], username=who), new)


def named(plant: Plant, who: str) -> str:
    """Usernames are unique per deployment, so the plant's have its mark."""
    return f"{who}:{plant.tenant.hex[:8]}"


def plain(username: str | None) -> str | None:
    return None if username is None else username.split(":")[0]


async def holder(plant: Plant, key: str) -> Any:
    rows = await plant.rows(
        "SELECT e.status, u.username, d.username AS owner FROM step_execution e"
        " LEFT JOIN user_account u ON (u.tenant_id, u.id) = (e.tenant_id, e.assigned_to)"
        " LEFT JOIN user_account d ON (d.tenant_id, d.id) = (e.tenant_id, e.delegated_by)"
        " WHERE e.step_key = :key ORDER BY e.visit_number DESC, e.subject_no",
        key=key,
    )
    return [(row["status"], plain(row["username"]), plain(row["owner"])) for row in rows]


async def test_who_is_no_candidate_is_told_who_is(plant: Plant) -> None:
    quinn = named(plant, "quinn")
    rule = "'engineer' in user.roles && subject.id.size() == user.id.size()"
    instance = await plant.begin(line(step("weld", config={"assignment": {"users": [quinn], "rule": rule}}), end()))
    refused = await plant.act(instance, "claim", Ref(0, "weld"), by="bob")
    assert (refused["code"], refused["params"]["candidates"]) == (
        "not_candidate",
        f"{quinn}, whoever the step's rule names",
    )
    assert (await plant.act(instance, "claim", Ref(0, "weld"), by="ann"))["outcome"] == "claimed"


async def test_four_eyes_against_an_earlier_step_also_after_giving_it_back(plant: Plant) -> None:
    instance = await plant.begin(
        line(step("weld"), step("inspect", config={"assignment": {"not_who_did": ["weld"]}}), end())
    )
    await plant.act(instance, "start", Ref(0, "weld"), by="bob")
    await plant.act(instance, "release", Ref(0, "weld"), by="bob", reason="break")
    await plant.act(instance, "complete", Ref(0, "weld"), by="ann")
    for who in ("bob", "ann"):
        refused = await plant.act(instance, "complete", Ref(0, "inspect"), by=who)
        assert (refused["code"], refused["params"]) == ("four_eyes", {"step": "Weld"})
    assert (await plant.act(instance, "complete", Ref(0, "inspect"), by="quinn"))["outcome"] == "completed"


def looping(**assignment: Any) -> dict[str, Any]:
    return line(
        step("work", config={"assignment": assignment}),
        step("check", is_decision_point=True),
        end(),
        edges=[edge("work", "check"), edge("check", "end"), edge("check", "work", "alternate")],
    )


async def test_rework_goes_back_to_whoever_did_it_and_to_the_stand_in_while_they_are_away(plant: Plant) -> None:
    instance = await plant.begin(looping(revisit="same"))
    await plant.act(instance, "complete", Ref(0, "work"), by="bob")
    await plant.act(instance, "complete", Ref(0, "check"), by="quinn", decision_result="fail")
    assert (await holder(plant, "work"))[0] == ("claimed", "bob", None)
    await plant.act(instance, "release", Ref(0, "work", 2), by="bob")
    refused = await plant.act(instance, "claim", Ref(0, "work", 2), by="ann")
    assert (refused["code"], plain(refused["params"]["previous_name"])) == ("revisit_by_same", "bob")
    await plant.act(instance, "complete", Ref(0, "work", 2), by="bob")
    await away(plant, "bob", "ann")
    await plant.act(instance, "complete", Ref(0, "check", 2), by="quinn", decision_result="fail")
    assert (await holder(plant, "work"))[0] == ("claimed", "ann", None)
    (trace,) = await plant.audited(instance, "execution_reassigned")
    assert f"{named(plant, 'bob')} is away until" in trace["reason"]
    assert (await plant.act(instance, "complete", Ref(0, "work", 3), by="ann"))["outcome"] == "advanced"


async def test_a_stand_in_takes_over_rework_of_the_absent(plant: Plant) -> None:
    instance = await plant.begin(looping(revisit="same"))
    await plant.act(instance, "complete", Ref(0, "work"), by="bob")
    await plant.act(instance, "complete", Ref(0, "check"), by="quinn", decision_result="fail")
    await away(plant, "bob", "ann")
    assert (await plant.act(instance, "claim", Ref(0, "work", 2), by="ann"))["outcome"] == "claimed"
    assert (await plant.act(instance, "complete", Ref(0, "work", 2), by="ann"))["outcome"] == "advanced"


async def test_rework_of_the_same_hands_is_reassigned_by_a_supervisor_only(plant: Plant) -> None:
    instance = await plant.begin(looping(revisit="same"))
    await plant.act(instance, "complete", Ref(0, "work"), by="bob")
    await plant.act(instance, "complete", Ref(0, "check"), by="quinn", decision_result="fail")
    again, ann = Ref(0, "work", 2), str(plant.people["ann"])
    refused = await plant.act(instance, "delegate", again, by="bob", to=ann)
    assert refused["code"] == "revisit_by_same"
    assert (await plant.act(instance, "reassign", again, by="quinn", to=ann, reason=WHY))["outcome"] == "reassigned"
    assert (await plant.act(instance, "start", again, by="ann"))["outcome"] == "started"
    assert (await plant.act(instance, "complete", again, by="ann"))["outcome"] == "advanced"


async def test_rework_may_be_for_other_eyes(plant: Plant) -> None:
    instance = await plant.begin(looping(revisit="different"))
    await plant.act(instance, "complete", Ref(0, "work"), by="bob")
    await plant.act(instance, "complete", Ref(0, "check"), by="quinn", decision_result="fail")
    assert (await plant.act(instance, "claim", Ref(0, "work", 2), by="bob"))["code"] == "revisit_by_another"
    assert (await plant.act(instance, "claim", Ref(0, "work", 2), by="ann"))["outcome"] == "claimed"


async def test_work_is_dealt_out_to_whoever_has_the_least(plant: Plant) -> None:
    await away(plant, "quinn", None)
    deal = {"users": [named(plant, one) for one in ("ann", "bob", "quinn")], "auto": "least_loaded", "priority": 7}
    await plant.begin(line(step("work", config={"assignment": deal}), end()), subjects=4)
    assert sorted(one for _, one, _ in await holder(plant, "work")) == ["ann", "ann", "bob", "bob"]
    assert {row["priority"] for row in await plant.rows("SELECT priority FROM step_execution")} == {7}


async def test_delegated_work_comes_back(plant: Plant) -> None:
    instance = await plant.begin(line(step("work"), end()))
    bob, ann = (str(plant.people[one]) for one in ("bob", "ann"))
    await plant.act(instance, "claim", Ref(0, "work"), by="bob")
    assert (await plant.act(instance, "delegate", Ref(0, "work"), by="bob", to=ann))["outcome"] == "delegated"
    assert await holder(plant, "work") == [("claimed", "ann", "bob")]
    refused = await plant.act(instance, "complete", Ref(0, "work"), by="ann")
    assert (refused["code"], plain(refused["params"]["owner_name"])) == ("delegated_by_another", "bob")
    assert (await plant.act(instance, "hand_back", Ref(0, "work"), by="ann"))["outcome"] == "handed_back"
    assert await holder(plant, "work") == [("claimed", "bob", None)]
    assert (await plant.act(instance, "complete", Ref(0, "work"), by="bob"))["outcome"] == "completed"
    assert bob != ann


async def test_reassigning_looks_at_whom_it_gives_the_work(plant: Plant) -> None:
    instance = await plant.begin(
        line(step("weld"), step("inspect", config={"assignment": {"not_who_did": ["weld"]}}), end())
    )
    await plant.act(instance, "complete", Ref(0, "weld"), by="bob")

    async def give(to: str | UUID) -> str:
        answer = await plant.act(instance, "reassign", Ref(0, "inspect"), by="quinn", to=str(to), reason=WHY)
        return str(answer.get("outcome") or answer["code"])

    assert await give(plant.people["bob"]) == "four_eyes"
    assert await give(UUID(int=5)) == "unassignable"
    assert await give(plant.people["ann"]) == "reassigned"
    assert await holder(plant, "inspect") == [("claimed", "ann", None)]


async def test_a_stand_in_takes_over_what_the_absent_hold(plant: Plant) -> None:
    instance = await plant.begin(line(step("work"), end()))
    await plant.act(instance, "start", Ref(0, "work"), by="bob")
    assert (await plant.act(instance, "claim", Ref(0, "work"), by="ann"))["code"] == "already_claimed"
    await away(plant, "bob", "ann")
    assert (await plant.act(instance, "claim", Ref(0, "work"), by="ann"))["outcome"] == "claimed"
    assert await holder(plant, "work") == [("in_progress", "ann", None)]


async def test_branches_of_one_subject_that_go_on_together_each_come_into_hands(plant: Plant) -> None:
    def dealt(who: str) -> dict[str, Any]:
        return {"assignment": {"users": [named(plant, who)], "auto": "least_loaded"}}

    steps = [
        step("fork", step_type="fork"),
        step("mill"),
        step("turn"),
        step("mill check", config=dealt("ann")),
        step("turn check", config=dealt("bob")),
        step("join", step_type="join"),
        end(),
    ]
    ways = [
        ("fork", "mill"), ("fork", "turn"), ("mill", "mill check"), ("turn", "turn check"), ("mill check", "join"),
        ("turn check", "join"), ("join", "end"),
    ]  # fmt: skip
    instance = await plant.begin(line(*steps, edges=[edge(one, other) for one, other in ways]))
    await plant.until("SELECT 1 FROM step_execution WHERE step_key = 'turn'")
    branches = [Ref(0, key, 1, name_of("", "fork", 1, number)) for number, key in enumerate(("mill", "turn"), start=1)]
    await plant.act(instance, "complete", *branches, by="quinn")
    assert await holder(plant, "mill check") == [("claimed", "ann", None)]
    assert await holder(plant, "turn check") == [("claimed", "bob", None)]
