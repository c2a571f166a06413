"""Hold, resume, cancel and amend an instance on real servers."""

from datetime import datetime, timedelta
from uuid import UUID

from models.flow.state import Ref
from tests.support.plant import Plant, end, line, step


async def due(plant: Plant, instance: UUID) -> datetime:
    """When the only execution is due."""
    rows = await plant.rows("SELECT due_at FROM step_execution WHERE workflow_instance_id = :id", id=instance)
    found: datetime = rows[0]["due_at"]
    return found


async def test_on_hold_nothing_moves_and_what_remains_of_a_deadline_is_frozen(plant: Plant) -> None:
    instance = await plant.begin(line(step("work", expected_duration="PT4H"), end()))
    before = await due(plant, instance)
    (entered,) = await plant.rows("SELECT entered_at FROM step_execution WHERE workflow_instance_id = :id", id=instance)
    assert timedelta(hours=3, minutes=59) < before - entered["entered_at"] <= timedelta(hours=4)
    await plant.act(instance, "claim", Ref(0, "work"))
    assert (await plant.act(instance, "hold", by="bob", reason="audit"))["code"] == "forbidden"
    assert (await plant.act(instance, "hold", by="quinn", reason=" "))["code"] == "reason_required"
    assert (await plant.act(instance, "hold", by="quinn", reason="audit finding"))["outcome"] == "held"
    for kind in ("claim", "start", "complete"):
        assert (await plant.act(instance, kind, Ref(0, "work")))["code"] == "on_hold", kind
    assert (await plant.act(instance, "release", Ref(0, "work"), reason="not now"))["outcome"] == "released"
    assert (await plant.act(instance, "hold", by="quinn", reason="again"))["code"] == "already_on_hold"
    (held,) = await plant.rows("SELECT status, reason, held_at FROM workflow_instance WHERE id = :id", id=instance)
    assert (held["status"], held["reason"]) == ("on_hold", "audit finding")

    assert (await plant.act(instance, "resume", by="quinn", reason="finding closed"))["outcome"] == "resumed"
    (resumed,) = await plant.rows("SELECT at FROM journal WHERE kind = 'instance_resumed'")
    assert await due(plant, instance) == before + (resumed["at"] - held["held_at"]) > before
    assert (await plant.act(instance, "resume", by="quinn", reason="twice"))["code"] == "not_on_hold"
    assert (await plant.act(instance, "complete", Ref(0, "work")))["outcome"] == "completed"


async def test_an_automatic_step_that_became_ready_on_hold_moves_after_it(plant: Plant) -> None:
    graph = line(step("wait", requires_operator_completion=False, requires_explicit_start=True), step("work"), end())
    instance = await plant.begin(graph)
    start = await plant.accept(instance, "start", [Ref(0, "wait")])
    hold = await plant.accept(instance, "hold", by="quinn", reason="audit finding")
    await plant.signal(instance, start, hold)
    await plant.status(instance, "on_hold")
    await plant.act(instance, "resume", by="quinn", reason="finding closed")
    await plant.until(
        "SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'work'", id=instance
    )


async def test_evidence_that_changed_before_a_hold_is_looked_at_after_it(plant: Plant) -> None:
    graph = line(
        step(
            "tick",
            requires_operator_completion=False,
            requirements=[
                {"requirement_type": "checklist", "name": "List", "config": {"items": ["clean"]}},
            ],
        ),
        step("work"),
        end(),
    )
    instance = await plant.begin(graph)
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'execution_checked'", id=instance)
    await plant.meet(instance, Ref(0, "tick"))
    await plant.act(instance, "hold", by="quinn", reason="audit finding")
    await plant.client.get_workflow_handle(str(instance)).signal("evidence_changed", [Ref(0, "tick")])
    assert (await plant.act(instance, "claim", Ref(0, "tick")))["code"] == "on_hold"
    await plant.act(instance, "resume", by="quinn", reason="finding closed")
    await plant.until(
        "SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'work'", id=instance
    )


async def test_a_cancelled_instance_closes_what_is_open_and_its_subjects_and_says_why(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), step("two"), end()), subjects=3)
    await plant.act(instance, "complete", Ref(0, "one"))
    cancelled = await plant.act(instance, "cancel", by="quinn", reason="order withdrawn")
    assert cancelled["outcome"] == "cancelled"
    assert await plant.status(instance, "cancelled") == "cancelled"
    assert [row[1:] for row in await plant.executions(instance)] == [
        ("one", 1, "completed"), ("two", 1, "cancelled"), ("one", 1, "cancelled"), ("one", 1, "cancelled"),
    ]  # fmt: skip
    ends = await plant.rows("SELECT terminal_status FROM workflow_subject WHERE instance_id = :id", id=instance)
    assert [row["terminal_status"] for row in ends] == ["cancelled"] * 3
    (entry,) = await plant.audited(instance, "instance_cancelled")
    assert (entry["reason"], entry["actor_id"]) == ("order withdrawn", plant.people["quinn"])
    closed = await plant.audited(instance, "execution_cancelled")
    assert {(row["old"]["status"], row["new"]["status"]) for row in closed} == {("pending", "cancelled")}


async def test_an_amendment_changes_the_instances_own_fields_and_is_audited(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()))
    changes = {
        "name": "Rush order", "due_date": "2026-12-24", "owner": str(plant.people["ann"]), "context": {"lot": "L7"},
    }  # fmt: skip
    amended = await plant.act(instance, "amend", by="quinn", changes=changes, reason="customer called")
    assert amended["outcome"] == "amended"
    (row,) = await plant.rows(
        "SELECT name, due_date::text AS due, owner_id, context FROM workflow_instance WHERE id = :id", id=instance
    )
    assert row == {"name": "Rush order", "due": "2026-12-24", "owner_id": plant.people["ann"], "context": {"lot": "L7"}}
    (entry,) = await plant.audited(instance, "instance_amended")
    assert entry["reason"] == "customer called"
    assert entry["new"]["changes"]["name"] == "Rush order"
    assert (await plant.act(instance, "amend", by="bob", changes={"name": "x"}))["code"] == "forbidden"
