"""One tenant never sees or touches another's rows, and nobody changes what is only ever added."""

# ruff: noqa: S608 - statements are made of names from the code

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from models.db import system_session, tenant_session
from models.enums import Chain
from models.store.chain import lock_chain, seal
from models.store.chained import add_chained
from models.store.tenancy import APPEND_ONLY, SEALED, SYSTEM_GRANTS
from models.tables import EvidenceRecord, StepExecution, Subject, WorkflowInstance, metadata
from tests.store.scene import Scene


async def ask(engine: AsyncEngine, scene: Scene, query: str, **values: Any) -> Sequence[Any]:
    async with tenant_session(engine, scene.tenant) as session:
        connection = await session.connection()
        result = await connection.execute(text(query), values)
        return result.all() if result.returns_rows else [result.rowcount]


async def test_a_tenant_sees_its_own_rows_only(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    for table in sorted(metadata.tables):
        column = "id" if table == "tenant" else "tenant_id"
        tenants = await ask(app, scene, f"SELECT DISTINCT {column} FROM {table}")
        assert {row[0] for row in tenants} <= {scene.tenant}, table
    async with tenant_session(app, scene.tenant) as session:
        assert await session.get(Subject, (elsewhere.tenant, elsewhere.subject)) is None
        assert (await session.exec(select(StepExecution.id))).all() == [scene.execution]


async def test_without_a_tenant_nothing_is_seen_and_nothing_written(app: AsyncEngine, scene: Scene) -> None:
    async with app.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM subject"))).scalar() == 0
        with pytest.raises(ProgrammingError, match="row-level security"):
            await connection.execute(
                text("INSERT INTO identifier_counter (tenant_id, prefix, year) VALUES (:t, 'WO', 2026)"),
                {"t": scene.tenant},
            )


async def test_the_tenant_of_a_transaction_ends_with_it(app: AsyncEngine, scene: Scene) -> None:
    async with app.connect() as connection:
        await connection.execute(text("SELECT set_config('app.tenant', :t, true)"), {"t": str(scene.tenant)})
        assert (await connection.execute(text("SELECT count(*) FROM subject"))).scalar() == 1
        await connection.commit()
        assert (await connection.execute(text("SELECT count(*) FROM subject"))).scalar() == 0


async def test_a_row_with_a_forged_tenant_is_refused(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with tenant_session(app, scene.tenant) as session:
            session.add(
                Subject(
                    tenant_id=elsewhere.tenant,
                    id=uuid4(),
                    subject_type_id=elsewhere.subject_type,
                    identifier="SN-9",
                )
            )


async def test_another_tenants_rows_cannot_be_changed_by_their_ids(
    app: AsyncEngine, scene: Scene, elsewhere: Scene
) -> None:
    change = "UPDATE subject SET title = 'stolen' WHERE id = :id"
    assert await ask(app, scene, change, id=elsewhere.subject) == [0]
    assert await ask(app, scene, change, id=scene.subject) == [1]
    with pytest.raises(ProgrammingError, match="row-level security"):
        await ask(app, scene, "UPDATE subject SET tenant_id = :t WHERE id = :id", t=elsewhere.tenant, id=scene.subject)


async def test_a_foreign_key_cannot_reach_into_another_tenant(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    """Foreign-key checks bypass row-level security, so the keys themselves carry the tenant."""
    with pytest.raises(IntegrityError, match="fk_workflow_subject_subject_id"):
        await ask(
            app,
            scene,
            "INSERT INTO workflow_subject (tenant_id, instance_id, subject_no, subject_id) VALUES (:t, :i, 1, :s)",
            t=scene.tenant,
            i=scene.instance,
            s=elsewhere.subject,
        )


async def test_a_deferred_foreign_key_cannot_either(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    query = "UPDATE workflow_instance SET triggered_by = :e WHERE id = :i"
    with pytest.raises(IntegrityError, match="fk_workflow_instance_triggered_by"):
        await ask(app, scene, query, e=elsewhere.execution, i=scene.instance)
    await ask(app, scene, query, e=scene.execution, i=scene.instance)


@pytest.mark.parametrize("table", sorted(APPEND_ONLY | SEALED))
async def test_nobody_changes_or_deletes_the_record(app: AsyncEngine, scene: Scene, table: str) -> None:
    for statement in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            await ask(app, scene, statement)


async def test_evidence_once_given_stays(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.EXECUTION, scene.execution)
        await seal(session, head, await add_chained(session, head, EvidenceRecord, [scene.evidence()]))
    with pytest.raises(ProgrammingError, match="permission denied"):
        await ask(app, scene, "UPDATE evidence_record SET data = '{}'")
    assert len(await ask(app, scene, "SELECT id FROM evidence_record")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE user_account SET id = gen_random_uuid()",
        "UPDATE user_account SET username = 'somebody-else'",
        "DELETE FROM user_account",
        "UPDATE document SET sha256 = repeat('1', 64)",
        "UPDATE command SET actor_id = gen_random_uuid()",
        "UPDATE tenant SET is_sandbox = true",
        "INSERT INTO tenant (id, key, name) VALUES (gen_random_uuid(), 'x', 'x')",
        "DELETE FROM workflow_instance",
        "UPDATE auth_token SET expires_at = now() + interval '9 years'",
        "DELETE FROM outbox",
        "ALTER TABLE journal DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant_isolation ON journal",
        "CREATE TABLE mine (id int)",
    ],
)
async def test_the_application_owns_nothing(app: AsyncEngine, scene: Scene, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        await ask(app, scene, statement)


@pytest.mark.parametrize(
    "change",
    ["graph = '{}'", "graph_hash = 'x'", "version = '9.9'", "approved_by = NULL, approved_at = now()", "key = 'other'"],
)
async def test_an_approved_version_cannot_change(app: AsyncEngine, scene: Scene, change: str) -> None:
    with pytest.raises(IntegrityError, match="is approved and cannot change"):
        await ask(app, scene, f"UPDATE process SET {change}")


async def test_an_approved_version_can_be_retired(app: AsyncEngine, scene: Scene) -> None:
    assert await ask(app, scene, "UPDATE process SET status = 'retired'") == [1]


async def test_the_system_role_sees_all_tenants_and_only_what_is_listed(
    system: AsyncEngine, scene: Scene, elsewhere: Scene
) -> None:
    async with system_session(system) as session:
        found = (await session.exec(select(WorkflowInstance.id))).all()
        assert set(found) == {scene.instance, elsewhere.instance}
    for table in sorted(set(metadata.tables) - set(SYSTEM_GRANTS)):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with system.connect() as connection:
                await connection.execute(text(f"SELECT 1 FROM {table}"))
    for statement in ("UPDATE user_account SET is_active = false", "UPDATE workflow_instance SET seq = 0"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with system.connect() as connection:
                await connection.execute(text(statement))


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("closed_has_exit", "UPDATE step_execution SET status = 'completed'"),
        ("claimed_by_somebody", "UPDATE step_execution SET status = 'claimed'"),
        ("visit_number", "UPDATE step_execution SET visit_number = 0"),
        ("status", "UPDATE step_execution SET status = 'COMPLETED'"),
        ("closed_has_end", "UPDATE workflow_instance SET status = 'completed'"),
        ("held_has_moment", "UPDATE workflow_instance SET status = 'on_hold'"),
        ("finished", "UPDATE workflow_subject SET terminal_status = 'scrapped'"),
    ],
)
async def test_constraints_hold_what_must_hold(app: AsyncEngine, scene: Scene, rule: str, statement: str) -> None:
    with pytest.raises(DBAPIError, match=rule):
        await ask(app, scene, statement)


async def test_a_subject_has_one_open_execution_per_branch(app: AsyncEngine, scene: Scene) -> None:
    again = (
        "INSERT INTO step_execution (tenant_id, id, workflow_instance_id, step_id, step_key, subject_type_id,"
        " subject_id, subject_no, visit_number, branch) SELECT tenant_id, gen_random_uuid(), workflow_instance_id,"
        " step_id, step_key, subject_type_id, subject_id, subject_no, visit_number + 1, :branch"
        " FROM step_execution LIMIT 1"
    )
    with pytest.raises(IntegrityError, match="uq_step_execution_one_open"):
        await ask(app, scene, again, branch="")
    assert await ask(app, scene, again, branch="paint") == [1]
