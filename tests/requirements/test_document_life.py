"""The life of a document revision, and what it does to the executions that cite it."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from models.store.audit import engine_actor
from models.store.document_life import (
    make_due_effective,
    make_effective,
    obsolete_document,
    release_document,
    return_document,
    submit_document,
)
from models.store.verify import verify_tenant
from tests.requirements.floor import Floor, gate, refused

FILE = gate("file", "document", document_type="report")


async def states(floor: Floor) -> dict[str, str]:
    return {row["revision"]: row["state"] for row in await floor.rows("SELECT revision, state FROM document")}


async def draft(floor: Floor, revision: str) -> UUID:
    return UUID(await floor.upload(release=False, number="SOP-1", revision=revision))


async def test_from_draft_to_obsolete_each_step_audited(floor: Floor) -> None:
    quinn, bob = floor.people["quinn"], floor.people["bob"]
    one = await draft(floor, "A")
    await floor.do(submit_document, bob, one, floor.clock)
    assert (await refused(floor.do(submit_document, bob, one, floor.clock))).code == "document_state"
    assert (await refused(floor.do(return_document, quinn, one, floor.clock, " "))).code == "reason_required"
    await floor.do(return_document, quinn, one, floor.clock, "page 3 is missing")
    assert (await refused(floor.do(return_document, quinn, one, floor.clock, "again"))).code == "document_state"
    await floor.do(submit_document, bob, one, floor.clock)
    assert (await refused(floor.do(make_effective, quinn.actor, one, floor.clock))).code == "document_state"
    await floor.do(release_document, quinn, one, floor.clock)
    assert (await refused(floor.do(release_document, quinn, one, floor.clock))).code == "document_state"
    await floor.do(make_effective, quinn.actor, one, floor.clock)
    await floor.do(obsolete_document, quinn, one, floor.clock, "withdrawn")
    entries = await floor.rows("SELECT action FROM audit_entry WHERE object_type = 'document' ORDER BY chain_n")
    told = ["in_review", "draft", "in_review", "released", "effective", "obsolete"]
    assert [row["action"] for row in entries if row["action"] != "document.uploaded"] == [f"document.{x}" for x in told]
    assert await floor.do(verify_tenant, floor.tenant) == []


async def test_a_new_revision_in_force_obsoletes_the_one_before_also_where_it_is_cited(floor: Floor) -> None:
    await floor.approve(FILE)
    [execution] = await floor.start()
    old, new = await draft(floor, "A"), await draft(floor, "B")
    await floor.do(release_document, floor.people["quinn"], old, floor.clock)
    await floor.give(execution, "file", {"document_ids": [str(old)]})
    [before] = await floor.rows("SELECT evidence_rev FROM step_execution")
    await floor.do(release_document, floor.people["quinn"], new, floor.clock)
    assert await states(floor) == {"A": "obsolete", "B": "released"}
    assert await floor.unmet(execution) == {"file": "0 of 1 documents in force (1 obsolete)"}
    [after] = await floor.rows("SELECT evidence_rev FROM step_execution")
    assert after["evidence_rev"] == before["evidence_rev"] + 1
    [entry] = await floor.rows("SELECT reason FROM audit_entry WHERE action = 'document.obsolete'")
    assert entry["reason"] == "Superseded by revision B."


async def test_a_revision_released_for_a_later_day_waits_for_it(floor: Floor) -> None:
    await floor.approve(FILE)
    [execution] = await floor.start()
    old, new = await draft(floor, "A"), await draft(floor, "B")
    quinn, day = floor.people["quinn"], floor.clock + timedelta(days=1)
    await floor.do(release_document, quinn, old, floor.clock, effective_at=floor.clock)
    await floor.do(release_document, quinn, new, floor.clock, effective_at=day)
    assert await states(floor) == {"A": "effective", "B": "released"}
    await floor.give(execution, "file", {"document_ids": [str(new)]})
    assert await floor.unmet(execution) == {"file": "0 of 1 documents in force (1 not effective yet)"}
    assert await floor.do(make_due_effective, floor.tenant, day - timedelta(seconds=1)) == 0
    assert await floor.do(make_due_effective, floor.tenant, day) == 1
    assert await states(floor) == {"A": "obsolete", "B": "effective"}
    assert await floor.unmet(execution) == {}
    assert await floor.do(make_due_effective, floor.tenant, day) == 0
    [entry] = await floor.rows("SELECT actor_id, actor_name FROM audit_entry WHERE reason LIKE 'The day%'")
    assert (entry["actor_id"], entry["actor_name"]) == (None, engine_actor(floor.tenant).name)


async def test_another_number_stays_as_it_is(floor: Floor) -> None:
    other = await floor.upload()
    await floor.do(release_document, floor.people["quinn"], await draft(floor, "B"), floor.clock)
    [row] = await floor.rows("SELECT state FROM document WHERE id = :id", id=UUID(other))
    assert row["state"] == "released"


@pytest.mark.parametrize("attempt", range(3))
async def test_of_two_revisions_released_at_once_one_stays_in_force(floor: Floor, attempt: int) -> None:
    one, other = await draft(floor, "A"), await draft(floor, "B")
    quinn = floor.people["quinn"]
    await asyncio.gather(*(floor.do(release_document, quinn, found, floor.clock) for found in (one, other)))
    assert sorted((await states(floor)).values()) == ["obsolete", "released"]
