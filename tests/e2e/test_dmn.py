"""A table that was drawn in a modeller decides which way a part goes."""

from pathlib import Path
from uuid import uuid4

from tests.e2e.people import Json, Person
from tests.e2e.walk import complete, eventually

RELEASE = (Path(__file__).parents[1] / "decisions" / "release.dmn").read_bytes()


def imported(person: Person) -> Json:
    answer = person.http.post(
        "/api/decision-tables/import/",
        params={"names_from": "subject.attributes"},
        content=RELEASE,
        headers={"content-type": "application/xml"},
    )
    assert answer.status_code == 200, answer.text
    (table,) = answer.json()["tables"]
    return dict(table["decision_table"])


def until_completed(person: Person, path: str) -> None:
    eventually(lambda: person.get(path), lambda found: found["status"] == "completed")


def test_an_imported_table_decides_which_way_parts_go(admin: Person, engineer: Person) -> None:
    ways = ("scrap", "stock", "rework")
    sort = {
        "key": "sort", "name": "Sort", "is_decision_point": True, "decision_type": "decision_table",
        "requires_operator_completion": False, "config": {"decision_table": imported(engineer)},
    }  # fmt: skip
    graph = {
        "steps": [
            {"key": "look", "name": "Look"}, sort,
            *({"key": way, "name": way.title(), "is_terminal": True} for way in ways),
        ],
        "edges": [
            {"from_step": "look", "to_step": "sort"},
            *({"from_step": "sort", "to_step": way, "edge_type": "alternate", "condition": way} for way in ways),
        ],
    }  # fmt: skip
    body = {"name": f"Sorting {uuid4().hex[:6]}", "category": "quality", "subject_type": "Part", "graph": graph}
    draft = engineer.post("/api/processes/", body, expect=201)
    process = admin.post(f"/api/processes/{draft['id']}/approve/")
    for size, grade, way in ((25, "A", "scrap"), (20.5, "B", "stock"), (20, "C", "rework")):
        attributes = {"size": size, "grade": grade}
        part = {"subject_type": "Part", "identifier": f"DMN-{uuid4().hex[:8]}", "attributes": attributes}
        started = engineer.post("/api/workflows/", {"process": process["id"], "subjects": [part]}, expect=201)
        complete(engineer, engineer.open_execution(started["id"])["id"])
        path = f"/api/workflows/{started['id']}/"
        until_completed(engineer, path)
        assert {one["step"]["key"] for one in engineer.items(f"{path}executions/")} == {"look", "sort", way}
