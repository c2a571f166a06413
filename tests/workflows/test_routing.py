"""Ways through a process on real servers: decisions, rework, limits, and steps that move by themselves."""

from typing import Any

from models.flow.state import Ref
from tests.support.plant import Plant, edge, end, line, step

INSPECTION = line(
    step("make"),
    step("inspect", is_decision_point=True),
    step("rework"),
    end("stock", "in_stock"),
    edges=[
        edge("make", "inspect"),
        edge("inspect", "stock"),
        edge("inspect", "rework", "alternate"),
        edge("rework", "inspect"),
    ],
)


def limited(*more: dict[str, Any], **of_rework: Any) -> dict[str, Any]:
    """Inspection whose rework may be visited once."""
    return line(
        step("inspect", is_decision_point=True),
        step("rework", max_visits=1, **of_rework),
        end("stock"),
        end("scrap", "scrapped"),
        edges=[
            edge("inspect", "stock"),
            edge("inspect", "rework", "alternate"),
            edge("rework", "inspect"),
            edge("inspect", "scrap", "alternate", "scrap"),
            *more,
        ],
    )


async def test_a_failed_decision_leads_into_rework_and_back_with_visits_counted(plant: Plant) -> None:
    instance = await plant.begin(INSPECTION)
    await plant.act(instance, "complete", Ref(0, "make"))
    failed = await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="FAIL", notes="burr")
    assert [(one["step"]["key"], one["visit_number"]) for one in failed["next"]] == [("rework", 1)]
    await plant.act(instance, "complete", Ref(0, "rework"))
    again = await plant.act(instance, "complete", Ref(0, "inspect", 2), decision_result="no")
    assert [(one["step"]["key"], one["visit_number"]) for one in again["next"]] == [("rework", 2)]
    await plant.act(instance, "complete", Ref(0, "rework", 2))
    passed = await plant.act(instance, "complete", Ref(0, "inspect", 3), decision_result=" Yes ")
    assert passed["outcome"] == "completed"
    assert await plant.status(instance, "completed") == "completed"
    assert [row[1:3] for row in await plant.executions(instance)] == [
        ("make", 1), ("inspect", 1), ("rework", 1), ("inspect", 2), ("rework", 2), ("inspect", 3), ("stock", 1),
    ]  # fmt: skip
    (subject,) = await plant.rows("SELECT terminal_status FROM workflow_subject WHERE instance_id = :id", id=instance)
    assert subject["terminal_status"] == "in_stock"
    (first,) = await plant.rows(
        "SELECT decision_result, notes FROM step_execution WHERE workflow_instance_id = :id"
        " AND step_key = 'inspect' AND visit_number = 1",
        id=instance,
    )
    assert first == {"decision_result": "FAIL", "notes": "burr"}


async def test_a_result_of_the_processs_own_takes_the_edge_with_that_condition(plant: Plant) -> None:
    instance = await plant.begin(limited())
    done = await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="Scrap")
    assert done["outcome"] == "completed"
    assert await plant.status(instance, "completed", "cancelled") == "cancelled"


async def test_an_unknown_decision_is_refused_with_the_allowed_ones_and_changes_nothing(plant: Plant) -> None:
    instance = await plant.begin(limited())
    refused = await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="maybe")
    assert refused["code"] == "decision_unknown"
    assert refused["params"]["allowed"] == ["pass", "fail", "scrap"]
    missing = await plant.act(instance, "complete", Ref(0, "inspect"))
    assert missing["code"] == "decision_required"
    assert await plant.executions(instance) == [(0, "inspect", 1, "pending")]
    assert [row["new"]["code"] for row in await plant.audited(instance, "command_refused")] == [
        "decision_unknown",
        "decision_required",
    ]


async def test_a_full_step_with_an_escalation_edge_escalates(plant: Plant) -> None:
    instance = await plant.begin(
        line(
            step("inspect", is_decision_point=True),
            step("rework", max_visits=1),
            step("board"),
            end("stock"),
            edges=[
                edge("inspect", "stock"),
                edge("inspect", "rework", "alternate"),
                edge("rework", "inspect"),
                edge("rework", "board", "escalation"),
            ],
        )
    )
    await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="no")
    await plant.act(instance, "complete", Ref(0, "rework"))
    escalated = await plant.act(instance, "complete", Ref(0, "inspect", 2), decision_result="no")
    assert escalated["outcome"] == "escalated"
    assert [one["step"]["key"] for one in escalated["next"]] == ["board"]


async def test_a_full_step_without_an_escalation_edge_is_an_incident_that_force_resolves(plant: Plant) -> None:
    instance = await plant.begin(limited())
    await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="no")
    await plant.act(instance, "complete", Ref(0, "rework"))
    refused = await plant.act(instance, "complete", Ref(0, "inspect", 2), decision_result="no")
    assert refused["code"] == "visit_limit_reached"
    assert refused["execution"]["incident"]["code"] == "visit_limit_reached"
    (incident,) = await plant.rows("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert incident["resolved_at"] is None
    assert "1 times" in incident["message"]

    reason = "the customer accepts a third pass"
    operator = await plant.act(instance, "complete", Ref(0, "inspect", 2), decision_result="no", force=reason)
    assert operator["code"] == "forbidden"
    forced = await plant.act(instance, "complete", Ref(0, "inspect", 2), by="quinn", decision_result="no", force=reason)
    assert forced["outcome"] == "advanced"
    assert await plant.executions(instance) == [
        (0, "inspect", 1, "completed"),
        (0, "rework", 1, "completed"),
        (0, "inspect", 2, "completed"),
        (0, "rework", 2, "pending"),
    ]
    (incident,) = await plant.rows("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert incident["resolved_at"] is not None
    assert incident["resolved_by"] == plant.people["quinn"]
    (entry,) = [row for row in await plant.audited(instance, "execution_completed") if row["reason"] == reason]
    assert entry["actor_id"] == plant.people["quinn"]


async def test_without_edges_the_order_of_the_steps_leads_on(plant: Plant) -> None:
    instance = await plant.begin(line(step("late", order=20), step("early", order=10)))
    first = await plant.act(instance, "complete", Ref(0, "early"))
    assert [one["step"]["key"] for one in first["next"]] == ["late"]
    assert (await plant.act(instance, "complete", Ref(0, "late")))["outcome"] == "completed"
    assert await plant.status(instance, "completed") == "completed"


async def test_a_chain_of_automatic_steps_runs_to_the_next_person_without_one(plant: Plant) -> None:
    automatic = {"requires_operator_completion": False}
    graph = line(step("a", **automatic), step("b", **automatic), step("c", **automatic), step("person"), end())
    instance = await plant.begin(graph, subjects=3)
    await plant.until(
        "SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'person' HAVING count(*) = 3",
        id=instance,
    )
    assert [row[1:] for row in await plant.executions(instance) if row[0] == 0] == [
        ("a", 1, "completed"),
        ("b", 1, "completed"),
        ("c", 1, "completed"),
        ("person", 1, "pending"),
    ]
    (entry, *_) = await plant.audited(instance, "execution_completed")
    assert (entry["actor_id"], entry["source"]) == (None, "engine")


async def test_a_wholly_automatic_process_completes_by_itself(plant: Plant) -> None:
    automatic = {"requires_operator_completion": False}
    process = await plant.approve(line(step("a", **automatic), end("z", "done", **automatic)))
    instance = await plant.start(process)
    assert await plant.status(instance, "completed") == "completed"


async def test_an_instance_whose_subjects_were_all_scrapped_is_cancelled_and_otherwise_completed(plant: Plant) -> None:
    instance = await plant.begin(limited(), subjects=2)
    await plant.act(instance, "complete", Ref(0, "inspect"), decision_result="scrap")
    await plant.act(instance, "complete", Ref(1, "inspect"), decision_result="scrap")
    assert await plant.status(instance, "completed", "cancelled") == "cancelled"

    other = await plant.begin(limited(), subjects=2)
    await plant.act(other, "complete", Ref(0, "inspect"), decision_result="scrap")
    await plant.act(other, "complete", Ref(1, "inspect"), decision_result="pass")
    assert await plant.status(other, "completed", "cancelled") == "completed"
