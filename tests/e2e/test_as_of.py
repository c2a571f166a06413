"""Any moment of a workflow can be asked for over HTTP, and its rows prove themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.e2e.people import Json, Person
from tests.e2e.product import Product
from tests.e2e.walk import instantiate
from tests.store.scene import as_superuser


def test_a_workflow_is_shown_as_it_was(admin: Person, engineer: Person, quality_manager: Person) -> None:
    process = instantiate(admin, "CAPA_8D")
    subject = {"subject_type": "CAPA", "identifier": f"CAPA-{uuid4().hex[:6]}"}
    started = engineer.post(
        "/api/workflows/",
        {"process": process["id"], "subjects": [subject], "name": "First", "context": {"line": 1}},
        expect=201,
    )
    path = f"/api/workflows/{started['id']}/"
    at_first = _now(engineer, path)
    quality_manager.patch(path, {"owner": _id(quality_manager), "name": "Second", "due_date": "2031-05-01"})
    execution = engineer.open_execution(started["id"])
    engineer.post(f"/api/executions/{execution['id']}/claim/")
    claimed = _now(engineer, path)
    quality_manager.patch(path, {"status": "cancelled", "reason": "A duplicate of another one."})

    first = engineer.get(path, as_of=at_first)
    assert (first["name"], first["due_date"], first["status"]) == ("First", None, "in_progress")
    assert first["owner"]["username"] == engineer.username
    assert first["context"] == {"line": 1}
    then = engineer.get(path, as_of=claimed)
    assert (then["name"], then["due_date"], then["status"]) == ("Second", "2031-05-01", "in_progress")
    assert then["owner"]["username"] == quality_manager.username
    assert then["journal_seq"] > first["journal_seq"]
    assert datetime.fromisoformat(then["as_of"]) == datetime.fromisoformat(claimed)
    (open_one,) = engineer.items(f"{path}executions/", as_of=claimed, status="claimed")
    assert open_one["assigned_to"]["username"] == engineer.username
    assert then["current_execution"] == open_one["id"] == execution["id"]
    assert engineer.items(f"{path}executions/", as_of=at_first)[0]["assigned_to"] is None
    now = engineer.get(path)
    assert (now["status"], now["owner"]["username"]) == ("cancelled", quality_manager.username)
    assert now["current_execution"] is None
    assert "as_of" not in now


def test_moments_that_cannot_be_told_are_problems(admin: Person, engineer: Person) -> None:
    process = instantiate(admin, "CAPA_8D")
    subject = {"subject_type": "CAPA", "identifier": f"CAPA-{uuid4().hex[:6]}"}
    started = engineer.post("/api/workflows/", {"process": process["id"], "subjects": [subject]}, expect=201)
    path = f"/api/workflows/{started['id']}/"
    before = datetime.fromisoformat(started["created_at"]) - timedelta(days=1)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert engineer.get(path, 404, as_of=before.isoformat())["code"] == "as_of_before_start"
    assert engineer.get(f"{path}executions/", 404, as_of=before.isoformat())["code"] == "as_of_before_start"
    assert engineer.get(path, 422, as_of=later.isoformat())["code"] == "as_of_in_future"
    assert engineer.get(f"/api/workflows/{uuid4()}/", 404, as_of=before.isoformat())["code"] == "not_found"
    for wrong in ("yesterday", "2026-03-31", "2026-03-31T10:00:00", "1774951200", "2026-13-31T10:00:00Z", ""):
        assert engineer.get(path, 422, as_of=wrong)["code"] == "request_invalid"


def test_a_past_that_cannot_be_told_any_more_is_a_problem_and_the_present_is_shown(
    admin: Person, engineer: Person, quality_manager: Person, product: Product
) -> None:
    process = instantiate(admin, "CAPA_8D")
    capas = [{"subject_type": "CAPA", "identifier": f"CAPA-{uuid4().hex[:6]}"} for _ in range(2)]
    started, other = (
        engineer.post("/api/workflows/", {"process": process["id"], "subjects": [one]}, expect=201) for one in capas
    )
    own = engineer.open_execution(started["id"])["subject"]["id"]
    path = f"/api/workflows/{started['id']}/"
    swap = "UPDATE workflow_subject SET subject_id = (SELECT subject_id FROM workflow_subject WHERE instance_id = %s)"
    now = datetime.now(UTC).isoformat()
    as_superuser(product.database_url, f"{swap} WHERE instance_id = %s", other["id"], started["id"])
    problem = engineer.get(path, 500, as_of=now)
    assert (problem["code"], "its subjects" in problem["detail"]) == ("history_damaged", True)
    assert engineer.get(f"{path}executions/", 500, as_of=now)["code"] == "history_damaged"
    assert engineer.get(path)["identifier"] == started["identifier"]
    assert not quality_manager.get(f"{path}verify/")["clean"]
    put_back = "UPDATE workflow_subject SET subject_id = %s WHERE instance_id = %s"
    as_superuser(product.database_url, put_back, own, started["id"])
    assert engineer.get(path, as_of=now)["identifier"] == started["identifier"]


def test_a_workflow_proves_itself_to_whoever_reads_the_audit_trail(
    admin: Person, engineer: Person, quality_manager: Person, product: Product
) -> None:
    process = instantiate(admin, "CAPA_8D")
    subject = {"subject_type": "CAPA", "identifier": f"CAPA-{uuid4().hex[:6]}"}
    started = engineer.post("/api/workflows/", {"process": process["id"], "subjects": [subject]}, expect=201)
    path = f"/api/workflows/{started['id']}/verify/"
    proof = quality_manager.get(path)
    assert (proof["clean"], proof["differences"], proof["chain_problems"]) == (True, [], [])
    assert engineer.get(path, 403)["code"] == "forbidden"
    as_superuser(product.database_url, "UPDATE workflow_instance SET name = 'forged' WHERE id = %s", started["id"])
    (difference,) = quality_manager.get(path)["differences"]
    assert (difference["rows"], difference["journal"]) == ("forged", "")
    code, report = product.verify()
    assert (code, report["clean"], len(report["differences"])) == (1, False, 1)
    code, report = product.verify("--repair")
    assert (code, report["clean"], len(report["repaired"])) == (0, True, 1)
    assert quality_manager.get(path)["clean"]
    (repaired,) = [one for one in quality_manager.items(path.replace("verify", "audit")) if "repaired" in one["action"]]
    assert repaired["actor"]["username"] == "system"


def _id(person: Person) -> Any:
    return person.get("/api/me/")["id"]


def _now(person: Person, path: str) -> str:
    """A moment after all that was answered and before all that is asked from here on, by the workflow's clock."""
    newest: list[Json] = person.items(f"{path}executions/")
    moments = [one[name] for one in newest for name in ("entered_at", "started_at") if one[name]]
    now: str = max([*moments, datetime.now(UTC).isoformat()], key=datetime.fromisoformat)
    return now
