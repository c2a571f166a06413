"""Ways that no person decides, on a real database and a real Temporal: computed decisions, forks, timers."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from models.db import tenant_session
from models.flow.state import Ref, execution_id
from models.store.quality import report_quality
from tests.support.plant import Plant, edge, end, line, step

Json = dict[str, Any]

BY_SIZE = {
    "is_decision_point": True,
    "decision_type": "expression",
    "requires_operator_completion": False,
}


def sized(*conditions: str) -> Json:
    ways = [edge("sort", key, "alternate") | {"condition": text} for key, text in zip("xyz", conditions, strict=False)]
    return line(
        step("look"), step("sort", **BY_SIZE), end("x"), end("y"), end("other"),
        edges=[edge("look", "sort"), *ways, edge("sort", "other")],
    )  # fmt: skip


async def ends(plant: Plant, instance: UUID) -> dict[int, str]:
    """Subject → the terminal step that it came to."""
    rows = await plant.rows(
        "SELECT e.subject_no, e.step_key FROM step_execution e JOIN step s ON (s.tenant_id, s.id) ="
        " (e.tenant_id, e.step_id) WHERE e.workflow_instance_id = :id AND s.is_terminal",
        id=instance,
    )
    return {row["subject_no"]: row["step_key"] for row in rows}


async def set_attributes(plant: Plant, instance: UUID, subject: int, attributes: str) -> None:
    await plant.run(
        "UPDATE subject SET attributes = CAST(:attributes AS jsonb) WHERE id ="
        " (SELECT subject_id FROM workflow_subject WHERE instance_id = :id AND subject_no = :subject)",
        id=instance,
        subject=subject,
        attributes=attributes,
    )


async def test_each_subject_goes_by_its_own_attributes_and_by_what_was_decided_before(plant: Plant) -> None:
    graph = sized("subject.attributes.size > 10.0", "steps.look.visits == 1 && has(subject.attributes.odd)")
    instance = await plant.begin(graph, subjects=3)
    await set_attributes(plant, instance, 0, '{"size": 12.5}')
    await set_attributes(plant, instance, 1, '{"size": 3, "odd": true}')
    await set_attributes(plant, instance, 2, '{"size": 3}')
    await plant.act(instance, "complete", *(Ref(number, "look") for number in range(3)))
    await plant.status(instance, "completed")
    assert await ends(plant, instance) == {0: "x", 1: "y", 2: "other"}
    results = await plant.rows(
        "SELECT decision_result FROM step_execution WHERE workflow_instance_id = :id AND step_key = 'sort'"
        " ORDER BY subject_no",
        id=instance,
    )
    assert results[0]["decision_result"] == "subject.attributes.size > 10.0"
    assert results[2]["decision_result"] == ""


async def test_what_cannot_be_evaluated_is_an_incident_that_says_why(plant: Plant) -> None:
    instance = await plant.begin(sized("subject.attributes.size > 10.0"))
    await plant.act(instance, "complete", Ref(0, "look"))
    (incident,) = await plant.until("SELECT code, params FROM incident WHERE instance_id = :id", id=instance)
    assert incident["code"] == "decision_failed"
    assert "size" in incident["params"]["error"]
    refused = await plant.act(instance, "complete", Ref(0, "sort"), by="quinn", decision_result="pass")
    assert refused["code"] == "decision_computed"


TABLE = {
    "hit_policy": "first",
    "inputs": [{"expression": "subject.attributes.size"}],
    "outputs": [{"name": "result"}, {"name": "class"}],
    "rules": [{"when": [">= 10"], "then": ["big", "A"]}, {"when": ["-"], "then": ["small", "B"]}],
    "context": "sorting.last",
}


async def test_a_decision_table_decides_and_leaves_its_outputs_in_the_context(plant: Plant) -> None:
    sort = {**BY_SIZE, "decision_type": "decision_table", "config": {"decision_table": TABLE}}
    graph = line(
        step("look"), step("sort", **sort), end("x"), end("y"),
        edges=[
            edge("look", "sort"),
            edge("sort", "x") | {"condition": "big"},
            edge("sort", "y", "alternate") | {"results": ["small"]},
        ],
    )  # fmt: skip
    instance = await plant.begin(graph)
    await set_attributes(plant, instance, 0, '{"size": 12}')
    await plant.act(instance, "complete", Ref(0, "look"))
    await plant.status(instance, "completed")
    assert await ends(plant, instance) == {0: "x"}
    assert await plant.context(instance) == {"sorting": {"last": {"result": "big", "class": "A"}}}
    assert len(await plant.audited(instance, "instance_amended")) == 1


def joined(require: Any = "all") -> Json:
    return line(
        step("f", step_type="fork"), step("a"), step("b"),
        step("j", step_type="join", config={"join": {"require": require}}), step("after"), end(),
        edges=[*(edge(*pair) for pair in (("f", "a"), ("f", "b"), ("a", "j"), ("b", "j"), ("j", "after")))],
    )  # fmt: skip


async def opened(plant: Plant, instance: UUID, step_key: str) -> Ref:
    (row,) = await plant.until(
        "SELECT subject_no, step_key, visit_number, branch FROM step_execution"
        " WHERE workflow_instance_id = :id AND step_key = :step AND exited_at IS NULL",
        id=instance,
        step=step_key,
    )
    return Ref(row["subject_no"], row["step_key"], row["visit_number"], row["branch"])


async def test_all_branches_of_a_fork_come_together_at_its_join(plant: Plant) -> None:
    instance = await plant.begin(joined())
    first, second = await opened(plant, instance, "a"), await opened(plant, instance, "b")
    assert (first.branch, second.branch) == ("f.1.1", "f.1.2")
    (view,) = await plant.rows("SELECT status FROM workflow_instance WHERE id = :id", id=instance)
    assert view["status"] == "in_progress"
    assert (await plant.act(instance, "complete", first))["outcome"] == "advanced"
    assert (await plant.act(instance, "complete", second))["outcome"] == "advanced"
    await plant.act(instance, "complete", await opened(plant, instance, "after"))
    await plant.status(instance, "completed")
    assert "branch_arrived" in await plant.kinds(instance)


async def test_where_one_branch_is_enough_the_other_is_closed(plant: Plant) -> None:
    instance = await plant.begin(joined(1))
    late = await opened(plant, instance, "b")
    await plant.act(instance, "complete", await opened(plant, instance, "a"))
    await opened(plant, instance, "after")
    refused = await plant.act(instance, "complete", late)
    assert (refused["code"], refused["params"]["status"]) == ("execution_closed", "cancelled")


async def test_a_timer_step_goes_on_by_itself_after_its_duration(plant: Plant) -> None:
    cure = step("cure", step_type="timer", config={"timer": {"duration": "PT0.5S"}})
    instance = await plant.begin(line(cure, step("unpack"), end()))
    ref = Ref(0, "cure")
    refused = await plant.act(instance, "complete", ref)
    assert refused["code"] == "engine_step"
    await opened(plant, instance, "unpack")
    (row,) = await plant.rows(
        "SELECT wake_at, entered_at, exited_at FROM step_execution WHERE id = :id", id=execution_id(instance, ref)
    )
    assert row["wake_at"] == row["entered_at"] + timedelta(seconds=0.5)
    assert row["exited_at"] >= row["wake_at"]


async def test_a_timer_by_expression_reads_when_it_rings(plant: Plant) -> None:
    until = 'now + duration("300ms")'
    cure = step("cure", step_type="timer", config={"timer": {"until": until}})
    instance = await plant.begin(line(cure, step("unpack"), end()))
    await opened(plant, instance, "unpack")
    assert "timer_set" in await plant.kinds(instance)


def judged(decision_type: str, **look: Any) -> Json:
    return line(
        step("look", **look),
        step("judge", is_decision_point=True, decision_type=decision_type, requires_operator_completion=False),
        step("rework"), end("good"),
        edges=[edge("look", "judge"), edge("judge", "good"), edge("judge", "rework", "alternate"),
               edge("rework", "judge")],
    )  # fmt: skip


async def report(plant: Plant, instance: UUID, status: str) -> None:
    (row,) = await plant.rows("SELECT subject_id FROM workflow_subject WHERE instance_id = :id", id=instance)
    async with tenant_session(plant.app, plant.tenant) as session:
        new = {"subject": row["subject_id"], "status": status, "description": "seen by eye"}
        await report_quality(session, plant.person("bob"), new, datetime.now(UTC))


async def test_a_missing_quality_result_is_a_failure_and_a_second_visit_needs_a_new_one(plant: Plant) -> None:
    instance = await plant.begin(judged("qa_result"))
    await report(plant, instance, "pass")
    await report(plant, instance, "fail")
    await plant.act(instance, "complete", Ref(0, "look"))
    await opened(plant, instance, "rework")
    await report(plant, instance, "pass")
    await plant.act(instance, "complete", await opened(plant, instance, "rework"))
    await plant.status(instance, "completed")

    unseen = await plant.begin(judged("qa_result"))
    await plant.act(unseen, "complete", Ref(0, "look"))
    await plant.act(unseen, "complete", await opened(plant, unseen, "rework"))
    again = await opened(plant, unseen, "rework")
    assert again.visit == 2
