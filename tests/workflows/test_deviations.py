"""Controlled deviations on real servers: rows, journal and audit of skip, move, rewind, and of who joins or leaves."""

from typing import Any
from uuid import UUID, uuid4

from models.db import tenant_session
from models.flow.state import Ref
from models.tables import Subject
from tests.support.plant import Plant, edge, end, line, step
from tests.workflows.test_children import CHILD, children_of, nesting

WHY = "agreed with the customer"
LOOP = line(
    step("make"),
    step("inspect", is_decision_point=True),
    step("rework"),
    end("stock", "in_stock"),
    edges=[
        edge("make", "inspect"),
        edge("inspect", "stock"),
        edge("inspect", "rework", "alternate"),
        edge("rework", "inspect"),
    ],
)
BATCH = line(step("wash", requires_batch_completion=True), step("pack"), end())
GATED = line(
    step("sign", requirements=[{"requirement_type": "approval", "name": "Release", "config": {"roles": ["engineer"]}}]),
    step("after"),
    end(),
)


async def deviate(plant: Plant, instance: UUID, kind: str, *refs: Ref, by: str = "quinn", **args: Any) -> Any:
    return await plant.act(instance, kind, *refs, by=by, reason=WHY, **args)


async def new_subjects(plant: Plant, count: int) -> list[UUID]:
    made = [
        Subject(tenant_id=plant.tenant, id=uuid4(), subject_type_id=plant.subject_type, identifier=uuid4().hex)
        for _ in range(count)
    ]
    async with tenant_session(plant.app, plant.tenant) as session:
        session.add_all(made)
    return [one.id for one in made]


async def subjects_of(plant: Plant, instance: UUID, *numbers: int) -> list[UUID]:
    rows = await plant.rows(
        "SELECT subject_id FROM workflow_subject WHERE instance_id = :id AND subject_no = ANY(:n) ORDER BY subject_no",
        id=instance,
        n=list(numbers),
    )
    return [row["subject_id"] for row in rows]


async def test_a_skipped_step_is_skipped_in_rows_journal_and_audit(plant: Plant) -> None:
    instance = await plant.begin(LOOP)
    refused = await deviate(plant, instance, "skip", Ref(0, "make"), by="bob")
    assert refused["params"] == {"permission": "execution.skip"}
    answer = await deviate(plant, instance, "skip", Ref(0, "make"))
    assert (answer["outcome"], answer["next"][0]["step"]["key"]) == ("skipped", "inspect")
    assert await plant.executions(instance) == [(0, "make", 1, "skipped"), (0, "inspect", 1, "pending")]
    (entry,) = await plant.audited(instance, "execution_diverted")
    assert (entry["actor_id"], entry["reason"], entry["new"]["status"]) == (plant.people["quinn"], WHY, "skipped")
    assert entry["new"]["how"] == "skip"
    (row,) = await plant.rows("SELECT notes FROM step_execution WHERE step_key = 'make'")
    assert row["notes"] == f"[Skip: {WHY}]"


async def test_a_cohort_is_moved_by_one_command_and_its_batch_follows(plant: Plant) -> None:
    instance = await plant.begin(BATCH, subjects=5)
    for number in (0, 1):
        await plant.act(instance, "complete", Ref(number, "wash"))
    away = [Ref(number, "wash") for number in (2, 3, 4)]
    answer = await deviate(plant, instance, "move", *away, to_step="pack")
    assert [one["outcome"] for one in answer["items"]] == ["moved"] * 3
    assert {row[1:] for row in await plant.executions(instance) if row[3] == "pending"} == {("pack", 1, "pending")}


async def test_who_was_at_the_next_step_before_gets_a_new_visit_when_another_leaves_the_batch(plant: Plant) -> None:
    instance = await plant.begin(BATCH, subjects=2)
    await deviate(plant, instance, "move", Ref(0, "wash"), to_step="pack")
    await deviate(plant, instance, "move", Ref(0, "pack"), to_step="wash")
    await plant.act(instance, "complete", Ref(0, "wash", 2))
    await deviate(plant, instance, "skip", Ref(1, "wash"))
    assert (0, "pack", 2, "pending") in await plant.executions(instance)


async def test_a_rewound_subject_visits_the_step_anew_and_what_it_did_since_is_rolled_back(plant: Plant) -> None:
    instance = await plant.begin(LOOP)
    await plant.act(instance, "complete", Ref(0, "make"))
    await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="no")
    await plant.act(instance, "claim", Ref(0, "rework"))
    answer = await deviate(plant, instance, "rewind", Ref(0, "rework"), to_step="inspect")
    assert (answer["outcome"], answer["next"][0]["visit_number"]) == ("rewound", 2)
    assert await plant.executions(instance) == [
        (0, "make", 1, "completed"),
        (0, "inspect", 1, "rolled_back"),
        (0, "rework", 1, "rolled_back"),
        (0, "inspect", 2, "pending"),
    ]
    refused = await deviate(plant, instance, "rewind", Ref(0, "inspect", 2), to_step="rework")
    assert refused["code"] == "never_visited"
    await deviate(plant, instance, "rewind", Ref(0, "inspect", 2), to_step="make")
    assert [row[3] for row in await plant.executions(instance)][:4] == ["rolled_back"] * 4
    (entry, *_) = await plant.audited(instance, "visit_rolled_back")
    assert (entry["old"]["status"], entry["new"]["status"]) == ("completed", "rolled_back")


async def test_leaving_a_step_withdraws_its_approvals_and_cancels_its_children(plant: Plant) -> None:
    instance = await plant.begin(GATED)
    await deviate(plant, instance, "skip", Ref(0, "sign"))
    (request,) = await plant.rows("SELECT state FROM approval_request")
    assert request["state"] == "withdrawn"

    child = await plant.approve(CHILD, "Child")
    parent = await plant.begin(nesting(child), subjects=2)
    children = await children_of(plant, parent, 2)
    await deviate(plant, parent, "move", Ref(0, "nest"), to_step="end")
    assert await plant.status(children[0], "cancelled") == "cancelled"
    assert await plant.status(children[1], "in_progress") == "in_progress"
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_ended'", id=parent)


async def test_subjects_join_a_running_instance_with_their_work_open(plant: Plant) -> None:
    instance = await plant.begin(LOOP)
    late = [str(one) for one in await new_subjects(plant, 3)]
    command = await plant.accept(instance, "add_subjects", by="quinn", subjects=late, reason=WHY, to_step="inspect")
    await plant.signal(instance, command)
    assert (await plant.outcome(command))["outcome"] == "added"
    assert [row[:3] for row in await plant.executions(instance)] == [
        (0, "make", 1),
        (1, "inspect", 1),
        (2, "inspect", 1),
        (3, "inspect", 1),
    ]
    assert [str(one) for one in await subjects_of(plant, instance, 1, 2, 3)] == late
    again = await plant.accept(instance, "add_subjects", by="quinn", subjects=late[:1], reason=WHY)
    await plant.signal(instance, again)
    assert (await plant.outcome(again))["code"] == "subject_present"


async def test_subjects_that_are_taken_out_end_as_removed_and_the_batch_goes_on(plant: Plant) -> None:
    instance = await plant.begin(BATCH, subjects=3)
    await plant.act(instance, "complete", Ref(0, "wash"))
    gone = [str(one) for one in await subjects_of(plant, instance, 1, 2)]
    command = await plant.accept(instance, "remove_subjects", by="quinn", subjects=gone, reason=WHY)
    await plant.signal(instance, command)
    assert (await plant.outcome(command))["outcome"] == "removed"
    assert [row[1:] for row in await plant.executions(instance)] == [
        ("wash", 1, "completed"),
        ("pack", 1, "pending"),
        ("wash", 1, "cancelled"),
        ("wash", 1, "cancelled"),
    ]
    ends = await plant.rows("SELECT terminal_status FROM workflow_subject WHERE instance_id = :id", id=instance)
    assert sorted(row["terminal_status"] or "" for row in ends) == ["", "removed", "removed"]
    again = await plant.accept(instance, "remove_subjects", by="quinn", subjects=gone, reason=WHY)
    await plant.signal(instance, again)
    assert (await plant.outcome(again))["code"] == "subject_finished"


async def test_ten_thousand_subjects_join_in_one_go(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()))
    late = [str(one) for one in await new_subjects(plant, 9_999)]
    command = await plant.accept(instance, "add_subjects", by="quinn", subjects=late, reason=WHY)
    await plant.signal(instance, command)
    assert (await plant.outcome(command))["outcome"] == "added"
    (row,) = await plant.rows("SELECT count(*) AS n FROM step_execution WHERE workflow_instance_id = :id", id=instance)
    assert row["n"] == 10_000
