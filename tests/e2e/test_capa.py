"""A CAPA from D1 to closure over HTTP, with a "No" at D8 that leads back to D4 with fresh gates."""

from typing import Any

from tests.e2e.people import Person
from tests.e2e.walk import complete, instantiate, meet

Json = dict[str, Any]


def test_a_capa_runs_end_to_end(admin: Person, engineer: Person, quality_manager: Person) -> None:
    process = instantiate(admin, "CAPA_8D")
    subject = engineer.post(
        "/api/subjects/",
        {
            "subject_type": "CAPA",
            "title": "Porosity in bore",
            "attributes": {"severity": "major", "source": "complaint"},
        },
        expect=201,
    )
    started = engineer.post(
        "/api/workflows/",
        {"process": process["id"], "subjects": [{"subject_type": "CAPA", "subject_id": subject["id"]}]},
        expect=201,
    )
    workflow = started["id"]
    assert started["identifier"].startswith("QA-")

    walked: list[str] = []
    visits: list[tuple[str, int]] = []
    answered_no = False
    for _ in range(20):
        execution = engineer.open_execution(workflow)
        key = execution["step"]["key"]
        walked.append(key)
        visits.append((key, execution["visit_number"]))
        inbox = engineer.items("/api/my-tasks/", category="quality")
        assert execution["id"] in {one["execution"]["id"] for one in inbox if one["kind"] == "execution"}
        listed = next(one for one in engineer.items("/api/workflows/", status="in_progress") if one["id"] == workflow)
        assert listed["identifier"] == started["identifier"]
        refused = engineer.post(f"/api/executions/{execution['id']}/complete/", {"decision_result": "yes"}, expect=409)
        assert refused["code"] == "requirements_unmet"
        assert refused["outcome"] == "blocked"
        assert refused["unmet"]
        meet(execution["id"], engineer, quality_manager)
        assert all(one["satisfied"] for one in engineer.requirements(execution["id"]) if one["is_mandatory"])
        if key == "d8" and not answered_no:
            answered_no = True
            back = complete(engineer, execution["id"], decision_result="No")
            assert [one["step"]["key"] for one in back["next"]] == ["d4"]
            fresh = engineer.requirements(back["next"][0]["id"])
            assert not any(one["satisfied"] for one in fresh)
            continue
        body = {"decision_result": "yes"} if key == "d8" else {}
        if complete(engineer, execution["id"], **body)["outcome"] == "completed":
            break

    assert walked == ["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d4", "d5", "d6", "d7", "d8", "closure"]
    assert ("d4", 2) in visits
    finished = engineer.get(f"/api/workflows/{workflow}/")
    assert finished["status"] == "completed"
    assert workflow in {one["id"] for one in engineer.items("/api/workflows/", status="completed", category="quality")}
    trail = quality_manager.items(f"/api/workflows/{workflow}/audit/")
    actions = [one["action"] for one in trail]
    assert actions.count("execution_completed") == len(walked)
    assert "instance_completed" in actions
    assert {"command_refused"} <= set(actions)
