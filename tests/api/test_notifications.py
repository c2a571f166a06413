"""Notifications over HTTP: lists, preferences, watching, webhooks, channels, templates, and who may what."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import anyio
import pytest
from sqlmodel import select

from models.db import app_engine, system_engine, system_session, tenant_session
from models.notices.kinds import NoticeKind
from models.settings import Settings
from models.store.notices import About, Recipients, put_notice
from models.store.webhooks import SECRET_PREFIX
from models.tables import Tenant
from tests.api.caller import Caller, Json, hired
from workers.notices.consumer import NoticeConsumer

HOOK = {"name": "ERP", "url": "https://erp.example.com/hook", "event_types": ["gatework.instance.*"]}
ROOM = {
    "name": "Quality", "channel_kind": "apprise", "target": "slack://TokenA/TokenB/TokenC/#quality",
    "kinds": ["incident_opened"],
}  # fmt: skip


def tell(settings: Settings, person: Caller, workflow: Json, count: int = 1) -> None:
    """Notices to a person, consumed as a worker does it."""

    async def work() -> None:
        app, system = app_engine(settings), system_engine(settings)
        async with system_session(system) as session:
            tenant = (await session.exec(select(Tenant.id).where(Tenant.key == "main"))).one()
        for number in range(count):
            async with tenant_session(app, tenant) as session:
                about = About(instance=UUID(workflow["id"]))
                what = {"reason": f"reason {number}"}
                recipients = Recipients(users=[person.id])
                await put_notice(session, tenant, NoticeKind.INSTANCE_HELD, recipients, about, what)
        consumer = NoticeConsumer(system=system, app=app, base_url=settings.base_url, with_email=False)
        while await consumer.consume_once():
            pass
        await app.dispose()
        await system.dispose()

    anyio.run(work)


def test_my_notifications_are_listed_and_read_and_nobody_elses(
    admin: Caller, engineer: Caller, operator: Caller, api_settings: Settings
) -> None:
    workflow = engineer.workflow(admin.process())
    reader = hired(admin, "operator")
    tell(api_settings, reader, workflow, 5)
    page = reader.get("/api/notifications/", unread="true", limit=2)
    assert len(page["items"]) == 2
    found = reader.items("/api/notifications/", limit=2)
    assert len(found) == len({one["id"] for one in found}) == 5
    first = found[0]
    assert first["title"] == f"On hold: {workflow['identifier']}"
    assert first["url"].endswith(f"/workflows/{workflow['id']}")
    assert (first["kind"], first["read_at"]) == ("instance_held", None)
    read = reader.post(f"/api/notifications/{first['id']}/read/")
    assert read["read_at"] is not None
    assert reader.post(f"/api/notifications/{first['id']}/read/") == read
    assert len(reader.items("/api/notifications/", unread="true")) == 4
    assert [one["id"] for one in reader.items("/api/notifications/", unread="false")] == [first["id"]]
    answer = operator.post(f"/api/notifications/{first['id']}/read/", expect=404)
    assert answer["code"] == "notification_unknown"
    assert operator.items("/api/notifications/", kind="security_notice") == []
    assert reader.post("/api/notifications/read-all/") == {"read": 4}
    assert reader.items("/api/notifications/", unread="true") == []


def test_preferences_are_kept_and_what_is_not_named_is_as_shipped(admin: Caller) -> None:
    person = hired(admin, "operator")
    shipped = person.get("/api/me/notification-preferences/")
    assert set(shipped["kinds"]) == set(NoticeKind)
    assert shipped["kinds"]["instance_completed"] == {"in_app": True, "email": "daily", "chosen": False}
    wanted = {
        "kinds": {
            "execution_overdue": {"in_app": False, "email": "hourly"},
            "security_notice": {"in_app": False, "email": "off"},
        },
        "quiet_hours": {"from": "22:00", "until": "06:30"},
        "time_zone": "Europe/Vienna",
        "daily_at": "08:15",
    }
    kept = put(person, "/api/me/notification-preferences/", wanted)
    assert kept == person.get("/api/me/notification-preferences/")
    assert kept["kinds"]["execution_overdue"] == {"in_app": False, "email": "hourly", "chosen": True}
    assert kept["kinds"]["security_notice"] == {"in_app": True, "email": "immediate", "chosen": False}
    assert (kept["quiet_hours"], kept["daily_at"]) == ({"from": "22:00", "until": "06:30"}, "08:15")
    assert put(person, "/api/me/notification-preferences/", {}) == shipped


@pytest.mark.parametrize(
    "body",
    [
        {"time_zone": "Mars/Olympus"}, {"time_zone": "../../etc/passwd"}, {"quiet_hours": {"from": "22:00"}},
        {"quiet_hours": {"from": "22:00", "until": "22:00"}}, {"daily_at": "25:00"}, {"daily_at": "07:00:30"},
        {"kinds": {"no_such_kind": {}}}, {"kinds": {"escalation": {"email": "weekly"}}}, {"daily_at": "07:00Z"},
    ],
)  # fmt: skip
def test_preferences_that_cannot_be_are_refused(body: Json, operator: Caller) -> None:
    assert put(operator, "/api/me/notification-preferences/", body, 422)["code"] == "request_invalid"


def test_a_workflow_is_watched_and_no_more(
    admin: Caller, engineer: Caller, operator: Caller, foreigner: Caller
) -> None:
    workflow = engineer.workflow(admin.process())
    path = f"/api/workflows/{workflow['id']}/watch/"
    for _ in range(2):
        assert operator.post(path) == {"workflow": workflow["id"], "watching": True}
    for _ in range(2):
        assert operator.ask("DELETE", path).json()["watching"] is False
    assert foreigner.post(path, expect=404)["code"] == "not_found"


def test_a_webhook_lives_from_its_secret_to_its_end(admin: Caller, foreigner: Caller) -> None:
    made = admin.post("/api/webhooks/", HOOK, 201)
    path = f"/api/webhooks/{made['id']}/"
    assert made["secret"].startswith(SECRET_PREFIX)
    assert "secret" not in admin.get(path)
    assert all("secret" not in one for one in admin.items("/api/webhooks/"))
    assert admin.patch(path, {"name": "SAP"})["secret"] is None
    renewed = admin.patch(path, {"rotate_secret": True})["secret"]
    assert renewed not in {None, made["secret"]}
    assert admin.patch(path, {}, 422)["code"] == "nothing_to_change"
    assert admin.patch(path, {"is_active": False})["is_active"] is False
    delivery = admin.post(path + "test/", expect=202)["delivery"]
    (listed,) = admin.items(path + "deliveries/")
    assert (listed["id"], listed["state"]) == (delivery, "pending")
    assert listed["event"]["type"] == "gatework.webhook.test"
    assert admin.items(path + "deliveries/", state="dead") == []
    replay = admin.post(f"{path}deliveries/{delivery}/replay/", expect=409)
    assert replay["code"] == "delivery_pending"
    assert foreigner.get(path, 404)["code"] == "webhook_unknown"
    assert admin.ask("DELETE", path).status_code == 204
    assert admin.get(path, 404)["code"] == "webhook_unknown"
    assert delivery in {one["id"] for one in admin.items("/api/notification-deliveries/", state="dead")}
    again = admin.post(f"/api/notification-deliveries/{delivery}/replay/", expect=202)
    assert again["state"] == "pending"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "http://erp.example.com/"}, "target_refused"),
        ({"url": "https://169.254.169.254/latest/meta-data/"}, "target_refused"),
        ({"url": "https://localhost/"}, "target_refused"),
        ({"event_types": ["gatework.nothing.happened"]}, "event_type_unknown"),
        ({"event_types": []}, "request_invalid"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(change: Json, code: str, admin: Caller) -> None:
    assert admin.post("/api/webhooks/", {**HOOK, **change}, 422)["code"] == code
    made = admin.post("/api/webhooks/", HOOK, 201)
    assert admin.patch(f"/api/webhooks/{made['id']}/", change, 422)["code"] == code


def test_a_channel_shows_nothing_of_its_target(admin: Caller) -> None:
    made = admin.post("/api/notification-channels/", ROOM, 201)
    path = f"/api/notification-channels/{made['id']}/"
    assert made["target"] == "slack://…"
    changed = admin.patch(
        path, {"kinds": ["escalation"], "target": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"}
    )
    assert (changed["kinds"], changed["target"]) == (["escalation"], "discord://…")
    assert admin.post(path + "test/", expect=202)["delivery"]
    box = admin.post(
        "/api/notification-channels/", {**ROOM, "channel_kind": "email", "target": "quality@example.com"}, 201
    )
    assert box["target"] == "quality@example.com"
    for target in ("file:///etc/passwd", "json://127.0.0.1/x", "nonsense"):
        assert admin.patch(path, {"target": target}, 422)["code"] == "target_refused"
    bad = {**ROOM, "channel_kind": "email", "target": "a@example.com\r\nBcc: b@example.com"}
    assert admin.post("/api/notification-channels/", bad, 422)["code"] == "target_refused"
    assert admin.ask("DELETE", path).status_code == 204
    assert admin.get(path, 404)["code"] == "channel_unknown"


def test_a_template_is_tried_before_it_is_kept(admin: Caller, foreigner: Caller) -> None:
    path = "/api/notification-templates/escalation/"
    shown = admin.get(path)
    assert shown["shipped"]["subject"]
    assert "workflow" in shown["variables"]
    own = {"subject": "Level {{ level }}: {{ workflow }}", "body": "{{ recipient }}, look at {{ step }}."}
    preview = admin.post(path + "preview/", own)
    assert preview["subject"] == "Level 2: WO-2026-0042"
    assert preview["text"] == "Ann Example, look at Inspect."
    assert "<p>Ann Example, look at Inspect.</p>" in preview["html"]
    assert admin.get(path)["subject"] == ""
    assert put(admin, path, own)["subject"] == own["subject"]
    assert foreigner.get(path)["subject"] == ""
    for evil in ("{{ ''.__class__ }}", "{{ secret }}", "{% include 'x' %}", "{{ 9 * 9 }}"):
        for body in ({"body": evil}, {"subject": evil}, {"body_html": evil}):
            refused = put(admin, path, body, 422)
            assert (refused["code"], refused["part"]) == ("template_refused", next(iter(body)))
            assert admin.post(path + "preview/", body, 422)["code"] == "template_refused"
    assert admin.get(path)["subject"] == own["subject"]
    assert admin.get("/api/notification-templates/nothing/", 404)["code"] == "notice_kind_unknown"
    put(admin, path, {})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/webhooks/", None), ("POST", "/api/webhooks/", HOOK), ("GET", "/api/notification-channels/", None),
        ("POST", "/api/notification-channels/", ROOM), ("GET", "/api/notification-templates/escalation/", None),
        ("PUT", "/api/notification-templates/escalation/", {}), ("GET", "/api/notification-deliveries/", None),
    ],
)  # fmt: skip
def test_only_administrators_decide_where_notices_go(
    method: str, path: str, body: Json | None, quality: Caller, operator: Caller
) -> None:
    for caller in (quality, operator):
        answer = caller.ask(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def put(caller: Caller, path: str, body: Mapping[str, Any], expect: int = 200) -> Any:
    answer = caller.ask("PUT", path, json=dict(body))
    assert answer.status_code == expect, answer.text
    return answer.json()
