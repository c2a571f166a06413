"""Months of plant time in seconds, on Temporal's time-skipping server and a real database: ladders, weekends, holds."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities.registry import core_activities
from models.db import tenant_session
from models.flow.state import Ref
from models.secret_box import secret_box
from models.store.bulk import insert_rows
from models.store.calendars import WEEKDAYS, calendars_of
from models.tables import Calendar
from models.working_time import WorkingCalendar, add, before, between, due_after
from tests.support.plant import Plant, edge, end, line, settings_for, step
from workers.run_worker import core_worker
from workflows.contract import SEARCH_ATTRIBUTES, Limits

TYPES = {
    name: {
        "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
        "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
        "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    }[kind]
    for name, kind in SEARCH_ATTRIBUTES.items()
}
"""This server can add attributes and cannot list them."""
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE: dict[str, Any] = {
    "key": "default",
    "name": "Munich",
    "time_zone": "Europe/Berlin",
    "week": {day: [{"start": "08:00", "end": "12:00"}, {"start": "13:00", "end": "17:00"}] for day in WEEKDAYS[:5]},
    "country": "DE",
    "subdivision": "BY",
}


class Skipping:
    """A plant whose time runs as fast as its timers allow."""

    def __init__(self, plant: Plant, env: WorkflowEnvironment, calendar: WorkingCalendar) -> None:
        self.plant, self.env, self.calendar = plant, env, calendar

    async def wait(self, days: float = 0, hours: float = 0) -> None:
        await self.env.sleep(timedelta(days=days, hours=hours))

    async def wait_for(self, moment: datetime) -> None:
        """Let it become that moment and a minute."""
        now = await self.env.get_current_time()
        await self.env.sleep(max(moment - now, timedelta()) + timedelta(minutes=1))

    async def told(self, instance: UUID, *kinds: str) -> list[tuple[datetime, str]]:
        rows = await self.plant.rows(
            "SELECT at, kind FROM journal WHERE instance_id = :instance AND kind = ANY(:kinds) ORDER BY seq",
            instance=instance,
            kinds=list(kinds),
        )
        return [(row["at"], row["kind"]) for row in rows]


@pytest.fixture
async def skipping(database: str) -> AsyncIterator[Skipping]:
    server = Path(sys.executable).parent / "temporal-test-server"
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(server)
    ) as env:
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=env.client.namespace, search_attributes=TYPES)
        )
        plant = Plant(settings=settings_for(database, f"test-{uuid4().hex[:8]}"), client=env.client)
        await plant.open()
        async with tenant_session(plant.app, plant.tenant) as session:
            await insert_rows(session, Calendar, [{"tenant_id": plant.tenant, "id": uuid4(), **OFFICE}])
            calendar = (await calendars_of(session, plant.tenant))["default"]
        activities = core_activities(plant.app, site="main", box=secret_box(plant.settings))
        async with core_worker(plant.settings, plant.client, activities):
            yield Skipping(plant, env, calendar)
        await plant.prove()
        await plant.close()


LADDER = {
    "remind_before": ["PT4H"],
    "levels": [
        {"action": "notify", "to": ["owner"]},
        {"after": "PT8H", "action": "raise_priority", "priority": 9},
        {"after": "P2D", "action": "reassign", "to": ["role:quality_manager"]},
        {"after": "P5D", "action": "route"},
    ],
}


def escalating() -> dict[str, Any]:
    return line(
        step("work", expected_duration="P3D", max_duration="P30D", config={"escalation": LADDER}),
        step("chase"),
        end(),
        edges=[edge("work", "end"), edge("work", "chase", "escalation"), edge("chase", "end")],
    )


def near(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(seconds=30)


async def test_a_ladder_is_climbed_by_working_days_over_weekends_and_a_quarter_of_a_year(skipping: Skipping) -> None:
    plant = skipping.plant
    instance = await plant.begin(escalating())
    ((entered, _),) = await skipping.told(instance, "execution_entered")
    due = due_after(skipping.calendar, entered, timedelta(days=3))
    (row,) = await plant.rows("SELECT due_at FROM step_execution")
    assert row["due_at"] == due
    assert due.astimezone(BERLIN).weekday() < 5
    await skipping.wait(days=90)
    await plant.until("SELECT 1 FROM step_execution WHERE step_key = 'chase'")
    story = await skipping.told(
        instance,
        "reminder_sent", "execution_overdue", "execution_escalated", "priority_changed", "execution_reassigned",
        "execution_diverted",
    )  # fmt: skip
    assert [kind for _, kind in story] == [
        "reminder_sent", "execution_overdue", "execution_escalated",
        "execution_escalated", "priority_changed", "execution_escalated", "execution_reassigned",
        "execution_escalated", "execution_diverted",
    ]  # fmt: skip
    moments = [at for at, _ in story]
    assert near(moments[1], due)
    for at, days_and_hours in (
        (moments[3], timedelta(hours=8)),
        (moments[5], timedelta(days=2)),
        (moments[7], timedelta(days=5)),
    ):
        assert near(at, due_after(skipping.calendar, due, days_and_hours))
    await plant.act(instance, "complete", Ref(0, "chase"))
    assert await plant.status(instance, "completed") == "completed"


async def test_a_reminder_whose_moment_came_while_the_work_was_completed_is_sent_after_the_undo(
    skipping: Skipping,
) -> None:
    plant = skipping.plant
    escalation = {"remind_before": ["PT1H"], "levels": [{"after": "PT2H"}]}
    work = step("work", expected_duration="PT8H", config={"escalation": escalation})
    instance = await plant.begin(line(work, step("next"), end()))
    (row,) = await plant.rows("SELECT due_at FROM step_execution WHERE step_key = 'work'")
    moment = before(skipping.calendar, row["due_at"], timedelta(hours=1))
    await skipping.wait_for(moment - timedelta(minutes=6))
    await plant.act(instance, "complete", Ref(0, "work"))
    await skipping.wait_for(moment)
    assert await skipping.told(instance, "reminder_sent") == []
    undone = await plant.act(instance, "undo", Ref(0, "work"), reason="a slip of the hand")
    assert undone["outcome"] == "undone"
    await plant.until("SELECT 1 FROM journal WHERE kind = 'reminder_sent'")
    await skipping.wait_for(due_after(skipping.calendar, row["due_at"], timedelta(hours=2)))
    await plant.until("SELECT 1 FROM journal WHERE kind = 'execution_escalated'")
    assert [kind for _, kind in await skipping.told(instance, "reminder_sent", "execution_escalated")] == [
        "reminder_sent", "execution_escalated",
    ]  # fmt: skip


async def test_timers_go_on_after_a_run_that_continued(skipping: Skipping) -> None:
    plant = skipping.plant
    process = await plant.approve(line(step("slow", expected_duration="PT8H"), step("b"), end()))
    instance = await plant.start(process, 2, limits=Limits(signals=2))
    await plant.begun(instance)
    await plant.act(instance, "claim", Ref(0, "slow"))
    await plant.act(instance, "release", Ref(0, "slow"), reason="not mine")
    await plant.act(instance, "complete", Ref(1, "slow"))

    async def continued() -> bool:
        return len(await plant.histories(instance)) > 1

    await plant.eventually(continued)
    (row,) = await plant.rows("SELECT due_at FROM step_execution WHERE step_key = 'slow' AND exited_at IS NULL")
    await skipping.wait_for(row["due_at"])
    rows = await plant.until("SELECT subject_no FROM step_execution WHERE overdue")
    assert [row["subject_no"] for row in rows] == [0]


async def test_a_hold_freezes_the_working_time_left_over_weekends(skipping: Skipping) -> None:
    plant = skipping.plant
    instance = await plant.begin(line(step("work", expected_duration="P10D"), end()))
    (before,) = await plant.rows("SELECT due_at FROM step_execution")
    await skipping.wait(days=4)
    await plant.act(instance, "hold", by="quinn", reason="the supplier is being audited")
    await skipping.wait(days=23)
    await plant.act(instance, "resume", by="quinn", reason="the audit is over")
    ((held, _), (resumed, _)) = await skipping.told(instance, "instance_held", "instance_resumed")
    (after,) = await plant.rows("SELECT due_at FROM step_execution")
    left = between(skipping.calendar, held, before["due_at"])
    assert after["due_at"] == add(skipping.calendar, resumed, left)
    assert "execution_overdue" not in await plant.kinds(instance)
    await skipping.wait_for(after["due_at"])
    await plant.until("SELECT 1 FROM step_execution WHERE overdue")


async def test_a_hold_moves_an_oven_by_the_time_held_and_a_timer_of_working_time_by_the_calendar(
    skipping: Skipping,
) -> None:
    """Also where the oven is done at the very moment at which somebody's work is due."""
    plant = skipping.plant
    timers = {"oven": {"duration": "PT1H"}, "cure": {"duration": "P10D", "working_time": True}}
    waits = [step(key, step_type="timer", config={"timer": timer}) for key, timer in timers.items()]
    branches = (*waits, step("watch", expected_duration="PT1H"))
    ways = [way for key in ("oven", "cure", "watch") for way in (edge("both", key), edge(key, "met"))]
    forked = (step("both", step_type="fork"), *branches, step("met", step_type="join"), end())
    midnight = (await skipping.env.get_current_time()).replace(hour=0, minute=0) + timedelta(days=1)
    await skipping.wait_for(add(skipping.calendar, midnight, timedelta(hours=1)))
    instance = await plant.begin(line(*forked, edges=[*ways, edge("met", "end")]))
    await plant.until("SELECT 1 FROM step_execution WHERE exited_at IS NULL HAVING count(*) = 3")
    rings = "SELECT step_key, COALESCE(wake_at, due_at) AS at FROM step_execution WHERE exited_at IS NULL"
    before = {row["step_key"]: row["at"] for row in await plant.rows(rings)}
    assert before["oven"] == before["watch"]
    await plant.act(instance, "hold", by="quinn", reason="the power is shut off")
    await skipping.wait(days=3, hours=5)
    await plant.act(instance, "resume", by="quinn", reason="the power is back")
    ((held, _), (resumed, _)) = await skipping.told(instance, "instance_held", "instance_resumed")
    after = {row["step_key"]: row["at"] for row in await plant.rows(rings)}
    left = {key: between(skipping.calendar, held, before[key]) for key in ("cure", "watch")}
    assert after == {
        "oven": before["oven"] + (resumed - held),
        **{key: add(skipping.calendar, resumed, time) for key, time in left.items()},
    }


async def test_ninety_days_of_waiting_take_seconds(skipping: Skipping) -> None:
    plant = skipping.plant
    instance = await plant.begin(
        line(*(step(f"month{n}", expected_duration="P15D") for n in (1, 2, 3)), end()), subjects=3
    )
    began = await skipping.env.get_current_time()
    for key in ("month1", "month2", "month3"):
        await skipping.wait(days=30)
        for subject in range(3):
            await plant.act(instance, "complete", Ref(subject, key))
    assert await skipping.env.get_current_time() - began >= timedelta(days=90)
    assert await plant.status(instance, "completed") == "completed"
    overdue = await skipping.told(instance, "execution_overdue")
    assert await plant.rows("SELECT count(*) AS late FROM step_execution WHERE overdue") == [{"late": 9}]
    assert all(at.tzinfo is not None and at.astimezone(UTC) > began for at, _ in overdue)
