"""Deadlines on real servers, with durations of seconds: one timer per instance, overdue rows, a hold that freezes."""

from datetime import timedelta
from uuid import UUID

from temporalio.api.enums.v1 import EventType

from models.flow.state import Ref
from tests.support.plant import Plant, end, line, step


async def timers(plant: Plant, instance: UUID, kind: EventType.ValueType) -> int:
    """How many events of a kind the history has of timers for deadlines; search attributes have one of their own."""
    events = (await plant.history(instance)).events
    attributes = {
        event.timer_started_event_attributes.timer_id
        for event in events
        if event.user_metadata.summary.data.startswith(b'"steps to be shown')
    }
    found = (
        (
            event.timer_started_event_attributes,
            event.timer_fired_event_attributes,
            event.timer_canceled_event_attributes,
        )
        for event in events
        if event.event_type == kind
    )
    return sum(not any(one.timer_id in attributes for one in either) for either in found)


async def test_what_is_late_is_marked_once_with_one_timer_for_all(plant: Plant) -> None:
    instance = await plant.begin(
        line(step("work", expected_duration="PT1S", escalate_on_overdue=True), step("next"), end()), subjects=50
    )
    await plant.until("SELECT 1 FROM step_execution WHERE overdue HAVING count(*) = 50")
    (entry, *more) = await plant.audited(instance, "execution_overdue")
    assert (entry["actor_id"], len(more)) == (None, 49)
    assert entry["new"]["escalate"] is True
    (row,) = await plant.rows("SELECT DISTINCT escalation_level FROM step_execution")
    assert row["escalation_level"] == 1
    await plant.act(instance, "complete", Ref(0, "work"))
    assert await timers(plant, instance, EventType.EVENT_TYPE_TIMER_STARTED) == 1
    assert (await plant.kinds(instance)).count("execution_overdue") == 1
    described = await plant.client.get_workflow_handle(str(instance)).describe()
    assert described.search_attributes["GateworkOverdue"] == [True]


async def test_what_is_done_in_time_is_never_late_and_the_timer_is_not_reset(plant: Plant) -> None:
    instance = await plant.begin(line(step("work", expected_duration="PT1S"), step("next"), end()), subjects=2)
    await plant.act(instance, "complete", Ref(0, "work"))
    await plant.act(instance, "complete", Ref(1, "work"))

    async def fired() -> bool:
        return await timers(plant, instance, EventType.EVENT_TYPE_TIMER_FIRED) == 1

    await plant.eventually(fired)
    await plant.act(instance, "complete", Ref(0, "next"))
    assert await timers(plant, instance, EventType.EVENT_TYPE_TIMER_STARTED) == 1
    assert "execution_overdue" not in await plant.kinds(instance)


async def test_a_nearer_deadline_replaces_the_timer(plant: Plant) -> None:
    instance = await plant.begin(
        line(step("slow", expected_duration="PT8H"), step("fast", expected_duration="PT1S"), end())
    )
    await plant.act(instance, "complete", Ref(0, "slow"))
    rows = await plant.until("SELECT step_key FROM step_execution WHERE overdue")
    assert rows == [{"step_key": "fast"}]
    assert await timers(plant, instance, EventType.EVENT_TYPE_TIMER_STARTED) == 2
    assert await timers(plant, instance, EventType.EVENT_TYPE_TIMER_CANCELED) == 1


async def test_on_hold_nothing_becomes_late_until_what_remained_has_passed(plant: Plant) -> None:
    instance = await plant.begin(line(step("work", expected_duration="PT2S"), end()))
    await plant.act(instance, "hold", by="quinn", reason="audit finding")

    async def fired() -> bool:
        return await timers(plant, instance, EventType.EVENT_TYPE_TIMER_FIRED) == 1

    await plant.eventually(fired)
    assert await plant.rows("SELECT 1 FROM step_execution WHERE overdue OR due_at > now()") == []
    await plant.act(instance, "resume", by="quinn", reason="finding closed")
    (moved,) = await plant.rows("SELECT overdue, due_at > now() AS remains FROM step_execution")
    assert moved == {"overdue": False, "remains": True}
    await plant.until("SELECT 1 FROM step_execution WHERE overdue")
    (late,) = await plant.rows(
        "SELECT j.at - e.at AS passed, r.at - h.at AS held FROM journal j, journal e, journal h, journal r"
        " WHERE (j.kind, e.kind, h.kind, r.kind)"
        " = ('execution_overdue', 'execution_entered', 'instance_held', 'instance_resumed')"
    )
    assert late["passed"] >= timedelta(seconds=2) + late["held"]


async def test_the_hard_limit_is_told_after_the_due_time(plant: Plant) -> None:
    instance = await plant.begin(line(step("work", expected_duration="PT1S", max_duration="PT2S"), end()))
    await plant.until("SELECT 1 FROM step_execution WHERE escalation_level = 2")
    assert (await plant.kinds(instance))[-2:] == ["execution_overdue", "limit_exceeded"]
    assert (await plant.act(instance, "complete", Ref(0, "work")))["outcome"] == "completed"
