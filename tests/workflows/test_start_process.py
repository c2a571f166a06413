"""Automatic steps that start a process, on real servers: once per visit, with whose subjects, and what stops them."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from activities.actions import Actions
from activities.definitions import Definitions
from models.db import app_engine, tenant_session
from models.flow.graph import ProcessCategory
from models.flow.state import Ref, execution_id
from models.secret_box import secret_box
from models.store.definitions import NewProcess, approve_process, create_process
from models.store.process_life import retire_process
from models.store.refusals import ProcessInUseError, ProcessInvalidError
from models.tables import Process, SubjectType
from tests.support.meddling import Call
from tests.support.plant import Plant, edge, end, line, step
from tests.workflows.conftest import meddling
from tests.workflows.test_nesting import amend, stock, subjects_of

Json = dict[str, Any]
INSPECTION = line(step("check"), end())
AT = Ref(0, "start")


def starting(*, first: bool = False, **action: Any) -> Json:
    """A step that starts a process, then a person; where asked, a person before it, too."""
    config = {"action": {"type": "start_process", "context": {"inspection": "instance.identifier"}, **action}}
    before = [step("first")] if first else []
    return line(*before, step("start", step_type="automatic", config=config), step("look"), end())


async def started(plant: Plant, instance: UUID, count: int = 1) -> list[Json]:
    """What was started below an instance and has begun."""
    rows = await plant.until(
        "SELECT * FROM (SELECT w.*, count(*) OVER () AS n FROM workflow_instance w"
        " WHERE w.parent_instance_id = :id AND w.seq > 0) below WHERE n >= :n ORDER BY created_at",
        id=instance,
        n=count,
    )
    return [dict(row) for row in rows]


async def test_an_instance_is_started_below_and_the_subject_goes_on(plant: Plant) -> None:
    inspection = await plant.approve(INSPECTION, "Inspection")
    values = {"order.part": "subject.identifier", "order.doubled": "context.quantity * 2", "at": "now"}
    graph = starting(first=True, process=inspection.key, name="Incoming goods", values=values)
    instance = await plant.begin(graph)
    await amend(plant, instance, quantity=4)
    await plant.act(instance, "complete", Ref(0, "first"))
    (child,) = await started(plant, instance)
    await plant.at(instance, "look")
    (own,) = await plant.rows(
        "SELECT i.identifier, s.identifier AS part FROM workflow_instance i, subject s WHERE i.id = :id", id=instance
    )
    assert (child["name"], child["triggered_by"], child["process_id"]) == (
        "Incoming goods", execution_id(instance, AT), inspection.id,
    )  # fmt: skip
    assert child["context"].pop("at").startswith("20")
    assert child["context"] == {"order": {"part": own["part"], "doubled": 8}, "parent": own["identifier"]}
    assert await subjects_of(plant, child["id"]) == await subjects_of(plant, instance)
    assert await plant.context(instance) == {"quantity": 4, "inspection": child["identifier"]}
    (entry,) = await plant.audited(instance, "process_started")
    told = {"id": str(child["id"]), "identifier": child["identifier"], "name": "Incoming goods"}
    assert (entry["new"]["instance"], entry["new"]["subjects"], entry["new"]["step"]) == (told, 1, "Start")
    (ended,) = await plant.audited(instance, "action_ended")
    assert ended["new"]["output"]["instance"] == told
    await plant.act(instance, "complete", Ref(0, "look"))
    assert await plant.status(instance, "completed") == "completed"
    await plant.act(child["id"], "complete", Ref(0, "check"))
    assert await plant.status(child["id"], "completed") == "completed", "nobody waits for it, and it ends by itself"


async def test_a_start_whose_answer_was_lost_is_not_repeated(idle_plant: Plant) -> None:
    """A worker that dies after its commit: Temporal asks again, and hears of the instance that is there."""
    plant, asked = idle_plant, list[Any]()

    async def lost_twice(run_action: Call, call: Any) -> Any:
        asked.append(call.call_id)
        answer = await run_action(call)
        if len(asked) < 3:
            raise ConnectionError("the power went off")
        return answer

    inspection = await plant.approve(INSPECTION, "Inspection")
    async with meddling(plant, run_action=lost_twice):
        instance = await plant.begin(starting(process=inspection.key))
        await plant.at(instance, "look")
    assert len(asked) == 3
    (child,) = await plant.rows("SELECT identifier FROM workflow_instance WHERE parent_instance_id = :id", id=instance)
    assert (await plant.context(instance))["inspection"] == child["identifier"]
    assert len(await plant.audited(instance, "process_started")) == 1


async def test_two_workers_that_are_asked_at_once_start_one(idle_plant: Plant) -> None:
    """A zombie beside its successor: each with what it holds in memory, on one database."""
    plant = idle_plant
    box = secret_box(plant.settings)

    async def by_both(run_action: Call, call: Any) -> Any:
        engines = [app_engine(plant.settings) for _ in range(4)]
        others = [Actions(one, Definitions(), site="main", box=box, private_allowed=False) for one in engines]
        answers = await asyncio.gather(run_action(call), *(one.run_action(call) for one in others))
        for one in engines:
            await one.dispose()
        assert all(one == answers[0] for one in answers)
        return answers[0]

    inspection = await plant.approve(INSPECTION, "Inspection")
    async with meddling(plant, run_action=by_both):
        instance = await plant.begin(starting(process=inspection.key, subjects={"new": {"type": "Part"}}))
        await plant.at(instance, "look")
    rows = await plant.rows("SELECT 1 FROM workflow_instance WHERE parent_instance_id = :id", id=instance)
    assert len(rows) == len(await plant.audited(instance, "process_started")) == 1
    assert len(await plant.rows("SELECT 1 FROM audit_entry WHERE action = 'subject.created'")) == 1


async def test_each_subject_and_each_visit_starts_one(plant: Plant) -> None:
    inspection = await plant.approve(INSPECTION, "Inspection")
    graph = starting(process=inspection.key)
    graph["edges"] = [edge("start", "look"), edge("look", "end"), edge("look", "start", "alternate")]
    graph["steps"][1] |= {"is_decision_point": True}
    instance = await plant.begin(graph, subjects=3)
    await plant.at(instance, "look", 3)
    await plant.act(instance, "complete", Ref(1, "look"), decision_result="fail")
    children = await started(plant, instance, 4)
    asked = [execution_id(instance, Ref(subject, "start")) for subject in range(3)]
    assert {one["triggered_by"] for one in children} == {*asked, execution_id(instance, Ref(1, "start", 2))}


async def test_what_cannot_be_started_is_an_incident_until_it_can(plant: Plant) -> None:
    inspection = await plant.approve(INSPECTION, "Inspection")
    graph = starting(first=True, process=inspection.key)
    instance = await plant.begin(graph)
    await plant.rows("UPDATE process SET status = 'retired' WHERE id = :id RETURNING 1", id=inspection.id)
    await plant.act(instance, "complete", Ref(0, "first"))
    incident = await plant.open_incident(instance)
    assert (incident["code"], incident["execution_id"]) == ("action_failed", execution_id(instance, AT))
    assert f"no version of '{inspection.key}' is in force" in incident["message"]
    await plant.rows("UPDATE process SET status = 'approved' WHERE id = :id RETURNING 1", id=inspection.id)
    assert await plant.retry(instance, AT) == "retried"
    await started(plant, instance)
    await plant.at(instance, "look")
    assert await plant.rows("SELECT 1 FROM incident WHERE resolved_at IS NULL") == []


async def test_a_value_that_cannot_be_worked_out_starts_nothing(plant: Plant) -> None:
    inspection = await plant.approve(INSPECTION, "Inspection")
    instance = await plant.begin(starting(process=inspection.key, values={"x": "context.missing"}))
    assert "missing" in (await plant.open_incident(instance))["message"]
    assert await plant.rows("SELECT 1 FROM workflow_instance WHERE parent_instance_id = :id", id=instance) == []
    await amend(plant, instance, missing=1)
    await plant.retry(instance, AT)
    (child,) = await started(plant, instance)
    assert child["context"]["x"] == 1


async def test_new_subjects_are_made_for_it(plant: Plant) -> None:
    inspection = await plant.approve(INSPECTION, "Inspection")
    new = {"type": "Part", "count": 3, "attributes": {"requires_sampling": True}}
    instance = await plant.begin(starting(process=inspection.key, subjects={"new": new}))
    (child,) = await started(plant, instance)
    made = await subjects_of(plant, child["id"])
    assert len(made) == 3
    assert not set(made) & set(await subjects_of(plant, instance))
    (audited,) = await plant.rows("SELECT count(*) AS n FROM audit_entry WHERE action = 'subject.created'")
    assert audited["n"] == 3


async def test_a_rule_finds_its_subjects(plant: Plant) -> None:
    parts = await stock(plant, {"lot": "L1"}, {"lot": "L2"}, {"lot": "L1"})
    inspection = await plant.approve(INSPECTION, "Inspection")
    rule = {"type": "Part", "equal": {"lot": "context.lot"}}
    instance = await plant.begin(starting(first=True, process=inspection.key, subjects={"rule": rule}))
    await plant.act(instance, "complete", Ref(0, "first"))
    assert "its rule cannot be evaluated" in (await plant.open_incident(instance))["message"]
    await amend(plant, instance, lot="L1")
    await plant.retry(instance, AT)
    (child,) = await started(plant, instance)
    assert await subjects_of(plant, child["id"]) == [parts[0], parts[2]]


async def test_what_starts_during_a_hold_is_held_with_the_rest(idle_plant: Plant) -> None:
    """Asked for before the hold, carried out after it: the hold has seen everything below already, but not this."""
    plant, arrived, go = idle_plant, asyncio.Event(), asyncio.Event()

    async def late(run_action: Call, call: Any) -> Any:
        arrived.set()
        await go.wait()
        return await run_action(call)

    inspection = await plant.approve(INSPECTION, "Inspection")
    async with meddling(plant, run_action=late):
        instance = await plant.begin(starting(process=inspection.key))
        await arrived.wait()
        await plant.act(instance, "hold", by="quinn", reason="audit of the line")
        go.set()
        await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'action_ended'", id=instance)
    [held] = await plant.rows(
        "SELECT c.kind, c.body FROM command c JOIN workflow_instance w ON w.id = c.workflow_instance_id"
        " WHERE w.parent_instance_id = :id",
        id=instance,
    )
    assert (held["kind"], held["body"]["args"]["reason"]) == ("hold", "audit of the line")


async def test_it_is_cancelled_with_the_instance_that_started_it(plant: Plant) -> None:
    inspection = await plant.approve(INSPECTION, "Inspection")
    instance = await plant.begin(starting(process=inspection.key))
    (child,) = await started(plant, instance)
    await plant.at(instance, "look")
    await plant.act(instance, "cancel", by="quinn", reason="order withdrawn")
    assert await plant.status(child["id"], "cancelled") == "cancelled"


async def test_a_process_may_start_itself_down_to_a_depth(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.nesting.MOST_DEEP", 2)
    process = await approved(plant, starting(process="again"), key="again")
    root = await plant.start(process)
    (child,) = await started(plant, root)
    assert "2 levels deep" in (await plant.open_incident(child["id"]))["message"]


async def test_the_version_that_is_named_by_its_id_is_started(plant: Plant) -> None:
    inspection = await plant.approve(INSPECTION, "Inspection")
    instance = await plant.begin(starting(process_id=str(inspection.id)))
    (child,) = await started(plant, instance)
    assert child["process_id"] == inspection.id
    assert child["name"].startswith("Start · ")


async def test_a_version_that_a_step_names_by_its_id_is_not_retired(plant: Plant) -> None:
    by_key, by_id = [await plant.approve(INSPECTION, name) for name in ("By key", "By id")]
    await plant.approve(starting(process=by_key.key), "First")
    await plant.approve(starting(process_id=str(by_id.id)), "Second")
    async with tenant_session(plant.app, plant.tenant) as session:
        with pytest.raises(ProcessInUseError) as refused:
            await retire_process(session, plant.actor, by_id.id, reason="replaced by another one")
        assert refused.value.params["parents"] == ["Second 1.0"]
        await retire_process(session, plant.actor, by_key.id, reason="replaced by another one")


@pytest.mark.parametrize(
    ("action", "codes"),
    [
        ({"process": "nowhere"}, ["process_unusable"]),
        ({"process_id": str(uuid4())}, ["process_unusable"]),
        ({"process": "boxes"}, ["child_subject_mismatch"]),
        ({"process": "boxes", "subjects": {"new": {"type": "Box"}}}, []),
        ({"process": "draft"}, ["process_unusable"]),
    ],
)
async def test_what_could_never_be_started_is_not_approved(plant: Plant, action: Json, codes: list[str]) -> None:
    async with tenant_session(plant.app, plant.tenant) as session:
        session.add(SubjectType(tenant_id=plant.tenant, id=uuid4(), key="Box", name="Box"))
        await session.flush()
        await create_process(session, plant.actor, new_process(INSPECTION, "draft"))
    await approved(plant, INSPECTION, key="boxes", subject_type="Box")
    if not codes:
        await approved(plant, starting(**action), key="order")
        return
    with pytest.raises(ProcessInvalidError) as refused:
        await approved(plant, starting(**action), key="order")
    assert [one["code"] for one in refused.value.params["problems"]] == codes
    assert refused.value.params["problems"][0]["path"].startswith("steps[0].config.action.")


def new_process(graph: Json, key: str, subject_type: str = "Part") -> NewProcess:
    return NewProcess(
        name=key.title(), key=key, category=ProcessCategory.MANUFACTURING, subject_type=subject_type, graph=dict(graph)
    )


async def approved(plant: Plant, graph: Json, *, key: str, subject_type: str = "Part") -> Process:
    async with tenant_session(plant.app, plant.tenant) as session:
        draft = await create_process(session, plant.actor, new_process(graph, key, subject_type))
        return await approve_process(session, plant.actor, draft.id)
