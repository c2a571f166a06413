"""Nobody approves what they do, in whichever order they try it."""

from tests.e2e.people import Person, new_person
from tests.e2e.walk import start

GATE = {"key": "ok", "requirement_type": "approval", "name": "Release", "config": {"roles": ["engineer"]}}
GRAPH = {
    "steps": [
        {"key": "one", "name": "One", "requirements": [GATE]},
        {"key": "end", "name": "End", "is_terminal": True},
    ],
    "edges": [],
}


def test_who_approved_first_may_not_do_the_work_afterwards(admin: Person, engineer: Person) -> None:
    draft = admin.post(
        "/api/processes/",
        {"name": "Four eyes", "category": "manufacturing", "subject_type": "Part", "graph": GRAPH},
        expect=201,
    )
    process = admin.post(f"/api/processes/{draft['id']}/approve/")
    workflow = start(admin, process, "Part", "P")
    with new_person(admin, "engineer") as colleague:
        execution = engineer.open_execution(workflow["id"])
        assert engineer.approve_all(execution["id"]) == 1
        refused = engineer.post(f"/api/executions/{execution['id']}/complete/", expect=403)
        assert refused["code"] == "own_approval"
        done = colleague.post(f"/api/executions/{execution['id']}/complete/")
        assert done["outcome"] == "completed"
