"""Hash chains: what was written verifies, and every change made behind their back is named."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db import tenant_session
from models.enums import Chain
from models.store.audit import AuditDraft, audit_tenant, write_audit
from models.store.chain import ChainNotLockedError, lock_chain, seal
from models.store.chained import CHAINED, add_chained, row_digest
from models.store.checkpoints import seal_all_tenants, verify_checkpoints, write_checkpoint
from models.store.errors import NotFoundError
from models.store.verify import Problem, verify_chain, verify_tenant
from models.tables import EvidenceRecord, Journal
from tests.store.scene import NOW, Scene, as_superuser

SENT = AuditDraft(
    action="evidence.given", object_type="execution", old={"n": 1.0}, new={"n": 2.5, "t": "é"}, reason="r"
)


async def give_evidence(app: AsyncEngine, scene: Scene, revision: int = 1) -> None:
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.EXECUTION, scene.execution)
        digests = await add_chained(session, head, EvidenceRecord, [scene.evidence(revision=revision)])
        await write_audit(session, scene.actor, [SENT], head=head, covering=digests)


async def record(app: AsyncEngine, scene: Scene, *seqs: int) -> None:
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.INSTANCE, scene.instance)
        digests = await add_chained(session, head, Journal, [scene.event(seq) for seq in seqs])
        await write_audit(session, scene.actor, [SENT, SENT], head=head, covering=digests)


async def problems(app: AsyncEngine, scene: Scene) -> list[Problem]:
    async with tenant_session(app, scene.tenant) as session:
        return await verify_tenant(session, scene.tenant)


@pytest.fixture
async def written(app: AsyncEngine, scene: Scene) -> Scene:
    """Two links on the instance, three on the execution, one on the tenant."""
    await record(app, scene, 1, 2)
    await record(app, scene, 3)
    for revision in (1, 2, 3):
        await give_evidence(app, scene, revision)
    async with tenant_session(app, scene.tenant) as session:
        await audit_tenant(session, scene.actor, SENT)
    return scene


async def test_what_was_written_verifies(app: AsyncEngine, written: Scene) -> None:
    assert await problems(app, written) == []


async def test_a_chain_of_its_own_verifies_alone(app: AsyncEngine, written: Scene) -> None:
    async with tenant_session(app, written.tenant) as session:
        assert await verify_chain(session, written.tenant, Chain.EXECUTION, written.execution) == []


@pytest.mark.parametrize(
    ("statement", "what", "table"),
    [
        ("UPDATE journal SET kind = 'execution_completed' WHERE seq = 2", "row_changed", "journal"),
        ("UPDATE journal SET subjects = '{0}' WHERE seq = 2", "row_changed", "journal"),
        ("UPDATE journal SET at = at + interval '1 microsecond' WHERE seq = 2", "row_changed", "journal"),
        ("UPDATE audit_entry SET reason = 'another' WHERE chain = 'tenant'", "row_changed", "audit_entry"),
        ("UPDATE audit_entry SET actor_name = 'bob' WHERE chain = 'tenant'", "row_changed", "audit_entry"),
        ("UPDATE audit_entry SET new = '{\"n\": 2.6}' WHERE chain = 'tenant'", "row_changed", "audit_entry"),
        ("UPDATE audit_entry SET old = NULL WHERE chain = 'tenant'", "row_changed", "audit_entry"),
        ("UPDATE evidence_record SET data = '{}' WHERE revision = 2", "row_changed", "evidence_record"),
        ("UPDATE evidence_record SET action = 'voided' WHERE revision = 2", "row_changed", "evidence_record"),
        ("DELETE FROM evidence_record WHERE revision = 2", "rows_missing", ""),
        ("DELETE FROM journal WHERE seq = 1", "rows_missing", ""),
        ("DELETE FROM audit_entry WHERE chain = 'tenant'", "rows_missing", ""),
        ("UPDATE chain_link SET at = now() WHERE chain = 'tenant'", "link_changed", ""),
        ("UPDATE chain_link SET hash = sha256('') WHERE chain = 'tenant'", "link_changed", ""),
        ("UPDATE tenant SET chain_hash = sha256('')", "head_changed", ""),
        ("UPDATE workflow_instance SET chain_n = 1", "head_changed", ""),
        ("DELETE FROM chain_link WHERE chain = 'execution' AND n = 2", "link_missing", ""),
        ("DELETE FROM chain_link WHERE chain = 'execution' AND n = 3", "row_unsealed", ""),
    ],
)  # fmt: skip
async def test_what_a_superuser_changes_by_hand_is_found(
    app: AsyncEngine, written: Scene, database: str, statement: str, what: str, table: str
) -> None:
    as_superuser(database, statement)
    found = await problems(app, written)
    assert (what, table) in {(problem.what, problem.table) for problem in found}


async def test_a_forged_entry_is_found_even_with_a_right_digest(
    app: AsyncEngine, written: Scene, database: str
) -> None:
    forged = written.evidence(revision=4)
    digest = row_digest(EvidenceRecord, forged)
    as_superuser(
        database,
        "INSERT INTO evidence_record (tenant_id, id, execution_id, requirement_id, revision, action, data, given_by,"
        " given_at, source, chain_n, digest) SELECT tenant_id, %s, execution_id, requirement_id, 4, action, data,"
        " given_by, given_at, source, 3, %s FROM evidence_record WHERE revision = 3",
        forged["id"],
        digest,
    )
    assert {problem.what for problem in await problems(app, written)} == {"rows_missing"}


async def test_an_entry_on_a_chain_that_never_was_is_found(app: AsyncEngine, written: Scene, database: str) -> None:
    nowhere = uuid4()
    as_superuser(
        database,
        "UPDATE audit_entry SET chain = 'execution', chain_id = %s WHERE chain = 'tenant'",
        nowhere,
    )
    found = await problems(app, written)
    assert any(problem.chain_id == nowhere and problem.what == "row_unsealed" for problem in found)


async def test_values_can_be_erased_and_the_proof_stays(app: AsyncEngine, written: Scene, database: str) -> None:
    as_superuser(database, "UPDATE audit_entry SET old = NULL, new = NULL, erased_at = now() WHERE chain = 'tenant'")
    assert await problems(app, written) == []
    as_superuser(database, "UPDATE audit_entry SET actor_name = 'bob' WHERE chain = 'tenant'")
    assert [problem.what for problem in await problems(app, written)] == ["row_changed"]


async def test_cutting_off_the_end_of_a_chain_is_found_by_the_checkpoint(
    app: AsyncEngine, written: Scene, database: str
) -> None:
    async with tenant_session(app, written.tenant) as session:
        await write_checkpoint(session, written.tenant)
    as_superuser(database, "DELETE FROM evidence_record WHERE revision = 3")
    as_superuser(database, "DELETE FROM audit_entry WHERE chain = 'execution' AND chain_n = 3")
    as_superuser(database, "DELETE FROM chain_link WHERE chain = 'execution' AND n = 3")
    as_superuser(
        database,
        "UPDATE step_execution SET chain_n = 2, chain_hash ="
        " (SELECT hash FROM chain_link WHERE chain = 'execution' AND n = 2)",
    )
    assert await problems(app, written) == []
    async with tenant_session(app, written.tenant) as session:
        found = await verify_checkpoints(session, written.tenant)
    assert [(one.what, one.chain_id, one.n) for one in found] == [("chain_cut", written.execution, 3)]


async def test_checkpoints_hold_on_to_each_other(app: AsyncEngine, written: Scene, database: str) -> None:
    for revision in (4, 5):
        async with tenant_session(app, written.tenant) as session:
            await write_checkpoint(session, written.tenant)
        await give_evidence(app, written, revision)
    async with tenant_session(app, written.tenant) as session:
        last = await write_checkpoint(session, written.tenant)
        assert [head[2] for head in last.heads if head[0] == "execution"] == [5]
        assert await verify_checkpoints(session, written.tenant) == []
    as_superuser(database, "UPDATE chain_checkpoint SET heads = '[]' WHERE at = (SELECT min(at) FROM chain_checkpoint)")
    async with tenant_session(app, written.tenant) as session:
        assert [one.what for one in await verify_checkpoints(session, written.tenant)] == ["checkpoint_changed"]


async def test_every_tenant_gets_a_checkpoint_when_something_grew(
    app: AsyncEngine, system: AsyncEngine, written: Scene, elsewhere: Scene
) -> None:
    first = await seal_all_tenants(app, system)
    assert set(first) == {written.tenant, elsewhere.tenant}
    await give_evidence(app, written, 4)
    second = await seal_all_tenants(app, system)
    assert second[written.tenant].prev_digest == first[written.tenant].digest
    assert second[elsewhere.tenant].id == first[elsewhere.tenant].id


async def test_writers_of_one_chain_take_turns(app: AsyncEngine, scene: Scene) -> None:
    await asyncio.gather(*(give_evidence(app, scene, revision) for revision in range(1, 21)))
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.EXECUTION, scene.execution)
    assert head.n == 20
    assert await problems(app, scene) == []


async def test_a_link_on_a_head_that_moved_is_refused(app: AsyncEngine, scene: Scene) -> None:
    async with tenant_session(app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.TENANT, scene.tenant)
        await seal(session, head, [b"1"])
        with pytest.raises(ChainNotLockedError):
            await seal(session, head, [b"2"])


async def test_a_chain_of_another_tenant_cannot_be_locked(app: AsyncEngine, scene: Scene, elsewhere: Scene) -> None:
    chains: list[tuple[Chain, UUID]] = [
        (Chain.TENANT, elsewhere.tenant),
        (Chain.INSTANCE, elsewhere.instance),
        (Chain.EXECUTION, elsewhere.execution),
    ]
    for chain, chain_id in chains:
        with pytest.raises(NotFoundError):
            async with tenant_session(app, scene.tenant) as session:
                await lock_chain(session, elsewhere.tenant, chain, chain_id)


def test_every_column_of_a_sealed_table_is_covered() -> None:
    sealing = {"chain_n", "digest", "erased_at", "old", "new"}
    for kind in CHAINED:
        columns = set(kind.table.metadata.tables[str(kind.table.__tablename__)].columns.keys())
        assert columns - sealing == {*kind.covered, *kind.added}, kind.table.__tablename__


def test_a_digest_depends_on_every_covered_column(scene_row: dict[str, object]) -> None:
    digest = row_digest(EvidenceRecord, scene_row)
    for name in scene_row:
        assert row_digest(EvidenceRecord, scene_row | {name: "changed"}) != digest


def test_a_row_without_a_covered_column_has_no_digest(scene_row: dict[str, object]) -> None:
    del scene_row["source"]
    with pytest.raises(KeyError):
        row_digest(EvidenceRecord, scene_row)


@pytest.fixture
def scene_row() -> dict[str, object]:
    return Scene().evidence(given_at=NOW)
