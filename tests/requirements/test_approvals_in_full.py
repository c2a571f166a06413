"""Approvals: votes against and vetoes, delegation, recall, reminders, and what an approved version keeps."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.checking import process_problems
from models.store.absences import NewAbsence, add_absence
from models.store.approvals import list_requests
from models.store.catalogues import APPROVAL_TEMPLATES, MEASUREMENT_DEFINITIONS, change_entry
from models.store.inbox import InboxFilter, list_tasks
from models.store.reminding import remind_approvers
from models.store.stages import Answer, Mode, Stage, is_passed
from models.store.verify import verify_tenant
from tests.requirements.floor import Floor, gate, refused

FORM = gate("form", "form", schema={"type": "object"})
VOTE = {"mode": "n_of_m", "n": 2, "veto": False}


async def test_without_veto_a_rejection_is_a_vote_against(floor: Floor) -> None:
    users = [floor.people[name].username for name in ("ann", "quinn", "ava")]
    await floor.approve(gate("ok", "approval", stages=[{**VOTE, "users": users}]))
    [execution] = await floor.start()
    await floor.decide(execution, "ok", "ann", "rejected", comment="the burr stays")
    assert "waits for approval" in (await floor.unmet(execution))["ok"]
    await floor.decide(execution, "ok", "quinn")
    await floor.decide(execution, "ok", "ava")
    assert await floor.unmet(execution) == {}


async def test_the_request_ends_when_too_few_are_left_to_agree(floor: Floor) -> None:
    await floor.approve(FORM, gate("ok", "approval", stages=[{**VOTE, "roles": ["quality_manager"]}]))
    one, other = await floor.start(2)
    await floor.decide(one, "ok", "quinn", "rejected", comment="no")
    assert (await floor.approval(one, "ok"))["state"] == "rejected", "one of two is left, and two are needed"
    await floor.hire("quest", "quality_manager")
    await floor.give(other, "form", {"submitted_data": {}}, by="quest")
    await floor.decide(other, "ok", "quinn", "rejected", comment="no")
    assert (await floor.approval(other, "ok"))["state"] == "rejected", "who did the work cannot agree to it"


async def test_a_veto_of_somebody_who_is_not_asked_to_agree_ends_it(floor: Floor) -> None:
    stage = {"mode": "any", "roles": ["approver"], "veto": False, "veto_roles": ["quality_manager"]}
    await floor.approve(gate("ok", "approval", stages=[stage]))
    [execution] = await floor.start()
    assert (await refused(floor.decide(execution, "ok", "quinn"))).code == "not_an_approver"
    await floor.decide(execution, "ok", "quinn", "rejected", comment="the gauge was wrong")
    assert (await floor.approval(execution, "ok"))["state"] == "rejected"


@pytest.mark.parametrize(("people", "passed"), [(60, True), (2, False)])
def test_seats_are_matched_without_trying_all_orders(people: int, passed: bool) -> None:
    stage = Stage(mode=Mode.ALL, users=("u0", "u1"), roles=("engineer", "operator", "approver"))
    answers = [Answer(names=(f"u{n}",), roles=("engineer", "operator", "approver")) for n in range(people)]
    assert is_passed(stage, answers) is passed


async def test_an_answer_is_delegated_with_a_trace(floor: Floor) -> None:
    template = {"key": "gate", "name": "Gate", "allow_delegation": True,
                "stages": [{"mode": "all", "roles": ["quality_manager", "approver"]}]}  # fmt: skip
    await floor.approve(gate("ok", "approval", template=template))
    [execution] = await floor.start()
    await floor.delegate(execution, "ok", "quinn", to="ann", reason="on leave until Monday")
    assert (await refused(floor.decide(execution, "ok", "quinn"))).code == "approval_delegated"
    await floor.decide(execution, "ok", "ann")
    await floor.decide(execution, "ok", "ava")
    assert await floor.unmet(execution) == {}
    shown = await floor.approval(execution, "ok")
    assert shown["delegations"][0]["reason"] == "on leave until Monday"
    [answer] = [one for one in shown["responses"] if one["delegated_from"]]
    assert answer["user"]["id"] == str(floor.people["ann"].id)
    assert answer["delegated_from"]["id"] == str(floor.people["quinn"].id)
    assert len(await floor.rows("SELECT * FROM audit_entry WHERE action = 'approval.delegated'")) == 1
    assert await floor.do(verify_tenant, floor.tenant) == []


async def handed_on(floor: Floor) -> UUID:
    """An execution whose approval quinn has handed on to ann, beside one by an approver; the form is part of it."""
    stage = {"mode": "all", "users": [floor.people["quinn"].username], "roles": ["approver"]}
    await floor.approve(FORM, gate("ok", "approval", stages=[stage], allow_delegation=True))
    [execution] = await floor.start()
    await floor.delegate(execution, "ok", "quinn", to="ann", reason="on leave until Monday")
    return execution


async def test_a_delegation_goes_on_when_the_approval_is_requested_again(floor: Floor) -> None:
    execution = await handed_on(floor)
    await floor.decide(execution, "ok", "ava", "rejected", comment="the burr stays")
    await floor.request_again(execution, "ok", by="bob")
    assert (await waiting_for(floor, "ann"), await waiting_for(floor, "quinn")) == (1, 0)
    rows = await floor.rows("SELECT payload FROM outbox WHERE topic = 'notice' ORDER BY id")
    assert str(floor.people["ann"].id) in rows[-1]["payload"]["recipients"]["users"]
    await floor.decide(execution, "ok", "ann")
    await floor.decide(execution, "ok", "ava")
    assert "ok" not in await floor.unmet(execution)
    [kept] = await floor.rows("SELECT new, reason FROM audit_entry WHERE action = 'approval.delegation_kept'")
    assert (kept["new"]["delegate"], kept["reason"]) == (floor.people["ann"].username, "on leave until Monday")
    assert await floor.do(verify_tenant, floor.tenant) == []


async def test_a_delegation_goes_on_when_a_change_of_evidence_reopens_the_approval(floor: Floor) -> None:
    execution = await handed_on(floor)
    await floor.decide(execution, "ok", "ann")
    await floor.give(execution, "form", {"submitted_data": {}}, by="bob")
    assert (await floor.approval(execution, "ok"))["round"] == 2
    assert (await waiting_for(floor, "ann"), await waiting_for(floor, "quinn")) == (1, 0)
    assert await floor.do(verify_tenant, floor.tenant) == []


@pytest.mark.parametrize("why", ["did the work", "may not answer any more", "has left"])
async def test_an_answer_is_its_owners_again_where_the_delegate_cannot_give_it(floor: Floor, why: str) -> None:
    execution = await handed_on(floor)
    ann = floor.people["ann"].id
    if why == "did the work":
        await floor.give(execution, "form", {"submitted_data": {}}, by="ann")
    elif why == "has left":
        await floor.sql("UPDATE user_account SET is_active = false WHERE id = :id", id=ann)
    else:
        await floor.sql("UPDATE user_role SET role = 'auditor' WHERE user_id = :id", id=ann)
    await floor.recall(execution, "ok", by="bob")
    await floor.request_again(execution, "ok", by="bob")
    assert await waiting_for(floor, "quinn") == 1
    assert (await floor.approval(execution, "ok"))["delegations"] == []


async def test_an_answer_is_its_owners_again_once_the_delegate_has_left(floor: Floor) -> None:
    execution = await handed_on(floor)
    assert await waiting_for(floor, "quinn") == 0
    await floor.sql("UPDATE user_account SET is_active = false WHERE id = :id", id=floor.people["ann"].id)
    assert await waiting_for(floor, "quinn") == 1
    await floor.decide(execution, "ok", "quinn")
    await floor.decide(execution, "ok", "ava")
    assert "ok" not in await floor.unmet(execution)


async def leave(floor: Floor, who: str, stands_in: str) -> None:
    """Somebody is away, by the clock of the floor and by that of the database."""
    person = floor.people[who]
    at = min(floor.clock, datetime.now(UTC)) - timedelta(days=1)
    until = max(floor.clock, datetime.now(UTC)) + timedelta(days=1)
    new = NewAbsence(user_id=person.id, delegate_id=floor.people[stands_in].id, starts_at=at, ends_at=until)
    await floor.do(add_absence, person, new)


async def waiting_for(floor: Floor, who: str) -> int:
    """Approvals in somebody's inbox, which are the same as those listed as theirs."""
    tasks = await floor.do(list_tasks, floor.people[who], InboxFilter(kind="approval"), after=None, limit=9)
    listed = await floor.do(list_requests, floor.tenant, limit=9, state="pending", mine=floor.people[who])
    assert len(tasks) == len(listed)
    return len(tasks)


async def test_who_stands_in_answers_for_an_approver_who_is_away(floor: Floor) -> None:
    both = {"mode": "all", "users": [floor.people["quinn"].username], "roles": ["approver"]}
    await floor.approve(gate("ok", "approval", stages=[both], allow_delegation=True))
    [execution] = await floor.start()
    assert (await refused(floor.decide(execution, "ok", "ann"))).code == "not_an_approver"
    assert await waiting_for(floor, "ann") == 0
    await leave(floor, "quinn", stands_in="ann")
    assert await waiting_for(floor, "ann") == 1
    await floor.decide(execution, "ok", "ann")
    assert (await waiting_for(floor, "ann"), await waiting_for(floor, "quinn")) == (0, 0)
    for late in ("ann", "quinn"):
        assert (await refused(floor.decide(execution, "ok", late))).code == "already_answered"
    await floor.decide(execution, "ok", "ava")
    assert await floor.unmet(execution) == {}
    [answer] = [one for one in (await floor.approval(execution, "ok"))["responses"] if one["delegated_from"]]
    assert answer["user"]["id"] == str(floor.people["ann"].id)
    assert answer["delegated_from"]["id"] == str(floor.people["quinn"].id)
    audited = await floor.rows("SELECT new FROM audit_entry WHERE action = 'approval.approved'")
    assert str(floor.people["quinn"].id) in {row["new"].get("delegated_from") for row in audited}
    assert await floor.do(verify_tenant, floor.tenant) == []


async def test_nobody_stands_in_where_answers_are_not_handed_on_or_for_who_did_the_work(floor: Floor) -> None:
    quinn = [floor.people["quinn"].username]
    await floor.approve(gate("no", "approval", users=quinn), FORM, gate("ok", "approval", users=quinn,
                        allow_delegation=True))  # fmt: skip
    [execution] = await floor.start()
    await leave(floor, "quinn", stands_in="ann")
    assert (await refused(floor.decide(execution, "no", "ann"))).code == "not_an_approver"
    assert await waiting_for(floor, "ann") == 1
    await floor.give(execution, "form", {"submitted_data": {}}, by="quinn")
    assert (await refused(floor.decide(execution, "ok", "ann"))).code == "not_an_approver"


@pytest.mark.parametrize(
    ("by", "to", "code"),
    [
        ("ann", "bob", "not_an_approver"),
        ("quinn", "quentin", "delegation_invalid"),
        ("quinn", "audrey", "delegation_invalid"),
        ("quinn", "quinn", "delegation_invalid"),
    ],
)
async def test_a_delegation_that_makes_no_sense_is_refused(floor: Floor, by: str, to: str, code: str) -> None:
    await floor.approve(gate("ok", "approval", roles=["quality_manager"], allow_delegation=True))
    [execution] = await floor.start()
    assert (await refused(floor.delegate(execution, "ok", by, to))).code == code
    assert await floor.rows("SELECT * FROM approval_delegation") == []


async def test_delegation_is_for_templates_that_allow_it_and_to_one_person_each(floor: Floor) -> None:
    await floor.approve(
        gate("no", "approval", roles=["quality_manager"]),
        gate("yes", "approval", roles=["quality_manager"], allow_delegation=True, order=1),
    )
    [execution] = await floor.start()
    assert (await refused(floor.delegate(execution, "no", "quinn", to="ann"))).code == "delegation_not_allowed"
    await floor.delegate(execution, "yes", "quinn", to="ann")
    assert (await refused(floor.delegate(execution, "yes", "quinn", to="ava"))).code == "delegation_invalid"
    assert (await refused(floor.delegate(execution, "yes", "quentin", to="ann"))).code == "delegation_invalid"
    assert (await refused(floor.delegate(execution, "yes", "quentin", to="ava", reason=""))).code == "reason_required"


async def test_a_delegate_who_did_the_work_may_not_answer(floor: Floor) -> None:
    await floor.approve(FORM, gate("ok", "approval", roles=["quality_manager"], allow_delegation=True))
    [execution] = await floor.start()
    await floor.give(execution, "form", {"submitted_data": {}}, by="ann")
    await floor.delegate(execution, "ok", "quinn", to="ann")
    assert (await refused(floor.decide(execution, "ok", "ann"))).code == "self_approval"


async def test_whoever_asked_takes_the_request_back_and_asks_again(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start()
    assert (await refused(floor.recall(execution, "ok", by="ava"))).code == "forbidden"
    await floor.recall(execution, "ok", by="bob", reason="wrong drawing")
    assert (await floor.unmet(execution))["ok"] == "the approval is withdrawn; request it again"
    assert (await refused(floor.decide(execution, "ok", "ava"))).code == "approval_closed"
    await floor.request_again(execution, "ok", by="cleo")
    assert (await refused(floor.recall(execution, "ok", by="bob"))).code == "not_the_requester"
    await floor.recall(execution, "ok", by="cleo")
    rows = await floor.rows("SELECT actor_name, reason FROM audit_entry WHERE action = 'approval.recalled'")
    assert {row["actor_name"].split(":")[0]: row["reason"] for row in rows}.keys() == {"bob", "cleo"}


async def test_approvers_are_reminded_once_and_those_above_hear_of_what_is_overdue(floor: Floor) -> None:
    await floor.approve(
        gate("ok", "approval", roles=["approver"], due_in="P2D", remind_before="P1D", escalate_to={"roles": ["admin"]})
    )
    [execution] = await floor.start()
    assert await floor.do(remind_approvers, floor.tenant, floor.clock) == 0
    for hours, told in ((24, 1), (25, 0), (48, 1), (72, 0)):
        assert await floor.do(remind_approvers, floor.tenant, floor.clock + timedelta(hours=hours)) == told
    rows = await floor.rows("SELECT payload FROM outbox WHERE topic = 'notice' ORDER BY id")
    kinds = [(row["payload"]["kind"], row["payload"]["recipients"]["roles"]) for row in rows]
    assert kinds == [
        ("approval_requested", ["approver"]),
        ("approval_due_soon", ["approver"]),
        ("approval_overdue", ["approver", "admin"]),
    ]
    shown = await floor.approval(execution, "ok")
    assert (shown["reminded_at"], shown["overdue_at"]) == ("2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z")
    audited = await floor.rows("SELECT action FROM audit_entry WHERE execution_id = :e ORDER BY at", e=execution)
    assert [row["action"] for row in audited] == ["approval.reminded", "approval.overdue"]
    assert await floor.do(verify_tenant, floor.tenant) == []


async def test_nobody_is_reminded_while_the_instance_is_on_hold(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["approver"], due_in="P2D"))
    await floor.start()
    await floor.sql("UPDATE workflow_instance SET status = 'on_hold', held_at = now()")
    assert await floor.do(remind_approvers, floor.tenant, floor.clock + timedelta(days=3)) == 0


async def test_the_next_stage_hears_that_it_is_its_turn(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", stages=[{"roles": ["approver"]}, {"roles": ["quality_manager"]}]))
    [execution] = await floor.start()
    await floor.decide(execution, "ok", "ava")
    rows = await floor.rows("SELECT payload FROM outbox WHERE topic = 'notice' ORDER BY id")
    assert [row["payload"]["recipients"]["roles"] for row in rows] == [["approver"], ["quality_manager"]]


async def test_an_approved_version_keeps_its_stages_and_limits(floor: Floor) -> None:
    stages = [{"roles": ["approver"]}]
    bore = {"key": "bore", "name": "Bore", "unit": "mm", "nominal": "12", "upper_tol": "0.01", "lower_tol": "0.01"}
    await floor.approve(
        gate("ok", "approval", template={"key": "gate", "name": "Gate", "stages": stages}),
        gate("bore", "measurement", measurement_definition=bore),
    )
    quinn = floor.people["quinn"]
    [template] = await floor.rows("SELECT id FROM approval_template")
    [definition] = await floor.rows("SELECT id FROM measurement_definition")
    changed = {"stages": [{"roles": ["engineer"]}], "allow_self_approval": True}
    await floor.do(change_entry, quinn, APPROVAL_TEMPLATES, template["id"], changed)
    await floor.do(change_entry, quinn, MEASUREMENT_DEFINITIONS, definition["id"], {"upper_tol": 5})
    [execution] = await floor.start()
    assert (await refused(floor.decide(execution, "ok", "ann"))).code == "not_an_approver"
    await floor.decide(execution, "ok", "ava")
    await floor.give(execution, "bore", {"values": [{"value": "12.5", "unit": "mm"}]})
    assert "1 of 1 values out of tolerance" in (await floor.unmet(execution))["bore"]
    assert (await floor.shown(execution, "bore"))["definition"]["upper_tol"] == "0.01"


async def test_what_a_client_calls_as_approved_is_not_believed(floor: Floor) -> None:
    template = {"key": "gate", "name": "Gate", "stages": [{"roles": ["approver"]}]}
    forged: Any = {"stages": [{"roles": ["engineer"]}]}
    await floor.approve(
        gate("ok", "approval", template=template, as_approved=forged),
        gate("own", "approval", roles=["approver"], as_approved=forged, order=1),
    )
    [execution] = await floor.start()
    for key in ("ok", "own"):
        assert (await floor.approval(execution, key))["stages"][0]["roles"] == ["approver"]


async def test_a_rejection_says_where_the_work_goes_back_to(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["approver"], on_reject={"back_to": "end"}))
    [execution] = await floor.start()
    await floor.decide(execution, "ok", "ava", "rejected", comment="porous")
    assert (await floor.unmet(execution))["ok"] == "the approval was rejected; the work is to go back to 'end'"
    [entry] = await floor.rows("SELECT new FROM audit_entry WHERE action = 'approval.rejected'")
    assert entry["new"]["back_to"] == "end"


def test_the_step_to_go_back_to_has_to_exist() -> None:
    graph: Any = {
        "steps": [
            {"key": "one", "name": "One", "requirements": [
                {"name": "Ok", **gate("ok", "approval", roles=["approver"], on_reject={"back_to": "nowhere"})}
            ]},
            {"key": "end", "name": "End", "is_terminal": True},
        ],
        "edges": [],
    }  # fmt: skip
    [problem] = process_problems(graph, private_allowed=False)
    assert problem["path"] == "steps[0].requirements[0].config.on_reject.back_to"
    assert "'nowhere'" in problem["message"]
