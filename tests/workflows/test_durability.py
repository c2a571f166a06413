"""Workers, runs and histories get lost; nothing that was accepted does, and nothing happens twice."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from activities.contract import AdvanceRequest
from activities.guard import retried_where_it_helps
from models.flow.state import Ref
from tests.support.meddling import Call
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import meddling, working
from tests.workflows.test_signals import sweep
from workers.dispatcher import Dispatcher

TWO_STEPS = line(step("one"), step("two"), end())


async def test_commands_accepted_while_no_worker_runs_take_effect_when_one_returns(idle_plant: Plant) -> None:
    plant = idle_plant
    async with working(plant):
        instance = await plant.begin(TWO_STEPS, subjects=5)
    commands = [await plant.accept(instance, "complete", [Ref(number, "one")]) for number in range(5)]
    await plant.signal(instance, *commands)
    assert await plant.rows("SELECT 1 FROM command WHERE outcome IS NOT NULL") == []
    async with working(plant):
        assert await plant.settled(commands) == ["advanced"] * 5


async def test_a_record_whose_completion_was_lost_is_not_written_again(idle_plant: Plant) -> None:
    plant, answers = idle_plant, []

    async def the_worker_dies_after_the_commit(advance: Call, request: AdvanceRequest) -> Any:
        answer = await advance(request)
        if request.work.commands:
            answers.append(answer.status)
            if len(answers) == 1:
                raise ConnectionError("the worker died after the commit")
        return answer

    async with meddling(plant, advance=the_worker_dies_after_the_commit):
        instance = await plant.begin(TWO_STEPS, subjects=2)
        commands = [await plant.accept(instance, "complete", [Ref(number, "one")]) for number in range(2)]
        await plant.signal(instance, *commands)
        assert await plant.settled(commands) == ["advanced", "advanced"]
        assert (await plant.act(instance, "complete", Ref(0, "two")))["outcome"] == "completed"
    assert answers[:2] == ["recorded", "behind"]
    assert (await plant.kinds(instance)).count("execution_claimed") == 0
    assert [row[1:] for row in await plant.executions(instance)] == [
        ("one", 1, "completed"), ("two", 1, "completed"), ("end", 1, "completed"),
        ("one", 1, "completed"), ("two", 1, "pending"),
    ]  # fmt: skip


async def test_a_run_that_was_terminated_by_hand_is_replaced_and_says_so(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS, subjects=2)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.client.get_workflow_handle(str(instance)).terminate("by hand")
    stranded = await plant.accept(instance, "complete", [Ref(1, "one")])
    await until_visible(plant, instance, "Terminated")
    await sweep(plant).sweep_once()
    assert await plant.settled([stranded]) == ["advanced"]
    assert (await plant.act(instance, "complete", Ref(0, "two")))["outcome"] == "completed"
    assert "instance_recovered" in await plant.kinds(instance)
    (incident,) = await plant.rows("SELECT code, resolved_at FROM incident WHERE instance_id = :id", id=instance)
    assert incident["code"] == "run_gone"
    assert incident["resolved_at"] is not None


async def test_an_instance_whose_history_is_lost_comes_back_from_its_journal(plant: Plant) -> None:
    automatic = step("auto", requires_operator_completion=False, requires_explicit_start=True)
    instance = await plant.begin(line(step("one"), automatic, end()), subjects=2)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "claim", Ref(1, "one"), by="ann")
    service = plant.client.workflow_service
    execution = WorkflowExecution(workflow_id=str(instance))
    await service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=plant.client.namespace, workflow_execution=execution)
    )
    await until_gone(plant, instance)
    await sweep(plant).sweep_once()
    assert (await plant.act(instance, "claim", Ref(1, "one"), by="bob"))["code"] == "already_claimed"
    assert (await plant.act(instance, "start", Ref(0, "auto")))["outcome"] == "started"
    await plant.until("SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'end'", id=instance)


async def test_a_healthy_instance_is_left_alone_by_the_sweep(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    run = (await plant.client.get_workflow_handle(str(instance)).describe()).run_id
    await sweep(plant).sweep_once()
    assert (await plant.client.get_workflow_handle(str(instance)).describe()).run_id == run
    assert await plant.rows("SELECT 1 FROM incident") == []


async def test_a_start_that_was_never_sent_is_sent_by_the_dispatcher(plant: Plant) -> None:
    instance = await plant.start(await plant.approve(TWO_STEPS), signal=False)
    await plant.begun(instance)
    await plant.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM outbox)")
    assert (await plant.act(instance, "complete", Ref(0, "one")))["outcome"] == "advanced"


async def reset(plant: Plant, instance: UUID, completed_task: int) -> None:
    """Reset as the Web UI does: to the n-th completed workflow task, signals reapplied."""
    history = await plant.history(instance)
    tasks = [one for one in history.events if one.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    await plant.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=plant.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=str(instance)),
            reason="by hand",
            workflow_task_finish_event_id=tasks[completed_task].event_id,
            request_id=f"{instance}/{completed_task}",
        )
    )


async def test_a_reset_repeats_nothing_and_the_run_knows_what_it_missed(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS, subjects=2)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "claim", Ref(1, "one"), by="ann")
    handle = plant.client.get_workflow_handle(str(instance))
    await handle.signal("claim", {"id": "x", "execution_id": "nonsense"})
    await plant.until("SELECT 1 FROM command WHERE source = 'temporal-signal' AND outcome IS NOT NULL")
    before = await plant.kinds(instance)
    for task in (1, 0):
        await reset(plant, instance, task)
        assert (await plant.act(instance, "claim", Ref(1, "one"), by="bob"))["code"] == "already_claimed"
    after = [kind for kind in await plant.kinds(instance) if kind != "instance_recovered"]
    assert after == [*before, "command_refused", "command_refused"]
    assert (await plant.act(instance, "complete", Ref(0, "two")))["outcome"] == "completed"


async def test_a_reset_of_a_completed_instance_ends_again(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "complete", Ref(0, "two"))
    handle = plant.client.get_workflow_handle(str(instance))
    await handle.result()
    before = await plant.kinds(instance)
    await reset(plant, instance, 1)
    assert await plant.client.get_workflow_handle(str(instance)).result() == "completed"
    assert await plant.kinds(instance) == before


async def until_visible(plant: Plant, instance: UUID, status: str) -> None:
    """Visibility is a little late."""
    query = f"WorkflowId = '{instance}' AND ExecutionStatus = '{status}'"
    await plant.eventually(lambda: _found(plant, query))


async def _found(plant: Plant, query: str) -> bool:
    return [one async for one in plant.client.list_workflows(query)] != []


async def until_gone(plant: Plant, instance: UUID) -> None:
    """Deleting takes a moment."""

    async def gone() -> bool:
        try:
            await plant.client.get_workflow_handle(str(instance)).describe()
        except RPCError:
            return not await _found(plant, f"WorkflowId = '{instance}'")
        return False

    await plant.eventually(gone)


async def test_a_run_that_failed_by_a_fault_of_ours_is_tried_again_later(idle_plant: Plant) -> None:
    plant, faulty = idle_plant, True

    async def nothing_can_be_read(load: Call, request: Any) -> Any:
        if faulty:
            raise RuntimeError("a bug")
        return await load(request)

    async with meddling(plant, load_instance=retried_where_it_helps(nothing_can_be_read)):
        instance = await plant.start(await plant.approve(TWO_STEPS))
        await plant.until("SELECT 1 FROM workflow_instance WHERE id = :id AND status = 'pending'", id=instance)
        handle = plant.client.get_workflow_handle(str(instance))
        await plant.eventually(lambda: _has(handle, WorkflowExecutionStatus.FAILED))
        queue = plant.settings.core_task_queue
        await Dispatcher(system=plant.system, app=plant.app, client=plant.client, task_queue=queue).dispatch_once()
        await until_visible(plant, instance, "Failed")
        patient = sweep(plant)
        patient._patience = timedelta(minutes=1)
        await patient.sweep_once()
        assert await _has(handle, WorkflowExecutionStatus.FAILED)
        faulty = False
        await sweep(plant).sweep_once()
        assert (await plant.act(instance, "complete", Ref(0, "one")))["outcome"] == "advanced"
        (incident,) = await plant.rows("SELECT code, resolved_at FROM incident")
        assert incident["code"] == "run_gone"
        assert incident["resolved_at"] is not None


async def _has(handle: Any, status: WorkflowExecutionStatus) -> bool:
    return bool((await handle.describe()).status is status)


async def test_runs_that_push_each_other_out_of_memory_come_to_the_same_ends(idle_plant: Plant) -> None:
    """With room for one run, each workflow task of the other one begins with a replay of its whole history."""
    plant = idle_plant
    plant.settings = plant.settings.model_copy(update={"max_cached_workflows": 1})
    process = await plant.approve(line(step("one", expected_duration="PT1S"), step("two"), end()))
    async with working(plant):
        first, second = [await plant.start(process, subjects=2) for _ in range(2)]
        await plant.until("SELECT 1 FROM step_execution WHERE overdue HAVING count(*) = 4")
        for instance in (first, second, first, second):
            refused = await plant.accept(instance, "explode", [Ref(1, "one")])
            await plant.signal(instance, refused)
            assert await plant.settled([refused]) == ["internal_error"]
        for number in range(2):
            for instance in (first, second):
                assert (await plant.act(instance, "complete", Ref(number, "one")))["outcome"] == "advanced"
        for instance in (first, second):
            assert (await plant.act(instance, "complete", Ref(0, "two")))["outcome"] == "completed"
            await plant.client.get_workflow_handle(str(instance)).cancel()
        for instance in (first, second):
            assert await plant.status(instance, "cancelled", "completed") == "cancelled"
