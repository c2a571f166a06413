"""Commands to executions: outcomes, refusals, idempotency, waiting, bulk, acting for others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from api.acceptance import Acceptance
from tests.api.caller import AuditReader, Caller, Json, hired
from tests.api.engine import EngineDouble


@pytest.fixture(scope="module")
def process(admin: Caller) -> Json:
    return admin.process()


@pytest.fixture
def execution(engine: EngineDouble, engineer: Caller, process: Json) -> Json:
    """A pending execution."""
    return engineer.executions(engineer.workflow(process))[0]


def test_claim_start_release_and_complete_answer_with_the_execution(execution: Json, operator: Caller) -> None:
    path = f"/api/executions/{execution['id']}/"
    claimed = operator.post(f"{path}claim/")
    assert claimed["outcome"] == "claimed"
    assert claimed["execution"]["assigned_to"] == {"id": operator.id, "username": operator.username}
    assert operator.post(f"{path}start/", {})["outcome"] == "started"
    assert operator.post(f"{path}release/", {"reason": "Shift ends."})["outcome"] == "released"
    done = operator.post(f"{path}complete/", {"decision_result": "pass", "notes": "Good."})
    assert (done["outcome"], done["next"]) == ("advanced", [])
    command = operator.get(f"/api/commands/{done['command_id']}/")
    assert command["outcome"] == "accepted"
    assert command["execution_ids"] == [execution["id"]]
    assert command["actor"]["username"] == operator.username


def test_unmet_requirements_block_and_are_listed(execution: Json, engine: EngineDouble, operator: Caller) -> None:
    unmet = [{"requirement_id": str(uuid4()), "name": "Record", "reason": "2 items are not done"}]
    engine.refuse("requirements_unmet", unmet=unmet)
    refused = operator.post(f"/api/executions/{execution['id']}/complete/", {}, 409)
    assert (refused["code"], refused["outcome"], refused["unmet"]) == ("requirements_unmet", "blocked", unmet)
    assert refused["command_id"]


def test_a_refusal_says_who_and_what_to_do(execution: Json, engine: EngineDouble, operator: Caller) -> None:
    engine.refuse("already_claimed", assignee="1", assignee_name="Ann")
    refused = operator.post(f"/api/executions/{execution['id']}/claim/", {}, 409)
    assert refused["detail"].startswith("Ann works on this execution.")
    assert refused["status"] == 409


def test_the_same_key_gives_the_same_answer_and_another_body_is_refused(
    execution: Json, engine: EngineDouble, operator: Caller, quality: Caller
) -> None:
    path = f"/api/executions/{execution['id']}/claim/"
    key: Json = {"Idempotency-Key": uuid4().hex}
    first = operator.post(path, **key)
    second = operator.post(path, **key)
    assert first == second
    assert len(engine.signals) == 1
    other = f"/api/executions/{execution['id']}/start/"
    assert operator.post(other, expect=422, **key)["code"] == "idempotency_conflict"
    assert quality.post(path, **key)["command_id"] != first["command_id"]


def test_a_request_that_comes_several_times_at_once_is_one_command(
    execution: Json, engine: EngineDouble, operator: Caller
) -> None:
    key: Json = {"Idempotency-Key": uuid4().hex}
    path = f"/api/executions/{execution['id']}/claim/"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: operator.post(path, **key), range(8)))
    assert answers == [answers[0]] * 8
    assert {one for _, ids in engine.signals for one in map(str, ids)} == {answers[0]["command_id"]}


def test_a_repeated_refusal_is_the_same_refusal(execution: Json, engine: EngineDouble, operator: Caller) -> None:
    engine.refuse("on_hold")
    key: Json = {"Idempotency-Key": uuid4().hex}
    path = f"/api/executions/{execution['id']}/claim/"
    first = operator.post(path, expect=409, **key)
    assert operator.post(path, expect=409, **key) == first


def test_on_request_the_answer_does_not_wait(execution: Json, engine: EngineDouble, operator: Caller) -> None:
    engine.hears = False
    answer = operator.ask("POST", f"/api/executions/{execution['id']}/claim/", headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    place = answer.headers["location"]
    assert operator.get(place)["outcome"] is None
    engine.hears = True
    answer_again = operator.post(f"/api/executions/{execution['id']}/start/")
    assert answer_again["outcome"] == "started"


def test_nobody_is_told_of_a_command_that_the_database_forgot(
    execution: Json, engine: EngineDouble, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.hears = False

    async def forgotten(*_: object) -> bool:
        return False

    monkeypatch.setattr(Acceptance, "keep", forgotten)
    answer = operator.ask("POST", f"/api/executions/{execution['id']}/claim/", headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_an_outcome_that_comes_late_is_waited_for(execution: Json, engine: EngineDouble, operator: Caller) -> None:
    engine.hears = False
    key: Json = {"Idempotency-Key": uuid4().hex}
    path = f"/api/executions/{execution['id']}/claim/"
    answers: list[Json] = []
    waiting = threading.Thread(target=lambda: answers.append(operator.post(path, **key)))
    waiting.start()
    while not engine.signals:
        time.sleep(0.01)
    engine.hears = True
    assert operator.post(path, **key)["outcome"] == "claimed"
    waiting.join()
    assert answers[0]["outcome"] == "claimed"


def test_unknown_and_foreign_executions_are_not_found(
    execution: Json, engine: EngineDouble, operator: Caller, foreigner: Caller
) -> None:
    for caller, path in ((operator, f"/api/executions/{uuid4()}"), (foreigner, f"/api/executions/{execution['id']}")):
        for action in ("claim", "start", "complete", "release"):
            assert caller.post(f"{path}/{action}/", expect=404)["code"] == "execution_unknown"
        assert caller.get(f"{path}/", 404)["code"] == "execution_unknown"
    assert engine.signals == []


def test_without_the_permission_nothing_is_written_but_the_attempt(
    execution: Json, engine: EngineDouble, auditor: Caller, operator: Caller, audit: AuditReader
) -> None:
    path = f"/api/executions/{execution['id']}"
    assert auditor.post(f"{path}/claim/", expect=403)["permission"] == "execution.work"
    assert audit("access.refused", auditor.id)["new"]["attempted"] == f"POST {path}/claim/"
    force = {"force": {"reason": "The customer is waiting."}}
    assert operator.post(f"{path}/complete/", force, 403)["permission"] == "execution.force"
    assert operator.post(f"{path}/signoff/", {}, 403)["permission"] == "execution.signoff"
    assert engine.signals == []


def test_a_closed_workflow_takes_no_commands(
    engine: EngineDouble, engineer: Caller, quality: Caller, process: Json
) -> None:
    workflow = engineer.workflow(process)
    [execution] = engineer.executions(workflow)
    key: Json = {"Idempotency-Key": uuid4().hex}
    path = f"/api/executions/{execution['id']}/claim/"
    first = engineer.post(path, **key)
    quality.patch(f"/api/workflows/{workflow['id']}/", {"status": "cancelled", "reason": "Not needed."})
    assert engineer.post(path, expect=409)["code"] == "instance_closed"
    assert engineer.post(path, **key) == first


def test_bulk_answers_for_each(engine: EngineDouble, engineer: Caller, operator: Caller, process: Json) -> None:
    first, second = engineer.workflow(process, 3), engineer.workflow(process)
    ids = [one["id"] for workflow in (first, second) for one in engineer.executions(workflow)]
    done = operator.post("/api/executions/bulk/", {"action": "claim", "execution_ids": ids})
    assert [one["execution_id"] for one in done["items"]] == ids
    assert {one["outcome"] for one in done["items"]} == {"claimed"}
    assert len(done["command_ids"]) == 2
    engine.refuse("requirements_unmet", unmet=[])
    unknown = str(uuid4())
    mixed = operator.post("/api/executions/bulk/", {"action": "complete", "execution_ids": [*ids, unknown]}, 207)
    statuses = [one["status"] for one in mixed["items"]]
    assert sorted(statuses) == [200, 200, 200, 404, 409]
    assert mixed["items"][-1]["problem"]["code"] == "execution_unknown"
    blocked = next(one for one in mixed["items"] if one["status"] == 409)
    assert blocked["problem"]["outcome"] == "blocked"


def test_bulk_is_repeatable_and_may_be_left_to_itself(
    engine: EngineDouble, engineer: Caller, operator: Caller, process: Json
) -> None:
    ids = [one["id"] for one in engineer.executions(engineer.workflow(process, 3))]
    key: Json = {"Idempotency-Key": uuid4().hex}
    body = {"action": "start", "execution_ids": ids}
    first = operator.post("/api/executions/bulk/", body, **key)
    assert operator.post("/api/executions/bulk/", body, **key) == first
    assert engineer.post("/api/executions/bulk/", {"action": "claim", "execution_ids": [str(uuid4())]}, 207)
    engine.hears = False
    later = operator.ask(
        "POST", "/api/executions/bulk/", json={**body, "action": "release"}, headers={"Prefer": "respond-async"}
    )
    assert later.status_code == 202
    assert {one["status"] for one in later.json()["items"]} == {202}
    for wrong in ([], [ids[0], ids[0]]):
        refused = operator.post("/api/executions/bulk/", {"action": "claim", "execution_ids": wrong}, 422)
        assert refused["code"] == "executions_invalid"


def test_only_an_importer_in_a_sandbox_acts_for_others(
    engine: EngineDouble, execution: Json, quality: Caller, foreigner: Caller
) -> None:
    body = {"on_behalf_of": "Olga of the old system"}
    refused = quality.post(f"/api/executions/{execution['id']}/claim/", body, 403)
    assert refused["code"] == "impersonation_forbidden"
    importer = hired(foreigner, "importer")
    theirs = importer.executions(importer.workflow(foreigner.process()))[0]
    done = importer.post(f"/api/executions/{theirs['id']}/claim/", body)
    command = importer.get(f"/api/commands/{done['command_id']}/")
    assert command["on_behalf_of"] == "Olga of the old system"


def test_the_inbox_shows_what_i_may_do(engine: EngineDouble, engineer: Caller, admin: Caller, process: Json) -> None:
    mark = uuid4().hex[:8]
    workflow = engineer.workflow(process, 3, name=mark, context={"site": "north"})
    ids = {one["id"] for one in engineer.executions(workflow)}
    mine, other = hired(admin, "operator"), hired(admin, "operator")
    assert {one["id"] for one in mine.items("/api/my-tasks/", q=mark, limit=2)} == ids
    taken = min(ids)
    mine.post(f"/api/executions/{taken}/claim/")
    assert {one["id"] for one in mine.items("/api/my-tasks/", q=mark)} == ids
    assert {one["id"] for one in other.items("/api/my-tasks/", q=mark)} == ids - {taken}
    [task] = [one for one in mine.items("/api/my-tasks/", q=mark) if one["id"] == taken]
    assert task["kind"] == "execution"
    assert task["workflow"]["identifier"] == workflow["identifier"]
    assert task["status"] == "claimed"
    for query, expected in (
        ({"category": "quality"}, 3), ({"category": "hr"}, 0), ({"overdue": "true"}, 0), ({"site": "north"}, 3),
        ({"site": "south"}, 0), ({"kind": "approval"}, 0),
    ):  # fmt: skip
        assert len(mine.items("/api/my-tasks/", q=mark, **query)) == expected, query
