"""From the step to the mailbox and to the other system, over HTTP, through real processes, SMTP and HTTP servers."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.e2e.people import Json, Person, new_person
from tests.e2e.product import ADMIN_PASSWORD, Product
from tests.e2e.walk import start
from tests.support.mailbox import Mailbox
from tests.support.receiver import Receiver
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.temporal import EmbeddedTemporal

GRAPH = {
    "steps": [
        {"key": "weld", "name": "Weld"},
        {"key": "check", "name": "Check", "requires_qa_signoff": True},
        {"key": "end", "name": "End", "is_terminal": True},
    ],
    "edges": [],
}
PATIENCE = 60.0


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as running:
        yield running


@pytest.fixture(scope="module")
def plant(
    postgres: EmbeddedPostgres, temporal: EmbeddedTemporal, tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox
) -> Iterator[Product]:
    """An installation with a mail server, in whose own network the receivers are; one worker."""
    name = f"e2e_{uuid4().hex[:8]}"
    with postgres.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    running = Product(
        folder=tmp_path_factory.mktemp("notified"),
        database_url=postgres.url(name),
        temporal_address=temporal.address,
        queue=name,
        extra={
            "GATEWORK_SMTP_HOST": "127.0.0.1",
            "GATEWORK_SMTP_PORT": str(mailbox.port),
            "GATEWORK_SMTP_TLS": "none",
            "GATEWORK_PRIVATE_TARGETS_ALLOWED": "true",
            "GATEWORK_DELIVERY_RETRIES": "0.1,0.1",
        },
    )
    with running:
        running.prepare()
        for process in ("worker-1", "api"):
            running.start(process)
        yield running


@pytest.fixture(scope="module")
def boss(plant: Product) -> Iterator[Person]:
    with Person(plant.base_url, "admin", ADMIN_PASSWORD) as person:
        yield person


@pytest.fixture(scope="module")
def process(boss: Person) -> Json:
    body = {"name": "Welding", "category": "manufacturing", "subject_type": "Part", "graph": GRAPH}
    draft = boss.post("/api/processes/", body, expect=201)
    approved: Json = boss.post(f"/api/processes/{draft['id']}/approve/")
    return approved


def eventually(person: Person, path: str, **query: object) -> list[Json]:
    """A list, once it is not empty."""
    until = time.monotonic() + PATIENCE
    while not (found := person.items(path, **query)) and time.monotonic() < until:
        time.sleep(0.1)
    assert found, path
    return found


def hooked(boss: Person, process: Json, receiver: Receiver, *kinds: str) -> Json:
    """A webhook that is heard: the worker gets to know of it a moment after it was made."""
    chosen = ["gatework.instance.started", *kinds]
    made: Json = boss.post("/api/webhooks/", {"name": "ERP", "url": receiver.url(), "event_types": chosen}, expect=201)
    boss.post(f"/api/webhooks/{made['id']}/test/", expect=202)
    (trial,) = receiver.wait(1)
    assert trial.json["type"] == "gatework.webhook.test"
    assert trial.is_signed_with(made["secret"])
    until = time.monotonic() + PATIENCE
    while not receiver.heard("gatework.instance.started") and time.monotonic() < until:
        start(boss, process, "Part", "Trial")
    return made


def test_a_signoff_is_asked_for_in_the_app_and_by_mail(boss: Person, process: Json, mailbox: Mailbox) -> None:
    with new_person(boss, "quality_manager") as quality, new_person(boss, "engineer") as engineer:
        workflow = start(engineer, process, "Part", "P")
        for _ in range(2):
            execution = engineer.open_execution(workflow["id"])
            engineer.post(f"/api/executions/{execution['id']}/complete/")
        (notice,) = eventually(quality, "/api/notifications/", unread="true", kind="signoff_awaited")
        assert notice["workflow"] == workflow["id"]
        until = time.monotonic() + PATIENCE
        address = f"{quality.username}@example.com"
        while not any(address in str(mail["To"]) for mail in mailbox.mails) and time.monotonic() < until:
            time.sleep(0.1)
        (mail,) = [one for one in mailbox.mails if address in str(one["To"])]
        assert mail["Subject"] == notice["title"]
        quality.post(f"/api/notifications/{notice['id']}/read/")
        assert quality.items("/api/notifications/", unread="true") == []


def test_a_receiver_fails_twice_then_accepts(boss: Person, process: Json) -> None:
    with Receiver() as receiver, new_person(boss, "engineer") as engineer:
        made = hooked(boss, process, receiver, "gatework.execution.completed")
        workflow = start(engineer, process, "Part", "P")
        receiver.refuse("gatework.execution.completed", 500, 503)
        execution = engineer.open_execution(workflow["id"])
        engineer.post(f"/api/executions/{execution['id']}/complete/")
        posted = receiver.wait_for("gatework.execution.completed", 3)
        assert all(one.is_signed_with(made["secret"]) for one in posted)
        assert {one.headers["webhook-id"] for one in posted} == {posted[0].headers["webhook-id"]}
        event = posted[-1].json
        assert event["subject"] == workflow["identifier"]
        assert event["data"]["executions"][0]["id"] == execution["id"]
        listed = boss.items(f"/api/webhooks/{made['id']}/deliveries/")
        assert posted[0].headers["webhook-id"] in {one["id"] for one in listed}
        boss.http.delete(f"/api/webhooks/{made['id']}/")


def test_a_dead_letter_is_seen_and_replayed(boss: Person, process: Json) -> None:
    with Receiver() as receiver, new_person(boss, "engineer") as engineer:
        made = hooked(boss, process, receiver, "gatework.execution.completed")
        workflow = start(engineer, process, "Part", "P")
        receiver.refuse("gatework.execution.completed", 500, 500, 500)
        engineer.post(f"/api/executions/{engineer.open_execution(workflow['id'])['id']}/complete/")
        (dead,) = eventually(boss, f"/api/webhooks/{made['id']}/deliveries/", state="dead")
        assert (dead["attempts"], dead["answer_status"]) == (3, 500)
        boss.post(f"/api/webhooks/{made['id']}/deliveries/{dead['id']}/replay/", expect=202)
        posted = receiver.wait_for("gatework.execution.completed", 4)
        assert {one.headers["webhook-id"] for one in posted} == {dead["id"]}
        boss.http.delete(f"/api/webhooks/{made['id']}/")


def test_a_watcher_hears_of_a_hold_in_a_room_too(boss: Person, process: Json) -> None:
    with Receiver() as receiver, new_person(boss, "engineer") as engineer, new_person(boss, "operator") as watcher:
        room = {"name": "Line 3", "channel_kind": "apprise", "kinds": ["instance_held"],
                "target": f"json://127.0.0.1:{receiver.port}/room"}  # fmt: skip
        boss.post("/api/notification-channels/", room, expect=201)
        workflow = start(engineer, process, "Part", "P")
        watcher.post(f"/api/workflows/{workflow['id']}/watch/")
        boss.patch(f"/api/workflows/{workflow['id']}/", {"status": "on_hold", "reason": "The scale is broken."})
        (notice,) = eventually(watcher, "/api/notifications/")
        assert "The scale is broken." in notice["body"]
        (posted,) = receiver.wait(1)
        assert posted.json["title"] == f"On hold: {workflow['identifier']}"


def test_everybody_is_told_as_they_want_to_be(boss: Person, process: Json, mailbox: Mailbox) -> None:
    with (
        new_person(boss, "operator") as plain,
        new_person(boss, "operator") as quiet,
        new_person(boss, "operator") as off,
    ):
        path = "/api/me/notification-preferences/"
        assert plain.get(path)["kinds"]["instance_held"] == {"in_app": True, "email": "hourly", "chosen": False}
        wants(plain, instance_held={"email": "immediate"})
        wants(quiet, instance_held={"email": "daily"}, instance_resumed={"in_app": False, "email": "daily"})
        wants(off, instance_held={"in_app": False, "email": "off"})
        chosen = quiet.get(path)
        assert chosen["kinds"]["instance_held"] == {"in_app": True, "email": "daily", "chosen": True}
        workflow = start(boss, process, "Part", "P")
        for person in (plain, quiet, off):
            person.post(f"/api/workflows/{workflow['id']}/watch/")
        with new_person(boss, "quality_manager") as supervisor:
            page = f"/api/workflows/{workflow['id']}/"
            supervisor.patch(page, {"status": "on_hold", "reason": "The scale is broken."})
            supervisor.patch(page, {"status": "in_progress", "reason": "The scale is mended."})
        kinds = {one["kind"] for one in eventually(off, "/api/notifications/", kind="instance_resumed")}
        assert kinds == {"instance_resumed"}
        assert off.items("/api/notifications/", kind="instance_held") == []
        assert [one["kind"] for one in quiet.items("/api/notifications/")] == ["instance_held"]
        until = time.monotonic() + PATIENCE
        while not mails_to(mailbox, plain) and time.monotonic() < until:
            time.sleep(0.1)
        assert mails_to(mailbox, plain) == [f"On hold: {workflow['identifier']}"]
        collected = {
            one["kind"]: (one["digest"], one["state"], one["sent_at"])
            for one in boss.items("/api/notification-deliveries/", channel="email")
            if one["to"] == quiet.username
        }
        assert collected == {
            "instance_held": ("daily", "pending", None), "instance_resumed": ("daily", "pending", None)
        }  # fmt: skip
        assert mails_to(mailbox, quiet) == mails_to(mailbox, off) == []


def test_a_plant_words_its_notices_itself_and_cannot_break_them(boss: Person, process: Json) -> None:
    path = "/api/notification-templates/instance_held/"
    wording = {"subject": "Halt: {{ workflow }}", "body": "Dear {{ recipient }}: {{ reason }}", "body_html": ""}
    refused = boss.http.put(path, json={**wording, "body": "{{ workflow.__class__.__mro__ }}"})
    assert (refused.status_code, refused.json()["code"]) == (422, "template_refused")
    kept = boss.http.put(path, json=wording)
    assert kept.status_code == 200, kept.text
    with new_person(boss, "operator") as watcher:
        workflow = start(boss, process, "Part", "P")
        watcher.post(f"/api/workflows/{workflow['id']}/watch/")
        with new_person(boss, "quality_manager") as supervisor:
            supervisor.patch(f"/api/workflows/{workflow['id']}/", {"status": "on_hold", "reason": "A broken scale."})
        (notice,) = eventually(watcher, "/api/notifications/")
        assert notice["title"] == f"Halt: {workflow['identifier']}"
        assert "A broken scale." in notice["body"]
    assert boss.http.put(path, json={"subject": "", "body": "", "body_html": ""}).status_code == 200


def wants(person: Person, **kinds: Json) -> None:
    """How somebody wants to be told of these kinds."""
    half_a_day_off = f"{datetime.now(UTC) + timedelta(hours=12):%H:%M}"
    body = {"kinds": kinds, "daily_at": half_a_day_off}
    answer = person.http.put("/api/me/notification-preferences/", json=body)
    assert answer.status_code == 200, answer.text


def mails_to(mailbox: Mailbox, person: Person) -> list[str]:
    """Subjects of what was mailed to somebody."""
    return [str(one["Subject"]) for one in mailbox.mails if f"{person.username}@example.com" in str(one["To"])]
