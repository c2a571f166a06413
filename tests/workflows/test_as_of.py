"""The past of an instance, told from its journal (real servers): whatever was shown then is told again later."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from activities.past import recall
from activities.rebuild import in_scratch, open_scratch, rebuild
from models.db import tenant_session
from models.flow.state import Ref, execution_id
from models.store.errors import NotFoundError
from models.store.instance_lists import instance_detail, list_executions
from models.store.refusals import AsOfBeforeStartError, AsOfInFutureError
from models.store.views import execution_json
from tests.store.scene import as_superuser
from tests.support.plant import Plant, edge, end, line, step

Json = dict[str, Any]

CHECKED = line(
    step("make", expected_duration="P2D"),
    step("check", is_decision_point=True),
    step("rework", max_visits=1, max_duration="P5D"),
    end("ok", "done"),
    end("bin", "scrapped"),
    edges=[
        edge("make", "check"),
        edge("check", "ok"),
        edge("check", "rework", "alternate"),
        edge("check", "bin", "alternate", "scrap"),
        edge("rework", "check"),
    ],
)


class Witness:
    """Writes down how an instance is shown, and when that was by the workflow's clock."""

    def __init__(self, plant: Plant, instance: UUID) -> None:
        self.plant, self.instance = plant, instance
        self.seen: list[tuple[datetime, Json]] = []

    async def look(self) -> None:
        (row,) = await self.plant.rows(
            "SELECT max(at) AS at, max(seq) AS seq FROM journal WHERE instance_id = :id", id=self.instance
        )
        async with tenant_session(self.plant.app, self.plant.tenant) as session:
            self.seen.append((row["at"], await self.shown(session)))

    async def act(self, kind: str, *refs: Ref, by: str = "bob", **args: Any) -> Json:
        answer = await self.plant.act(self.instance, kind, *refs, by=by, **args)
        await self.look()
        return answer

    async def shown(self, session: Any) -> Json:
        rows = await list_executions(
            session, self.plant.tenant, self.instance, status="", step="", after=None, limit=500
        )
        detail = await instance_detail(session, self.plant.tenant, self.instance)
        return {**detail, "executions": [execution_json(row) for row in rows]}

    async def recalled(self, at: datetime) -> Json:
        async with tenant_session(self.plant.app, self.plant.tenant) as session:
            await recall(session, self.plant.tenant, self.instance, at, related=True)
            async with in_scratch(await session.connection()):
                return await self.shown(session)


async def test_every_moment_is_told_again_as_it_was_shown(plant: Plant) -> None:
    instance = await plant.begin(CHECKED, subjects=3)
    witness = Witness(plant, instance)
    await witness.look()
    await witness.act("claim", Ref(0, "make"))
    await witness.act("release", Ref(0, "make"), reason="lunch")
    await witness.act("amend", by="quinn", changes={"name": "Rush", "owner": str(plant.people["ann"])}, reason="r")
    await witness.act("complete", Ref(0, "make"), Ref(1, "make"), notes="two at once")
    await witness.act("hold", by="quinn", reason="audit finding")
    await witness.act("amend", by="quinn", changes={"context": {"lot": "L7"}, "due_date": "2030-01-31"}, reason="r")
    await witness.act("resume", by="quinn", reason="finding closed")
    await witness.act("complete", Ref(0, "check"), decision_result="fail")
    await witness.act("complete", Ref(0, "rework"))
    refused = await witness.act("complete", Ref(0, "check", 2), decision_result="fail")
    assert refused["code"] == "visit_limit_reached"
    await witness.act("complete", Ref(0, "check", 2), decision_result="scrap")
    await witness.act("cancel", by="quinn", reason="order withdrawn")
    assert len({at for at, _ in witness.seen}) == 13
    for at, shown in witness.seen:
        assert await witness.recalled(at) == shown
    moments = [shown for _, shown in witness.seen]
    assert [one["name"] for one in moments[2:4]] == ["", "Rush"]
    assert moments[10]["open_incidents"] == 1


async def test_the_present_rows_have_no_say_in_it(plant: Plant, database: str) -> None:
    instance = await plant.begin(line(step("one"), step("two"), end()), subjects=2)
    witness = Witness(plant, instance)
    await witness.act("complete", Ref(0, "one"), notes="done")
    ((at, shown),) = witness.seen
    (before,) = await plant.rows(
        "SELECT name, owner_id, context::text, status FROM workflow_instance WHERE id = :id", id=instance
    )
    done = execution_id(instance, Ref(0, "one"))
    as_superuser(
        database,
        "UPDATE workflow_instance SET name = 'forged', owner_id = NULL, context = '{\"a\": 1}', due_date = now()"
        " WHERE id = %s",
        instance,
    )
    as_superuser(database, "UPDATE step_execution SET notes = 'forged', decision_result = 'pass' WHERE id = %s", done)
    assert await witness.recalled(at) == shown
    as_superuser(
        database,
        "UPDATE workflow_instance SET name = %s, owner_id = %s, context = %s::jsonb, due_date = NULL WHERE id = %s",
        before["name"],
        before["owner_id"],
        before["context"],
        instance,
    )
    as_superuser(database, "UPDATE step_execution SET notes = 'done', decision_result = '' WHERE id = %s", done)


async def test_children_and_parent_are_shown_as_they_stood(plant: Plant) -> None:
    child = await plant.approve(line(step("check"), end()), "Child")
    config = {"process_id": str(child.id)}
    requirement = {"requirement_type": "child_workflow", "name": "Inspection", "config": config}
    instance = await plant.begin(line(step("nest", requirements=[requirement]), end()))
    (nested,) = await plant.until("SELECT id FROM workflow_instance WHERE parent_instance_id = :id", id=instance)
    await plant.begun(nested["id"])
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_started'", id=instance)
    of_parent, of_child = Witness(plant, instance), Witness(plant, nested["id"])
    await of_child.look()
    await of_parent.look()
    (at,) = await plant.rows("SELECT greatest(max(at), max(at)) AS at FROM journal")
    await plant.act(nested["id"], "complete", Ref(0, "check"))
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_ended'", id=instance)
    await plant.act(instance, "complete", Ref(0, "nest"))
    assert await of_parent.recalled(at["at"]) == of_parent.seen[0][1]
    assert await of_child.recalled(at["at"]) == of_child.seen[0][1]
    assert [one["status"] for one in of_parent.seen[0][1]["children"]] == ["in_progress"]


async def test_moments_that_cannot_be_told_are_refused(plant: Plant) -> None:
    instance = await plant.begin(line(step("one"), end()))
    (first,) = await plant.rows("SELECT min(at) AS at FROM journal WHERE instance_id = :id", id=instance)
    witness = Witness(plant, instance)
    with pytest.raises(AsOfBeforeStartError):
        await witness.recalled(first["at"] - timedelta(microseconds=1))
    assert (await witness.recalled(first["at"]))["status"] == "in_progress"
    with pytest.raises(AsOfInFutureError):
        await witness.recalled(datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(NotFoundError):
        await Witness(plant, plant.tenant).recalled(first["at"])


async def test_a_rebuild_writes_to_scratch_tables_only(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = await plant.begin(line(step("one"), end()))

    async def elsewhere(connection: Any, *_: object) -> None:
        await connection.execute(text("UPDATE subject SET title = 'changed'"))

    monkeypatch.setattr("activities.rebuild.project", elsewhere)
    async with plant.app.connect() as connection:
        await connection.execute(text("SELECT set_config('app.tenant', :id, true)"), {"id": str(plant.tenant)})
        await open_scratch(connection)
        with pytest.raises(DBAPIError, match="read-only"):
            await rebuild(connection, plant.tenant, instance)
    monkeypatch.undo()
