"""Escalation levels that start a process, on real servers; what cannot be started is an incident that stops nobody."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from models.db import tenant_session
from models.flow.graph import ProcessCategory
from models.flow.state import Ref, execution_id
from models.store.definitions import NewProcess, approve_process, change_process, create_process
from models.store.process_life import Level, new_version, retire_process
from models.store.refusals import ProcessInvalidError
from models.tables import Process, SubjectType
from tests.support.plant import Plant, end, line, step
from workers.verify import verify

ANALYSIS = line(step("why"), end())


def late(process_key: str, **more: Any) -> Any:
    """A step that is late after a second, and then has a process started."""
    level = {"action": "start_process", "process_key": process_key}
    config = {"escalation": {"levels": [level]}}
    return line(step("work", expected_duration="PT1S", config=config, **more), end())


async def of_boxes(plant: Plant, name: str, former: Process | None = None) -> Process:
    """A process for subjects of another type; with `former` the next version of that one."""
    async with tenant_session(plant.app, plant.tenant) as session:
        session.add(SubjectType(tenant_id=plant.tenant, id=uuid4(), key="Box", name="Box"))
        await session.flush()
        if former is None:
            new = NewProcess(
                name=name, category=ProcessCategory.MANUFACTURING, subject_type="Box", graph=dict(ANALYSIS)
            )
            draft = await create_process(session, plant.actor, new)
        else:
            draft = await new_version(session, plant.actor, former.id, Level.MINOR, "")
            await change_process(session, plant.actor, draft.id, {"subject_type": "Box"}, base=None)
        return await approve_process(session, plant.actor, draft.id)


async def started(plant: Plant, instance: UUID) -> list[dict[str, Any]]:
    rows = await plant.until(
        "SELECT id, identifier, name, triggered_by, context, triggered_requirement_id FROM workflow_instance"
        " WHERE parent_instance_id = :id AND seq > 0",
        id=instance,
    )
    return [dict(row) for row in rows]


async def test_a_level_starts_its_process_for_the_subjects_that_are_late(plant: Plant) -> None:
    analysis = await plant.approve(ANALYSIS, "Analysis of delay")
    instance = await plant.begin(late(analysis.key), subjects=3)
    (child,) = await started(plant, instance)
    assert (child["triggered_by"], child["triggered_requirement_id"]) == (
        execution_id(instance, Ref(0, "work")), None,
    )  # fmt: skip
    assert child["name"].startswith("Escalation level 1 of ")
    assert (child["context"]["escalation"]["step"], child["context"]["escalation"]["level"]) == ("work", 1)
    pairs = await plant.rows(
        "SELECT subject_id FROM workflow_subject a JOIN workflow_subject b USING (subject_no, subject_id)"
        " WHERE a.instance_id = :a AND b.instance_id = :b",
        a=instance,
        b=child["id"],
    )
    assert len(pairs) == 3
    (entry,) = await plant.audited(instance, "escalation_process_started")
    assert (entry["new"]["identifier"], entry["new"]["subjects"]) == (child["identifier"], 3)
    for number in range(3):
        await plant.act(child["id"], "complete", Ref(number, "why"))
    await plant.status(child["id"], "completed")
    for number in range(3):
        assert (await plant.act(instance, "complete", Ref(number, "work")))["outcome"] == "completed"


async def test_it_is_held_and_cancelled_with_the_instance_that_it_is_about(plant: Plant) -> None:
    analysis = await plant.approve(ANALYSIS, "Analysis of delay")
    instance = await plant.begin(late(analysis.key))
    (child,) = await started(plant, instance)
    await plant.act(instance, "cancel", by="quinn", reason="the order was withdrawn")
    assert await plant.status(child["id"], "cancelled") == "cancelled"


async def test_what_could_never_be_started_is_not_approved(plant: Plant) -> None:
    box = await of_boxes(plant, "Boxes")
    for key, code in (("nowhere", "process_unusable"), (box.key, "child_subject_mismatch")):
        with pytest.raises(ProcessInvalidError) as refused:
            await plant.approve(late(key))
        (problem,) = refused.value.params["problems"]
        assert (problem["code"], problem["path"]) == (code, "steps[0].config.escalation.levels[0].process_key")
    assert (await plant.approve(late("process"))).key == "process", "it starts itself once it is in force"


async def test_what_cannot_be_started_is_an_incident_and_the_work_goes_on(plant: Plant) -> None:
    analysis = await plant.approve(ANALYSIS, "Analysis of delay")
    process = await plant.approve(late(analysis.key))
    async with tenant_session(plant.app, plant.tenant) as session:
        await retire_process(session, plant.actor, analysis.id, reason="nobody analyses any more")
    instance = await plant.start(process)
    (incident,) = await plant.until("SELECT * FROM incident")
    assert (incident["code"], incident["execution_id"]) == ("escalation_process_unusable", None)
    assert "no version of 'analysis-of-delay' is in force" in incident["message"]
    assert incident["params"]["execution"] == str(execution_id(instance, Ref(0, "work")))
    (entry,) = await plant.audited(instance, "incident.opened")
    assert entry["object_id"] == str(incident["id"])
    assert (await plant.act(instance, "complete", Ref(0, "work")))["outcome"] == "completed"
    assert (await verify(plant.settings, repair=True)).is_clean
    assert len(await plant.rows("SELECT 1 FROM incident")) == 1, "the journal does not tell of it, and it stays"


async def test_a_process_that_takes_subjects_of_another_type_by_now_is_no_help(plant: Plant) -> None:
    analysis = await plant.approve(ANALYSIS, "Boxes")
    process = await plant.approve(late(analysis.key))
    await of_boxes(plant, "Boxes", analysis)
    instance = await plant.start(process)
    (incident,) = await plant.until("SELECT message FROM incident")
    assert "'Boxes' takes subjects of another type" in incident["message"]
    assert await plant.rows("SELECT 1 FROM workflow_instance WHERE parent_instance_id = :id", id=instance) == []
