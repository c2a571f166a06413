"""A running instance goes on under another version: on real servers, with a crash between, and from the journal."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.contract import AdvanceRequest
from api.migrating import Planner
from models.db import tenant_session
from models.flow.ids import requirement_id
from models.flow.state import Ref, execution_id
from models.store.definitions import approve_process, change_process
from models.store.migrations import Versions, instances_to_migrate
from models.store.process_life import Level, new_version
from models.tables import Process
from tests.support.meddling import Call
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import meddling
from tests.workflows.test_children import children_of
from tests.workflows.test_preview import ask
from tests.workflows.test_signals import sweep
from workflows.contract import Limits

WHY = "New torque limits after the tool change"


def check(key: str, *items: str) -> dict[str, Any]:
    return {"key": key, "requirement_type": "checklist", "name": key.title(), "config": {"items": list(items)}}


def sign(key: str) -> dict[str, Any]:
    return {"key": key, "requirement_type": "approval", "name": key.title(), "config": {"roles": ["engineer"]}}


LOOK, TORQUE, SHARPER = check("look", "Seam"), check("torque", "12 Nm"), check("torque", "12 Nm", "13 Nm")
OLD = line(step("weld", requirements=[LOOK, TORQUE]), step("paint"), step("pack"), end())
NEW = line(
    step("weld", requirements=[LOOK, SHARPER, sign("release")]),
    step("coat", expected_duration="P1D"),
    step("pack"),
    end(),
)


async def next_version(plant: Plant, process: Process, graph: dict[str, Any]) -> Process:
    """An approved version of the same key."""
    async with tenant_session(plant.app, plant.tenant) as session:
        draft = await new_version(session, plant.actor, process.id, Level.MINOR, "why")
        await change_process(session, plant.actor, draft.id, {"graph": graph}, base=None)
        return await approve_process(session, plant.actor, draft.id)


def to(old: Process, new: Process, **steps: str | None) -> dict[str, Any]:
    """The arguments of the command."""
    return {"process_id": str(new.id), "from_process_id": str(old.id), "steps": steps, "reason": WHY}


async def spread(plant: Plant, **start: Any) -> tuple[Process, UUID]:
    """Three subjects: one at each working step; the last one claimed by bob."""
    process = await plant.approve(OLD)
    instance = await plant.start(process, 3, **start)
    await plant.begun(instance)
    first = [Ref(subject, "weld") for subject in (1, 2)]
    await plant.meet(instance, *first)
    for ref in (*first, Ref(2, "paint")):
        await plant.act(instance, "complete", ref)
    await plant.act(instance, "claim", Ref(1, "paint"))
    return process, instance


async def test_each_subject_goes_on_where_it_is_or_at_the_image_of_its_step(plant: Plant) -> None:
    old, instance = await spread(plant)
    await plant.act(instance, "start", Ref(0, "weld"))
    await plant.meet(instance, Ref(0, "weld"))
    new = await next_version(plant, old, NEW)
    answer = await plant.act(instance, "migrate", by="quinn", **to(old, new, paint="coat"))
    assert answer["outcome"] == "migrated"
    assert [row[1:] for row in await plant.executions(instance) if row[3] != "completed"] == [
        ("weld", 1, "in_progress"), ("paint", 1, "cancelled"), ("coat", 1, "claimed"), ("pack", 1, "pending")
    ]  # fmt: skip
    due = await plant.rows("SELECT due_at - entered_at AS within FROM step_execution WHERE step_key = 'coat'")
    assert due == [{"within": timedelta(days=1)}]
    blocked = await plant.act(instance, "complete", Ref(0, "weld"))
    assert [one["name"] for one in blocked["params"]["unmet"]] == ["Torque", "Release"]
    kept = await kept_of(plant, instance, Ref(0, "weld"))
    assert kept == {"look": str(requirement_id(old.id, "weld", "look"))}
    requests = await plant.rows("SELECT requirement_id, state FROM approval_request")
    assert requests == [{"requirement_id": requirement_id(new.id, "weld", "release"), "state": "pending"}]
    assert (await plant.act(instance, "complete", Ref(1, "coat")))["outcome"] == "advanced"
    (told,) = await plant.audited(instance, "instance_migrated")
    assert (told["reason"], told["new"]["steps"]) == (WHY, {"paint": "coat"})
    (left,) = await plant.audited(instance, "execution_diverted")
    assert (left["new"]["status"], left["new"]["step"]) == ("cancelled", "Paint")


async def test_what_is_over_under_the_old_version_is_over(plant: Plant) -> None:
    old, instance = await spread(plant)
    new = await next_version(plant, old, NEW)
    await plant.act(instance, "migrate", by="quinn", **to(old, new, paint="coat"))
    for ref in (Ref(1, "paint"), Ref(2, "paint")):
        assert (await plant.act(instance, "claim", ref))["code"] == "execution_closed"
        assert (await plant.act(instance, "complete", ref))["code"] == "execution_closed"
    undone = await plant.act(instance, "undo", Ref(2, "paint"), reason="a mistake of mine")
    assert undone["code"] == "nothing_to_undo"
    undone = await plant.act(instance, "undo", Ref(2, "weld"), reason="a mistake of mine")
    assert undone["code"] == "nothing_to_undo"
    back = await plant.act(instance, "rewind", Ref(2, "pack"), by="quinn", to_step="weld", reason="weld it once more")
    assert back["outcome"] == "rewound"
    assert [row[1:] for row in await plant.executions(instance) if row[0] == 2] == [
        ("weld", 1, "rolled_back"), ("paint", 1, "rolled_back"), ("pack", 1, "rolled_back"), ("weld", 2, "pending")
    ]  # fmt: skip


async def migrated(plant: Plant) -> UUID:
    """Three subjects under the new version, in which nobody knows the step `paint` any more."""
    old, instance = await spread(plant)
    new = await next_version(plant, old, NEW)
    assert (await plant.act(instance, "migrate", by="quinn", **to(old, new, paint="coat")))["outcome"] == "migrated"
    return instance


async def test_a_look_at_an_execution_whose_step_is_gone_comes_to_nothing(plant: Plant) -> None:
    instance = await migrated(plant)
    await plant.client.get_workflow_handle(str(instance)).signal("evidence_changed", [Ref(1, "paint")])
    for ref, outcome in ((Ref(1, "coat"), "advanced"), (Ref(1, "pack"), "completed")):
        assert (await plant.act(instance, "complete", ref))["outcome"] == outcome
    markers = [event.marker_recorded_event_attributes for event in (await plant.history(instance)).events]
    assert not any(marker.HasField("failure") for marker in markers), "no batch failed and was taken to pieces"


async def test_a_preview_about_an_execution_whose_step_is_gone_says_that_it_is_closed(plant: Plant) -> None:
    instance = await migrated(plant)
    for kind, given in (("complete", {}), ("skip", {"reason": WHY}), ("undo", {"reason": WHY})):
        found = await ask(plant, instance, kind, Ref(1, "paint"), **given)
        code = "nothing_to_undo" if kind == "undo" else "execution_closed"
        assert [one.outcome for one in found.decision.outcomes] == [code]


async def test_what_was_completed_before_a_migration_there_and_back_is_not_undone(plant: Plant) -> None:
    old, instance = await spread(plant)
    new = await next_version(plant, old, NEW)
    await plant.act(instance, "migrate", by="quinn", **to(old, new, paint="coat"))
    back = await plant.act(instance, "migrate", by="quinn", **to(new, old, coat="paint"))
    assert back["outcome"] == "migrated"
    undone = await plant.act(instance, "undo", Ref(1, "weld"), reason="a mistake of mine")
    assert undone["code"] == "nothing_to_undo"


async def test_evidence_goes_on_counting_over_two_migrations_until_its_requirement_changes(plant: Plant) -> None:
    old, instance = await spread(plant)
    await plant.meet(instance, Ref(0, "weld"))
    second = await next_version(plant, old, OLD)
    assert (await plant.act(instance, "migrate", by="quinn", **to(old, second)))["outcome"] == "migrated"
    third = await next_version(plant, second, line(step("weld", requirements=[SHARPER, LOOK]), *OLD["steps"][1:]))
    assert (await plant.act(instance, "migrate", by="quinn", **to(second, third)))["outcome"] == "migrated"
    kept = await kept_of(plant, instance, Ref(0, "weld"))
    assert kept == {"look": str(requirement_id(old.id, "weld", "look"))}
    blocked = await plant.act(instance, "complete", Ref(0, "weld"))
    assert [one["name"] for one in blocked["params"]["unmet"]] == ["Torque"]
    await plant.meet(instance, Ref(0, "weld"))
    assert (await plant.act(instance, "complete", Ref(0, "weld")))["outcome"] == "advanced"


async def test_an_approval_that_is_asked_for_no_longer_is_withdrawn_and_one_that_stays_stays_open(plant: Plant) -> None:
    process = await plant.approve(line(step("weld", requirements=[sign("release"), sign("customer")]), end()))
    instance = await plant.start(process)
    await plant.begun(instance)
    new = await next_version(plant, process, line(step("weld", requirements=[sign("release")]), end()))
    await plant.act(instance, "migrate", by="quinn", **to(process, new))
    rows = await plant.rows("SELECT requirement_id, state FROM approval_request")
    assert {row["requirement_id"]: row["state"] for row in rows} == {
        requirement_id(process.id, "weld", "release"): "pending",
        requirement_id(process.id, "weld", "customer"): "withdrawn",
    }


async def test_who_has_no_image_keeps_the_whole_instance_where_it_is(plant: Plant) -> None:
    old, instance = await spread(plant)
    new = await next_version(plant, old, NEW)
    before = await plant.executions(instance)
    refused = await plant.act(instance, "migrate", by="quinn", **to(old, new))
    assert (refused["code"], refused["params"]) == ("migration_no_image", {"steps": ["paint"], "subjects": 1})
    stale = await plant.act(instance, "migrate", by="quinn", **to(new, old))
    assert stale["code"] == "migration_other_version"
    unknown = {**to(old, new), "process_id": str(instance)}
    assert (await plant.act(instance, "migrate", by="quinn", **unknown))["code"] == "migration_other_version"
    assert (await plant.act(instance, "migrate", by="bob", **to(old, new)))["code"] == "forbidden"
    short = {**to(old, new), "reason": "because"}
    assert (await plant.act(instance, "migrate", by="quinn", **short))["code"] == "reason_required"
    assert await plant.executions(instance) == before


async def test_a_worker_that_dies_after_the_commit_goes_on_under_the_new_version(idle_plant: Plant) -> None:
    plant, answers = idle_plant, []

    async def the_worker_dies(advance: Call, request: AdvanceRequest) -> Any:
        answer = await advance(request)
        if any(cohort.event.kind == "instance_migrated" for cohort in answer.cohorts):
            answers.append(answer.status)
            if len(answers) == 1:
                raise ConnectionError("the worker died after the commit")
        return answer

    async with meddling(plant, advance=the_worker_dies):
        old, instance = await spread(plant)
        new = await next_version(plant, old, NEW)
        command = await plant.accept(instance, "migrate", by="quinn", **to(old, new, paint="coat"))
        after = await plant.accept(instance, "complete", [Ref(2, "pack")])
        await plant.signal(instance, command, after)
        assert await plant.settled([command, after]) == ["migrated", "completed"]
        assert (await plant.act(instance, "complete", Ref(1, "coat")))["outcome"] == "advanced"
    assert answers == ["recorded", "behind"]
    assert (await plant.kinds(instance)).count("instance_migrated") == 1


async def test_nested_workflows_stay_with_their_execution_or_end_with_it(plant: Plant) -> None:
    child = await plant.approve(line(step("check"), end()), "Child")

    def nest(key: str, count: int = 1) -> dict[str, Any]:
        config = {"process_id": str(child.id), "count": count}
        return {"key": key, "requirement_type": "child_workflow", "name": key.title(), "config": config}

    old = await plant.approve(line(step("nest", requirements=[nest("sub")]), end()))
    instance = await plant.start(old)
    await plant.begun(instance)
    (first,) = await children_of(plant, instance, 1)
    second = await next_version(plant, old, line(step("nest", requirements=[nest("sub"), nest("more")]), end()))
    assert (await plant.act(instance, "migrate", by="quinn", **to(old, second)))["outcome"] == "migrated"
    added = next(one for one in await children_of(plant, instance, 2) if one != first)
    for one in (first, added):
        await plant.act(one, "complete", Ref(0, "check"))
        await plant.status(one, "completed")
    third = await next_version(plant, second, line(step("nest", requirements=[nest("sub"), nest("more", 2)]), end()))
    await plant.act(instance, "migrate", by="quinn", **to(second, third))
    await children_of(plant, instance, 4)
    blocked = await plant.act(instance, "complete", Ref(0, "nest"))
    assert [one["name"] for one in blocked["params"]["unmet"]] == ["More"]
    fourth = await next_version(plant, third, line(step("inspect"), end()))
    async with tenant_session(plant.app, plant.tenant) as session:
        rows, _ = await instances_to_migrate(session, plant.tenant, third.id, None)
        plan = await Planner(session, Versions(third, fourth), {"nest": "inspect"}).of_instance(rows[0])
    assert [(one["requirement"], one["outcome"]) for one in plan["children_left"]] == [("more", "cancelled")] * 2
    await plant.act(instance, "migrate", by="quinn", **to(third, fourth, nest="inspect"))
    await plant.until(
        "SELECT 1 FROM workflow_instance WHERE parent_instance_id = :id AND status = 'cancelled' HAVING count(*) = 2",
        id=instance,
    )
    assert (await plant.act(instance, "complete", Ref(0, "inspect")))["outcome"] == "completed"


async def test_runs_that_follow_know_the_new_version(plant: Plant) -> None:
    old, instance = await spread(plant, limits=Limits(events=10))
    new = await next_version(plant, old, NEW)
    await plant.act(instance, "migrate", by="quinn", **to(old, new, paint="coat"))
    for _ in range(3):
        await plant.act(instance, "claim", Ref(2, "pack"))
        await plant.act(instance, "release", Ref(2, "pack"))
    assert len(await plant.histories(instance)) > 1
    assert (await plant.act(instance, "complete", Ref(1, "coat")))["outcome"] == "advanced"


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_run_that_was_lost_comes_back_under_the_version_of_the_journal(plant: Plant, moment: str) -> None:
    old, instance = await spread(plant)
    new = await next_version(plant, old, NEW)
    handle = plant.client.get_workflow_handle(str(instance))
    if moment == "after":
        await plant.act(instance, "migrate", by="quinn", **to(old, new, paint="coat"))
    await handle.terminate("lost")
    command = await plant.accept(instance, "migrate", by="quinn", **to(old, new, paint="coat"))

    async def visible() -> bool:
        query = f"WorkflowId = '{instance}' AND ExecutionStatus = 'Terminated'"
        return [one.status async for one in plant.client.list_workflows(query)] == [WorkflowExecutionStatus.TERMINATED]

    await plant.eventually(visible)
    await sweep(plant).sweep_once()
    expected = "migrated" if moment == "before" else "migration_other_version"
    assert await plant.settled([command]) == [expected]
    assert (await plant.act(instance, "complete", Ref(1, "coat")))["outcome"] == "advanced"


async def kept_of(plant: Plant, instance: UUID, ref: Ref) -> dict[str, str]:
    rows = await plant.rows("SELECT kept_gates FROM step_execution WHERE id = :id", id=execution_id(instance, ref))
    kept: dict[str, str] = rows[0]["kept_gates"]
    return kept
