"""Control over HTTP: deviations, second persons, previews, undo, incidents, lots; each seen in the audit trail."""

from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.drawing import edge, step
from tests.e2e.people import Json, Person, new_person

WHY = "agreed with the customer"


LINE = {
    "steps": [
        step("wash", requires_batch_completion=True),
        step("inspect", is_decision_point=True),
        step("rework"),
        step("stock", is_terminal=True, terminal_status="in_stock"),
        step("scrap", is_terminal=True, terminal_status="scrapped"),
    ],
    "edges": [
        edge("wash", "inspect"),
        edge("inspect", "stock"),
        edge("inspect", "rework", "alternate"),
        edge("inspect", "scrap", "alternate", "scrap"),
        edge("rework", "inspect"),
    ],
}


def drafted(admin: Person, graph: Json) -> Json:
    """A draft."""
    draft: Json = admin.post(
        "/api/processes/",
        {"name": f"Control {uuid4().hex[:6]}", "category": "manufacturing", "subject_type": "Part", "graph": graph},
        expect=201,
    )
    return draft


def approved(admin: Person, graph: Json) -> Json:
    """An approved process."""
    process: Json = admin.post(f"/api/processes/{drafted(admin, graph)['id']}/approve/")
    return process


def begun(person: Person, process: Json, count: int) -> Json:
    """A running workflow of so many new parts."""
    subjects = [{"subject_type": "Part", "identifier": f"SN-{uuid4().hex[:8]}"} for _ in range(count)]
    workflow: Json = person.post("/api/workflows/", {"process": process["id"], "subjects": subjects}, expect=201)
    return workflow


def executions(person: Person, workflow: Json, **query: str) -> list[Json]:
    """Executions of a workflow."""
    return person.items(f"/api/workflows/{workflow['id']}/executions/", **query)


def open_at(person: Person, workflow: Json, step_key: str) -> list[Json]:
    """Those that are open at a step."""
    return [one for one in executions(person, workflow, step=step_key) if one["exited_at"] is None]


@pytest.fixture(scope="module")
def line(admin: Person) -> Json:
    """Parts that are washed together, inspected, reworked or scrapped."""
    return approved(admin, LINE)


def test_skip_move_and_rewind_one_or_many(admin: Person, engineer: Person, quality_manager: Person, line: Json) -> None:
    workflow = begun(engineer, line, 4)
    first, *others = [one["id"] for one in open_at(engineer, workflow, "wash")]
    refused = engineer.post(f"/api/executions/{first}/skip/", {"reason": WHY}, expect=403)
    assert (refused["code"], refused["permission"]) == ("forbidden", "execution.skip")
    short = quality_manager.post(f"/api/executions/{first}/skip/", {"reason": "too short"}, expect=422)
    assert (short["code"], short["minimum"]) == ("reason_required", 10)

    skipped = quality_manager.post(f"/api/executions/{first}/skip/", {"reason": WHY})
    assert (skipped["outcome"], skipped["execution"]["status"]) == ("skipped", "skipped")
    (inspecting,) = skipped["next"]
    unknown = quality_manager.post(f"/api/executions/{inspecting['id']}/move/", {"reason": WHY, "to_step": "x"}, 422)
    assert unknown["code"] == "step_unknown"
    moved = quality_manager.post(f"/api/executions/{inspecting['id']}/move/", {"reason": WHY, "to_step": "rework"})
    assert moved["next"][0]["step"]["key"] == "rework"
    never = {"reason": WHY, "to_step": "stock"}
    assert (
        quality_manager.post(f"/api/executions/{moved['next'][0]['id']}/rewind/", never, 409)["code"] == "never_visited"
    )
    back = {"reason": WHY, "to_step": "inspect"}
    rewound = quality_manager.post(f"/api/executions/{moved['next'][0]['id']}/rewind/", back)
    assert (rewound["outcome"], rewound["next"][0]["visit_number"]) == ("rewound", 2)
    assert {one["status"] for one in executions(engineer, workflow, step="inspect")} == {"rolled_back", "pending"}

    many = {"action": "move", "execution_ids": others, "to_step": "inspect", "reason": WHY}
    engineer.post("/api/executions/bulk/", many, expect=403)
    answer = quality_manager.post("/api/executions/bulk/", many)
    assert [one["outcome"] for one in answer["items"]] == ["moved"] * 3
    assert len(open_at(engineer, workflow, "inspect")) == 4

    trail = quality_manager.items(f"/api/workflows/{workflow['id']}/audit/")
    diverted = [one for one in trail if one["action"] == "execution_diverted"]
    assert {(one["new"]["how"], one["reason"]) for one in diverted} == {("skip", WHY), ("move", WHY), ("rewind", WHY)}
    assert {one["actor"]["username"] for one in diverted} == {quality_manager.username}


def test_moving_the_last_busy_one_releases_the_batch(engineer: Person, quality_manager: Person, line: Json) -> None:
    workflow = begun(engineer, line, 3)
    busy, *ready = [one["id"] for one in open_at(engineer, workflow, "wash")]
    for one in ready:
        assert engineer.post(f"/api/executions/{one}/complete/")["outcome"] == "waiting"
    quality_manager.post(f"/api/executions/{busy}/move/", {"to_step": "scrap", "reason": WHY})
    assert len(open_at(engineer, workflow, "inspect")) == 2
    assert engineer.get(f"/api/workflows/{workflow['id']}/")["subjects_finished"] == {"scrapped": 1}


def test_subjects_join_and_are_taken_out(engineer: Person, quality_manager: Person, line: Json) -> None:
    workflow = begun(engineer, line, 1)
    late = [{"subject_type": "Part", "identifier": f"LATE-{uuid4().hex[:8]}"} for _ in range(2)]
    path = f"/api/workflows/{workflow['id']}/subjects/"
    joining = {"subjects": late, "to_step": "inspect", "reason": WHY}
    assert engineer.post(path, joining, expect=403)["code"] == "forbidden"
    key: dict[str, Any] = {"Idempotency-Key": uuid4().hex}
    added = quality_manager.post(path, joining, **key)
    assert (added["outcome"], len(added["subject_ids"])) == ("added", 2)
    assert quality_manager.post(path, joining, **key) == added
    assert {one["subject"]["id"] for one in open_at(engineer, workflow, "inspect")} == set(added["subject_ids"])
    existing = {"subjects": [{"subject_id": added["subject_ids"][0]}], "reason": WHY}
    assert quality_manager.post(path, existing, expect=409)["code"] == "subject_present"

    taking = {"subject_ids": added["subject_ids"][:1], "reason": WHY}
    assert quality_manager.post(f"{path}remove/", taking)["outcome"] == "removed"
    assert quality_manager.post(f"{path}remove/", taking, expect=409)["code"] == "subject_finished"
    nobody = {"subject_ids": [str(uuid4())], "reason": WHY}
    assert quality_manager.post(f"{path}remove/", nobody, expect=404)["code"] == "subject_not_here"
    shown = engineer.get(f"/api/workflows/{workflow['id']}/")
    assert (shown["subject_count"], shown["subjects_finished"]) == (3, {"removed": 1})
    actions = [one["action"] for one in quality_manager.items(f"/api/workflows/{workflow['id']}/audit/")]
    assert "subjects_added" in actions


SIGNED = {
    "steps": [
        step("make", requirements=[
            {"key": "sign", "requirement_type": "signature", "name": "Sign", "config": {"meaning": "approved"}},
        ]),
        step("check"),
        step("end", is_terminal=True),
    ],
    "edges": [],
}  # fmt: skip


def test_a_completion_is_undone_with_its_signature_voided(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, approved(admin, SIGNED), 2)
    first, second = [one["id"] for one in open_at(engineer, workflow, "make")]
    for one in (first, second):
        (gate,) = engineer.requirements(one)
        engineer.give(one, gate, quality_manager)
        engineer.post(f"/api/executions/{one}/complete/")
    with new_person(admin, "engineer") as other:
        refused = other.post(f"/api/executions/{first}/undo/", {"reason": WHY}, 403)
        assert refused["permission"] == "execution.undo"
        (after,) = [
            one for one in open_at(engineer, workflow, "check") if one["subject"]["id"] == _subject(other, second)
        ]
        other.post(f"/api/executions/{after['id']}/claim/")
        built_on = engineer.post(f"/api/executions/{second}/undo/", {"reason": WHY}, 409)
        assert (built_on["code"], built_on["built_on"]) == ("undo_built_on", "claimed")
    undone = engineer.post(f"/api/executions/{first}/undo/", {"reason": WHY})
    assert (undone["outcome"], undone["execution"]["status"]) == ("undone", "in_progress")
    (gate,) = engineer.requirements(first)
    assert gate["satisfied"] is False
    assert engineer.post(f"/api/executions/{first}/complete/", expect=409)["code"] == "requirements_unmet"
    engineer.give(first, gate, quality_manager)
    assert engineer.post(f"/api/executions/{first}/complete/")["next"][0]["visit_number"] == 2
    actions = [one["action"] for one in quality_manager.items(f"/api/workflows/{workflow['id']}/audit/")]
    assert {"execution_restored", "signature.voided"} <= set(actions)


def _subject(person: Person, execution: str) -> str:
    found: str = person.get(f"/api/executions/{execution}/")["subject"]["id"]
    return found


def test_three_of_fifty_are_scrapped_and_five_reworked_while_the_others_go_on(
    engineer: Person, quality_manager: Person, line: Json
) -> None:
    workflow = begun(engineer, line, 50)
    washing = [one["id"] for one in open_at(engineer, workflow, "wash")]
    ready = {"action": "complete", "execution_ids": washing[8:]}
    assert {one["outcome"] for one in engineer.post("/api/executions/bulk/", ready)["items"]} == {"waiting"}
    path = f"/api/workflows/{workflow['id']}"
    splitting = {
        "groups": [
            {"lot": "scrap", "execution_ids": washing[:3], "to_step": "scrap"},
            {"lot": "rework", "execution_ids": washing[3:8], "to_step": "rework"},
        ],
        "reason": "Burrs on eight of them.",
    }
    assert engineer.post(f"{path}/split/", splitting, 403)["permission"] == "instance.split"
    assert quality_manager.post(f"{path}/split/", splitting)["outcome"] == "split"
    assert len(open_at(engineer, workflow, "inspect")) == 42
    reworking = open_at(engineer, workflow, "rework")
    assert {one["lot"] for one in reworking} == {"rework"}
    assert engineer.get(f"{path}/")["subjects_finished"] == {"scrapped": 3}
    merging = {"lots": ["rework"], "reason": "Reworked, fine again."}
    assert quality_manager.post(f"{path}/merge/", merging)["outcome"] == "merged"
    assert quality_manager.post(f"{path}/merge/", merging, 409)["code"] == "nothing_to_merge"
    mixed = {"execution_ids": [reworking[0]["id"], open_at(engineer, workflow, "inspect")[0]["id"]], "into": "x"}
    assert quality_manager.post(f"{path}/merge/", {**mixed, "reason": WHY}, 409)["code"] == "lots_apart"


LIMITED = {
    "steps": [step("inspect", is_decision_point=True), step("rework", max_visits=1), step("end", is_terminal=True)],
    "edges": [edge("inspect", "end"), edge("inspect", "rework", "alternate"), edge("rework", "inspect")],
}


def test_an_incident_says_why_and_what_to_do_and_is_tried_again_or_resolved(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, approved(admin, LIMITED), 1)

    def fail(expect: int = 200) -> Json:
        execution = engineer.open_execution(workflow["id"])
        answer: Json = engineer.post(f"/api/executions/{execution['id']}/complete/", {"decision_result": "no"}, expect)
        return answer

    fail()
    fail()
    assert fail(409)["code"] == "visit_limit_reached"
    (incident,) = engineer.items("/api/incidents/", state="open", workflow=workflow["id"], code="visit_limit_reached")
    shown = engineer.get(f"/api/incidents/{incident['id']}/")
    assert "1 times" in shown["message"]
    assert "force" in shown["what_to_do"]
    assert shown["can_retry"] is True
    assert [one["action"] for one in shown["history"]] == ["command_refused", "incident_opened"]
    path = f"/api/incidents/{incident['id']}"
    assert engineer.post(f"{path}/retry/", {"note": "again"}, 403)["permission"] == "ops.incident_resolve"
    assert quality_manager.post(f"{path}/resolve/", {"note": "short"}, 422)["code"] == "reason_required"
    assert quality_manager.post(f"{path}/retry/", {"note": "again"})["outcome"] == "retried"
    assert quality_manager.post(f"{path}/retry/", expect=409)["code"] == "incident_closed"
    assert fail(409)["code"] == "visit_limit_reached"
    (second,) = engineer.items("/api/incidents/", state="open", workflow=workflow["id"])
    resolved = quality_manager.post(f"/api/incidents/{second['id']}/resolve/", {"note": "The board decides."})
    assert resolved["outcome"] == "resolved"
    assert len(engineer.items("/api/incidents/", state="resolved", workflow=workflow["id"])) == 2
    assert engineer.get(f"/api/incidents/{second['id']}/")["resolved_by"]["username"] == quality_manager.username


GUARDED = {
    "steps": [
        step("make", config={"deviation": {"second_person": True}}, requirements=[
            {"key": "list", "requirement_type": "checklist", "name": "List", "config": {"items": ["clean"]}},
        ]),
        step("after"),
        step("end", is_terminal=True),
    ],
    "edges": [],
}  # fmt: skip


def test_a_deviation_that_needs_two_persons_waits_for_the_second(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, approved(admin, GUARDED), 3)
    first, second, third = [one["id"] for one in open_at(engineer, workflow, "make")]
    waiting = quality_manager.post(f"/api/executions/{first}/skip/", {"reason": WHY}, 202)
    assert waiting["outcome"] == "awaiting_second_person"
    path = f"/api/commands/{waiting['command_id']}"
    shown = engineer.get(f"{path}/")
    assert (shown["outcome"], shown["kind"], shown["args"]["reason"]) == ("proposed", "skip", WHY)
    assert open_at(engineer, workflow, "after") == []
    assert quality_manager.post(f"{path}/confirm/", expect=403)["code"] == "self_confirmation"
    assert engineer.post(f"{path}/confirm/", expect=403)["permission"] == "execution.skip"
    assert [one for one in quality_manager.items("/api/my-tasks/", kind="deviation") if one["id"] == shown["id"]] == []

    with new_person(admin, "quality_manager") as other:
        tasks = [one for one in other.items("/api/my-tasks/", kind="deviation") if one["id"] == shown["id"]]
        assert [(one["kind"], one["execution"]["id"]) for one in tasks] == [("deviation", first)]
        confirmed = other.post(f"{path}/confirm/")
        assert (confirmed["outcome"], confirmed["response"]["outcome"]) == ("accepted", "skipped")
        assert confirmed["confirmed_by"]["username"] == other.username
        assert other.post(f"{path}/confirm/", expect=409)["code"] == "not_proposed"
        assert len(open_at(engineer, workflow, "after")) == 1

        force = {"force": {"reason": "signed on paper before"}}
        forced = quality_manager.post(f"/api/executions/{second}/complete/", force, 202)
        rejecting = {"reason": "The paper is missing."}
        rejected = other.post(f"/api/commands/{forced['command_id']}/reject/", rejecting)
        assert (rejected["outcome"], rejected["response"]["code"]) == ("refused", "deviation_rejected")

        many = {"action": "move", "execution_ids": [second, third], "to_step": "after", "reason": WHY}
        bulk = quality_manager.post("/api/executions/bulk/", many, 207)
        assert {one["outcome"] for one in bulk["items"]} == {"awaiting_second_person"}
        other.post(f"/api/commands/{bulk['command_ids'][0]}/confirm/")
        assert len(open_at(engineer, workflow, "after")) == 3

        joining = {"subjects": [{"subject_type": "Part", "identifier": f"J-{uuid4().hex[:8]}"}], "reason": WHY}
        added = quality_manager.post(f"/api/workflows/{workflow['id']}/subjects/", joining, 202)
        assert any(one["id"] == added["command_id"] for one in other.items("/api/my-tasks/", kind="deviation"))
        other.post(f"/api/commands/{added['command_id']}/confirm/")
        assert len(open_at(engineer, workflow, "make")) == 1

        trail = other.items(f"/api/workflows/{workflow['id']}/audit/")
        names = {one["action"]: one for one in trail}
        assert names["deviation.proposed"]["actor"]["username"] == quality_manager.username
        assert names["deviation.rejected"]["actor"]["username"] == other.username
        assert names["deviation_confirmed"]["new"]["confirmer"] == other.username
        assert names["deviation_confirmed"]["actor"]["username"] == quality_manager.username


def test_a_deviation_stays_proposed_during_a_hold_and_is_not_confirmed_once_the_workflow_is_over(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    workflow = begun(engineer, approved(admin, GUARDED), 2)
    first, second = [one["id"] for one in open_at(engineer, workflow, "make")]
    skips = [quality_manager.post(f"/api/executions/{one}/skip/", {"reason": WHY}, 202) for one in (first, second)]
    confirm, later = [f"/api/commands/{one['command_id']}/confirm/" for one in skips]
    path, why = f"/api/workflows/{workflow['id']}/", "The customer is being asked."
    with new_person(admin, "quality_manager") as other:
        other.patch(path, {"status": "on_hold", "reason": why})
        assert other.post(confirm, expect=409)["code"] == "on_hold"
        other.patch(path, {"status": "in_progress", "reason": why})
        assert other.post(confirm)["response"]["outcome"] == "skipped"
        other.patch(path, {"status": "cancelled", "reason": why})
        assert other.post(later, expect=409)["code"] == "instance_closed"


def test_a_process_may_demand_two_persons_at_every_step(
    admin: Person, engineer: Person, quality_manager: Person
) -> None:
    plain = {**GUARDED, "steps": [step("make"), step("after"), step("end", is_terminal=True)]}
    mistyped = drafted(admin, {**plain, "config": {"deviation": {"second_person": ["skipp"]}}})
    (problem,) = admin.post(f"/api/processes/{mistyped['id']}/validate/")["problems"]
    assert (problem["code"], problem["path"]) == ("unknown_word", "config.deviation.second_person[0]")
    assert "skip" in problem["message"]

    demanding = {**plain, "config": {"deviation": {"second_person": ["skip"]}}}
    workflow = begun(engineer, approved(admin, demanding), 1)
    (first,) = [one["id"] for one in open_at(engineer, workflow, "make")]
    waiting = quality_manager.post(f"/api/executions/{first}/skip/", {"reason": WHY}, 202)
    assert waiting["outcome"] == "awaiting_second_person"
    moved = quality_manager.post(f"/api/executions/{first}/move/", {"reason": WHY, "to_step": "after"})
    assert moved["outcome"] == "moved", "only what the process demands waits for the second"


def test_a_preview_of_subjects_that_join_says_who_they_are_and_refuses_who_cannot(
    admin: Person, quality_manager: Person, line: Json
) -> None:
    workflow = begun(quality_manager, line, 1)
    part = admin.post("/api/subjects/", {"subject_type": "Part", "identifier": f"SN-{uuid4().hex[:8]}"}, expect=201)
    other = admin.post("/api/subjects/", {"subject_type": "WorkOrder", "identifier": uuid4().hex[:8]}, expect=201)
    path, asked = f"/api/workflows/{workflow['id']}/preview/", {"action": "add_subjects", "to_step": "inspect"}
    seen = quality_manager.post(path, {**asked, "subject_ids": [part["id"]]})
    (joins,) = seen["subjects"]
    assert (joins["subject"]["identifier"], joins["asked"]) == (part["identifier"], True)
    assert [(one["step"], one["status"]) for one in joins["opens"]] == [("inspect", "pending")]
    for ids, status, code in (
        ([other["id"]], 422, "subject_type_mismatch"),
        ([str(uuid4())], 404, "not_found"),
        ([], 422, "subjects_required"),
    ):
        assert quality_manager.post(path, {**asked, "subject_ids": ids}, expect=status)["code"] == code


def test_a_preview_says_what_would_happen_to_whom_and_writes_nothing(
    admin: Person, engineer: Person, quality_manager: Person, line: Json
) -> None:
    workflow = begun(engineer, line, 3)
    busy, *ready = [one["id"] for one in open_at(engineer, workflow, "wash")]
    for one in ready:
        engineer.post(f"/api/executions/{one}/complete/")
    path = f"/api/workflows/{workflow['id']}"
    before = quality_manager.items(f"{path}/audit/")

    moving = {"action": "move", "execution_ids": [busy], "to_step": "scrap"}
    seen = quality_manager.post(f"{path}/preview/", moving)
    assert (seen["problem"], seen["second_person"], seen["subject_count"]) == (None, False, 3)
    mine, *carried = seen["subjects"]
    assert mine["happens"] == [
        "leaves 'Wash', which is cancelled",
        "enters 'Scrap'",
        "completes 'Scrap'",
        "ends as scrapped",
    ]
    assert (mine["asked"], mine["closes"][0]["status"]) == (True, "cancelled")
    assert [(one["asked"], one["happens"]) for one in carried] == [
        (False, ["completes 'Wash'", "enters 'Inspect'"])
    ] * 2
    assert {one["subject"]["type"] for one in seen["subjects"]} == {"Part"}

    refused = engineer.post(f"{path}/preview/", moving)
    assert refused["subjects"][0]["problem"]["code"] == "forbidden"
    again = {"action": "complete", "execution_ids": [ready[0], busy]}
    done = engineer.post(f"{path}/preview/", again)["subjects"]
    assert {(one["problem"] or {}).get("code") for one in done if one["asked"]} == {None, "already_done"}
    everybody = [one["subject"]["id"] for one in open_at(engineer, workflow, "wash")]
    gone = quality_manager.post(f"{path}/preview/", {"action": "remove_subjects", "subject_ids": everybody})
    assert gone["workflow"] == ["the workflow is cancelled"]
    for action, words in (("hold", "the workflow is held"), ("cancel", "the workflow is cancelled")):
        assert quality_manager.post(f"{path}/preview/", {"action": action})["workflow"] == [words]
    split = {"action": "split", "groups": [{"lot": "x", "execution_ids": [busy], "to_step": "rework"}]}
    assert quality_manager.post(f"{path}/preview/", split)["subject_count"] == 3
    undone = {"action": "undo", "execution_ids": [ready[0]]}
    assert engineer.post(f"{path}/preview/", undone)["subjects"][0]["problem"]["code"] == "nothing_to_undo"

    assert quality_manager.items(f"{path}/audit/") == before
    assert len(open_at(engineer, workflow, "wash")) == 3
    two = begun(engineer, approved(admin, GUARDED), 1)
    (execution,) = open_at(engineer, two, "make")
    asked = {"action": "skip", "execution_ids": [execution["id"]]}
    guarded = quality_manager.post(f"/api/workflows/{two['id']}/preview/", asked)
    assert (guarded["second_person"], guarded["subjects"][0]["problem"]) == (True, None)
