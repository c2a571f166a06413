"""What a completion costs in Temporal's history: the budget of DESIGN §6, so that it cannot grow unnoticed."""

from collections import Counter
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from models.flow.state import Ref
from tests.support.plant import Plant, end, line, step

CHECKED = [{"requirement_type": "checklist", "name": "List", "config": {"items": ["clean"]}}]


async def since_the_first_signal(plant: Plant, instance: UUID) -> list[HistoryEvent]:
    """The history without what it took to begin."""
    events = list((await plant.history(instance)).events)
    kinds = [event.event_type for event in events]
    return events[kinds.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) :]


async def test_a_lone_completion_costs_at_most_six_events(plant: Plant) -> None:
    keys = [f"s{number}" for number in range(10)]
    instance = await plant.begin(line(*(step(key, requirements=CHECKED) for key in keys), end()))
    for key in keys[:-1]:
        await plant.meet(instance, Ref(0, key))
        assert (await plant.act(instance, "complete", Ref(0, key)))["outcome"] == "advanced"
    events = await since_the_first_signal(plant, instance)
    names = Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in events)
    assert len(events) <= 6 * (len(keys) - 1), names


async def test_a_claim_costs_at_most_five_events(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()), subjects=5)
    for subject in range(5):
        assert (await plant.act(instance, "claim", Ref(subject, "one")))["outcome"] == "claimed"
    assert len(await since_the_first_signal(plant, instance)) <= 5 * 5


async def test_search_attributes_are_upserted_only_when_they_change(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), step("two"), end()), subjects=5)
    for subject in range(5):
        await plant.act(instance, "claim", Ref(subject, "one"))
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "claim", Ref(0, "two"))
    names = [event.event_type for event in (await plant.history(instance)).events]
    at_begin, when_the_second_step_was_entered = 2, 1
    assert (
        names.count(EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
        == at_begin + when_the_second_step_was_entered
    )
