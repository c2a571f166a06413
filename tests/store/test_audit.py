"""The audit trail: complete entries, many at once, in the transaction of what they tell of."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from models.db import tenant_session
from models.enums import Chain
from models.store.audit import FEW, Actor, AuditDraft, audit_tenant, engine_actor, write_audit
from models.store.bulk import insert_rows, update_rows
from models.store.chain import lock_chain
from models.store.verify import verify_chain
from models.tables import AuditEntry, Subject
from tests.store.scene import NOW, Scene, as_superuser


async def entries(app: AsyncEngine, scene: Scene) -> list[AuditEntry]:
    async with tenant_session(app, scene.tenant) as session:
        return list((await session.exec(select(AuditEntry).order_by(col(AuditEntry.object_id)))).all())


async def test_an_entry_says_who_what_when_why_and_from_where(app: AsyncEngine, scene: Scene) -> None:
    actor = Actor(
        tenant_id=scene.tenant, user_id=scene.user, name="ann", on_behalf_of="Importer: J. Doe", source="gauge 7"
    )
    draft = AuditDraft(
        action="execution.completed",
        object_type="execution",
        object_id=scene.execution,
        old={"status": "in_progress"},
        new={"status": "completed"},
        reason="done",
        instance_id=scene.instance,
        execution_id=scene.execution,
    )
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.INSTANCE, scene.instance)
        await write_audit(session, actor, [draft], head=head, at=NOW)
    [entry] = await entries(app, scene)
    assert (entry.actor_id, entry.actor_name, entry.on_behalf_of) == (scene.user, "ann", "Importer: J. Doe")
    assert (entry.at, entry.source, entry.reason, entry.action) == (NOW, "gauge 7", "done", "execution.completed")
    assert (entry.old, entry.new) == ({"status": "in_progress"}, {"status": "completed"})
    assert (entry.chain, entry.chain_id, entry.chain_n) == (Chain.INSTANCE, scene.instance, 1)
    assert (entry.object_id, entry.execution_id) == (str(scene.execution), scene.execution)


async def test_entries_of_one_transaction_may_have_actors_of_their_own(app: AsyncEngine, scene: Scene) -> None:
    drafts = [
        AuditDraft(action="a", object_type="x", object_id="1"),
        AuditDraft(action="b", object_type="x", object_id="2", actor=scene.actor),
    ]
    async with tenant_session(app, scene.tenant) as session:
        await audit_tenant(session, engine_actor(scene.tenant), *drafts)
    assert [(entry.actor_id, entry.actor_name) for entry in await entries(app, scene)] == [
        (None, "system"),
        (scene.user, "ann"),
    ]


async def test_entries_sort_in_the_order_in_which_things_happened(app: AsyncEngine, scene: Scene) -> None:
    drafts = [AuditDraft(action="a", object_type="x", object_id=f"{number:05}") for number in range(5000)]
    async with tenant_session(app, scene.tenant) as session:
        await audit_tenant(session, scene.actor, *drafts)
        told = (await session.exec(select(AuditEntry.object_id).order_by(col(AuditEntry.id)))).all()
    assert list(told) == [draft.object_id for draft in drafts]


async def test_two_thousand_entries_are_one_link(app: AsyncEngine, scene: Scene) -> None:
    old, new = {"status": "pending"}, {"status": "completed"}
    drafts = [
        AuditDraft(action="execution.completed", object_type="execution", object_id=uuid4(), old=old, new=new)
        for _ in range(2000)
    ]
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.INSTANCE, scene.instance)
        assert (await write_audit(session, scene.actor, drafts, head=head)).n == 1
        assert await verify_chain(session, scene.tenant, Chain.INSTANCE, scene.instance) == []
    assert len(await entries(app, scene)) == 2000


async def test_the_same_for_many_is_an_entry_for_each_under_one_link(app: AsyncEngine, scene: Scene) -> None:
    """Percent, quotes and backslashes too, for what many share is spelled once and unfolded by the database."""
    many = [uuid4() for _ in range(FEW + 1)]
    old, new = {"status": "pending"}, {"status": "done", "note": '100 % "é" \\x'}
    alike = AuditDraft(action="b", object_type="execution", old=old, new=new, reason="5 %b", executions=many)
    one = AuditDraft(action="a", object_type="instance", object_id=scene.instance)
    few = replace(alike, action="c", executions=many[:2], actor=engine_actor(scene.tenant))
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.INSTANCE, scene.instance)
        assert (await write_audit(session, scene.actor, [one, alike, few], head=head)).n == 1
        assert await verify_chain(session, scene.tenant, Chain.INSTANCE, scene.instance) == []
        told = (await session.exec(select(AuditEntry).order_by(col(AuditEntry.id)))).all()
    assert [(entry.action, entry.object_id) for entry in told] == [
        ("a", str(scene.instance)), *(("b", str(n)) for n in many), *(("c", str(n)) for n in many[:2]),
    ]  # fmt: skip
    assert all(entry.execution_id == UUID(entry.object_id) for entry in told[1:])
    assert [(entry.old, entry.new, entry.reason) for entry in told[1:]] == [(old, new, "5 %b")] * (len(many) + 2)
    assert {entry.actor_name for entry in told[-2:]} == {"system"}


async def test_one_of_many_that_was_tampered_with_is_found(app: AsyncEngine, scene: Scene, database: str) -> None:
    draft = AuditDraft(action="b", object_type="execution", executions=[uuid4() for _ in range(FEW + 1)])
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.INSTANCE, scene.instance)
        await write_audit(session, scene.actor, [draft], head=head)
    guilty = draft.executions[3]
    as_superuser(database, "UPDATE audit_entry SET reason = 'another' WHERE execution_id = %s", guilty)
    async with tenant_session(app, scene.tenant) as session:
        found = await verify_chain(session, scene.tenant, Chain.INSTANCE, scene.instance)
    assert [(one.what, one.table) for one in found] == [("row_changed", "audit_entry")]


async def test_nothing_is_audited_that_did_not_happen(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        await audit_tenant(session, scene.actor, AuditDraft(action="a", object_type="x"))
        await session.rollback()
    assert await entries(app, scene) == []


async def test_many_rows_in_one_statement_keep_their_types(app: AsyncEngine, scene: Scene) -> None:
    attributes = {"n": 1.5, "deep": [{"é": None}]}
    rows = [
        {
            "tenant_id": scene.tenant,
            "id": uuid4(),
            "subject_type_id": scene.subject_type,
            "identifier": f"B-{n}",
            "attributes": attributes,
            "created_at": NOW,
            "created_by": None,
        }
        for n in range(3)
    ]
    async with tenant_session(app, scene.tenant) as session:
        await insert_rows(session, Subject, rows)
        changes = [{"tenant_id": scene.tenant, "id": row["id"], "title": row["identifier"]} for row in rows]
        assert await update_rows(session, Subject, [*changes, changes[0] | {"id": uuid4()}]) == 3
        made = (await session.exec(select(Subject).where(Subject.created_at == NOW))).all()
    assert {(one.identifier, one.title) for one in made} == {("B-0", "B-0"), ("B-1", "B-1"), ("B-2", "B-2")}
    assert all(one.attributes == attributes and one.created_by is None for one in made)


async def test_no_rows_are_no_statement(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        await insert_rows(session, Subject, [])
        assert await update_rows(session, Subject, []) == 0


async def test_a_value_that_no_column_takes_is_refused(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        with pytest.raises(TypeError, match="set cannot be sent"):
            await insert_rows(session, Subject, [{"tenant_id": scene.tenant, "title": {1, 2}}])


async def test_one_and_true_are_not_sent_as_the_same(app: AsyncEngine, scene: Scene) -> None:
    """Python calls them equal; JSON and the digests do not."""
    values: list[dict[str, object]] = [{"a": 1}, {"a": True}, {"a": [1]}, {"a": [True]}, {"a": 1}]
    drafts = [AuditDraft(action="a", object_type="x", object_id=str(n), new=new) for n, new in enumerate(values)]
    async with tenant_session(app, scene.tenant) as session:
        await audit_tenant(session, scene.actor, *drafts)
        assert await verify_chain(session, scene.tenant, Chain.TENANT, scene.tenant) == []
    assert [repr(entry.new) for entry in await entries(app, scene)] == [repr(new) for new in values]
