"""Nested processes on real servers (DESIGN §3.8): started on entry, awaited, shown, and ended with their parent."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from temporalio.api.enums.v1 import EventType

from models.flow.state import Ref, execution_id
from models.tables import Process
from tests.support.plant import Plant, end, line, step
from workflows.contract import Limits

CHILD = line(step("check"), end())


def nesting(process: Process, *more: dict[str, Any], count: int = 1, subjects: Any = "same", **fields: Any) -> Any:
    """A step that starts children on entry, then an end."""
    config = {"process_id": str(process.id), "count": count, "subjects": subjects}
    requirement = {"requirement_type": "child_workflow", "name": "Inspection", "config": config}
    return line(step("nest", requirements=[requirement], **fields), *more, end())


async def children_of(plant: Plant, instance: UUID, count: int) -> Sequence[UUID]:
    """Ids of the children by the subject that asked for them, once all have begun."""
    rows = await plant.until(
        "SELECT i.id FROM workflow_instance i"
        " JOIN step_execution e ON (e.tenant_id, e.id) = (i.tenant_id, i.triggered_by)"
        " WHERE i.parent_instance_id = :id AND (SELECT count(*) FROM workflow_instance"
        " WHERE parent_instance_id = :id AND seq > 0) = :count ORDER BY e.subject_no, i.child_no",
        id=instance,
        count=count,
    )
    return [row["id"] for row in rows]


async def test_a_parent_waits_for_all_its_children(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, count=2))
    first, second = await children_of(plant, instance, 2)
    (row,) = await plant.rows("SELECT triggered_by, child_no, name FROM workflow_instance WHERE id = :id", id=second)
    assert (row["triggered_by"], row["child_no"]) == (execution_id(instance, Ref(0, "nest")), 2)
    assert (await plant.act(instance, "complete", Ref(0, "nest")))["code"] == "requirements_unmet"
    await plant.act(first, "complete", Ref(0, "check"))
    assert (await plant.act(instance, "complete", Ref(0, "nest")))["code"] == "requirements_unmet"
    await plant.act(second, "complete", Ref(0, "check"))
    await plant.status(second, "completed")
    assert (await plant.act(instance, "complete", Ref(0, "nest")))["outcome"] == "completed"
    assert [kind for kind in await plant.kinds(instance) if kind.startswith("child")] == [
        "child_requested", "child_requested", "child_started", "child_started", "child_ended", "child_ended",
    ]  # fmt: skip


async def test_the_children_are_child_workflows_in_temporal(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, count=2))
    children = await children_of(plant, instance, 2)
    await plant.until("SELECT 1 FROM journal WHERE kind = 'child_started' HAVING count(*) = 2")
    history = await plant.history(instance)
    wanted = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
    started = [
        UUID(event.start_child_workflow_execution_initiated_event_attributes.workflow_id)
        for event in history.events
        if event.event_type == wanted
    ]
    assert sorted(started) == sorted(children)
    described = await plant.client.get_workflow_handle(str(children[0])).describe()
    assert described.parent_id == str(instance)


async def test_a_step_that_moves_by_itself_goes_on_when_its_child_completed(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, step("after"), requires_operator_completion=False))
    (nested,) = await children_of(plant, instance, 1)
    await plant.act(nested, "complete", Ref(0, "check"))
    await plant.until(
        "SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'after'", id=instance
    )


async def test_every_subject_gets_children_of_its_own_with_itself_as_their_subject(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child), subjects=3)
    children = await children_of(plant, instance, 3)
    rows = await plant.rows(
        "SELECT e.subject_no, e.subject_id = w.subject_id AS same FROM workflow_instance c"
        " JOIN step_execution e ON e.id = c.triggered_by JOIN workflow_subject w ON w.instance_id = c.id"
        " WHERE c.id = ANY(:ids) ORDER BY e.subject_no",
        ids=list(children),
    )
    assert rows == [{"subject_no": number, "same": True} for number in range(3)]


async def test_children_may_have_new_subjects(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, subjects={"new": {"type": "Part", "count": 4}}))
    (nested,) = await children_of(plant, instance, 1)
    assert len(await plant.executions(nested)) == 4


async def test_a_cancelled_child_blocks_its_parent_visibly(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child))
    (nested,) = await children_of(plant, instance, 1)
    await plant.act(nested, "cancel", by="quinn", reason="wrong part")
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_ended'", id=instance)
    refused = await plant.act(instance, "complete", Ref(0, "nest"))
    (unmet,) = refused["params"]["unmet"]
    assert "cancelled" in unmet["reason"]
    reason = "inspected on paper instead"
    assert (await plant.act(instance, "complete", Ref(0, "nest"), by="quinn", force=reason))["outcome"] == "completed"


async def test_hold_resume_and_cancel_reach_the_children(plant: Plant) -> None:
    grandchild = await plant.approve(CHILD, "Grandchild")
    child = await plant.approve(nesting(grandchild), "Child")
    instance = await plant.begin(nesting(child))
    (nested,) = await children_of(plant, instance, 1)
    (innermost,) = await children_of(plant, nested, 1)
    await plant.act(instance, "hold", by="quinn", reason="audit finding")
    for one in (nested, innermost):
        await plant.status(one, "on_hold")
    assert (await plant.act(innermost, "complete", Ref(0, "check")))["code"] == "on_hold"
    await plant.act(instance, "resume", by="quinn", reason="finding closed")
    for one in (nested, innermost):
        await plant.status(one, "in_progress")
    await plant.act(instance, "cancel", by="quinn", reason="order withdrawn")
    for one in (nested, innermost):
        await plant.status(one, "cancelled")
    (entry,) = await plant.audited(innermost, "instance_cancelled")
    assert (entry["actor_id"], entry["reason"]) == (plant.people["quinn"], "order withdrawn")


async def test_the_end_of_a_child_reaches_a_parent_that_continued_as_new(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    parent = nesting(child, step("after"), requires_operator_completion=False)
    instance = await plant.start(await plant.approve(parent, "Parent"), 4, limits=Limits(signals=1))
    for number, nested in enumerate(await children_of(plant, instance, 4)):
        await plant.act(instance, "claim", Ref(number, "nest"))
        await plant.act(nested, "complete", Ref(0, "check"))
    await plant.until(
        "SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'after' HAVING count(*) = 4",
        id=instance,
    )
    assert len(await plant.histories(instance)) > 2
