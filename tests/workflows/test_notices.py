"""What the engine records tells people and webhooks; what it records without telling anybody costs no statement."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from models import wire
from models.db import tenant_session
from models.flow.state import Ref
from models.secret_box import secret_box
from models.store.people import Person
from models.store.webhooks import WebhookRules, create_webhook
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import meddling, working


async def told(plant: Plant, instance: UUID, kind: str) -> set[UUID]:
    rows = await plant.until(
        "SELECT user_id FROM notification WHERE instance_id = :id AND kind = :kind", id=instance, kind=kind
    )
    return {row["user_id"] for row in rows}


async def test_a_hold_and_an_end_are_told_to_whoever_owns_it(plant: Plant) -> None:
    await plant.hire("quirin", "quality_manager")
    instance = await plant.begin(line(step("one"), end()))
    await plant.act(instance, "hold", by="quirin", reason="the scale is broken")
    assert await told(plant, instance, "instance_held") == {plant.people["quinn"]}
    await plant.act(instance, "resume", by="quinn", reason="it is mended now")
    await plant.act(instance, "complete", Ref(0, "one"))
    assert await told(plant, instance, "instance_completed") == {plant.people["quinn"]}
    assert await plant.rows("SELECT 1 FROM notification WHERE kind = 'instance_resumed'") == []


async def test_overdue_work_is_told_to_who_holds_it(plant: Plant) -> None:
    instance = await plant.begin(line(step("one", expected_duration="PT1S"), end()))
    await plant.act(instance, "claim", Ref(0, "one"))
    assert await told(plant, instance, "execution_overdue") == {plant.people["bob"], plant.people["quinn"]}


async def test_a_webhook_hears_of_what_it_chose_and_of_nothing_else(idle_plant: Plant) -> None:
    plant = idle_plant
    quinn = Person(tenant_id=plant.tenant, id=plant.people["quinn"], username="quinn")
    rules = WebhookRules(box=secret_box(plant.settings), base_url="http://x", private_allowed=True)
    async with tenant_session(plant.app, plant.tenant) as session:
        chosen = ["gatework.execution.completed", "gatework.instance.*"]
        await create_webhook(session, quinn, rules, name="ERP", url="http://127.0.0.1:1/", kinds=chosen)
    async with working(plant):
        instance = await plant.begin(line(step("one"), end()), subjects=2)
        await plant.act(instance, "complete", Ref(0, "one"), Ref(1, "one"))

        async def all_there() -> bool:
            rows = await plant.rows("SELECT kind FROM notification_delivery WHERE channel = 'webhook' ORDER BY kind")
            return [row["kind"] for row in rows] == [
                "gatework.execution.completed", "gatework.execution.completed", "gatework.instance.completed",
                "gatework.instance.started",
            ]  # fmt: skip

        await plant.eventually(all_there)


async def test_a_plain_completion_leaves_nothing_in_the_outbox(
    idle_plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, seen = idle_plant, list[str]()

    @event.listens_for(plant.app.sync_engine, "before_cursor_execute")
    def keep(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    sendable = wire._sendable

    def kept(statement: wire.Statement) -> Any:
        seen.append(str(statement.clause))
        return sendable(statement)

    monkeypatch.setattr(wire, "_sendable", kept)

    async with meddling(plant):
        instance = await plant.begin(line(step("one"), step("two"), end()))
        seen.clear()
        await plant.act(instance, "complete", Ref(0, "one"))
        assert any("INSERT INTO journal" in one for one in seen)
        assert not any("INSERT INTO outbox" in one or "notification" in one or "webhook" in one for one in seen)
        await plant.act(instance, "complete", Ref(0, "two"))
        assert sum("INSERT INTO outbox" in one for one in seen) == 1
