"""An instance on a real Temporal and a real PostgreSQL: signals in, journal out."""

from functools import partial
from typing import Any

from sqlalchemy import text
from temporalio.client import WorkflowHandle

from models.db import tenant_session
from models.flow.state import Ref
from tests.support.plant import Plant, line, step
from tests.workflows.conftest import working


async def test_a_subject_walks_through_a_process(plant: Plant) -> None:
    process = await plant.approve(
        line(step("one"), step("two"), step("end", is_terminal=True, terminal_status="stock"))
    )
    instance = await plant.start(process)
    await plant.status(instance, "in_progress")

    claimed = await plant.act(instance, "claim", Ref(0, "one"))
    assert claimed["outcome"] == "claimed"
    advanced = await plant.act(instance, "complete", Ref(0, "one"))
    assert advanced["outcome"] == "advanced"
    assert advanced["execution"]["status"] == "completed"
    assert [one["step"]["key"] for one in advanced["next"]] == ["two"]
    refused = await plant.act(instance, "complete", Ref(0, "one"))
    assert refused["code"] == "execution_closed"
    done = await plant.act(instance, "complete", Ref(0, "two"))
    assert done["outcome"] == "completed"

    assert await plant.status(instance, "completed") == "completed"
    assert await plant.executions(instance) == [
        (0, "one", 1, "completed"),
        (0, "two", 1, "completed"),
        (0, "end", 1, "completed"),
    ]


async def is_described(handle: WorkflowHandle[Any, Any]) -> bool:
    return "GateworkSite" in (await handle.describe()).search_attributes


async def test_operators_find_an_instance_by_its_own_site_or_the_deployments(idle_plant: Plant) -> None:
    plant = idle_plant
    process = await plant.approve(line(step("one"), step("end", is_terminal=True)))
    named, other = [await plant.start(process, signal=False) for _ in range(2)]
    async with tenant_session(plant.app, plant.tenant) as session:
        at = text("UPDATE workflow_instance SET context = jsonb_build_object('site', 'vienna') WHERE id = :id")
        await (await session.connection()).execute(at, {"id": named})
    async with working(plant):
        for instance, site in ((named, "vienna"), (other, plant.settings.site)):
            await plant.begun(instance)
            handle = plant.client.get_workflow_handle(str(instance))
            # The first record is there before the task ends that says so to Temporal.
            await plant.eventually(partial(is_described, handle))
            assert (await handle.describe()).search_attributes["GateworkSite"] == [site]
