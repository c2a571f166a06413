"""Runs that end and go on many times under a stream of commands: nothing is lost, nothing happens twice."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from temporalio.client import WorkflowHistory

from activities.journal import cohort_of, fold_cohorts
from models.flow.carry import carry, restore
from models.flow.state import Ref, State
from tests.support.plant import Plant, end, line, step
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
