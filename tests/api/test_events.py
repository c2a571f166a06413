"""Events over HTTP: taken once, found, listed; for those who may."""

from uuid import uuid4

from tests.api.caller import AuditReader, Caller, hired, process_body


def test_an_event_is_taken_once_and_answered_alike(
    quality: Caller, operator: Caller, foreigner: Caller, audit: AuditReader
) -> None:
    key = f"PO-{uuid4().hex[:8]}"
    body = {"name": "goods_received", "key": key, "data": {"quantity": 40}, "id": f"erp-{key}"}
    made = quality.post("/api/events/", body, 202)
    assert (made["name"], made["key"], made["data"], made["reached"]) == ("goods_received", key, {"quantity": 40}, 0)
    assert quality.post("/api/events/", body, 202) == made
    other = quality.post("/api/events/", {**body, "data": {"quantity": 41}}, 422)
    assert (other["code"], other["id"]) == ("event_changed", body["id"])
    assert operator.get(f"/api/events/{made['id']}/") == {**made, "deliveries": []}
    second = quality.post("/api/events/", {"name": "goods_received", "key": key}, 202)
    assert operator.items("/api/events/", key=key, limit=1) == [second, made]
    assert operator.items("/api/events/", key=key, name="paid") == []
    assert audit("event.posted", quality.id)["new"]["key"] == key
    assert foreigner.get(f"/api/events/{made['id']}/", 404)["code"] == "not_found"
    assert foreigner.items("/api/events/", key=key) == []
    assert foreigner.post("/api/events/", body, 202)["id"] != made["id"]


def test_a_cloud_event_is_an_event(quality: Caller) -> None:
    key = f"PO-{uuid4().hex[:8]}"
    body = {
        "specversion": "1.0", "type": "com.example.paid", "source": "/erp", "id": "A-1", "subject": key,
        "time": "2026-11-23T00:00:00Z", "datacontenttype": "application/json", "data": {"amount": 3}, "extra": "x",
    }  # fmt: skip
    kind = {"content-type": "application/cloudevents+json"}
    made = quality.post("/api/events/", {**body, "id": key}, 202, **kind)
    assert (made["name"], made["key"], made["event_id"]) == ("com.example.paid", key, f"/erp {key}")
    assert quality.post("/api/events/", {**body, "id": key}, 202)["id"] == made["id"]
    binary = quality.post("/api/events/", {**body, "id": f"{key}-2", "data_base64": "AAE="}, 422)
    assert [one["loc"] for one in binary["errors"]] == ["body.cloud_event.data_base64"]
    del body["subject"]
    assert quality.post("/api/events/", body, 422)["code"] == "request_invalid"


def test_who_may_post_and_what(admin: Caller, operator: Caller, quality: Caller) -> None:
    body = {"name": "paid", "key": "o-1"}
    refused = operator.post("/api/events/", body, 403)
    assert (refused["code"], refused["permission"]) == ("forbidden", "event.post")
    hired(admin, "engineer").post("/api/events/", body, 202)
    for wrong in ({**body, "key": ""}, {"name": "paid"}, {**body, "data": [1]}, {**body, "surprise": 1}):
        assert quality.post("/api/events/", wrong, 422)["code"] == "request_invalid"


def test_a_process_with_a_message_step_is_approved(admin: Caller) -> None:
    event = {"event": {"name": "paid", "key": "subject.identifier"}}
    graph = {
        "steps": [
            {"key": "wait", "name": "Wait", "step_type": "message", "config": event},
            {"key": "x", "name": "X", "is_terminal": True},
        ],
        "edges": [{"from_step": "wait", "to_step": "x"}],
    }
    assert admin.process(graph=graph)["status"] == "approved"
    draft = admin.post("/api/processes/", {**process_body(), "graph": graph}, 201)
    assert admin.post(f"/api/processes/{draft['id']}/validate/")["problems"] == []
