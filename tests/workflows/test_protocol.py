"""The record protocol (ADR 0001) at its seams: batches, repeats, races with other writers and with evidence."""

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from activities.contract import AdvanceRequest, Cohort, InstanceKey, RecordRequest
from activities.definitions import Definitions
from activities.record import Recorder
from models.db import tenant_session
from models.flow import events as ev
from models.flow.batch import Outcome
from models.flow.state import Ref, execution_id
from models.store.evidence import lock_execution
from tests.support.meddling import Call
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import meddling

TWO_STEPS = line(step("one"), step("two"), end())
GATED = line(
    step("one", requirements=[{"requirement_type": "checklist", "name": "List", "config": {"items": ["clean"]}}]),
    step("two"),
    end(),
)


async def test_a_thousand_executions_in_one_command_are_one_record(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS, subjects=1_000)
    answer = await plant.act(instance, "complete", *(Ref(number, "one") for number in range(1_000)))
    assert Counter(item["outcome"] for item in answer["items"]) == {"advanced": 1_000}
    assert answer["items"][7]["execution_id"] == str(execution_id(instance, Ref(7, "one")))
    (row,) = await plant.rows("SELECT seq, record_no FROM workflow_instance WHERE id = :id", id=instance)
    assert row["record_no"] == 2
    assert row["seq"] < 10
    assert len(await plant.audited(instance, "execution_completed")) == 1_000


async def test_two_hundred_commands_at_once_take_few_records_and_each_is_settled_once(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS, subjects=200)
    commands = [await plant.accept(instance, "complete", [Ref(number, "one")]) for number in range(200)]
    await plant.signal(instance, *commands)
    assert Counter(await plant.settled(commands)) == {"advanced": 200}
    (row,) = await plant.rows("SELECT record_no FROM workflow_instance WHERE id = :id", id=instance)
    assert row["record_no"] <= 3
    rows = await plant.rows("SELECT command_id, subjects FROM journal WHERE kind = 'execution_completed'")
    assert Counter(row["command_id"] for row in rows) == dict.fromkeys(commands, 1)
    assert sorted(subject for row in rows for subject in row["subjects"]) == list(range(200))


@pytest.mark.parametrize(
    ("beside", "outcome"), [(Ref(0, "one", 2), "execution_closed"), (Ref(7, "one"), "execution_not_found")]
)
async def test_a_command_that_names_one_execution_twice_or_another_in_vain_knows_where_its_subject_has_been(
    plant: Plant, beside: Ref, outcome: str
) -> None:
    instance = await plant.begin(TWO_STEPS)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "rewind", Ref(0, "two"), by="quinn", to_step="one", reason="it was not clean")
    answer = await plant.act(instance, "complete", Ref(0, "one", 2), beside)
    assert [item.get("outcome", item.get("code")) for item in answer["items"]] == ["advanced", outcome]
    assert (await plant.executions(instance))[-1] == (0, "two", 2, "pending")


async def test_commands_on_one_subject_keep_their_order_and_see_each_other(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    commands = [
        await plant.accept(instance, "claim", [Ref(0, "one")], by="ann"),
        await plant.accept(instance, "complete", [Ref(0, "one")], by="bob"),
        await plant.accept(instance, "complete", [Ref(0, "one")], by="ann"),
        await plant.accept(instance, "claim", [Ref(0, "two")], by="bob"),
    ]
    await plant.signal(instance, *commands)
    assert await plant.settled(commands) == ["claimed", "already_claimed", "advanced", "claimed"]


async def test_a_command_signalled_again_takes_effect_once(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    command = await plant.accept(instance, "complete", [Ref(0, "one")])
    await plant.signal(instance, command, command)
    await plant.signal(instance, command)
    answer = await plant.outcome(command)
    await plant.signal(instance, command)
    await plant.act(instance, "claim", Ref(0, "two"))
    assert (await plant.kinds(instance)).count("execution_completed") == 1
    assert await plant.outcome(command) == answer


async def test_an_execution_of_another_instance_is_not_found(plant: Plant) -> None:
    mine, other = await plant.begin(TWO_STEPS), await plant.begin(TWO_STEPS)
    command = await plant.accept(mine, "complete", [Ref(0, "one")], executions_of=other)
    await plant.signal(mine, command)
    assert (await plant.outcome(command))["code"] == "execution_not_found"
    assert await plant.executions(other) == [(0, "one", 1, "pending")]


async def test_a_command_that_names_no_execution_or_an_unknown_kind_is_refused(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    empty = await plant.accept(instance, "complete", [])
    unknown = await plant.accept(instance, "explode", [Ref(0, "one")])
    crooked = await plant.accept(instance, "claim", [Ref(0, "one")], volume=11)
    good = await plant.accept(instance, "complete", [Ref(0, "one")])
    await plant.signal(instance, empty, unknown, crooked, good)
    assert await plant.settled([empty, unknown, crooked, good]) == [*["internal_error"] * 3, "advanced"]


async def test_a_decision_on_a_stale_journal_is_taken_again(idle_plant: Plant) -> None:
    plant, interfered = idle_plant, False

    async def somebody_else_holds_first(advance: Call, request: AdvanceRequest) -> Any:
        nonlocal interfered
        if request.work.commands and not interfered:
            interfered = True
            await hold_behind_its_back(plant, request)
        return await advance(request)

    async with meddling(plant, advance=somebody_else_holds_first):
        instance = await plant.begin(TWO_STEPS)
        refused = await plant.act(instance, "complete", Ref(0, "one"))
    assert interfered
    assert refused["code"] == "on_hold"
    assert await plant.executions(instance) == [(0, "one", 1, "pending")]
    assert await plant.kinds(instance) == [
        "instance_started", "execution_entered", "instance_held", "command_refused",
    ]  # fmt: skip


async def hold_behind_its_back(plant: Plant, request: AdvanceRequest) -> None:
    """Another writer records at the same journal position."""
    held = ev.InstanceHeld(at=request.now, by=str(plant.people["quinn"]), reason="by another writer")
    other = RecordRequest(key=request.key, expected_seq=request.expected_seq, cohorts=(Cohort(event=held),))
    recorded = await Recorder(plant.app, Definitions()).record(other)
    assert recorded.status == "recorded"


async def test_evidence_that_is_being_withdrawn_is_waited_for(plant: Plant) -> None:
    instance = await plant.begin(GATED)
    await plant.meet(instance, Ref(0, "one"))
    async with tenant_session(plant.app, plant.tenant) as session:
        await lock_execution(session, plant.tenant, execution_id(instance, Ref(0, "one")))
        command = await plant.accept(instance, "complete", [Ref(0, "one")])
        await plant.signal(instance, command)
        await plant.until("SELECT 1 FROM pg_locks WHERE NOT granted")
        await (await session.connection()).execute(text("UPDATE step_requirement_completion SET is_complete = false"))
    refused = await plant.outcome(command)
    assert refused["code"] == "requirements_unmet"
    (unmet,) = refused["params"]["unmet"]
    assert unmet["name"] == "List"


async def test_a_worker_that_has_forgotten_the_state_is_told_it(idle_plant: Plant) -> None:
    plant, said = idle_plant, []

    async def listened_to(advance: Call, request: AdvanceRequest) -> Any:
        answer = await advance(request)
        said.append((request.state is not None, answer.status))
        return answer

    async with meddling(plant, advance=listened_to):
        instance = await plant.begin(TWO_STEPS)
        await plant.act(instance, "claim", Ref(0, "one"))
        await plant.act(instance, "start", Ref(0, "one"))
    async with meddling(plant, advance=listened_to):
        await plant.act(instance, "complete", Ref(0, "one"))
    assert said == [
        (True, "recorded"), (False, "recorded"), (False, "recorded"), (False, "forgotten"), (True, "recorded"),
    ]  # fmt: skip


@pytest.mark.parametrize("dies", [False, True])
async def test_a_context_that_is_larger_than_any_answer_does_not_stop_its_workflow(
    idle_plant: Plant, dies: bool
) -> None:
    plant, alive = idle_plant, not dies

    async def the_worker_dies_after_the_commit(advance: Call, request: AdvanceRequest) -> Any:
        nonlocal alive
        answer = await advance(request)
        if request.work.commands and not alive:
            alive = True
            raise ConnectionError("the answer was lost")
        return answer

    large = {"log": Random(7).randbytes(1_500_000).hex()}
    async with meddling(plant, advance=the_worker_dies_after_the_commit):
        instance = await plant.begin(TWO_STEPS)
        amended = await plant.act(instance, "amend", by="quinn", changes={"context": large}, reason="read out")
        done = await plant.act(instance, "complete", Ref(0, "one"))
    assert (amended["outcome"], done["outcome"]) == ("amended", "advanced")
    assert await plant.context(instance) == large


async def test_a_process_with_instructions_longer_than_any_answer_runs(plant: Plant) -> None:
    words = [Random(number).randbytes(3).hex() for number in range(2_000)]
    dice = Random(7)
    steps = [step(f"s{n}", description=" ".join(dice.choices(words, k=1_400))) for n in range(270)]
    graph = line(*steps, end())
    assert len(json.dumps(graph)) > 2 * 1024 * 1024
    instance = await plant.begin(graph)
    assert (await plant.act(instance, "complete", Ref(0, "s0")))["outcome"] == "advanced"


async def test_the_same_record_twice_writes_once_and_answers_with_what_happened(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    command = await plant.accept(instance, "claim", [Ref(0, "one")])
    key = InstanceKey(tenant_id=str(plant.tenant), instance_id=str(instance))
    recorder = Recorder(plant.app, Definitions())

    (row,) = await plant.rows("SELECT seq, now() AS at FROM workflow_instance WHERE id = :id", id=instance)
    claimed = ev.ExecutionClaimed(ref=Ref(0, "one"), at=row["at"], by=str(plant.people["bob"]))
    request = RecordRequest(
        key=key,
        expected_seq=row["seq"],
        cohorts=(Cohort(event=claimed, subjects=(0,), command_id=str(command)),),
        outcomes=(Outcome(command_id=str(command), ref=Ref(0, "one"), outcome="claimed"),),
    )
    seen = [await recorder.record(request), await recorder.record(request)]
    assert [one.status for one in seen] == ["recorded", "behind"]
    assert seen[0].cohorts == seen[1].cohorts
    assert seen[1].settled == (str(command),)
    assert (await plant.kinds(instance)).count("execution_claimed") == 1
    # The workflow did not see any of it; its next decision finds out.
    assert (await plant.act(instance, "claim", Ref(0, "one"), by="ann"))["code"] == "already_claimed"
