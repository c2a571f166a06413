"""Evidence of completed work is amended by a new revision; what covered the old content is voided, and it is told."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from models.store.incidents import resolve_noted
from models.store.verify import verify_tenant
from tests.requirements.floor import Floor, gate, refused

FORM = gate("form", "form", schema={"type": "object", "properties": {"lot": {"type": "string"}}})
GATES = (FORM, gate("sign", "signature"), gate("ok", "approval", roles=["approver"]))


async def completed(floor: Floor) -> UUID:
    await floor.approve(*GATES)
    [execution] = await floor.start()
    await floor.give(execution, "form", {"submitted_data": {"lot": "A1"}})
    await floor.sign(execution, "sign")
    await floor.decide(execution, "ok", "ava")
    await floor.complete(execution)
    return execution


async def test_an_amendment_is_a_revision_voids_what_covered_the_old_one_and_opens_an_incident(floor: Floor) -> None:
    execution = await completed(floor)
    assert (await refused(floor.give(execution, "form", {"submitted_data": {}}))).code == "execution_closed"
    await floor.amend(execution, "form", {"submitted_data": {"lot": "A7"}})
    rows = await floor.rows("SELECT revision, action, data, reason FROM evidence_record WHERE requirement_id = :r"
                            " ORDER BY revision", r=floor.requirement("form"))  # fmt: skip
    assert [(row["revision"], row["action"], row["data"]["submitted_data"]["lot"]) for row in rows] == [
        (1, "given", "A1"), (2, "amended", "A7"),
    ]  # fmt: skip
    assert rows[1]["reason"] == "The lot number was misread."
    assert len(await floor.rows("SELECT 1 FROM signature_void")) == 1
    requests = await floor.rows("SELECT state, round FROM approval_request")
    assert [(row["state"], row["round"]) for row in requests] == [("voided", 1)], "nobody is asked about closed work"
    [incident] = await floor.rows("SELECT code, message, params, execution_id, resolved_at FROM incident")
    assert (incident["code"], incident["execution_id"], incident["resolved_at"]) == ("evidence_amended", None, None)
    assert incident["params"]["execution"] == str(execution)
    assert "amended by quinn" in incident["message"]
    actions = [row["action"] for row in await floor.rows("SELECT action FROM audit_entry")]
    assert {"evidence.amended", "signature.voided", "approval.voided"} <= set(actions)
    notices = await floor.rows("SELECT payload FROM outbox WHERE topic = 'notice' ORDER BY id DESC LIMIT 1")
    assert notices[0]["payload"]["kind"] == "incident_opened"
    assert await floor.rows("SELECT 1 FROM outbox WHERE topic = 'evidence_changed'") == []
    assert await floor.do(verify_tenant, floor.tenant) == []


@pytest.mark.parametrize(
    ("key", "evidence", "more", "code"),
    [
        ("form", {"submitted_data": {"lot": "A7"}}, {"reason": "typo"}, "reason_required"),
        ("form", {"submitted_data": {"lot": "A7"}}, {"by": "bob"}, "forbidden"),
        ("form", {"submitted_data": {"lot": 7}}, {}, "evidence_invalid"),
        ("form", {"submitted_data": {"lot": "A1"}}, {}, "not_amendable"),
        ("sign", {"meaning": "approved"}, {}, "not_amendable"),
        ("ok", {}, {}, "not_amendable"),
    ],
)
async def test_an_amendment_that_is_refused_leaves_everything_as_it_was(
    floor: Floor, key: str, evidence: Any, more: Any, code: str
) -> None:
    execution = await completed(floor)
    before = await floor.everything(execution)
    assert (await refused(floor.amend(execution, key, evidence, **more))).code == code
    assert await floor.everything(execution) == before
    assert await floor.rows("SELECT 1 FROM incident") == []


async def test_work_that_is_open_is_not_amended_but_done(floor: Floor) -> None:
    await floor.approve(FORM)
    [execution] = await floor.start()
    error = await refused(floor.amend(execution, "form", {"submitted_data": {}}))
    assert (error.code, error.params["detail"]) == (
        "not_amendable", "the execution is pending, and only completed work is amended",
    )  # fmt: skip


async def test_a_named_check_is_not_amended(floor: Floor) -> None:
    await floor.approve(gate("leak", "custom", check="leak_test"))
    [execution] = await floor.start()
    await floor.complete(execution)
    assert (await refused(floor.amend(execution, "leak", {}))).code == "not_amendable"


async def test_the_incident_is_resolved_by_a_person_who_says_what_came_of_it(floor: Floor) -> None:
    execution = await completed(floor)
    await floor.amend(execution, "form", {"submitted_data": {"lot": "A7"}})
    [incident] = await floor.rows("SELECT id FROM incident")
    note, quinn = "Lots A1 and A7 were both checked.", floor.people["quinn"]
    bob = floor.people["bob"]
    assert (await refused(floor.do(resolve_noted, bob, incident["id"], note, floor.clock))).code == "forbidden"
    assert (await refused(floor.do(resolve_noted, quinn, incident["id"], "ok", floor.clock))).code == "reason_required"
    assert (await refused(floor.do(resolve_noted, quinn, uuid4(), note, floor.clock))).code == "not_found"
    await floor.do(resolve_noted, quinn, incident["id"], note, floor.clock)
    again = floor.do(resolve_noted, quinn, incident["id"], note, floor.clock)
    assert (await refused(again)).code == "incident_closed"
    [row] = await floor.rows("SELECT resolution, resolved_by FROM incident")
    assert (row["resolution"], row["resolved_by"]) == (note, quinn.id)
    assert len(await floor.rows("SELECT 1 FROM audit_entry WHERE action = 'incident.resolved'")) == 1
    await floor.sql("UPDATE incident SET code = 'run_gone', resolved_at = NULL, resolution = '', resolved_by = NULL")
    assert (await refused(floor.do(resolve_noted, quinn, incident["id"], note, floor.clock))).code == "not_found", (
        "what stopped is for the engine"
    )
