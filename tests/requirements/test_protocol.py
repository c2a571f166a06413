"""The protocol of evidence: who may give it when, what it voids, whom it wakes, and that it is sealed."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import event

from models.db import tenant_session
from models.requirements.registry import unmet_of
from models.store.document_life import obsolete_document, release_document
from models.store.errors import StoreError
from models.store.verify import verify_tenant
from models.store.voids import lock_open_of_subject, void_stale
from models.tables import StepExecution
from tests.requirements.floor import Floor, gate, refused

FORM = gate("form", "form", schema={"type": "object"})
CHECKS = gate("checks", "checklist", items=["a", "b", "c", "d"])
SIGN = gate("sign", "signature", role="quality_manager")


async def put(floor: Floor, execution: UUID, status: str, by: str | None = None) -> None:
    await floor.sql(
        "UPDATE step_execution SET status = :s, assigned_to = :u, ready_at = now() WHERE id = :id",
        s=status, u=floor.people[by].id if by else None, id=execution,
    )  # fmt: skip


async def test_the_next_visit_never_sees_the_evidence_of_the_one_before(floor: Floor) -> None:
    file = gate("file", "document")
    await floor.approve(FORM, CHECKS, file, SIGN, gate("ok", "approval", roles=["approver"]))
    [first] = await floor.start()
    await floor.give(first, "form", {"submitted_data": {}})
    await floor.give(first, "checks", {"checked_items": [0, 1, 2, 3]})
    await floor.give(first, "file", {"document_ids": [await floor.upload()]})
    await floor.sign(first, "sign")
    await floor.decide(first, "ok", "ava")
    assert await floor.unmet(first) == {}
    second = await floor.again(first)
    assert set(await floor.unmet(second)) == {"form", "checks", "file", "sign", "ok"}
    assert (await floor.everything(first))["content_hash"] != (await floor.everything(second))["content_hash"]


async def test_a_signature_does_not_fit_another_execution(floor: Floor) -> None:
    await floor.approve(SIGN)
    one, other = await floor.start(2)
    shown = (await floor.everything(one))["content_hash"]
    assert (await refused(floor.sign(other, "sign", content_hash=shown))).code == "content_changed"
    await floor.sign(one, "sign")
    assert await floor.unmet(other) == {"sign": "0 of 1 signatures by quality_manager"}


async def test_a_change_voids_the_signature_visibly(floor: Floor) -> None:
    await floor.approve(FORM, SIGN)
    [execution] = await floor.start()
    await floor.give(execution, "form", {"submitted_data": {"a": 1}})
    await floor.sign(execution, "sign")
    await floor.give(execution, "form", {"submitted_data": {"a": 2}}, by="cleo")
    assert await floor.unmet(execution) == {"sign": "0 of 1 signatures by quality_manager"}
    assert (await floor.shown(execution, "sign"))["completed_at"] is None
    [void] = await floor.rows("SELECT reason FROM signature_void")
    assert "'Form' was changed by cleo" in void["reason"]
    assert len(await floor.rows("SELECT * FROM audit_entry WHERE action = 'signature.voided'")) == 1
    await floor.sign(execution, "sign")
    assert await floor.unmet(execution) == {}


async def test_a_change_of_the_subject_voids_what_covers_it(floor: Floor) -> None:
    await floor.approve(SIGN, gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start(mass=1)
    await floor.sign(execution, "sign")
    await floor.decide(execution, "ok", "ava")
    [row] = await floor.rows("SELECT subject_id, evidence_rev FROM step_execution WHERE id = :id", id=execution)
    async with tenant_session(floor.engine, floor.tenant) as session:
        ids = await lock_open_of_subject(session, floor.tenant, row["subject_id"])
        await floor.sql("UPDATE subject SET attributes = '{\"mass\": 2}'", session)
        await void_stale(session, floor.people["ann"].actor, ids, "The part was changed.", floor.clock)
    assert set(await floor.unmet(execution)) == {"sign", "ok"}
    [after] = await floor.rows("SELECT evidence_rev FROM step_execution WHERE id = :id", id=execution)
    assert after["evidence_rev"] == row["evidence_rev"] + 1


@pytest.mark.parametrize(
    ("status", "by", "code"),
    [
        ("claimed", "cleo", "already_claimed"),
        ("in_progress", "cleo", "already_claimed"),
        ("awaiting_signoff", None, "already_done"),
        ("waiting", None, "already_done"),
    ],
)
async def test_who_may_give_evidence_when(floor: Floor, status: str, by: str | None, code: str) -> None:
    await floor.approve(CHECKS)
    [execution] = await floor.start()
    await put(floor, execution, status, by)
    assert (await refused(floor.give(execution, "checks", {"checked_items": [0]}))).code == code


async def test_the_holder_gives_and_another_signs(floor: Floor) -> None:
    await floor.approve(CHECKS, SIGN)
    [execution] = await floor.start()
    await put(floor, execution, "in_progress", "bob")
    await floor.give(execution, "checks", {"checked_items": [0]})
    await floor.sign(execution, "sign")


@pytest.mark.parametrize("name", ["ava", "audrey"])
async def test_whoever_does_no_work_gives_no_evidence(floor: Floor, name: str) -> None:
    await floor.approve(CHECKS)
    [execution] = await floor.start()
    assert (await refused(floor.give(execution, "checks", {"checked_items": [0]}, by=name))).code == "forbidden"


async def test_nothing_changes_on_hold_or_after_the_end(floor: Floor) -> None:
    await floor.approve(CHECKS)
    [execution] = await floor.start()
    await floor.give(execution, "checks", {"checked_items": [0]})
    await floor.sql("UPDATE workflow_instance SET status = 'on_hold', held_at = now()")
    assert (await refused(floor.give(execution, "checks", {"checked_items": [1]}))).code == "on_hold"
    await floor.sql("UPDATE workflow_instance SET status = 'in_progress', held_at = NULL")
    await floor.complete(execution)
    assert (await refused(floor.give(execution, "checks", {"checked_items": [1]}))).code == "execution_closed"
    assert (await refused(floor.withdraw(execution, "checks"))).code == "execution_closed"
    await floor.sql("UPDATE workflow_instance SET status = 'completed', completed_at = now()")
    assert (await refused(floor.give(execution, "checks", {"checked_items": [1]}))).code == "instance_closed"


async def test_a_withdrawal_while_it_waits_wakes_the_engine(floor: Floor) -> None:
    await floor.approve(CHECKS)
    [execution] = await floor.start()
    await floor.give(execution, "checks", {"checked_items": [0, 1, 2, 3]})
    assert await floor.rows("SELECT * FROM outbox WHERE topic = 'evidence_changed'") == []
    await put(floor, execution, "waiting")
    await floor.withdraw(execution, "checks")
    [row] = await floor.rows("SELECT key, payload FROM outbox WHERE topic = 'evidence_changed'")
    assert row["payload"] == {"instance_id": row["key"], "ref": [0, "work", 1, ""]}
    assert (await refused(floor.withdraw(execution, "checks"))).code == "nothing_to_withdraw"
    assert (await refused(floor.withdraw(execution, "checks", reason=" "))).code == "reason_required"


async def test_a_step_that_moves_by_itself_is_told_of_every_change(floor: Floor) -> None:
    await floor.approve(CHECKS, requires_operator_completion=False)
    [execution] = await floor.start()
    for item in range(3):
        await floor.give(execution, "checks", {"checked_items": [item]})
    assert len(await floor.rows("SELECT * FROM outbox WHERE topic = 'evidence_changed'")) == 3


async def test_releasing_and_obsoleting_reach_everyone_who_cites_the_document(floor: Floor) -> None:
    await floor.approve(gate("file", "document"), requires_operator_completion=False)
    one, other = await floor.start(2)
    draft = await floor.upload(release=False)
    for execution in (one, other):
        await floor.give(execution, "file", {"document_ids": [draft]})
    revs = "SELECT evidence_rev FROM step_execution ORDER BY subject_no"
    before = [row["evidence_rev"] for row in await floor.rows(revs)]
    quinn = floor.people["quinn"]
    reached = await floor.do(release_document, quinn, UUID(draft), floor.clock)
    assert set(reached) == {one, other}
    assert [row["evidence_rev"] for row in await floor.rows(revs)] == [n + 1 for n in before]
    assert await floor.all_unmet([one, other]) == {}
    await floor.do(obsolete_document, quinn, UUID(draft), floor.clock, "superseded")
    assert await floor.unmet(one) == {"file": "0 of 1 documents in force (1 obsolete)"}
    assert (await refused(floor.do(release_document, quinn, UUID(draft), floor.clock))).code == "document_state"
    assert len(await floor.rows("SELECT * FROM outbox WHERE topic = 'evidence_changed'")) == 6


async def test_who_uploaded_does_not_release_where_four_eyes_are_asked_for(floor: Floor) -> None:
    draft = UUID(await floor.upload(by="quinn", release=False))
    error = await refused(floor.do(release_document, floor.people["quinn"], draft, floor.clock, four_eyes=True))
    assert error.code == "self_release"
    await floor.do(release_document, floor.people["quentin"], draft, floor.clock, four_eyes=True)


async def test_simultaneous_ticks_all_count(floor: Floor) -> None:
    await floor.approve(CHECKS)
    [execution] = await floor.start()
    people = ("bob", "cleo", "ann", "quinn")
    await asyncio.gather(
        *(floor.give(execution, "checks", {"checked_items": [n]}, by=name) for n, name in enumerate(people))
    )
    assert await floor.unmet(execution) == {}
    rows = await floor.rows("SELECT revision FROM evidence_record ORDER BY revision")
    assert [row["revision"] for row in rows] == [1, 2, 3, 4]


async def test_attaching_while_releasing_never_deadlocks_nor_is_missed(floor: Floor) -> None:
    await floor.approve(gate("file", "document"))
    executions = await floor.start(6)
    draft = await floor.upload(release=False)
    attaching = [floor.give(one, "file", {"document_ids": [draft]}) for one in executions]
    await asyncio.gather(
        *attaching[:3], floor.do(release_document, floor.people["quinn"], UUID(draft), floor.clock), *attaching[3:]
    )
    assert await floor.all_unmet(executions) == {}


async def test_everything_is_sealed(floor: Floor) -> None:
    await floor.approve(FORM, CHECKS, SIGN, gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start()
    await floor.give(execution, "checks", {"checked_items": [0, 1, 2, 3]})
    await floor.give(execution, "form", {"submitted_data": {"n": 1.5}})
    await floor.sign(execution, "sign")
    await floor.decide(execution, "ok", "ava")
    await floor.withdraw(execution, "form")
    async with tenant_session(floor.engine, floor.tenant) as session:
        assert list(await verify_tenant(session, floor.tenant)) == []


async def test_another_tenant_sees_and_changes_nothing(floor: Floor, database: str) -> None:
    await floor.approve(CHECKS, gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start()
    request = UUID((await floor.approval(execution, "ok"))["id"])
    stranger = Floor(floor.settings)
    await stranger.open()
    stranger.process, stranger.graph = floor.process, floor.graph
    assert (await refused(stranger.give(execution, "checks", {"checked_items": [0]}))).code == "execution_unknown"
    assert (await refused(stranger.everything(execution))).code == "execution_unknown"
    foreign = await floor.upload()
    await stranger.approve(gate("file", "document"))
    [theirs] = await stranger.start()
    assert (await refused(stranger.give(theirs, "file", {"document_ids": [foreign]}))).code == "evidence_invalid"
    assert await stranger.rows("SELECT * FROM approval_request WHERE id = :id", id=request) == []
    await stranger.close()


async def test_many_executions_are_judged_with_as_many_queries_as_one(floor: Floor) -> None:
    await floor.approve(CHECKS, FORM, SIGN, gate("file", "document"), gate("ok", "approval", roles=["approver"]))
    executions = await floor.start(40)
    await floor.give(executions[0], "form", {"submitted_data": {}})
    statements: list[str] = []

    @event.listens_for(floor.engine.sync_engine, "before_cursor_execute")
    def count(_c: object, _k: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    async with tenant_session(floor.engine, floor.tenant) as session:
        rows = [await session.get_one(StepExecution, (floor.tenant, one)) for one in executions]
        statements.clear()
        found = await unmet_of(session, floor.tenant, floor.process.id, floor.graph, rows)
    assert len(statements) == 4
    assert len(found) == 40
    assert [unmet.key for unmet in found[executions[0]]] == ["checks", "sign", "file", "ok"]


async def test_the_error_names_who_holds_it(floor: Floor) -> None:
    await floor.approve(CHECKS)
    [execution] = await floor.start()
    await put(floor, execution, "claimed", "cleo")
    error = await refused(floor.give(execution, "checks", {"checked_items": [0]}))
    assert not isinstance(error, StoreError)
    assert error.params["assignee_name"] == floor.people["cleo"].username
