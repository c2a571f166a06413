"""Ten thousand subjects in one instance (DESIGN §3.14): what holds. What it takes is measured by `make bench`."""

from uuid import UUID

import pytest
from temporalio.api.enums.v1 import EventType

from models.flow.state import Ref
from tests.support.plant import Plant, end, line, step
from workflows.process_instance import LONG_TASK

MANY, SLICE = 10_000, 1_000


async def in_bulk(plant: Plant, instance: UUID, kind: str, key: str, by: str = "bob") -> set[str]:
    """A bulk request as the API cuts it: the words of its outcomes."""
    slices = [[Ref(n, key) for n in range(start, start + SLICE)] for start in range(0, MANY, SLICE)]
    commands = [await plant.accept(instance, kind, refs, by=by) for refs in slices]
    await plant.signal(instance, *commands)
    answers = [await plant.outcome(command) for command in commands]
    items = [item for answer in answers for item in answer["items"]]
    assert len(items) == MANY
    return {item.get("outcome") or item["code"] for item in items}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_ten_thousand_pass_two_steps_and_the_second_as_one_batch(plant: Plant) -> None:
    """The history stays small, and no bulk request is one long workflow task."""
    graph = line(step("mill"), step("wash", requires_batch_completion=True), end())
    instance = await plant.begin(graph, subjects=MANY)
    assert await in_bulk(plant, instance, "complete", "mill") == {"advanced"}
    assert await in_bulk(plant, instance, "complete", "wash") == {"waiting", "completed"}
    assert await plant.status(instance, "completed", "in_progress") == "completed"
    ended = await plant.rows("SELECT count(*) AS n FROM workflow_subject WHERE finished_at IS NOT NULL")
    assert ended[0]["n"] == MANY
    released = await plant.rows(
        "SELECT count(DISTINCT record_no) AS n FROM journal"
        " WHERE kind = 'execution_completed' AND data->'ref'->>1 = 'wash'"
    )
    assert released[0]["n"] == 1, "a batch is released in one record"
    events = (await plant.history(instance)).events
    assert sum(event.ByteSize() for event in events) < 512 * 1024
    tasks = [event for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    assert len(tasks) > 2 * 2 * MANY // LONG_TASK, "a task goes on through a few passes, not through all of them"
