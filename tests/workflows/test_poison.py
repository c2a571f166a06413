"""What cannot be borne is refused alone, and no workflow task fails for ever: proved at each test's end (ADR 0001)."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from temporalio.client import WorkflowFailureError

from activities.contract import AdvanceRequest, RecordRequest
from models.db import owner_engine
from models.flow import batch, decide
from models.flow.state import Ref
from tests.support.meddling import Call
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import meddling
from workflows.contract import WORKFLOW, InstanceInput

TWO_STEPS = line(step("one"), step("two"), end())


async def forbid_poison(plant: Plant) -> None:
    """Let the database reject notes that contain 'poison' (SQLSTATE 23514)."""
    owner = owner_engine(plant.settings)
    async with owner.begin() as connection:
        await connection.execute(
            text("ALTER TABLE step_execution ADD CONSTRAINT no_poison CHECK (notes NOT LIKE '%poison%')")
        )
    await owner.dispose()


async def test_what_the_database_rejects_is_refused_and_its_batch_mates_succeed(plant: Plant) -> None:
    await forbid_poison(plant)
    instance = await plant.begin(TWO_STEPS, subjects=3)
    commands = [
        await plant.accept(instance, "complete", [Ref(number, "one")], notes="poison" if number == 1 else "fine")
        for number in range(3)
    ]
    await plant.signal(instance, *commands)
    assert await plant.settled(commands) == ["advanced", "internal_error", "advanced"]
    assert "no_poison" in (await plant.outcome(commands[1]))["params"]["error"]
    (entry,) = await plant.audited(instance, "command_refused")
    assert entry["actor_id"] == plant.people["bob"]
    assert (await plant.act(instance, "complete", Ref(1, "one"), notes="antidote"))["outcome"] == "advanced"


async def test_an_amendment_that_the_rows_cannot_take_is_refused(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    nobody = "00000000-0000-0000-0000-00000000dead"
    for changes in ({"owner": nobody}, {"owner": "me"}, {"due_date": "tomorrow"}):
        answer = await plant.act(instance, "amend", by="quinn", changes=changes)
        assert answer["code"] == "internal_error", changes
    assert (await plant.act(instance, "complete", Ref(0, "one")))["outcome"] == "advanced"


@pytest.fixture
def faulty_core(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let `decide` raise for commands of one kind."""

    def let_fail(kind: str) -> None:
        honest = decide.decide

        def faulty(graph: Any, state: Any, command: Any, *more: Any) -> Any:
            if command.kind == kind and command.ref.subject == 1:
                raise KeyError("a bug")
            return honest(graph, state, command, *more)

        monkeypatch.setattr(batch, "decide", faulty)

    return let_fail


async def test_a_bug_in_the_core_hits_only_the_command_that_meets_it(
    plant: Plant, faulty_core: Callable[[str], None]
) -> None:
    instance = await plant.begin(TWO_STEPS, subjects=3)
    faulty_core("complete")
    commands = [await plant.accept(instance, "complete", [Ref(number, "one")]) for number in range(3)]
    await plant.signal(instance, *commands)
    assert await plant.settled(commands) == ["advanced", "internal_error", "advanced"]
    assert (await plant.act(instance, "claim", Ref(1, "one")))["outcome"] == "claimed"


async def test_a_bug_at_a_step_that_moves_by_itself_is_an_incident_there(
    plant: Plant, faulty_core: Callable[[str], None]
) -> None:
    faulty_core("recheck")
    instance = await plant.begin(line(step("auto", requires_operator_completion=False), step("two"), end()), subjects=3)
    await plant.until(
        "SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'two' HAVING count(*) = 2",
        id=instance,
    )
    (incident,) = await plant.until("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert incident["code"] == "internal_error"
    assert (await plant.act(instance, "complete", Ref(0, "two")))["outcome"] == "completed"


async def test_a_refusal_whose_completion_was_lost_is_not_repeated_for_ever(idle_plant: Plant) -> None:
    plant, lost = idle_plant, 0

    async def the_answer_is_lost_once(record: Call, request: RecordRequest) -> Any:
        nonlocal lost
        answer = await record(request)
        if request.outcomes and not lost:
            lost += 1
            raise ConnectionError("lost after the commit")
        return answer

    async with meddling(plant, record=the_answer_is_lost_once):
        instance = await plant.begin(TWO_STEPS)
        bad = await plant.accept(instance, "explode", [Ref(0, "one")])
        await plant.signal(instance, bad)
        assert await plant.settled([bad]) == ["internal_error"]
        assert (await plant.act(instance, "complete", Ref(0, "one")))["outcome"] == "advanced"
    assert lost == 1
    assert (await plant.kinds(instance)).count("command_refused") == 1


async def test_while_the_database_is_away_commands_wait_and_then_take_effect(idle_plant: Plant) -> None:
    plant, failures = idle_plant, 0

    async def the_database_is_away(advance: Call, request: AdvanceRequest) -> Any:
        nonlocal failures
        if request.work.commands and failures < 3:
            failures += 1
            raise OperationalError("no connection", None, ConnectionError("refused"))
        return await advance(request)

    async with meddling(plant, advance=the_database_is_away):
        instance = await plant.begin(TWO_STEPS)
        assert (await plant.act(instance, "complete", Ref(0, "one")))["outcome"] == "advanced"
    assert failures == 3


async def test_a_workflow_of_no_known_instance_fails_at_once_and_visibly(plant: Plant) -> None:
    nothing = "00000000-0000-0000-0000-00000000dead"
    handle = await plant.client.start_workflow(
        WORKFLOW,
        InstanceInput(tenant_id=str(plant.tenant), instance_id=nothing),
        id=f"orphan-{plant.tenant}",
        task_queue=plant.settings.core_task_queue,
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert "no instance" in str(failed.value.cause)
