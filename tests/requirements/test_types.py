"""Every type: not given, given badly, given, withdrawn."""

from typing import Any

import pytest

from models.requirements import registry
from tests.requirements.floor import Floor, gate, refused

CHECKLIST = gate("checks", "checklist", items=["Deburred", "Clean", {"label": "Torque", "needs_value": True}])
SCHEMA = {
    "type": "object",
    "properties": {"lot": {"type": "string", "minLength": 2}, "on": {"type": "string", "format": "date"}},
    "required": ["lot"],
    "additionalProperties": False,
}
BORE = {"key": "bore", "name": "Bore", "unit": "mm", "nominal": "12", "upper_tol": "0.018", "lower_tol": "0",
        "sample_size": 2}  # fmt: skip


async def test_checklist_counts_each_required_item_once(floor: Floor) -> None:
    await floor.approve(CHECKLIST)
    [execution] = await floor.start()
    assert "0 of 3 items done" in (await floor.unmet(execution))["checks"]
    await floor.give(execution, "checks", {"checked_items": [0, 0, 0]})
    assert "1 of 3" in (await floor.unmet(execution))["checks"]
    await floor.give(execution, "checks", {"checked_items": ["Clean"]}, by="cleo")
    given = await floor.give(execution, "checks", {"checked_items": [{"item": "Torque", "value": 12.5}]})
    assert given.reason is None
    assert await floor.unmet(execution) == {}
    ticks = given.evidence["checked_items"]
    assert [tick["by_name"] for tick in ticks] == ["Bob", "Cleo", "Bob"]
    await floor.withdraw(execution, "checks")
    assert "0 of 3" in (await floor.unmet(execution))["checks"]


@pytest.mark.parametrize(
    ("evidence", "pointer"),
    [
        ({}, "/checked_items"),
        ({"checked_items": []}, "/checked_items"),
        ({"checked_items": [7]}, "/checked_items/0/item"),
        ({"checked_items": [-1]}, "/checked_items/0/item"),
        ({"checked_items": ["Polished"]}, "/checked_items/0/item"),
        ({"checked_items": [{"item": 2}]}, "/checked_items/0/value"),
        ({"checked_items": [{"item": 1, "not_applicable": " "}]}, "/checked_items/0/not_applicable"),
        ({"checked_items": [0], "more": 1}, "/more"),
    ],
)
async def test_checklist_refuses_what_it_does_not_know(floor: Floor, evidence: Any, pointer: str) -> None:
    await floor.approve(CHECKLIST)
    [execution] = await floor.start()
    error = await refused(floor.give(execution, "checks", evidence))
    assert error.code == "evidence_invalid"
    assert pointer in [fault["pointer"] for fault in error.params["errors"]]
    assert await floor.rows("SELECT * FROM evidence_record") == []


async def test_an_item_that_does_not_apply_needs_a_reason(floor: Floor) -> None:
    await floor.approve(CHECKLIST)
    [execution] = await floor.start()
    await floor.give(execution, "checks", {"checked_items": [0, 1, {"item": 2, "not_applicable": "no screws here"}]})
    assert await floor.unmet(execution) == {}


async def test_form_keeps_only_what_validates_each_save_a_revision(floor: Floor) -> None:
    await floor.approve(gate("form", "form", schema=SCHEMA))
    [execution] = await floor.start()
    assert await floor.unmet(execution) == {"form": "the form is not filled in"}
    error = await refused(floor.give(execution, "form", {"submitted_data": {"on": "yesterday", "x": 1}}))
    assert error.code == "evidence_invalid"
    pointers = {fault["pointer"] for fault in error.params["errors"]}
    assert {"/submitted_data/lot", "/submitted_data/on"} <= pointers
    for lot in ("A1", "A2", "A2"):
        await floor.give(execution, "form", {"submitted_data": {"lot": lot}})
    assert await floor.unmet(execution) == {}
    rows = await floor.rows("SELECT revision, action, data FROM evidence_record ORDER BY revision")
    assert [row["data"]["submitted_data"]["lot"] for row in rows] == ["A1", "A2"]


async def test_only_released_documents_of_the_type_count(floor: Floor) -> None:
    await floor.approve(gate("file", "document", document_type="report", min_count=2))
    [execution] = await floor.start()
    draft, released, other = (
        await floor.upload(release=False),
        await floor.upload(),
        await floor.upload(document_type="drawing"),
    )
    await floor.give(execution, "file", {"document_ids": [released, released]})
    await floor.give(execution, "file", {"document_ids": [draft]})
    assert await floor.unmet(execution) == {"file": "1 of 2 documents in force (1 not released yet)"}
    error = await refused(floor.give(execution, "file", {"document_ids": [other]}))
    assert error.params["errors"][0]["pointer"] == "/document_ids/0"
    await floor.withdraw(execution, "file")
    assert (await floor.unmet(execution))["file"].startswith("0 of 2")


async def test_a_draft_counts_where_the_requirement_allows_it(floor: Floor) -> None:
    await floor.approve(gate("file", "document", allow_draft=True))
    [execution] = await floor.start()
    given = await floor.give(execution, "file", {"document_ids": [await floor.upload(release=False)]})
    assert given.reason is None


async def test_measurement_asks_for_unit_number_and_tolerance(floor: Floor) -> None:
    await floor.approve(gate("bore", "measurement", measurement_definition=BORE))
    [execution] = await floor.start()
    for bad in ({"value": 12, "unit": "kg"}, {"value": "NaN", "unit": "mm"}, {"value": True, "unit": "mm"}):
        assert (await refused(floor.give(execution, "bore", {"values": [bad]}))).code == "evidence_invalid"
    await floor.give(execution, "bore", {"values": [{"value": 12.018, "unit": "mm", "gauge": "CAL-1"}]})
    assert await floor.unmet(execution) == {"bore": "1 of 2 values measured"}
    await floor.give(execution, "bore", {"values": [{"value": "11.9999", "unit": "mm"}]})
    await floor.give(execution, "bore", {"values": [{"value": "12.000", "unit": "mm"}]})
    assert "1 of 3 values out of tolerance (11.9999 mm)" in (await floor.unmet(execution))["bore"]


async def test_a_value_out_of_tolerance_is_dispositioned_by_another_person_with_the_permission(floor: Floor) -> None:
    await floor.approve(gate("bore", "measurement", measurement_definition={**BORE, "sample_size": 1}))
    [execution] = await floor.start()
    given = await floor.give(execution, "bore", {"values": [{"value": 13, "unit": "mm"}]}, by="quinn")
    said = {"measurement_ids": given.evidence["measurement_ids"], "decision": "use_as_is", "reason": "no fit affected"}
    assert (await refused(floor.give(execution, "bore", {"disposition": said}))).code == "forbidden"
    assert (await refused(floor.give(execution, "bore", {"disposition": said}, by="quinn"))).code == "self_disposition"
    short = {"disposition": {**said, "reason": "ok"}}
    assert (await refused(floor.give(execution, "bore", short, by="quentin"))).code == "evidence_invalid"
    await floor.give(execution, "bore", {"disposition": said}, by="quentin")
    assert await floor.unmet(execution) == {}


async def test_signature_needs_proof_role_and_a_meaning_of_the_list(floor: Floor) -> None:
    await floor.approve(gate("sign", "signature", meaning="approved", role="quality_manager"))
    [execution] = await floor.start()
    assert await floor.unmet(execution) == {"sign": "0 of 1 signatures by quality_manager"}
    said = {"meaning": "approved"}
    assert (await refused(floor.give(execution, "sign", said, by="quinn"))).code == "reauthentication_failed"
    assert (await refused(floor.sign(execution, "sign", by="bob"))).code == "signature_role_required"
    assert (await refused(floor.sign(execution, "sign", meaning="witnessed"))).code == "evidence_invalid"
    assert (await refused(floor.sign(execution, "sign", content_hash="0" * 64))).code == "content_changed"
    shown = (await floor.everything(execution))["content_hash"]
    await floor.sign(execution, "sign", content_hash=shown)
    assert await floor.unmet(execution) == {}
    [signature] = (await floor.shown(execution, "sign"))["signatures"]
    assert (signature["printed_name"], signature["meaning"], signature["content_hash"]) == ("Quinn", "approved", shown)
    await floor.withdraw(execution, "sign", by="quinn")
    assert await floor.unmet(execution) == {"sign": "0 of 1 signatures by quality_manager"}
    assert len(await floor.rows("SELECT * FROM signature")) == 1


async def test_several_signatures_are_by_different_persons(floor: Floor) -> None:
    two = gate("two", "signature", role="quality_manager", count=2)
    await floor.approve(two, gate("other", "signature", role="quality_manager", distinct=True))
    [execution] = await floor.start()
    await floor.sign(execution, "two")
    assert (await refused(floor.sign(execution, "two"))).code == "already_signed"
    assert (await refused(floor.sign(execution, "other"))).code == "already_signed"
    await floor.sign(execution, "other", by="quentin")
    await floor.sign(execution, "two", by="quentin")
    assert await floor.unmet(execution) == {}


async def test_an_independent_signature_is_not_for_whoever_gave_evidence(floor: Floor) -> None:
    await floor.approve(CHECKLIST, gate("sign", "signature", independent=True))
    [execution] = await floor.start()
    await floor.give(execution, "checks", {"checked_items": [0]}, by="quinn")
    assert (await refused(floor.sign(execution, "sign"))).code == "no_self_signature"
    await floor.sign(execution, "sign", by="quentin")


async def test_custom_is_met_when_its_expression_is_true(floor: Floor) -> None:
    rule = "subject.attributes.mass < 10.0 && context.released == true"
    await floor.approve(gate("rule", "custom", expression=rule, message="too heavy, or not released"))
    [light] = await floor.start(mass=3)
    assert "there is no 'released'" in (await floor.unmet(light))["rule"]
    await floor.sql("UPDATE workflow_instance SET context = '{\"released\": true}'")
    assert await floor.unmet(light) == {}
    [heavy] = await floor.start(mass=30)
    await floor.sql("UPDATE workflow_instance SET context = '{\"released\": true}'")
    assert await floor.unmet(heavy) == {"rule": "too heavy, or not released"}
    assert (await floor.give(heavy, "rule", {})).reason == "too heavy, or not released"


async def test_custom_sees_its_evidence(floor: Floor) -> None:
    await floor.approve(gate("rule", "custom", expression="has(evidence.seal) && evidence.seal == 'ok'"))
    [execution] = await floor.start()
    await floor.give(execution, "rule", {"seal": "ok"})
    assert await floor.unmet(execution) == {}
    await floor.withdraw(execution, "rule")
    assert await floor.unmet(execution) == {"rule": "the check is not passed"}


async def test_children_meet_their_requirement_when_they_completed(floor: Floor) -> None:
    await floor.approve(gate("noop", "checklist", items=["x"]))
    child = floor.process
    await floor.approve(gate("pilot", "child_workflow", process_id=str(child.id), count=2))
    [execution] = await floor.start()
    assert await floor.unmet(execution) == {"pilot": "0 of 2 child workflows completed"}
    for number, status in ((1, "completed"), (2, "cancelled")):
        await floor.sql(
            "INSERT INTO workflow_instance (tenant_id, id, process_id, identifier, status, completed_at, triggered_by,"
            " triggered_requirement_id, child_no) SELECT :t, gen_random_uuid(), :p, :i, :s, now(), :e, :r, :n",
            t=floor.tenant, p=child.id, i=f"C-{number}", s=status, e=execution, r=floor.requirement("pilot"), n=number,
        )  # fmt: skip
    assert await floor.unmet(execution) == {"pilot": "1 of 2 child workflows completed (cancelled: C-2)"}
    await floor.sql("UPDATE workflow_instance SET status = 'completed' WHERE identifier = 'C-2'")
    assert await floor.unmet(execution) == {}


async def test_what_is_derived_is_not_completed_by_hand(floor: Floor) -> None:
    await floor.approve(gate("ok", "approval", roles=["approver"]))
    [execution] = await floor.start()
    assert (await refused(floor.give(execution, "ok", {}))).code == "derived_requirement"
    assert (await refused(floor.withdraw(execution, "ok"))).code == "derived_requirement"


async def test_optional_requirements_never_block(floor: Floor) -> None:
    await floor.approve(gate("checks", "checklist", items=["x"], is_mandatory=False))
    [execution] = await floor.start()
    assert await floor.unmet(execution) == {}
    await floor.give(execution, "checks", {"checked_items": [0]})


async def test_an_ordered_step_is_worked_in_order(floor: Floor) -> None:
    first, then = gate("first", "checklist", items=["x"], order=1), gate("then", "form", schema={}, order=2)
    await floor.approve(first, then, gate("ok", "approval", roles=["approver"], order=3), ordered=True)
    [execution] = await floor.start()
    error = await refused(floor.give(execution, "then", {"submitted_data": {}}))
    assert (error.code, error.params["before"]) == ("requirement_out_of_order", "First")
    assert (await refused(floor.decide(execution, "ok", "ava"))).code == "requirement_out_of_order"
    await floor.give(execution, "first", {"checked_items": [0]})
    await floor.give(execution, "then", {"submitted_data": {}})
    await floor.decide(execution, "ok", "ava")
    assert await floor.unmet(execution) == {}


async def test_an_item_may_demand_a_photo(floor: Floor) -> None:
    await floor.approve(gate("checks", "checklist", items=[{"label": "Label", "needs_photo": True}]))
    [execution] = await floor.start()
    for bad in ({"item": 0}, {"item": 0, "photo": str(floor.tenant)}):
        error = await refused(floor.give(execution, "checks", {"checked_items": [bad]}))
        assert error.params["errors"][0]["pointer"] == "/checked_items/0/photo"
    photo = {"item": 0, "photo": await floor.upload(release=False)}
    assert (await floor.give(execution, "checks", {"checked_items": [photo]})).reason is None


async def test_a_type_whose_package_is_gone_lets_nothing_pass_and_says_so(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.approve(CHECKLIST, gate("form", "form", schema=SCHEMA, is_mandatory=False))
    [execution] = await floor.start()
    ticks = {"checked_items": ["Deburred", "Clean", {"item": "Torque", "value": 12.5}]}
    await floor.give(execution, "checks", ticks)
    assert await floor.unmet(execution) == {}
    left = {name: kind for name, kind in registry.kinds().items() if name != "checklist"}
    with monkeypatch.context() as without:
        without.setattr(registry, "kinds", lambda: left)
        reason = "requirements of the type 'checklist' are not installed here; have an administrator install them"
        assert await floor.unmet(execution) == {"checks": reason}
        assert (await floor.shown(execution, "checks"))["reason"] == reason
        error = await refused(floor.give(execution, "checks", ticks))
        assert (error.code, reason[1:] in error.params["errors"][0]["message"]) == ("evidence_invalid", True)
        assert (await floor.give(execution, "form", {"submitted_data": {"lot": "A7"}})).reason is None
    assert await floor.unmet(execution) == {}, "what was given is there when the package is"
