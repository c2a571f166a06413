"""Steps that wait for messages from outside, on real servers: before, after, again, for many, and never twice."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from models.db import system_session, tenant_session
from models.flow.state import Ref
from models.store.messages import NewMessage, forget_expired, post_message
from tests.support.plant import Plant, edge, end, line, step
from tests.workflows.conftest import working

Json = dict[str, Any]
KEPT = timedelta(days=30)


def waiting(key: str = "context.order", **event: Any) -> Json:
    """A step that waits for `paid`."""
    return step("wait", step_type="message", config={"event": {"name": "paid", "key": key, **event}})


def processed(key: str = "context.order", **event: Any) -> Json:
    return line(step("pack"), waiting(key, **event), step("ship"), end())


async def post(plant: Plant, key: str, kept: timedelta = KEPT, **data: Any) -> Json:
    """Post `paid`, as the API does."""
    async with tenant_session(plant.app, plant.tenant) as session:
        return await post_message(
            session, plant.person("ann", "engineer"), NewMessage(name="paid", key=key, data=data), kept
        )


async def at(plant: Plant, step_key: str, count: int = 1, visit: int = 1) -> None:
    """Wait until so many subjects have come to a step."""
    await plant.until(
        "SELECT 1 FROM step_execution WHERE step_key = :step AND visit_number = :visit HAVING count(*) = :count",
        step=step_key, visit=visit, count=count,
    )  # fmt: skip


async def awaited(plant: Plant, count: int = 1) -> None:
    await plant.until(
        "SELECT 1 FROM step_execution WHERE awaited_event = 'paid' AND exited_at IS NULL HAVING count(*) = :count",
        count=count,
    )


def keyed() -> tuple[str, str]:
    """A key of this test, and its expression."""
    key = f"o-{uuid4().hex[:8]}"
    return key, f'"{key}"'


async def test_a_message_that_comes_later_lets_the_subject_go_on_and_fills_the_context(plant: Plant) -> None:
    key, expression = keyed()
    wanted = {"payment.amount": "amount", "payment.first": "lines.0"}
    instance = await plant.begin(processed(expression, context=wanted))
    await plant.act(instance, "complete", Ref(0, "pack"))
    await awaited(plant)
    assert (await post(plant, "another"))["reached"] == 0
    posted = await post(plant, key, amount=40, lines=["a", "b"])
    assert posted["reached"] == 1
    await at(plant, "ship")
    assert (await plant.context(instance))["payment"] == {"amount": 40, "first": "a"}
    [delivery] = await plant.rows("SELECT * FROM message_delivery")
    assert (str(delivery["message_id"]), delivery["instance_id"], delivery["subject_no"]) == (posted["id"], instance, 0)
    kinds = await plant.kinds(instance)
    assert kinds.index("message_awaited") < kinds.index("message_received") < kinds.index("instance_amended")
    [received] = await plant.audited(instance, "message_received")
    assert received["new"]["message_id"] == posted["id"]
    [entry] = await plant.rows("SELECT new FROM audit_entry WHERE action = 'event.posted' AND object_id = :id",
                               id=posted["id"])  # fmt: skip
    assert (entry["new"]["key"], entry["new"]["reached"]) == (key, 1)


async def test_a_message_that_was_there_before_is_taken_at_once(plant: Plant) -> None:
    key, expression = keyed()
    first = await post(plant, key, n=1)
    await post(plant, key, n=2)
    instance = await plant.begin(processed(expression))
    await plant.act(instance, "complete", Ref(0, "pack"))
    await at(plant, "ship")
    assert "message_awaited" not in await plant.kinds(instance)
    [delivery] = await plant.rows("SELECT message_id FROM message_delivery")
    assert str(delivery["message_id"]) == first["id"]


async def test_whoever_comes_round_again_needs_a_new_message(plant: Plant) -> None:
    key, expression = keyed()
    graph = line(
        waiting(expression),
        step("check", is_decision_point=True),
        end(),
        edges=[edge("wait", "check"), edge("check", "end"), edge("check", "wait", "alternate")],
    )
    await post(plant, key)
    instance = await plant.begin(graph)
    await at(plant, "check")
    await plant.act(instance, "complete", Ref(0, "check"), decision_result="fail")
    await awaited(plant)
    assert (await plant.executions(instance))[-1] == (0, "wait", 2, "pending")
    await post(plant, key)
    await at(plant, "check", visit=2)
    assert len(await plant.rows("SELECT 1 FROM message_delivery")) == 2


async def test_one_message_lets_every_subject_go_on_that_waits_for_it(plant: Plant) -> None:
    key, expression = keyed()
    instance = await plant.begin(processed(expression), subjects=3)
    await plant.act(instance, "complete", Ref(0, "pack"))
    await plant.act(instance, "complete", Ref(1, "pack"))
    await awaited(plant, 2)
    assert (await post(plant, key))["reached"] == 2
    await at(plant, "ship", 2)
    await plant.act(instance, "complete", Ref(2, "pack"))
    await at(plant, "ship", 3)
    rows = await plant.rows("SELECT subject_no FROM message_delivery ORDER BY subject_no")
    assert [row["subject_no"] for row in rows] == [0, 1, 2]


async def test_branches_of_one_subject_do_not_share_a_message(plant: Plant) -> None:
    key, expression = keyed()
    event = {"event": {"name": "paid", "key": expression}}
    graph = line(
        step("split", step_type="fork"),
        step("left", step_type="message", config=event),
        step("right", step_type="message", config=event),
        step("together", step_type="join"),
        end(),
        edges=[edge("split", "left"), edge("split", "right"), edge("left", "together"), edge("right", "together"),
               edge("together", "end")],
    )  # fmt: skip
    instance = await plant.begin(graph)
    await awaited(plant, 2)
    assert (await post(plant, key))["reached"] == 2
    await awaited(plant, 1)
    await post(plant, key)
    assert await plant.status(instance, "completed") == "completed"


async def test_a_key_by_subject_and_one_that_cannot_be_computed(plant: Plant) -> None:
    instance = await plant.begin(processed("subject.identifier"), subjects=2)
    await plant.act(instance, "complete", Ref(0, "pack"))
    await plant.act(instance, "complete", Ref(1, "pack"))
    await awaited(plant, 2)
    [row] = await plant.rows("SELECT awaited_key FROM step_execution WHERE awaited_key IS NOT NULL AND subject_no = 1")
    assert (await post(plant, row["awaited_key"]))["reached"] == 1
    await at(plant, "ship")
    assert ("ship" in [one[1] for one in await plant.executions(instance) if one[0] == 1]) is True
    other = await plant.begin(processed("true"))
    await plant.act(other, "complete", Ref(0, "pack"))
    [incident] = await plant.until("SELECT code, message FROM incident WHERE instance_id = :id", id=other)
    assert incident["code"] == "expression_failed"
    assert "'key' must be a text" in incident["message"]


async def test_blanks_around_a_name_and_a_key_do_not_count(plant: Plant) -> None:
    key, _ = keyed()
    await plant.begin(line(waiting(f'" {key} "', name=" paid "), step("ship"), end()))
    await awaited(plant)
    assert (await post(plant, key))["reached"] == 1
    await at(plant, "ship")


async def test_a_message_during_a_hold_counts_when_the_hold_is_over(plant: Plant) -> None:
    key, expression = keyed()
    instance = await plant.begin(processed(expression))
    await plant.act(instance, "complete", Ref(0, "pack"))
    await awaited(plant)
    await plant.act(instance, "hold", by="quinn", reason="the customer asked for it")
    await post(plant, key)
    await plant.act(instance, "resume", by="quinn", reason="the customer is content")
    await at(plant, "ship")


async def test_posting_and_beginning_to_wait_at_the_same_time_never_miss_each_other(plant: Plant) -> None:
    keys = [f"o-{uuid4().hex[:8]}" for _ in range(12)]
    instances = [await plant.begin(processed(f'"{key}"')) for key in keys]
    await asyncio.gather(
        *(plant.act(instance, "complete", Ref(0, "pack")) for instance in instances),
        *(post(plant, key) for key in keys),
    )
    await at(plant, "ship", len(keys))


async def test_a_message_that_came_while_no_worker_ran_is_found(idle_plant: Plant) -> None:
    key, expression = keyed()
    async with working(idle_plant):
        instance = await idle_plant.begin(processed(expression))
        await idle_plant.act(instance, "complete", Ref(0, "pack"))
        await awaited(idle_plant)
    await post(idle_plant, key)
    async with working(idle_plant):
        await at(idle_plant, "ship")


async def test_messages_are_kept_for_a_time_and_longer_for_those_who_may_still_wait(idle_plant: Plant) -> None:
    plant = idle_plant
    key, expression = keyed()
    ago = timedelta(hours=-2)
    await post(plant, key, ago)
    assert await forgotten(plant) == 1
    assert await plant.rows("SELECT 1 FROM message") == []
    async with working(plant):
        early = await plant.begin(processed(expression))
        await post(plant, key, ago)
        assert await forgotten(plant) == 0
        late = await plant.begin(processed(expression))
        await plant.act(late, "complete", Ref(0, "pack"))
        await awaited(plant)  # the message came before this instance was there, and was kept for the other one only
        await plant.act(early, "complete", Ref(0, "pack"))
        await at(plant, "ship")
        for instance in (early, late):
            await plant.act(instance, "cancel", by="quinn", reason="the end of this test")
    assert await forgotten(plant) == 0
    assert len(await plant.rows("SELECT 1 FROM message")) == 1, "what let a subject go on stays"


async def forgotten(plant: Plant) -> int:
    """How many messages are deleted now."""
    async with system_session(plant.system) as session:
        return await forget_expired(await session.connection())
