"""Record the Temporal histories that `tests/workflows/test_replay.py` replays: `python -m scripts.record_histories`.

Run it after a deliberate change of the workflow's course, and say in the commit why old runs need not replay (or keep
the old files beside the new ones, and use `workflow.patched`).
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from models.db import tenant_session
from models.flow.state import Ref
from models.store.definitions import approve_process, change_process
from models.store.process_life import Level, new_version
from tests.support.plant import Plant, edge, end, line, settings_for, step
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.temporal import EmbeddedTemporal, TemporalPorts
from workers.migrate import upgrade
from workers.run_worker import serve
from workers.search_attributes import ensure_search_attributes
from workflows.contract import SEARCH_ATTRIBUTES, Limits

HISTORIES = Path(__file__).parent.parent / "tests" / "workflows" / "histories"
CHECKED = [{"requirement_type": "checklist", "name": "List", "config": {"items": ["clean"]}}]


async def rework(plant: Plant) -> UUID:
    """A decision that fails, rework, refusals, a sign-off, and the end."""
    graph = line(
        step("inspect", is_decision_point=True),
        step("rework", requirements=CHECKED),
        step("release", requires_qa_signoff=True),
        end("stock"),
        edges=[edge("inspect", "release"), edge("inspect", "rework", "alternate"), edge("rework", "inspect")],
    )
    instance = await plant.begin(graph)
    await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="maybe")
    await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="no")
    await plant.act(instance, "complete", Ref(0, "rework"))
    await plant.meet(instance, Ref(0, "rework"))
    await plant.act(instance, "complete", Ref(0, "rework"))
    await plant.act(instance, "complete", Ref(0, "inspect", 2), decision_result="yes")
    await plant.act(instance, "complete", Ref(0, "release"))
    await plant.act(instance, "signoff", Ref(0, "release"), by="quinn")
    return instance


async def batch_with_deadlines(plant: Plant) -> UUID:
    """Automatic steps, a batch, timers, hold and resume, a poisoned command, bare signals, a cancel by ops."""
    graph = line(
        step("prepare", requires_operator_completion=False),
        step("test", requires_batch_completion=True, expected_duration="PT1S"),
        step("pack", expected_duration="PT8H"),
        end(),
    )
    instance = await plant.begin(graph, subjects=4)
    await plant.until("SELECT 1 FROM step_execution WHERE overdue HAVING count(*) = 4")
    refs = [Ref(number, "test") for number in range(4)]
    bad = await plant.accept(instance, "explode", refs)
    good = [await plant.accept(instance, "complete", [ref]) for ref in refs]
    await plant.signal(instance, *good[:2], bad, *good[2:])
    await plant.settled([*good, bad])
    await plant.act(instance, "hold", by="quinn", reason="audit finding")
    await plant.act(instance, "resume", by="quinn", reason="finding closed")
    handle = plant.client.get_workflow_handle(str(instance))
    await handle.signal("claim", {"id": "robot", "execution_id": "nonsense"})
    await handle.cancel()
    await handle.result()
    return instance


async def nested(plant: Plant) -> UUID:
    """A parent that waits for two children."""
    child = await plant.approve(line(step("check"), end()), "Child")
    config = {"process_id": str(child.id), "count": 2}
    requirement = {"requirement_type": "child_workflow", "name": "Inspection", "config": config}
    parent = await plant.begin(line(step("nest", requirements=[requirement], requires_operator_completion=False)))
    children = await plant.until(
        "SELECT id FROM workflow_instance WHERE parent_instance_id = :id AND seq > 0 AND (SELECT count(*)"
        " FROM workflow_instance WHERE parent_instance_id = :id AND seq > 0) = 2",
        id=parent,
    )
    for row in children:
        await plant.act(row["id"], "complete", Ref(0, "check"))
    await plant.status(parent, "completed")
    return parent


async def chain_of_runs(plant: Plant) -> UUID:
    """Several runs that continue as new."""
    process = await plant.approve(line(step("one", expected_duration="PT8H"), step("two"), end()))
    instance = await plant.start(process, 6, limits=Limits(signals=4))
    await plant.begun(instance)
    for key in ("one", "two"):
        for number in range(6):
            await plant.act(instance, "complete", Ref(number, key))
    await plant.status(instance, "completed")
    return instance


async def recovered(plant: Plant) -> UUID:
    """A run that took over from one that was terminated, and is still open."""
    instance = await plant.begin(line(step("one"), step("two"), end()), subjects=2)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.client.get_workflow_handle(str(instance)).terminate("by hand")
    async with asyncio.timeout(60):
        while "instance_recovered" not in await plant.kinds(instance):  # noqa: ASYNC110 - the sweep comes by itself
            await asyncio.sleep(0.5)
    await plant.act(instance, "complete", Ref(1, "one"))
    return instance


async def migrated(plant: Plant) -> UUID:
    """Goes on under another version of its process, and is still open."""
    old = await plant.approve(line(step("one"), step("two"), end()))
    instance = await plant.start(old, 2)
    await plant.begun(instance)
    await plant.act(instance, "complete", Ref(0, "one"))
    async with tenant_session(plant.app, plant.tenant) as session:
        draft = await new_version(session, plant.actor, old.id, Level.MAJOR, "another second step")
        graph = line(step("one"), step("second"), end())
        await change_process(session, plant.actor, draft.id, {"graph": graph}, base=None)
        new = await approve_process(session, plant.actor, draft.id)
    steps = {"two": "second"}
    versions = {"process_id": str(new.id), "from_process_id": str(old.id)}
    await plant.act(instance, "migrate", by="quinn", **versions, steps=steps, reason="another second step")
    await plant.act(instance, "complete", Ref(0, "second"))
    return instance


RUNS: tuple[Callable[[Plant], Awaitable[UUID]], ...] = (
    rework, batch_with_deadlines, nested, chain_of_runs, recovered, migrated,
)  # fmt: skip


async def record(database: str, address: str) -> None:
    """Play every run on real servers and keep its histories."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    plant = Plant(settings=settings_for(database, f"record-{uuid4().hex[:8]}"), client=client)
    await plant.open()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(plant.settings, client, stop))
    HISTORIES.mkdir(exist_ok=True)
    for old in HISTORIES.glob("*.json"):
        old.unlink()
    for run in RUNS:
        instance = await run(plant)
        chain = (await plant.histories(instance))[::-1]
        for number, history in enumerate(chain, start=1):
            name = f"{run.__name__}-{number}.json" if len(chain) > 1 else f"{run.__name__}.json"
            (HISTORIES / name).write_text(history.to_json())
        print(f"{run.__name__}: {[len(history.events) for history in chain]} events")
    stop.set()
    await serving
    await plant.close()


def main() -> None:
    """Start throw-away servers and record."""
    with tempfile.TemporaryDirectory() as folder:
        ports = TemporalPorts(grpc=0, ui=0)
        with (
            EmbeddedPostgres(Path(folder) / "data", durable=False) as postgres,
            EmbeddedTemporal(Path(folder), ports=ports) as temporal,
        ):
            database = postgres.url("postgres")
            upgrade(database)
            asyncio.run(record(database, temporal.address))


if __name__ == "__main__":
    main()
