"""What a completion costs in Temporal's history: the budget of DESIGN §6, so that it cannot grow unnoticed."""

from collections import Counter
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from models.flow.state import Ref
from tests.support.plant import Plant, end, line, step
from workflows.contract import Limits
from workflows.details import STEPS

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


async def upserts(plant: Plant, instance: UUID) -> int:
    kinds = [event.event_type for event in (await plant.history(instance)).events]
    return kinds.count(EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)


AT_BEGIN = 2


async def test_search_attributes_are_upserted_only_when_they_change(plant: Plant) -> None:
    process = await plant.approve(line(step("one"), step("two"), end()))
    instance = await plant.start(process, 5, limits=Limits(quiet_seconds=0))
    await plant.begun(instance)
    for subject in range(5):
        await plant.act(instance, "claim", Ref(subject, "one"))
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "claim", Ref(0, "two"))
    when_the_second_step_was_entered = 1
    assert await upserts(plant, instance) == AT_BEGIN + when_the_second_step_was_entered


async def test_steps_that_change_in_quick_succession_are_shown_once_but_a_hold_at_once(plant: Plant) -> None:
    process = await plant.approve(line(*(step(f"s{number}") for number in range(6)), end()))
    instance = await plant.start(process, limits=Limits(quiet_seconds=1.5))
    await plant.begun(instance)
    for number in range(4):
        await plant.act(instance, "complete", Ref(0, f"s{number}"))
    shown = await upserts(plant, instance)
    assert shown <= AT_BEGIN + 1
    await plant.act(instance, "hold", by="quinn", reason="to be looked at")
    await plant.act(instance, "complete", Ref(0, "s4"))
    assert await upserts(plant, instance) == shown + 1
    await plant.act(instance, "resume", by="quinn", reason="looked at")
    await plant.act(instance, "complete", Ref(0, "s4"))

    async def last_step_is_found() -> bool:
        handle = await plant.client.get_workflow_handle(str(instance)).describe()
        return handle.typed_search_attributes.get(STEPS) == ["s5"]

    await plant.eventually(last_step_is_found)
