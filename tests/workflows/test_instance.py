"""An instance on a real Temporal and a real PostgreSQL: signals in, journal out."""

from models.flow.state import Ref
from tests.support.plant import Plant, line, step


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
