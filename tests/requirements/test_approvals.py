"""Approvals: stages, four eyes, rejection and the next round, and what voids them."""

from uuid import UUID

from tests.requirements.floor import Floor, gate, refused

FORM = gate("form", "form", schema={"type": "object"})


async def test_a_request_opens_on_entry_and_approval_meets_it(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["approver"], due_in="P2D"))
    [execution] = await floor.start()
    assert await floor.unmet(execution) == {"ok": "waits for approval: role approver"}
    assert (await floor.approval(execution, "ok"))["due_at"] == "2026-11-24T08:00:00Z"
    error = await refused(floor.decide(execution, "ok", "bob"))
    assert error.code == "not_an_approver"
    await floor.decide(execution, "ok", "ava")
    assert await floor.unmet(execution) == {}
    assert (await refused(floor.decide(execution, "ok", "ava"))).code == "approval_closed"


async def test_stages_pass_one_after_the_other(floor: Floor) -> None:
    ann = floor.people["ann"].username
    stages = [
        {"name": "Technical", "mode": "all", "users": [ann], "roles": ["approver"]},
        {"name": "Quality", "mode": "n_of_m", "n": 2, "roles": ["quality_manager"]},
    ]
    template = {"key": "gate", "name": "Gate", "stages": stages}
    await floor.approve(gate("ok", "approval", template=template))
    [execution] = await floor.start()
    assert (await refused(floor.decide(execution, "ok", "quinn"))).code == "not_an_approver"
    await floor.decide(execution, "ok", "ann")
    assert (await refused(floor.decide(execution, "ok", "ann"))).code == "already_answered"
    assert "stage 1 of 2" in (await floor.unmet(execution))["ok"]
    await floor.decide(execution, "ok", "ava")
    assert "stage 2 of 2" in (await floor.unmet(execution))["ok"]
    await floor.decide(execution, "ok", "quinn")
    await floor.decide(execution, "ok", "quentin")
    assert await floor.unmet(execution) == {}


async def test_a_rejection_says_why_and_can_be_requested_again(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start()
    assert (await refused(floor.decide(execution, "ok", "ava", "rejected", comment=" "))).code == "reason_required"
    assert (await refused(floor.request_again(execution, "ok"))).code == "not_re_requestable"
    await floor.decide(execution, "ok", "ava", "rejected", comment="burr on the edge")
    assert "rejected" in (await floor.unmet(execution))["ok"]
    await floor.request_again(execution, "ok")
    assert (await floor.approval(execution, "ok"))["round"] == 2
    await floor.decide(execution, "ok", "ava")
    assert await floor.unmet(execution) == {}
    rows = await floor.rows("SELECT round, state FROM approval_request ORDER BY round")
    assert [(row["round"], row["state"]) for row in rows] == [(1, "rejected"), (2, "approved")]


async def test_nobody_approves_what_they_gave_or_did(floor: Floor) -> None:
    await floor.approve(FORM, gate("ok", "approval", roles=["quality_manager"]))
    [execution] = await floor.start()
    await floor.give(execution, "form", {"submitted_data": {}}, by="quinn")
    assert (await refused(floor.decide(execution, "ok", "quinn", comment="a long reason"))).code == "self_approval"
    await floor.decide(execution, "ok", "quentin")
    [claimed] = await floor.start()
    await floor.sql(
        "UPDATE step_execution SET status = 'claimed', assigned_to = :u WHERE id = :id",
        u=floor.people["quinn"].id,
        id=claimed,
    )
    assert (await refused(floor.decide(claimed, "ok", "quinn"))).code == "self_approval"


async def test_giving_work_back_makes_nobody_independent(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["quality_manager"]))
    [execution] = await floor.start()
    await floor.sql(
        "INSERT INTO journal (tenant_id, instance_id, seq, record_no, kind, at, subjects, data, chain_n, digest)"
        " SELECT :t, workflow_instance_id, 1, 1, 'execution_claimed', now(), '{0}',"
        " jsonb_build_object('ref', '[0, \"work\", 1, \"\"]'::jsonb, 'by', CAST(:u AS text)), 1, ''"
        " FROM step_execution WHERE id = :e",
        t=floor.tenant, u=str(floor.people["quinn"].id), e=execution,
    )  # fmt: skip
    assert (await refused(floor.decide(execution, "ok", "quinn"))).code == "self_approval"


async def test_a_template_may_allow_self_approval_with_a_reason(floor: Floor) -> None:
    await floor.approve(FORM, gate("ok", "approval", roles=["quality_manager"], allow_self_approval=True))
    [execution] = await floor.start()
    await floor.give(execution, "form", {"submitted_data": {}}, by="quinn")
    assert (await refused(floor.decide(execution, "ok", "quinn", comment="alone"))).code == "reason_required"
    await floor.decide(execution, "ok", "quinn", comment="night shift, nobody else is here")
    [answer] = (await floor.approval(execution, "ok"))["responses"]
    assert answer["self_approval_reason"] == "night shift, nobody else is here"


async def test_a_reader_of_records_never_answers(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", users=[floor.people["audrey"].username]))
    [execution] = await floor.start()
    assert (await refused(floor.decide(execution, "ok", "audrey"))).code == "forbidden"


async def test_a_change_of_evidence_voids_the_approval_and_asks_again(floor: Floor) -> None:
    await floor.approve(FORM, gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start()
    await floor.give(execution, "form", {"submitted_data": {"a": 1}})
    await floor.decide(execution, "ok", "ava")
    await floor.give(execution, "form", {"submitted_data": {"a": 1}})
    assert await floor.unmet(execution) == {}, "an equal form is no change"
    await floor.give(execution, "form", {"submitted_data": {"a": 2}})
    assert await floor.unmet(execution) == {"ok": "waits for approval: role approver (round 2)"}
    rows = await floor.rows("SELECT round, state FROM approval_request ORDER BY round")
    assert [(row["round"], row["state"]) for row in rows] == [(1, "voided"), (2, "pending")]
    [entry] = await floor.rows("SELECT reason, new FROM audit_entry WHERE action = 'approval.voided'")
    assert "'Form' was changed" in entry["reason"]


async def test_an_answer_of_an_earlier_stage_is_voided_too(floor: Floor) -> None:
    stages = [{"roles": ["approver"]}, {"roles": ["quality_manager"]}]
    await floor.approve(FORM, gate("ok", "approval", stages=stages))
    [execution] = await floor.start()
    await floor.decide(execution, "ok", "ava")
    await floor.give(execution, "form", {"submitted_data": {}})
    assert "stage 1 of 2" in (await floor.unmet(execution))["ok"]


async def test_approving_something_else_than_what_was_shown_is_refused(floor: Floor) -> None:
    await floor.approve(FORM, gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start()
    shown = (await floor.everything(execution))["content_hash"]
    await floor.give(execution, "form", {"submitted_data": {}})
    error = await refused(floor.decide(execution, "ok", "ava", content_hash=shown))
    assert error.code == "content_changed"
    now_shown = (await floor.everything(execution))["content_hash"]
    await floor.decide(execution, "ok", "ava", content_hash=now_shown)


async def test_approvals_and_signatures_are_no_content(floor: Floor) -> None:
    await floor.approve(FORM, gate("ok", "approval", roles=["approver"]), gate("sign", "signature"))
    [execution] = await floor.start()
    before = (await floor.everything(execution))["content_hash"]
    await floor.decide(execution, "ok", "ava")
    await floor.sign(execution, "sign")
    assert (await floor.everything(execution))["content_hash"] == before
    assert await floor.unmet(execution) == {"form": "the form is not filled in"}


async def test_a_completed_execution_leaves_nothing_pending(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["approver"], is_mandatory=False))
    [execution] = await floor.start()
    request = UUID((await floor.approval(execution, "ok"))["id"])
    await floor.complete(execution)
    [row] = await floor.rows("SELECT state FROM approval_request WHERE id = :id", id=request)
    assert row["state"] == "withdrawn"
    assert (await refused(floor.decide(execution, "ok", "ava"))).code == "execution_closed"
