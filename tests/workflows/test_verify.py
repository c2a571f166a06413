"""`gatework verify` on real servers: what a superuser changes is found, put right from the journal, and clean again."""

from uuid import UUID, uuid4

import pytest

from models.flow.state import Ref, execution_id
from tests.store.scene import as_superuser
from tests.support.plant import Plant, end, line, step
from workers.verify import PAGES, Report, verify

WALK = line(step("one", expected_duration="P1D"), step("two"), end())


async def walked(plant: Plant, subjects: int = 3) -> UUID:
    """An instance with something done, held, under way and untouched."""
    instance = await plant.begin(WALK, subjects)
    await plant.act(instance, "complete", Ref(0, "one"), notes="fine")
    await plant.act(instance, "complete", Ref(0, "two"))
    await plant.act(instance, "claim", Ref(1, "one"))
    return instance


async def looked(plant: Plant) -> Report:
    return await verify(plant.settings)


TAMPERING = {
    "a status": "UPDATE step_execution SET status = 'in_progress' WHERE subject_no = 1",
    "an assignee": "UPDATE step_execution SET assigned_to = NULL, status = 'pending' WHERE subject_no = 1",
    "a note": "UPDATE step_execution SET notes = 'better' WHERE step_key = 'one' AND subject_no = 0",
    "a completion": "UPDATE step_execution SET status = 'completed', exited_at = now() WHERE subject_no = 2",
    "a past one opened": "UPDATE step_execution SET status = 'pending', exited_at = NULL WHERE step_key = 'end'",
    "a due date": "UPDATE step_execution SET due_at = now(), overdue = true WHERE subject_no = 2",
    "a name": "UPDATE workflow_instance SET name = 'forged'",
    "an owner": "UPDATE workflow_instance SET owner_id = created_by",
    "a context": "UPDATE workflow_instance SET context = '{\"approved\": true}'",
    "an identifier": "UPDATE workflow_instance SET identifier = 'WO-1999-0001'",
    "a creation": "UPDATE workflow_instance SET created_at = now() - interval '1 year', created_by = NULL",
    "the instance's end": "UPDATE workflow_instance SET status = 'completed', completed_at = now()",
    "the journal's position": "UPDATE workflow_instance SET seq = seq + 1",
    "a subject's end": "UPDATE workflow_subject SET terminal_status = 'scrapped' WHERE subject_no = 0",
    "a lost execution": "DELETE FROM step_execution WHERE subject_no = 2",
    "a forged execution": "INSERT INTO step_execution (tenant_id, id, workflow_instance_id, step_id, step_key,"
    " subject_type_id, subject_id, subject_no, visit_number) SELECT tenant_id, gen_random_uuid(), workflow_instance_id,"
    " step_id, step_key, subject_type_id, subject_id, subject_no, 7 FROM step_execution WHERE step_key = 'end'",
    "a forged incident": "INSERT INTO incident (tenant_id, id, instance_id, code)"
    " SELECT tenant_id, gen_random_uuid(), id, 'no_route' FROM workflow_instance",
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERING)
async def test_what_is_changed_by_hand_is_found_repaired_and_clean(plant: Plant, database: str, what: str) -> None:
    instance = await walked(plant)
    assert (await looked(plant)).is_clean
    as_superuser(database, TAMPERING[what])
    found = await looked(plant)
    assert not found.is_clean
    assert {one["instance"] for one in found.differences} == {str(instance)}
    assert found.problems == []
    repaired = await verify(plant.settings, repair=True)
    assert repaired.is_clean
    assert [one["instance"] for one in repaired.repaired] == [str(instance)]
    again = await looked(plant)
    assert (again.is_clean, again.found, again.instances) == (True, 0, 1)
    (entry,) = await plant.audited(instance, "rows_repaired")
    assert (entry["actor_id"], entry["source"]) == (None, "engine")
    assert entry["old"] != entry["new"]
    assert (await plant.act(instance, "complete", Ref(1, "one")))["outcome"] == "advanced"


async def test_other_subjects_than_it_began_with_are_told_and_no_execution_is_given_to_them(
    plant: Plant, database: str
) -> None:
    instance, other = await walked(plant), await plant.begin(WALK)
    of_other = "SELECT subject_id FROM workflow_subject WHERE instance_id = :id"
    of_first = "SELECT subject_id FROM workflow_subject WHERE instance_id = :id AND subject_no = 0"
    (stranger,), (own,) = await plant.rows(of_other, id=other), await plant.rows(of_first, id=instance)
    change = "UPDATE workflow_subject SET subject_id = %s WHERE instance_id = %s AND subject_no = 0"
    as_superuser(database, change, stranger["subject_id"], instance)
    before = await plant.rows("SELECT id, subject_id FROM step_execution ORDER BY id")
    report = await verify(plant.settings, repair=True)
    assert (report.is_clean, report.repaired) == (False, [])
    (found,) = report.differences
    assert (found["instance"], "subjects are not those" in str(found)) == (str(instance), True)
    assert await plant.rows("SELECT id, subject_id FROM step_execution ORDER BY id") == before
    as_superuser(database, change, own["subject_id"], instance)


async def test_a_repair_leaves_what_is_well_alone(plant: Plant) -> None:
    instance = await walked(plant)
    report = await verify(plant.settings, repair=True)
    assert (report.is_clean, report.repaired) == (True, [])
    assert await plant.audited(instance, "rows_repaired") == []


async def test_a_broken_journal_is_told_and_nothing_is_repaired_from_it(plant: Plant, database: str) -> None:
    instance = await walked(plant)
    (row,) = await plant.rows("SELECT data FROM journal WHERE kind = 'execution_completed' ORDER BY seq LIMIT 1")
    notes = row["data"]["notes"]
    change = "UPDATE journal SET data = jsonb_set(data, '{notes}', %s) WHERE kind = 'execution_completed' AND seq ="
    seq = " (SELECT min(seq) FROM journal WHERE kind = 'execution_completed')"
    as_superuser(database, change + seq, '"never said"')
    report = await verify(plant.settings, repair=True)
    assert not report.is_clean
    assert [(one["instance"], "hash chain" in one["why"]) for one in report.refused] == [(str(instance), True)]
    assert ("row_changed", "journal") in {(one["what"], one["table"]) for one in report.problems}
    (kept,) = await plant.rows("SELECT notes FROM step_execution WHERE step_key = 'one' AND subject_no = 0")
    assert kept["notes"] == "fine"
    as_superuser(database, change + seq, f'"{notes}"')
    assert (await looked(plant)).is_clean


async def test_a_journal_that_cannot_be_told_is_told_and_does_not_stop_the_others(plant: Plant, database: str) -> None:
    broken, other = await walked(plant), await walked(plant)
    (row,) = await plant.rows("SELECT kind FROM journal WHERE seq = 3 AND instance_id = :id", id=broken)
    named = "UPDATE journal SET kind = %s WHERE seq = 3 AND instance_id = %s"
    as_superuser(database, named, "what_is_this", broken)
    as_superuser(database, "UPDATE workflow_instance SET name = 'forged' WHERE id = %s", other)
    report = await verify(plant.settings, repair=True)
    assert [one["instance"] for one in report.repaired] == [str(other)]
    assert [one["instance"] for one in report.refused] == [str(broken)]
    as_superuser(database, named, row["kind"], broken)


async def test_chains_beside_the_instances_are_looked_at_too(plant: Plant, database: str) -> None:
    instance = await walked(plant)
    stray = uuid4()
    as_superuser(
        database,
        "INSERT INTO chain_link (tenant_id, chain, chain_id, n, at, payload_digest, prev_hash, hash)"
        " SELECT tenant_id, 'execution', %s, 1, at, payload_digest, prev_hash, hash FROM chain_link LIMIT 1",
        stray,
    )
    as_superuser(database, "UPDATE step_execution SET chain_n = 4 WHERE workflow_instance_id = %s", instance)
    report = await looked(plant)
    assert {(one["chain_id"], one["what"]) for one in report.problems} >= {
        (str(stray), "link_changed"), (str(execution_id(instance, Ref(0, "one"))), "head_changed"),
    }  # fmt: skip
    assert report.differences == []
    as_superuser(database, "DELETE FROM chain_link WHERE chain_id = %s", stray)
    as_superuser(database, "UPDATE step_execution SET chain_n = 0 WHERE workflow_instance_id = %s", instance)


async def test_it_goes_through_many_instances_in_pages(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    process = await plant.approve(WALK)
    instances = [await plant.start(process) for _ in range(7)]
    for one in instances:
        await plant.begun(one)
    monkeypatch.setattr("workers.verify.PAGES", dict.fromkeys(PAGES, 3))
    report = await looked(plant)
    assert (report.is_clean, report.instances, report.chains) == (True, 7, 7 + 7 + 1)


async def test_it_runs_beside_the_engine(plant: Plant) -> None:
    instance = await plant.begin(WALK, subjects=30)
    commands = [await plant.accept(instance, "complete", [Ref(number, "one")]) for number in range(30)]
    for command in commands:
        await plant.signal(instance, command)
        assert (await looked(plant)).differences == []
    assert await plant.settled(commands) == ["advanced"] * 30


def test_the_report_says_what_is_wrong_in_words_and_in_json() -> None:
    report = Report(instances=2, chains=3, found=2, open=1)
    report.differences.append({"tenant": "t", "instance": "i", "what": "x: status", "rows": "a", "journal": "b"})
    report.refused.append({"tenant": "t", "instance": "i", "why": "the hash chain is broken at link 2"})
    assert list(report.lines()) == [
        "i: x: status: row 'a', journal 'b'",
        "i: NOT repaired: the hash chain is broken at link 2",
        "… and 1 more",
        "2 instances, 3 hash chains: 1 open findings.",
    ]
    assert report.as_json()["clean"] is False
