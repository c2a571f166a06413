"""The sweep is a Schedule that anybody can see in Temporal's Web UI (real servers)."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.client import ScheduleOverlapPolicy, WorkflowExecutionStatus
from temporalio.service import RPCError

from activities.contract import Swept
from models.flow.state import Ref
from tests.store.scene import as_superuser
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import working
from tests.workflows.test_signals import sweep
from workers.sweep_schedule import ensure_schedule, keep_schedule, schedule_id
from workflows.sweep import SWEEP_WORKFLOW


async def described(plant: Plant) -> Any:
    return await plant.client.get_schedule_handle(schedule_id(plant.settings.core_task_queue)).describe()


async def there(plant: Plant) -> bool:
    try:
        await described(plant)
    except RPCError:
        return False
    return True


async def test_a_worker_makes_the_schedule_and_it_sweeps_at_once(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()))
    await plant.eventually(lambda: there(plant))
    schedule = (await described(plant)).schedule
    assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert [one.every for one in schedule.spec.intervals] == [timedelta(seconds=15)]

    async def swept() -> bool:
        return bool((await described(plant)).info.recent_actions)

    await plant.eventually(swept)
    (action, *_) = (await described(plant)).info.recent_actions
    handle = plant.client.get_workflow_handle(action.action.workflow_id, result_type=Swept)
    assert (await handle.result()).left == 0
    shown = await handle.describe()
    assert (shown.workflow_type, shown.status) == (SWEEP_WORKFLOW, WorkflowExecutionStatus.COMPLETED)
    assert (await plant.act(instance, "complete", Ref(0, "one")))["outcome"] == "completed"


async def test_the_schedule_brings_back_what_was_lost(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()))
    await plant.client.get_workflow_handle(str(instance)).terminate("by hand")
    # The sweep looks at an instance only some seconds after it was made; verify sees when it was made.
    database = plant.settings.database_url.get_secret_value() if plant.settings.database_url else ""
    as_superuser(database, "UPDATE workflow_instance SET created_at = created_at - interval '1 minute'")
    await plant.eventually(lambda: there(plant))
    await plant.client.get_schedule_handle(schedule_id(plant.settings.core_task_queue)).trigger()
    await plant.until("SELECT 1 FROM journal WHERE kind = 'instance_recovered'")
    as_superuser(database, "UPDATE workflow_instance SET created_at = created_at + interval '1 minute'")


async def test_the_schedule_is_made_once_and_takes_a_new_interval(idle_plant: Plant) -> None:
    plant, queue = idle_plant, idle_plant.settings.core_task_queue
    await ensure_schedule(plant.client, queue, timedelta(seconds=30))
    handle = plant.client.get_schedule_handle(schedule_id(queue))
    await handle.pause(note="maintenance")
    await ensure_schedule(plant.client, queue, timedelta(seconds=30))
    await ensure_schedule(plant.client, queue, timedelta(seconds=45))
    schedule = (await handle.describe()).schedule
    assert [one.every for one in schedule.spec.intervals] == [timedelta(seconds=45)]
    assert schedule.state.paused


async def test_a_schedule_that_was_lost_with_temporal_is_made_again(idle_plant: Plant, monkeypatch: Any) -> None:
    plant, queue = idle_plant, idle_plant.settings.core_task_queue
    monkeypatch.setattr("workers.sweep_schedule.LOOK_AGAIN", timedelta(seconds=0.1))
    stop = asyncio.Event()
    keeping = asyncio.create_task(keep_schedule(plant.client, queue, timedelta(seconds=30), stop))
    await plant.eventually(lambda: there(plant))
    await plant.client.get_schedule_handle(schedule_id(queue)).delete()
    await plant.eventually(lambda: there(plant))
    stop.set()
    await keeping


async def test_a_deadline_that_passed_without_a_mark_is_found(idle_plant: Plant) -> None:
    plant = idle_plant
    async with working(plant):
        instance = await plant.begin(line(step("one", expected_duration="PT1H"), end()))
        before = (await sweep(plant).sweep_once()).late
        await plant.client.get_workflow_handle(str(instance)).signal("check_deadlines")
        assert (await plant.act(instance, "claim", Ref(0, "one")))["outcome"] == "claimed"
    late = "UPDATE step_execution SET due_at = due_at - interval '2 hours'"
    address = plant.settings.database_url.get_secret_value() if plant.settings.database_url else ""
    as_superuser(address, late)
    assert (before, (await sweep(plant).sweep_once()).late) == (0, 1)
    as_superuser(address, late.replace("- interval", "+ interval"))
    assert "execution_overdue" not in await plant.kinds(instance)
