"""Undo, lots and incidents on real servers: rows, signatures, journal and audit."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.db import tenant_session
from models.flow import undo
from models.flow.state import Ref
from models.requirements.asking import recall_request
from tests.support.plant import Plant, edge, end, line, step

WHY = "a slip of the hand"
TWO = line(step("one"), step("two"), end("end", "shipped"))
RELEASE = {"requirement_type": "approval", "name": "Release", "config": {"roles": ["engineer"]}}
SIGNED = line(step("sign", requirements=[RELEASE]), step("after"), end())
BATCH = line(step("wash", requires_batch_completion=True), step("pack"), end())
LOTS = line(
    step("wash", requires_batch_completion=True),
    step("inspect", requires_batch_completion=True, is_decision_point=True),
    step("rework"),
    end("stock", "in_stock"),
    end("scrap", "scrapped"),
    edges=[
        edge("wash", "inspect"),
        edge("inspect", "stock"),
        edge("inspect", "rework", "alternate"),
        edge("inspect", "scrap", "alternate", "scrap"),
        edge("rework", "inspect"),
    ],
)


async def take_back(plant: Plant, instance: UUID, ref: Ref, by: str = "bob") -> Any:
    return await plant.act(instance, "undo", ref, by=by, reason=WHY)


async def test_an_undone_completion_is_open_again_in_rows_and_its_successor_rolled_back(plant: Plant) -> None:
    instance = await plant.begin(TWO)
    await plant.act(instance, "complete", Ref(0, "one"), notes="done")
    assert (await take_back(plant, instance, Ref(0, "one"), by="ann"))["params"] == {"permission": "execution.undo"}
    answer = await take_back(plant, instance, Ref(0, "one"))
    assert (answer["outcome"], answer["execution"]["status"]) == ("undone", "in_progress")
    assert await plant.executions(instance) == [(0, "one", 1, "in_progress"), (0, "two", 1, "rolled_back")]
    await plant.act(instance, "complete", Ref(0, "one"))
    assert (0, "two", 2, "pending") in await plant.executions(instance)
    (entry,) = await plant.audited(instance, "execution_restored")
    assert (entry["actor_id"], entry["reason"]) == (plant.people["bob"], WHY)


async def forced(plant: Plant) -> UUID:
    """A step whose approval is pending was completed by force."""
    instance = await plant.begin(SIGNED)
    assert (await plant.act(instance, "complete", Ref(0, "sign"), by="quinn", force=WHY))["outcome"] == "advanced"
    return instance


async def test_an_approval_that_was_withdrawn_by_the_completion_is_asked_for_again_by_the_undo(plant: Plant) -> None:
    instance = await forced(plant)
    for undone in (1, 2):
        assert (await take_back(plant, instance, Ref(0, "sign"), by="quinn"))["outcome"] == "undone"
        requests = await plant.rows("SELECT state, requested_by FROM approval_request ORDER BY round")
        assert [one["state"] for one in requests] == ["withdrawn"] * undone + ["pending"]
        assert requests[-1]["requested_by"] is None
        blocked = await plant.act(instance, "complete", Ref(0, "sign"), by="quinn")
        assert blocked["code"] == "requirements_unmet"
        await plant.act(instance, "complete", Ref(0, "sign"), by="quinn", force=WHY)
    told = await plant.audited(instance, "approval.requested_again")
    assert [(one["actor_id"], one["new"]["round"]) for one in told] == [(plant.people["quinn"], n) for n in (2, 3)]


async def test_what_somebody_recalled_before_the_completion_is_not_asked_for_by_the_undo(plant: Plant) -> None:
    instance = await plant.begin(SIGNED)
    [request] = await plant.rows("SELECT id FROM approval_request")
    async with tenant_session(plant.app, plant.tenant) as session:
        await recall_request(session, plant.person("bob"), request["id"], "wrong drawing", datetime.now(UTC))
    await plant.act(instance, "complete", Ref(0, "sign"), by="quinn", force=WHY)
    await take_back(plant, instance, Ref(0, "sign"), by="quinn")
    assert await plant.rows("SELECT state FROM approval_request") == [{"state": "withdrawn"}]


async def test_the_marks_of_an_undone_completion_stand_in_the_journal_and_those_behind_stay_behind(
    plant: Plant,
) -> None:
    escalation = {"remind_before": ["PT2H", "PT1H"], "levels": [{"after": "PT1H"}]}
    instance = await plant.begin(
        line(step("a", expected_duration="PT2H", config={"escalation": escalation}), step("b"), end())
    )
    await plant.until("SELECT 1 FROM journal WHERE kind = 'reminder_sent'")
    (row,) = await plant.rows("SELECT due_at FROM step_execution WHERE step_key = 'a'")
    for _ in range(2):
        await plant.act(instance, "complete", Ref(0, "a"))
        await take_back(plant, instance, Ref(0, "a"))
    ahead = [row["due_at"] + timedelta(hours=hours) for hours in (-2, -1, 1)]
    for found in await plant.rows("SELECT data FROM journal WHERE kind = 'execution_restored'"):
        assert [datetime.fromisoformat(mark) for mark in found["data"]["marks"]] == ahead
        assert found["data"]["mark"] == 1
    assert (await plant.kinds(instance)).count("reminder_sent") == 1


async def test_what_was_told_of_its_lateness_is_told_once_whatever_is_undone(plant: Plant) -> None:
    instance = await plant.begin(line(step("a", expected_duration="PT1S", max_duration="PT2S"), step("b"), end()))
    await plant.until("SELECT 1 FROM journal WHERE kind = 'limit_exceeded'")
    await plant.act(instance, "complete", Ref(0, "a"))
    await take_back(plant, instance, Ref(0, "a"))
    (row,) = await plant.rows("SELECT overdue, limit_at FROM step_execution WHERE step_key = 'a'")
    assert (row["overdue"], row["limit_at"] is None) == (True, False)
    await plant.act(instance, "complete", Ref(0, "a"))
    told = await plant.kinds(instance)
    assert (told.count("execution_overdue"), told.count("limit_exceeded")) == (1, 1)


async def test_a_timer_that_was_passed_by_force_and_undone_rings(plant: Plant) -> None:
    timer = step("cool", step_type="timer", config={"timer": {"duration": "PT3S"}})
    instance = await plant.begin(line(timer, step("pack"), end()))
    await plant.act(instance, "complete", Ref(0, "cool"), by="quinn", force=WHY)
    await take_back(plant, instance, Ref(0, "cool"), by="quinn")
    await plant.until("SELECT 1 FROM step_execution WHERE step_key = 'pack' AND visit_number = 2")


async def test_an_action_that_was_passed_by_force_and_undone_is_tried_again(plant: Plant) -> None:
    action = {"type": "expression", "set": {"total": "context.price * 2"}}
    instance = await plant.begin(
        line(step("sum", step_type="automatic", config={"action": action}), step("pack"), end())
    )
    await plant.open_incident(instance)
    await plant.act(instance, "complete", Ref(0, "sum"), by="quinn", force=WHY)
    await take_back(plant, instance, Ref(0, "sum"), by="quinn")
    stopped = await plant.open_incident(instance)
    assert (stopped["code"], len(await plant.rows("SELECT 1 FROM incident"))) == ("expression_failed", 2)


async def test_a_finished_subject_is_under_way_again_while_its_instance_is_open(plant: Plant) -> None:
    instance = await plant.begin(TWO, subjects=2)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "complete", Ref(0, "two"))
    await take_back(plant, instance, Ref(0, "two"))
    (row,) = await plant.rows(
        "SELECT terminal_status, finished_at FROM workflow_subject WHERE instance_id = :id AND subject_no = 0",
        id=instance,
    )
    assert (row["terminal_status"], row["finished_at"]) == (None, None)
    assert (0, "end", 1, "rolled_back") in await plant.executions(instance)
    for number in (0, 1):
        if number:
            await plant.act(instance, "complete", Ref(1, "one"))
        await plant.act(instance, "complete", Ref(number, "two"))
    assert await plant.status(instance, "completed") == "completed"


async def test_what_was_built_on_it_keeps_it_from_being_undone(plant: Plant) -> None:
    instance = await plant.begin(TWO, subjects=2)
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "claim", Ref(0, "two"), by="ann")
    refused = await take_back(plant, instance, Ref(0, "one"))
    assert (refused["code"], refused["params"]["built_on"]) == ("undo_built_on", "claimed")
    await plant.act(instance, "release", Ref(0, "two"), by="ann")
    assert (await take_back(plant, instance, Ref(0, "one")))["outcome"] == "undone"

    await plant.act(instance, "complete", Ref(1, "one"))
    await plant.meet(instance, Ref(1, "two"))
    assert (await take_back(plant, instance, Ref(1, "one")))["params"]["built_on"] == "evidence"


async def test_only_the_last_completion_and_only_in_time(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = await plant.begin(line(step("one"), step("two"), step("three"), end()))
    await plant.act(instance, "complete", Ref(0, "one"))
    await plant.act(instance, "complete", Ref(0, "two"))
    assert (await take_back(plant, instance, Ref(0, "one")))["code"] == "undo_not_last"
    assert (await take_back(plant, instance, Ref(0, "three")))["code"] == "nothing_to_undo"
    monkeypatch.setattr(undo, "WINDOW", timedelta())
    assert (await take_back(plant, instance, Ref(0, "two")))["code"] == "undo_too_late"


async def test_one_of_a_batch_comes_back_alone(plant: Plant) -> None:
    instance = await plant.begin(BATCH, subjects=3)
    for number in range(3):
        await plant.act(instance, "complete", Ref(number, "wash"))
    await take_back(plant, instance, Ref(1, "wash"))
    assert [row[1:] for row in await plant.executions(instance) if row[0] == 1] == [
        ("wash", 1, "in_progress"),
        ("pack", 1, "rolled_back"),
    ]
    await plant.act(instance, "complete", Ref(1, "wash"))
    await plant.act(instance, "start", Ref(0, "pack"), by="ann")
    refused = await take_back(plant, instance, Ref(2, "wash"))
    assert (refused["code"], refused["params"]["built_on"]) == ("undo_built_on", "in_progress")


async def test_a_split_batch_goes_on_in_its_lots_and_comes_together_again(plant: Plant) -> None:
    instance = await plant.begin(LOTS, subjects=10)
    for number in range(2, 10):
        await plant.act(instance, "complete", Ref(number, "wash"))
    groups = [
        {"lot": "scrap", "count": 1, "to_step": "scrap"},
        {"lot": "rework", "count": 2, "to_step": "rework"},
    ]
    refs = [Ref(0, "wash"), Ref(1, "wash"), Ref(2, "wash")]
    answer = await plant.act(instance, "split", *refs, by="quinn", reason="three have burrs", groups=groups)
    assert answer["outcome"] == "split"
    rows = await plant.rows(
        "SELECT step_key, lot, count(*) AS n FROM step_execution WHERE workflow_instance_id = :id"
        " AND exited_at IS NULL GROUP BY step_key, lot ORDER BY step_key",
        id=instance,
    )
    assert [tuple(row.values()) for row in rows] == [("inspect", "", 7), ("rework", "rework", 2)]
    for number in range(3, 10):
        await plant.act(instance, "complete", Ref(number, "inspect"), decision_result="fail")
    for number in (1, 2):
        await plant.act(instance, "complete", Ref(number, "rework"))
    merged = await plant.act(instance, "merge", by="quinn", reason="reworked, fine again", lots=["rework"], into="")
    assert merged["outcome"] == "merged"
    rows = await plant.rows(
        "SELECT DISTINCT lot FROM step_execution WHERE workflow_instance_id = :id AND exited_at IS NULL", id=instance
    )
    assert [row["lot"] for row in rows] == [""]
    assert len(await plant.audited(instance, "lot_changed")) == 5


async def test_waiting_members_of_a_lot_get_new_visits_when_the_merged_one_completes(plant: Plant) -> None:
    instance = await plant.begin(BATCH, subjects=2)
    await plant.act(instance, "move", Ref(0, "wash"), by="quinn", reason=WHY, to_step="pack")
    await plant.act(instance, "move", Ref(0, "pack"), by="quinn", reason=WHY, to_step="wash")
    await plant.act(instance, "complete", Ref(0, "wash", 2))
    groups = [{"lot": "late", "count": 1}]
    await plant.act(instance, "split", Ref(1, "wash"), by="quinn", reason="waits for steel", groups=groups)
    assert (0, "pack", 2, "pending") in await plant.executions(instance)


async def test_a_stopped_step_is_tried_again(plant: Plant) -> None:
    automatic = {"requires_operator_completion": False}
    graph = line(
        step("go"),
        step("loop", max_visits=1, **automatic),
        end(),
        edges=[edge("go", "loop"), edge("loop", "go")],
    )
    graph["edges"].append(edge("go", "end", "alternate"))
    graph["steps"][0]["is_decision_point"] = True
    instance = await plant.begin(graph)
    await plant.act(instance, "complete", Ref(0, "go"), decision_result="pass")
    await plant.until("SELECT 1 FROM step_execution WHERE step_key = 'go' AND visit_number = 2")
    refused = await plant.act(instance, "complete", Ref(0, "go", 2), decision_result="pass")
    assert refused["code"] == "visit_limit_reached"
    (incident,) = await plant.rows("SELECT id FROM incident WHERE instance_id = :id", id=instance)
    given = {"incident_id": str(incident["id"]), "note": "the board allows another round"}
    denied = await plant.act(instance, "resolve_incident", Ref(0, "go", 2), **given)
    assert denied["params"] == {"permission": "ops.incident_resolve"}
    again = await plant.act(
        instance, "retry_incident", Ref(0, "go", 2), by="quinn", code="visit_limit_reached", **given
    )
    assert again["outcome"] == "retried"
    (incident,) = await plant.rows("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert incident["resolution"] == "retry: the board allows another round"
    closed = await plant.act(instance, "resolve_incident", Ref(0, "go", 2), by="quinn", **given)
    assert closed["code"] == "incident_closed"
