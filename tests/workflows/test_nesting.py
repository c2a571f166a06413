"""Nested processes in full (DESIGN §3.8, real servers): whose subjects, what of the context, what a failure means."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.event import listen

from activities.creating import create_children
from activities.definitions import Definitions
from activities.projection import Place
from models.db import app_engine, tenant_session
from models.flow.events import ChildRequested
from models.flow.state import Ref, execution_id
from models.store.reading import fetch
from models.tables import Process, Subject
from tests.support.plant import Plant, end, line, step
from tests.workflows.test_children import CHILD, children_of
from workflows.contract import Limits

AT = Ref(0, "nest")
_WRITTEN = text(
    """
    SELECT i.identifier, (SELECT count(*) FROM workflow_subject s WHERE s.instance_id = i.id) AS subjects
    FROM workflow_instance i WHERE i.id = ANY(:children) ORDER BY i.child_no
    """
)


def nesting(process: Process, **config: Any) -> dict[str, Any]:
    """A process of one step that starts others, and an end."""
    return line(step("nest", requirements=[starting(process, **config)]), end())


def starting(process: Process, key: str = "inspection", **config: Any) -> dict[str, Any]:
    """The requirement."""
    asked = {"process_id": str(process.id), **config}
    return {"requirement_type": "child_workflow", "key": key, "name": "Inspection", "config": asked}


async def amend(plant: Plant, instance: UUID, **context: Any) -> None:
    await plant.act(instance, "amend", by="quinn", changes={"context": context}, reason="found")


async def stock(plant: Plant, *attributes: Mapping[str, Any]) -> list[UUID]:
    """Parts of the tenant."""
    made = [
        Subject(
            tenant_id=plant.tenant,
            id=uuid4(),
            subject_type_id=plant.subject_type,
            identifier=f"P{number}",
            attributes=dict(one),
        )
        for number, one in enumerate(attributes)
    ]
    async with tenant_session(plant.app, plant.tenant) as session:
        session.add_all(made)
    return [one.id for one in made]


async def subjects_of(plant: Plant, instance: UUID) -> list[UUID]:
    rows = await plant.rows(
        "SELECT subject_id FROM workflow_subject WHERE instance_id = :id ORDER BY subject_no", id=instance
    )
    return [row["subject_id"] for row in rows]


async def test_what_a_child_found_comes_back_into_the_context(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    config = {"context": {"lot": "batch"}, "context_back": {"verdict": "result", "missing": "nowhere"}}
    instance = await plant.begin(line(step("first"), *nesting(child, **config)["steps"]))
    await amend(plant, instance, batch="B7", kept=1)
    await plant.act(instance, "complete", Ref(0, "first"))
    (nested,) = await children_of(plant, instance, 1)
    assert (await plant.context(nested))["lot"] == "B7"
    await amend(plant, nested, result={"porosity": "none"})
    await plant.act(nested, "complete", Ref(0, "check"))
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_ended'", id=instance)
    assert await plant.context(instance) == {
        "batch": "B7", "kept": 1, "verdict": {"porosity": "none"}, "missing": None,
    }  # fmt: skip
    *_, entry = await plant.audited(instance, "instance_amended")
    assert (entry["actor_name"], "completed" in entry["reason"]) == ("system", True)
    assert (await plant.act(instance, "complete", AT))["outcome"] == "completed"


@pytest.mark.parametrize("subjects", ["same", {"new": {"type": "Part", "count": 2}}])
async def test_two_hundred_children_of_one_record_cost_as_many_statements_as_two(plant: Plant, subjects: Any) -> None:
    child = await plant.approve(CHILD, "Child")
    process = await plant.approve(nesting(child, subjects=subjects))
    instance = await plant.start(process)
    await plant.begun(instance)
    place = Place(plant.tenant, instance, process.id)
    engine, said = app_engine(plant.settings), []
    listen(engine.sync_engine, "before_cursor_execute", lambda *happened: said.append(happened[2]))
    costs = []
    for count in (2, 200):
        async with tenant_session(engine, plant.tenant) as session:
            definition = await Definitions().version(session, plant.tenant, process.id)
            said.clear()
            asked = [
                ChildRequested(
                    ref=AT, at=datetime.now(UTC), requirement="inspection", child_id=str(uuid4()), number=number
                )
                for number in range(2, count + 2)
            ]
            await create_children(session, engine, place, definition, asked)
            costs.append(len(said))
            written = await fetch(session, _WRITTEN, children=[UUID(one.child_id) for one in asked])
            numbers = [int(row["identifier"].rpartition("-")[2]) for row in written]
            assert numbers == list(range(numbers[0], numbers[0] + count)), "one step of the counter, in their order"
            assert {row["subjects"] for row in written} == {1 if subjects == "same" else 2}
            await session.rollback()
    await engine.dispose()
    assert costs[0] == costs[1]


async def test_of_several_children_each_has_its_own_entry_in_the_context(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, count=3, context_back={"results": "result"}))
    children = await children_of(plant, instance, 3)
    for number, nested in enumerate(children):
        await amend(plant, nested, result=number)
    commands = [await plant.accept(nested, "complete", [Ref(0, "check")]) for nested in children]
    for nested, command in zip(children, commands, strict=True):
        await plant.signal(nested, command)
    await plant.until(
        "SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_ended' HAVING count(*) = 3", id=instance
    )
    assert sorted((await plant.context(instance))["results"].values()) == [0, 1, 2]


async def test_a_rule_finds_the_parts_of_the_order(plant: Plant) -> None:
    one = {"order": "WO-1"}
    parts = await stock(plant, one, {**one, "scrap": True}, {"order": "WO-2"}, one)
    child = await plant.approve(CHILD, "Child")
    rule = {"type": "Part", "equal": {"order": "context.order"}, "where": "!has(part.attributes.scrap)"}
    instance = await plant.begin(line(step("first"), *nesting(child, subjects={"rule": rule})["steps"]))
    await amend(plant, instance, order="WO-1")
    await plant.act(instance, "complete", Ref(0, "first"))
    (nested,) = await children_of(plant, instance, 1)
    assert await subjects_of(plant, nested) == [parts[0], parts[3]]


async def test_a_rule_that_finds_nothing_stops_in_an_incident_and_can_be_tried_again(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    rule = {"type": "Part", "where": "has(part.attributes.of) && candidate.attributes.of == subject.identifier"}
    instance = await plant.begin(nesting(child, subjects={"rule": rule}))
    incident = await plant.open_incident(instance)
    assert incident["code"] == "child_unusable"
    assert "finds no Part" in incident["message"]
    refused = await plant.act(instance, "retry_child", AT, by="quinn")
    assert (refused["code"], (await plant.open_incident(instance))["code"]) == ("child_unusable", "child_unusable")
    (own,) = await plant.rows(
        "SELECT s.identifier FROM subject s JOIN workflow_subject w ON w.subject_id = s.id WHERE w.instance_id = :id",
        id=instance,
    )
    (part,) = await stock(plant, {"of": own["identifier"]})
    assert (await plant.act(instance, "retry_child", AT, by="bob"))["code"] == "forbidden"
    assert (await plant.act(instance, "retry_child", AT, by="quinn"))["outcome"] == "children_started"
    (nested,) = await children_of(plant, instance, 1)
    assert await subjects_of(plant, nested) == [part]
    assert await plant.rows("SELECT 1 FROM incident WHERE resolved_at IS NULL") == []


async def test_new_subjects_get_their_attributes_their_rows_and_their_audit_entry(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    new = {"type": "Part", "count": 2, "attributes": {"requires_sampling": True}}
    instance = await plant.begin(nesting(child, subjects={"new": new}))
    (nested,) = await children_of(plant, instance, 1)
    rows = await plant.rows(
        "SELECT p.requires_sampling, s.attributes FROM part p JOIN subject s ON s.id = p.id WHERE p.id = ANY(:ids)",
        ids=await subjects_of(plant, nested),
    )
    assert rows == [{"requires_sampling": True, "attributes": {"requires_sampling": True}}] * 2
    assert len(await plant.audited(instance, "subject.created")) == 0
    (audited,) = await plant.rows("SELECT count(*) AS n FROM audit_entry WHERE action = 'subject.created'")
    assert audited["n"] == 2


async def test_a_failed_child_blocks_until_it_is_started_again(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, count=2))
    first, second = await children_of(plant, instance, 2)
    assert (await plant.act(instance, "retry_child", AT, by="quinn"))["code"] == "no_failed_child"
    await plant.act(first, "cancel", by="quinn", reason="wrong part")
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_ended'", id=instance)
    assert await plant.rows("SELECT 1 FROM incident") == []
    assert (await plant.act(instance, "retry_child", AT, by="quinn"))["outcome"] == "children_started"
    *_, third = await children_of(plant, instance, 3)
    (row,) = await plant.rows("SELECT child_no FROM workflow_instance WHERE id = :id", id=third)
    assert row["child_no"] == 3
    assert (await plant.act(instance, "retry_child", AT, by="quinn"))["code"] == "no_failed_child"
    for nested in (second, third):
        await plant.act(nested, "complete", Ref(0, "check"))
        await plant.status(nested, "completed")
    assert (await plant.act(instance, "complete", AT))["outcome"] == "completed"


async def test_a_failed_child_opens_an_incident_where_the_requirement_says_so(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    graph = nesting(child, on_failure="incident")
    graph["steps"][0]["requires_operator_completion"] = False
    instance = await plant.begin(graph)
    (nested,) = await children_of(plant, instance, 1)
    await plant.act(nested, "cancel", by="quinn", reason="wrong part")
    incident = await plant.open_incident(instance)
    (row,) = await plant.rows("SELECT identifier FROM workflow_instance WHERE id = :id", id=nested)
    assert (incident["code"], incident["execution_id"]) == ("child_failed", execution_id(instance, AT))
    assert incident["params"] == {"child": row["identifier"], "requirement": "Inspection", "status": "cancelled"}
    assert (await plant.act(instance, "retry_child", AT, by="quinn"))["outcome"] == "children_started"
    _, again = await children_of(plant, instance, 2)
    await plant.act(again, "complete", Ref(0, "check"))
    await plant.status(instance, "completed")


async def test_the_incident_of_a_failed_child_is_retried_by_starting_it_again(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, on_failure="incident"))
    (nested,) = await children_of(plant, instance, 1)
    await plant.act(nested, "cancel", by="quinn", reason="wrong part")
    assert await plant.retry(instance, AT) == "retried"
    await children_of(plant, instance, 2)
    assert await plant.rows("SELECT 1 FROM incident WHERE resolved_at IS NULL") == []


async def test_a_failed_child_counts_as_done_where_it_is_ignored(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    instance = await plant.begin(nesting(child, count=2, on_failure="ignore"))
    first, second = await children_of(plant, instance, 2)
    await plant.act(first, "cancel", by="quinn", reason="wrong part")
    assert (await plant.act(instance, "complete", AT))["code"] == "requirements_unmet"
    await plant.act(second, "complete", Ref(0, "check"))
    await plant.status(second, "completed")
    await plant.status(first, "cancelled")
    assert (await plant.act(instance, "complete", AT))["outcome"] == "completed"


async def test_forcing_a_step_cancels_what_still_runs_for_it(plant: Plant) -> None:
    grandchild = await plant.approve(CHILD, "Grandchild")
    child = await plant.approve(nesting(grandchild), "Child")
    instance = await plant.begin(nesting(child, count=2))
    children = await children_of(plant, instance, 2)
    below = [(await children_of(plant, nested, 1))[0] for nested in children]
    reason = "inspected on paper instead"
    assert (await plant.act(instance, "complete", AT, by="quinn", force=reason))["outcome"] == "completed"
    for nested in (*children, *below):
        await plant.status(nested, "cancelled")
    (entry,) = await plant.audited(below[0], "instance_cancelled")
    assert (entry["actor_id"], entry["reason"]) == (plant.people["quinn"], reason)
    assert await plant.rows("SELECT 1 FROM command WHERE outcome = 'refused'") == []


@pytest.mark.parametrize("where", ["on the way", "at the start"])
async def test_a_child_process_that_was_retired_opens_an_incident(plant: Plant, where: str) -> None:
    child = await plant.approve(CHILD, "Child")
    steps = nesting(child)["steps"]
    parent = await plant.approve(line(*([step("first")] if where == "on the way" else []), *steps), "Parent")
    await plant.rows("UPDATE process SET status = 'retired' WHERE id = :id RETURNING 1", id=child.id)
    instance = await plant.start(parent)
    await plant.begun(instance)
    if where == "on the way":
        assert (await plant.act(instance, "complete", Ref(0, "first")))["outcome"] == "advanced"
    incident = await plant.open_incident(instance)
    assert (incident["code"], "'Child' is retired" in incident["message"]) == ("child_unusable", True)
    await plant.rows("UPDATE process SET status = 'approved' WHERE id = :id RETURNING 1", id=child.id)
    assert (await plant.act(instance, "retry_child", AT, by="quinn"))["outcome"] == "children_started"
    (nested,) = await children_of(plant, instance, 1)
    await plant.act(nested, "complete", Ref(0, "check"))
    await plant.status(nested, "completed")
    assert (await plant.act(instance, "complete", AT))["outcome"] == "completed"


async def test_nesting_has_a_depth(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.nesting.MOST_DEEP", 2)
    process = await plant.approve(CHILD, "Leaf")
    for name in ("Middle", "Root"):
        process = await plant.approve(nesting(process), name)
    root = await plant.start(process)
    (middle,) = await children_of(plant, root, 1)
    assert "2 levels deep" in (await plant.open_incident(middle))["message"]


async def test_new_subjects_whose_numbers_do_not_fit_open_an_incident(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    await plant.rows("UPDATE subject_type SET identifier_pattern = '^SN' RETURNING 1")
    instance = await plant.begin(nesting(child, subjects={"new": {"type": "Part"}}))
    assert "identifiers of Part" in (await plant.open_incident(instance))["message"]


async def test_a_parent_that_continued_as_new_three_times_gets_every_childs_end(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    parent = await plant.approve(nesting(child, count=8, context_back={"seen": "result"}), "Parent")
    instance = await plant.start(parent, limits=Limits(signals=1))
    for number, nested in enumerate(await children_of(plant, instance, 8)):
        await amend(plant, nested, result=number)
        await plant.act(nested, "complete", Ref(0, "check"))
        await plant.until(
            "SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'child_ended' HAVING count(*) > :number",
            id=instance,
            number=number,
        )
    assert sorted((await plant.context(instance))["seen"].values()) == [*range(8)]
    assert (await plant.act(instance, "complete", AT))["outcome"] == "completed"
    assert len(await plant.histories(instance)) > 3


@pytest.mark.slow
async def test_a_tree_of_depth_five_with_a_hundred_children(plant: Plant) -> None:
    """1 root, then 4, 8, 8, 16 and 64 below it: held, resumed and cancelled as one."""
    process, counts = await plant.approve(CHILD, "Leaf"), (4, 2, 1, 2, 4)
    for level, count in enumerate(reversed(counts)):
        process = await plant.approve(nesting(process, count=count), f"Level {level}")
    root = await plant.start(process)
    everything = "SELECT 1 FROM workflow_instance WHERE seq > 0 AND status = :status HAVING count(*) = 101"
    await plant.until(everything, status="in_progress")
    assert await levels(plant, root) == [4, 8, 8, 16, 64]
    await plant.act(root, "hold", by="quinn", reason="audit finding")
    await plant.until(everything, status="on_hold")
    await plant.act(root, "resume", by="quinn", reason="finding closed")
    await plant.until(everything, status="in_progress")
    await plant.act(root, "cancel", by="quinn", reason="order withdrawn")
    await plant.until(everything, status="cancelled")


async def test_the_ends_of_a_deep_tree_climb_to_its_root(plant: Plant) -> None:
    process = await plant.approve(CHILD, "Leaf")
    for level in range(5):
        graph = nesting(process, count=2 if level == 0 else 1)
        graph["steps"][0]["requires_operator_completion"] = False
        process = await plant.approve(graph, f"Level {level}")
    root = await plant.start(process)
    leaves = await plant.until(
        "SELECT workflow_instance_id AS id FROM step_execution WHERE step_key = 'check'"
        " AND (SELECT count(*) FROM step_execution WHERE step_key = 'check') = 2"
    )
    for leaf in leaves:
        await plant.act(leaf["id"], "complete", Ref(0, "check"))
    assert await plant.status(root, "completed") == "completed"


async def levels(plant: Plant, root: UUID) -> Sequence[int]:
    """How many instances stand on each level below one."""
    rows = await plant.rows(
        "WITH RECURSIVE tree AS (SELECT id, 0 AS depth FROM workflow_instance WHERE id = :id UNION ALL"
        " SELECT w.id, tree.depth + 1 FROM tree JOIN workflow_instance w ON w.parent_instance_id = tree.id)"
        " SELECT depth, count(*) AS n FROM tree WHERE depth > 0 GROUP BY depth ORDER BY depth",
        id=root,
    )
    return [row["n"] for row in rows]
