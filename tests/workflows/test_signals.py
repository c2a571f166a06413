"""Bare signals and cancellation from Temporal's own Web UI or command line, and commands that come too late."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from models.flow.state import Ref, execution_id
from tests.support.plant import Plant, end, line, step
from workers.sweep import Sweep
from workflows import starting
from workflows.starting import Signals

TWO_STEPS = line(step("one"), step("two"), end())


async def send(plant: Plant, instance: UUID, kind: str, ref: Ref | None, identity: str, **more: Any) -> dict[str, Any]:
    """A bare signal, and what became of it."""
    execution = "nonsense" if ref is None else str(execution_id(instance, ref))
    message = {"id": identity, "execution_id": execution, **more}
    await plant.client.get_workflow_handle(str(instance)).signal(kind, message)
    rows = await plant.until(
        "SELECT id FROM command WHERE source = 'temporal-signal' AND kind = :kind AND outcome IS NOT NULL"
        " ORDER BY accepted_at DESC LIMIT 1",
        kind=kind,
    )
    return await plant.outcome(rows[0]["id"])


async def test_bare_signals_work_as_the_service_account_and_a_repeated_id_does_nothing(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    assert (await send(plant, instance, "claim", Ref(0, "one"), "a"))["outcome"] == "claimed"
    assert (await send(plant, instance, "release", Ref(0, "one"), "b", reason="gauge busy"))["outcome"] == "released"
    assert (await send(plant, instance, "start", Ref(0, "one"), "c"))["outcome"] == "started"
    assert (await send(plant, instance, "complete", Ref(0, "one"), "d", notes="by robot"))["outcome"] == "advanced"
    await send(plant, instance, "complete", Ref(0, "two"), "d")
    assert await plant.executions(instance) == [(0, "one", 1, "completed"), (0, "two", 1, "pending")]
    assert len(await plant.rows("SELECT 1 FROM command WHERE workflow_instance_id = :id", id=instance)) == 4
    (entry,) = await plant.audited(instance, "execution_completed")
    assert (entry["actor_id"], entry["source"]) == (plant.people["svc"], "temporal-signal")


async def test_a_bare_signal_cannot_force_and_one_with_a_malformed_execution_is_refused(plant: Plant) -> None:
    gated = line(
        step("one", requirements=[{"requirement_type": "checklist", "name": "L", "config": {"items": ["clean"]}}]),
        end(),
    )
    instance = await plant.begin(gated)
    more = {"force": "because I can do so", "actor": str(plant.people["quinn"])}
    refused = await send(plant, instance, "complete", Ref(0, "one"), "x", **more)
    assert refused["code"] == "requirements_unmet"
    assert (await send(plant, instance, "claim", None, "y"))["code"] == "execution_not_found"


async def test_a_signal_that_cannot_even_be_stored_or_read_harms_nobody(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    handle = plant.client.get_workflow_handle(str(instance))
    message = {"id": "nul", "execution_id": str(execution_id(instance, Ref(0, "one")))}
    await handle.signal("complete", {**message, "notes": "\0"})
    await handle.signal("claim", "not an object")
    await handle.signal("commands", ["not a uuid"])
    await handle.signal("nobody_listens", 1)
    assert (await plant.act(instance, "claim", Ref(0, "one")))["outcome"] == "claimed"


async def test_a_cancel_in_temporals_web_ui_is_a_command_by_ops(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS, subjects=2)
    handle = plant.client.get_workflow_handle(str(instance))
    await handle.cancel()
    assert await plant.status(instance, "cancelled") == "cancelled"
    assert await handle.result() == "cancelled"
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    (entry,) = await plant.audited(instance, "instance_cancelled")
    assert entry["actor_name"].startswith("ops:temporal")
    assert entry["reason"] == "Cancelled in Temporal"


async def test_commands_that_queued_up_behind_the_last_one_are_refused_as_closed(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()))
    commands = [
        await plant.accept(instance, "complete", [Ref(0, "one")]),
        await plant.accept(instance, "amend", by="quinn", changes={"name": "late"}),
        await plant.accept(instance, "hold", by="quinn", reason="late too"),
    ]
    await plant.signal(instance, *commands)
    assert await plant.settled(commands) == ["completed", "instance_closed", "instance_closed"]
    refused = await plant.audited(instance, "command_refused")
    assert {row["actor_id"] for row in refused} == {plant.people["quinn"]}


async def test_commands_to_a_closed_instance_are_refused_by_the_sweep(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()))
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.client.get_workflow_handle(str(instance)).result()
    late = await plant.accept(instance, "claim", [Ref(0, "one")])
    await sweep(plant).sweep_once()
    assert await plant.settled([late]) == ["instance_closed"]


async def test_accepted_commands_whose_signal_was_lost_are_signalled_by_the_sweep(plant: Plant) -> None:
    instance = await plant.begin(TWO_STEPS)
    lost = await plant.accept(instance, "complete", [Ref(0, "one")])
    await sweep(plant).sweep_once()
    assert await plant.settled([lost]) == ["advanced"]
    (row,) = await plant.rows("SELECT signalled_at FROM command WHERE id = :id", id=lost)
    assert row["signalled_at"] is not None


def sweep(plant: Plant) -> Sweep:
    """A sweep that waits for nothing."""
    now = timedelta(0)
    return Sweep(
        system=plant.system,
        app=plant.app,
        client=plant.client,
        task_queue=plant.settings.core_task_queue,
        resignal_after=now,
        retry_failed_after=now,
    )


async def test_signals_that_follow_each_other_are_grouped_while_one_is_on_its_way(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await plant.begin(line(step("one"), end()), subjects=20)
    commands = [await plant.accept(instance, "claim", [Ref(number, "one")]) for number in range(20)]
    signals, sent = Signals(plant.client), []
    honest = starting.signal_commands

    async def counted(client: Client, instance_id: str, ids: Sequence[str]) -> None:
        sent.append(len(ids))
        await honest(client, instance_id, ids)

    monkeypatch.setattr(starting, "signal_commands", counted)
    await asyncio.gather(*(signals.send(str(instance), [str(one)]) for one in commands))
    assert sent == [20] or sent[:1] == [1]
    assert sum(sent) == 20
    assert len(sent) <= 3
    assert await plant.settled(commands) == ["claimed"] * 20


async def test_a_signal_that_cannot_be_sent_is_told_to_all_who_wait_for_it(plant: Plant) -> None:
    signals = Signals(plant.client)
    nowhere = str(uuid4())
    found = await asyncio.gather(*(signals.send(nowhere, [str(uuid4())]) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [RPCError] * 3
