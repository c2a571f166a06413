"""A rejected approval takes the work back, on real servers: rows, journal, audit, children, batches, a lost run."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from models.db import tenant_session
from models.enums import ApprovalDecision
from models.flow.state import Ref, execution_id
from models.permissions import permissions_of
from models.requirements.deciding import Decision, decide_approval
from models.store.people import Person
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import working
from tests.workflows.test_children import CHILD, children_of
from tests.workflows.test_durability import until_visible
from tests.workflows.test_signals import sweep

BACK = {"roles": ["quality_manager"], "on_reject": {"back_to": "make"}}
OK = {"key": "ok", "requirement_type": "approval", "name": "Release", "config": BACK}
OPTIONAL = {**OK, "is_mandatory": False}


async def reject(plant: Plant, instance: UUID, ref: Ref, comment: str = "porous") -> None:
    """The quality manager says no."""
    roles = ("quality_manager",)
    quinn = Person(
        tenant_id=plant.tenant, id=plant.people["quinn"], username=f"quinn:{plant.tenant.hex[:8]}", roles=roles,
        permissions=permissions_of(roles),
    )  # fmt: skip
    (request,) = await plant.rows(
        "SELECT id FROM approval_request WHERE execution_id = :id AND state = 'pending'", id=execution_id(instance, ref)
    )
    said = Decision(decision=ApprovalDecision.REJECTED, comment=comment)
    async with tenant_session(plant.app, plant.tenant) as session:
        await decide_approval(session, quinn, request["id"], said, datetime.now(UTC))


async def entered(plant: Plant, instance: UUID, ref: Ref) -> None:
    """Wait until the engine put the subject there."""
    await plant.until("SELECT 1 FROM step_execution WHERE id = :id", id=execution_id(instance, ref))


def process(*, requirements: Any = (OK,), **settings: Any) -> Any:
    return line(step("make"), step("check", requirements=list(requirements), **settings), step("pack"), end())


async def test_a_rejection_takes_the_work_back_and_everybody_can_see_why(plant: Plant) -> None:
    instance = await plant.begin(process())
    await plant.act(instance, "complete", Ref(0, "make"))
    await plant.act(instance, "claim", Ref(0, "check"))
    await reject(plant, instance, Ref(0, "check"))
    await entered(plant, instance, Ref(0, "make", 2))
    assert await plant.executions(instance) == [
        (0, "make", 1, "completed"), (0, "check", 1, "cancelled"), (0, "make", 2, "pending"),
    ]  # fmt: skip
    (entry,) = await plant.audited(instance, "execution_diverted")
    assert (entry["actor_id"], entry["old"]["status"], entry["new"]["how"]) == (None, "claimed", "reject")
    assert entry["reason"] == f"approval rejected by quinn:{plant.tenant.hex[:8]}: porous"
    await plant.act(instance, "complete", Ref(0, "make", 2))
    (request,) = await plant.rows("SELECT round FROM approval_request WHERE state = 'pending'")
    assert request["round"] == 1, "the new visit asks anew"


async def test_its_children_end_with_it(plant: Plant) -> None:
    child = await plant.approve(CHILD, "Child")
    config = {"process_id": str(child.id), "count": 1, "subjects": "same"}
    nested = {"key": "kid", "requirement_type": "child_workflow", "name": "Inspection", "config": config}
    instance = await plant.begin(process(requirements=(nested, OK)))
    await plant.act(instance, "complete", Ref(0, "make"))
    (one,) = await children_of(plant, instance, 1)
    await reject(plant, instance, Ref(0, "check"))
    assert await plant.status(one, "cancelled") == "cancelled"


async def test_work_that_waits_for_its_batch_goes_back_and_the_rest_goes_on(plant: Plant) -> None:
    instance = await plant.begin(process(requirements=(OPTIONAL,), requires_batch_completion=True), subjects=3)
    for number in range(3):
        await plant.act(instance, "complete", Ref(number, "make"))
    for number in (0, 1):
        await plant.act(instance, "complete", Ref(number, "check"))
    await reject(plant, instance, Ref(0, "check"))
    await entered(plant, instance, Ref(0, "make", 2))
    await reject(plant, instance, Ref(2, "check"))
    await entered(plant, instance, Ref(2, "make", 2))
    assert {row for row in await plant.executions(instance) if row[3] == "pending"} == {
        (0, "make", 2, "pending"), (1, "pack", 1, "pending"), (2, "make", 2, "pending"),
    }  # fmt: skip


async def test_work_that_awaits_its_sign_off_goes_back(plant: Plant) -> None:
    instance = await plant.begin(process(requirements=(OPTIONAL,), requires_qa_signoff=True))
    await plant.act(instance, "complete", Ref(0, "make"))
    assert (await plant.act(instance, "complete", Ref(0, "check")))["outcome"] == "awaiting_signoff"
    await reject(plant, instance, Ref(0, "check"))
    await entered(plant, instance, Ref(0, "make", 2))


async def test_a_rejection_that_nobody_was_there_for_is_found_by_the_run_that_comes_back(idle_plant: Plant) -> None:
    plant = idle_plant
    async with working(plant):
        instance = await plant.begin(process())
        await plant.act(instance, "complete", Ref(0, "make"))
    await reject(plant, instance, Ref(0, "check"))
    async with plant.system.begin() as connection:
        await connection.execute(text("DELETE FROM outbox WHERE topic = 'evidence_changed'"))
    await plant.client.get_workflow_handle(str(instance)).terminate("lost")
    await until_visible(plant, instance, "Terminated")
    async with working(plant):
        await sweep(plant).sweep_once()
        await entered(plant, instance, Ref(0, "make", 2))


async def test_a_full_target_is_an_incident_that_a_person_can_see(plant: Plant) -> None:
    instance = await plant.begin(line(step("make", max_visits=1), step("check", requirements=[OK]), end()))
    await plant.act(instance, "complete", Ref(0, "make"))
    await reject(plant, instance, Ref(0, "check"))
    (incident,) = await plant.until("SELECT code, execution_id FROM incident")
    assert (incident["code"], incident["execution_id"]) == (
        "visit_limit_reached", execution_id(instance, Ref(0, "check")),
    )  # fmt: skip
