"""Runs that end and go on many times under a stream of commands: nothing is lost, nothing happens twice."""

import asyncio
from collections import Counter, deque
from typing import Any
from uuid import UUID

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from activities.journal import cohort_of, fold_cohorts
from models.flow.carry import carry, restore
from models.flow.state import Ref, State
from tests.support.meddling import Call
from tests.support.plant import Plant, edge, end, line, step
from tests.workflows.conftest import meddling
from workflows.contract import InstanceInput, Limits
from workflows.converter import data_converter

FOUR_STEPS = line(step("a"), step("b"), step("c"), step("d"), end())
PER_SIGNALS = Limits(signals=7)
PER_EVENTS = Limits(events=1)


@pytest.mark.parametrize("limits", [PER_SIGNALS, PER_EVENTS])
async def test_a_stream_of_commands_crosses_many_runs_and_each_takes_effect_once(plant: Plant, limits: Limits) -> None:
    subjects = 20
    process = await plant.approve(FOUR_STEPS)
    instance = await plant.start(process, subjects, limits=limits)
    await plant.begun(instance)

    async def walk(subject: int) -> list[str]:
        answers = [await plant.act(instance, "complete", Ref(subject, key)) for key in "abcd"]
        return [answer.get("outcome") or answer["code"] for answer in answers]

    walks = await asyncio.gather(*(walk(subject) for subject in range(subjects)))
    assert walks == [["advanced", "advanced", "advanced", "completed"]] * subjects
    assert await plant.status(instance, "completed") == "completed"
    rows = await plant.rows("SELECT command_id, count(*) FROM journal WHERE kind = 'execution_completed'"
                            " AND command_id IS NOT NULL GROUP BY 1, kind, subjects, data->'ref'")  # fmt: skip
    assert Counter(row["count"] for row in rows) == {1: subjects * 5}
    runs = await plant.histories(instance)
    assert len(runs) >= 3
    for run in runs[:-1]:
        await check_carried(plant, instance, run)


async def check_carried(plant: Plant, instance: UUID, run: WorkflowHistory) -> None:
    """What the run was given is what the journal folds to at that position."""
    started = run.events[0].workflow_execution_started_event_attributes
    (given,) = await data_converter.decode(started.input.payloads, [InstanceInput])
    assert given.carried is not None
    carried = restore(given.carried)
    rows = await plant.rows(
        "SELECT kind, subjects, data, command_id FROM journal WHERE instance_id = :id AND seq <= :seq ORDER BY seq",
        id=instance,
        seq=carried.seq,
    )
    folded = fold_cohorts(State(instance_id=str(instance)), (cohort_of(row) for row in rows))
    folded.seq = carried.seq
    assert carried == folded
    assert carry(carried) == given.carried


async def test_signals_that_queued_up_while_no_worker_ran_cross_into_the_next_run(plant: Plant) -> None:
    process = await plant.approve(FOUR_STEPS)
    instance = await plant.start(process, 30, limits=Limits(signals=5))
    await plant.begun(instance)
    commands = [await plant.accept(instance, "complete", [Ref(number, "a")]) for number in range(30)]
    await asyncio.gather(*(plant.signal(instance, one) for one in commands))
    assert await plant.settled(commands) == ["advanced"] * 30


async def test_who_sends_again_at_every_answer_has_no_run_replay_its_history(idle_plant: Plant) -> None:
    """A signal that reaches a run in the task in which it continues as new fails that task."""
    plant, rounds = idle_plant, 12
    looping = line(step("a", is_decision_point=True), end(), edges=[edge("a", "end"), edge("a", "a", "alternate")])
    following: deque[UUID] = deque()

    async def then_the_next_is_sent(advance: Call, request: Any) -> Any:
        answer = await advance(request)
        if following:
            await plant.signal(UUID(request.key.instance_id), following.popleft())
        return answer

    async with meddling(plant, advance=then_the_next_is_sent):
        instance = await plant.start(await plant.approve(looping), limits=PER_EVENTS)
        await plant.begun(instance)
        for visit in range(1, rounds + 1):
            result = "pass" if visit == rounds else "fail"
            at = [Ref(0, "a", visit=visit)]
            following.append(await plant.accept(instance, "complete", at, decision_result=result))
        await plant.signal(instance, following.popleft())
        assert await plant.status(instance, "completed") == "completed"
    runs = await plant.histories(instance)
    assert len(runs) >= rounds
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    assert [event for run in runs for event in run.events if event.event_type == failed] == []
