"""Webhooks and rooms: signed, repeated, dead, replayed; real HTTP."""

import asyncio
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from activities.subscriptions import NOTHING, Subscriptions, Wanted
from models.db import normalised, tenant_session
from models.enums import Chain, ChannelKind
from models.notices.kinds import NoticeKind
from models.notices.schedule import Choice, Pace, Preferences
from models.secret_box import SecretBox, SecretUnreadableError
from models.store.chain import lock_chain
from models.store.chained import add_chained
from models.store.deliveries import LEASE, delivery_json, list_deliveries, replay
from models.store.notice_errors import DeliveryPendingError, EventTypeUnknownError, TargetRefusedByRulesError
from models.store.notices import put_notices
from models.store.notification_channels import ChannelRules, channel_json, create_channel, delete_channel
from models.store.notifications import prefer
from models.store.people import Person
from models.store.webhooks import (
    WebhookRules,
    change_webhook,
    create_webhook,
    delete_webhook,
    try_webhook,
    webhook_json,
    webhook_of,
)
from models.tables import Journal
from tests.notices.conftest import BASE, Desk
from tests.support.mailbox import Mailbox
from tests.support.receiver import Receiver
from workers.notices.courier import Courier


def plain(url: str) -> str:
    return normalised(url).set(drivername="postgresql").render_as_string(hide_password=False)


def rules(desk: Desk) -> WebhookRules:
    return WebhookRules(box=desk.box, base_url=BASE, private_allowed=True)


async def hook(desk: Desk, url: str, *kinds: str) -> tuple[Person, UUID, str]:
    """A webhook, who made it, and its secret."""
    admin = await desk.hire("admin", "admin")
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        row, secret = await create_webhook(
            session, admin, rules(desk), name="ERP", url=url, kinds=list(kinds or ("gatework.execution.*",))
        )
    return admin, row["id"], secret


async def happen(desk: Desk, *kinds: str, first: int = 1, subjects: int = 1) -> None:
    """Events in the journal, and the outbox row that record leaves for those that are wanted."""
    scene = desk.scene
    async with tenant_session(desk.app, scene.tenant) as session:
        head = await lock_chain(session, scene.tenant, Chain.INSTANCE, scene.instance)
        rows = [
            scene.event(
                seq, kind=kind, subjects=[0] * subjects,
                data={"ref": [0, "weld", 1, ""], "at": "2026-05-04T10:00:00Z", "by": None, "hop": False},
            )
            for seq, kind in enumerate(kinds, start=first)
        ]  # fmt: skip
        await add_chained(session, head, Journal, rows)
        events = {"instance": str(scene.instance), "seqs": [row["seq"] for row in rows]}
        await put_notices(session, scene.tenant, [], events)


async def shown(desk: Desk, webhook: UUID, state: str | None = None) -> list[dict[str, Any]]:
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        rows = await list_deliveries(session, desk.scene.tenant, limit=50, webhook=webhook, state=state)
        return [delivery_json(row) for row in rows]


async def test_an_event_arrives_signed_in_its_envelope(desk: Desk, receiver: Receiver) -> None:
    _, webhook, secret = await hook(desk, receiver.url("/erp?plant=1"))
    await happen(desk, "execution_completed", "instance_completed")
    assert await desk.consume() == 1
    await desk.deliver()
    (posted,) = receiver.posted
    assert posted.path == "/erp?plant=1"
    assert posted.is_signed_with(secret)
    assert not posted.is_signed_with("whsec_" + "A" * 44)
    assert posted.headers["content-type"].startswith("application/cloudevents+json")
    assert posted.headers["host"] == f"127.0.0.1:{receiver.port}"
    event, scene = posted.json, desk.scene
    assert event["specversion"] == "1.0"
    assert (event["id"], event["type"]) == (f"{scene.instance}/1", "gatework.execution.completed")
    assert event["source"] == f"{BASE}/api/workflows/{scene.instance}/"
    assert event["subject"] == "WO-2026-0001"
    assert event["data"]["step"] == "weld"
    assert event["data"]["executions"][0]["subject"] == {"id": str(scene.subject), "identifier": "SN-1"}
    assert event["data"]["event"] == {"by": None}
    (told,) = await shown(desk, webhook)
    assert (told["state"], told["answer_status"], told["attempts"]) == ("sent", 204, 1)
    assert posted.headers["webhook-id"] == told["id"]


async def test_it_fails_twice_then_arrives_and_the_receiver_knows_the_repeat(desk: Desk, receiver: Receiver) -> None:
    _, webhook, secret = await hook(desk, receiver.url())
    receiver.answers = [500, 503]
    await happen(desk, "execution_completed")
    await desk.consume()
    await desk.deliver()
    (told,) = await shown(desk, webhook, "failed")
    assert told["last_error"].startswith("HTTP 500")
    assert await desk.deliver() == 0
    for pause in (12, 70):
        desk.clock.pass_by(timedelta(seconds=pause))
        await desk.deliver()
    assert len(receiver.posted) == 3
    assert len({one.headers["webhook-id"] for one in receiver.posted}) == 1
    assert len({one.headers["webhook-timestamp"] for one in receiver.posted}) == 3
    assert all(one.is_signed_with(secret) for one in receiver.posted)
    assert [one["state"] for one in await shown(desk, webhook)] == ["sent"]


async def test_a_dead_letter_is_listed_and_can_be_replayed(desk: Desk, receiver: Receiver) -> None:
    admin, webhook, _ = await hook(desk, receiver.url())
    receiver.answers = [500] * 3
    await happen(desk, "execution_completed")
    await desk.consume()
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        (waiting,) = await list_deliveries(session, desk.scene.tenant, limit=5)
        with pytest.raises(DeliveryPendingError):
            await replay(session, admin, waiting["id"], webhook)
    for pause in (0, 12, 70):
        desk.clock.pass_by(timedelta(seconds=pause))
        await desk.deliver()
    (dead,) = await shown(desk, webhook, "dead")
    assert dead["attempts"] == 3
    desk.clock.now = desk.clock.now.replace(year=2100)
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await replay(session, admin, UUID(dead["id"]), webhook)
    await desk.deliver()
    assert receiver.posted[-1].headers["webhook-id"] == dead["id"]
    assert [one["state"] for one in await shown(desk, webhook)] == ["sent"]
    (entry,) = await desk.rows("SELECT * FROM audit_entry WHERE action = 'delivery.replayed'")
    assert entry["actor_id"] == admin.id


async def test_a_receiver_that_is_gone_for_good_is_switched_off(desk: Desk, receiver: Receiver) -> None:
    _, webhook, _ = await hook(desk, receiver.url())
    receiver.answers = [410]
    await happen(desk, "execution_completed", "execution_claimed")
    await desk.consume()
    await desk.deliver()
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        row = webhook_json(await webhook_of(session, desk.scene.tenant, webhook))
    assert row["is_active"] is False
    assert row["disabled_reason"].startswith("HTTP 410")
    assert await desk.rows("SELECT 1 FROM audit_entry WHERE action = 'webhook.switched_off'")


async def test_redirects_are_not_followed(desk: Desk, receiver: Receiver) -> None:
    _, webhook, _ = await hook(desk, receiver.url())
    receiver.answers, receiver.headers = [302], {"Location": receiver.url("/elsewhere")}
    await happen(desk, "execution_completed")
    await desk.consume()
    await desk.deliver()
    assert [one.path for one in receiver.posted] == ["/hook"]
    assert [one["state"] for one in await shown(desk, webhook)] == ["failed"]


async def test_where_the_own_network_is_closed_nothing_is_sent_into_it(desk: Desk, receiver: Receiver) -> None:
    _, webhook, _ = await hook(desk, receiver.url())
    desk.settings = desk.settings.model_copy(update={"private_targets_allowed": False})
    await happen(desk, "execution_completed")
    await desk.consume()
    await desk.deliver()
    assert receiver.posted == []
    (told,) = await shown(desk, webhook)
    assert told["state"] == "dead"


async def test_a_receiver_that_does_not_answer_holds_up_no_other(desk: Desk, receiver: Receiver) -> None:
    await hook(desk, "http://127.0.0.1:1/nobody")
    _, other, _ = await hook(desk, receiver.url())
    await happen(desk, *["execution_completed"] * 30)
    await desk.consume()
    assert await desk.deliver() == 20
    assert len(receiver.posted) == 10
    assert {one["state"] for one in await shown(desk, other)} == {"sent", "pending"}


async def test_after_a_new_secret_both_sign_for_a_day(desk: Desk, receiver: Receiver) -> None:
    admin, webhook, old = await hook(desk, receiver.url())
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        _, new = await change_webhook(session, admin, rules(desk), webhook, {}, rotate=True)
    assert new is not None
    await happen(desk, "execution_completed")
    await desk.consume()
    await desk.deliver()
    assert receiver.posted[-1].is_signed_with(old)
    assert receiver.posted[-1].is_signed_with(new)
    desk.clock.now = desk.clock.now.replace(year=2100)
    await happen(desk, "execution_completed", first=2)
    await desk.consume()
    await desk.deliver()
    assert receiver.posted[-1].is_signed_with(new)
    assert not receiver.posted[-1].is_signed_with(old)


async def test_many_subjects_come_in_parts(desk: Desk, receiver: Receiver) -> None:
    await hook(desk, receiver.url())
    await happen(desk, "execution_completed", subjects=1_100)
    await desk.consume()
    await desk.deliver()
    parts = sorted((one.json["data"]["part"], len(one.json["data"]["executions"])) for one in receiver.posted)
    assert parts == [(1, 500), (2, 500), (3, 100)]
    assert len({one.json["id"] for one in receiver.posted}) == 3


async def test_a_test_event_and_a_notice_without_a_journal_event_go_the_same_way(
    desk: Desk, receiver: Receiver
) -> None:
    admin, webhook, secret = await hook(desk, receiver.url(), "gatework.approval.requested")
    desk.clock.now = desk.clock.now.replace(year=2100)
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await try_webhook(session, admin, rules(desk), webhook)
    await desk.put(NoticeKind.APPROVAL_REQUESTED, requirement="QA")
    await desk.consume()
    await desk.deliver()
    assert sorted(one.json["type"] for one in receiver.posted) == [
        "gatework.approval.requested", "gatework.webhook.test",
    ]  # fmt: skip
    assert all(one.is_signed_with(secret) for one in receiver.posted)


async def test_a_deleted_webhook_keeps_no_secret_and_gets_nothing_more(desk: Desk, receiver: Receiver) -> None:
    admin, webhook, _ = await hook(desk, receiver.url())
    await happen(desk, "execution_completed")
    await desk.consume()
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await delete_webhook(session, admin, webhook)
    assert await desk.deliver() == 0
    assert await desk.rows("SELECT secret, previous_secret FROM webhook") == [{"secret": b"", "previous_secret": None}]
    assert [one["state"] for one in await shown(desk, webhook)] == ["dead"]


async def test_secrets_are_kept_encrypted_and_shown_by_nothing(desk: Desk) -> None:
    admin, webhook, secret = await hook(desk, "http://127.0.0.1:9/x")
    ((kept,),) = [tuple(row.values()) for row in await desk.rows("SELECT secret FROM webhook")]
    assert isinstance(kept, bytes)
    assert secret.encode() not in kept
    assert desk.box.open(kept) == secret
    with pytest.raises(SecretUnreadableError):
        SecretBox("another").open(kept)
    assert SecretBox("new", "a key").open(kept) == secret
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        assert secret not in str(webhook_json(await webhook_of(session, desk.scene.tenant, webhook)))
    trail = await desk.rows("SELECT old, new FROM audit_entry")
    assert secret not in str(trail)
    assert admin.username not in secret


@pytest.mark.parametrize(
    ("url", "kinds", "error"),
    [("http://127.0.0.1/x", ["*"], TargetRefusedByRulesError), ("https://x.example.com", ["y"], EventTypeUnknownError)],
)
async def test_a_webhook_that_cannot_be_is_refused(
    desk: Desk, url: str, kinds: list[str], error: type[Exception]
) -> None:
    admin = await desk.hire("admin", "admin")
    strict = WebhookRules(box=desk.box, base_url=BASE, private_allowed=False)
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        with pytest.raises(error):
            await create_webhook(session, admin, strict, name="x", url=url, kinds=kinds)


async def test_what_is_wanted_is_known_a_moment_later(desk: Desk) -> None:
    wanted = Subscriptions()
    assert wanted.of(desk.scene.tenant) == NOTHING
    admin, webhook, _ = await hook(desk, "http://127.0.0.1:9/x", "gatework.instance.completed")
    await wanted.look(desk.system)
    assert wanted.of(desk.scene.tenant).events == {"instance_completed"}
    assert wanted.of(uuid4()) == NOTHING
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await change_webhook(session, admin, rules(desk), webhook, {"is_active": False}, rotate=False)
    await wanted.look(desk.system)
    assert wanted.of(desk.scene.tenant) == NOTHING


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Choice(in_app=True, email=Pace.OFF), {NoticeKind.EXECUTION_AVAILABLE}),
        (Choice(in_app=False, email=Pace.DAILY), {NoticeKind.EXECUTION_AVAILABLE}),
        (Choice(in_app=False, email=Pace.OFF), set()),
    ],
)
async def test_a_kind_that_is_off_as_shipped_is_wanted_once_somebody_chose_it(
    desk: Desk, chosen: Choice, expected: set[NoticeKind]
) -> None:
    bob, wanted = await desk.hire("bob", "operator"), Subscriptions()
    kinds = {NoticeKind.EXECUTION_AVAILABLE: chosen, NoticeKind.EXECUTION_OVERDUE: Choice()}
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await prefer(session, bob, Preferences(choices=kinds))
    await wanted.look(desk.system)
    assert wanted.of(desk.scene.tenant) == Wanted(notices=frozenset(expected))


async def test_a_room_wants_such_a_kind_by_naming_it(desk: Desk) -> None:
    admin, wanted = await desk.hire("admin", "admin"), Subscriptions()
    allowed = ChannelRules(box=desk.box, apprise_allowed=True, private_allowed=True)
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await create_channel(
            session, admin, allowed, name="Line 3", kind=ChannelKind.EMAIL, target="line3@example.com",
            kinds=[NoticeKind.EXECUTION_AVAILABLE, NoticeKind.ESCALATION],
        )  # fmt: skip
    await wanted.look(desk.system)
    assert wanted.of(desk.scene.tenant).notices == {NoticeKind.EXECUTION_AVAILABLE}


async def room(desk: Desk, kind: ChannelKind, target: str) -> UUID:
    admin = await desk.hire("admin", "admin")
    allowed = ChannelRules(box=desk.box, apprise_allowed=True, private_allowed=True)
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        row = await create_channel(
            session, admin, allowed, name="Line 3", kind=kind, target=target, kinds=[NoticeKind.ESCALATION]
        )
        assert target not in str(channel_json(row)) or kind is ChannelKind.EMAIL
        return UUID(str(row["id"]))


async def test_a_room_gets_the_kinds_it_was_given_through_apprise(desk: Desk, receiver: Receiver) -> None:
    await room(desk, ChannelKind.APPRISE, f"json://127.0.0.1:{receiver.port}/room")
    await desk.put(NoticeKind.ESCALATION, level=2)
    await desk.put(NoticeKind.EXECUTION_OVERDUE)
    await desk.consume()
    assert await desk.deliver() == 1
    (posted,) = receiver.posted
    assert posted.json["title"] == "Escalation level 2: Weld, SN-1"
    assert f"{BASE}/workflows/{desk.scene.instance}" in posted.json["message"]
    assert await desk.states() == [("room", "sent", 1, "")]


async def test_a_room_that_refuses_is_tried_again(desk: Desk, receiver: Receiver) -> None:
    await room(desk, ChannelKind.APPRISE, f"json://127.0.0.1:{receiver.port}/room")
    receiver.answers = [500]
    await desk.put(NoticeKind.ESCALATION)
    await desk.consume()
    await desk.deliver()
    ((_, state, _, error),) = await desk.states()
    assert state == "failed"
    assert "500" in str(error)


async def test_a_shared_mailbox_is_a_channel_too(desk: Desk, mailbox: Mailbox) -> None:
    channel = await room(desk, ChannelKind.EMAIL, "quality@example.com")
    await desk.put(NoticeKind.ESCALATION)
    await desk.consume()
    await desk.deliver()
    assert mailbox.recipients == [["quality@example.com"]]
    await desk.put(NoticeKind.ESCALATION)
    await desk.consume()
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await delete_channel(session, await desk.hire("boss", "admin"), channel)
    assert await desk.deliver() == 0
    assert sorted(str(one[1]) for one in await desk.states()) == ["dead", "sent"]


async def test_while_the_receiver_takes_its_time_no_transaction_is_open(
    desk: Desk, receiver: Receiver, database: str
) -> None:
    await hook(desk, receiver.url())
    await happen(desk, "execution_completed")
    await desk.consume()
    seen: list[int] = []
    taking = receiver._take

    def look(posted: Any) -> int:
        with psycopg.connect(plain(database), autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
            ).fetchone()
        assert row is not None
        seen.append(row[0])
        return taking(posted)

    receiver._take = look  # type: ignore[method-assign]
    await desk.deliver()
    assert seen == [0]


async def test_a_courier_that_is_told_to_stop_does_not_wait_for_a_slow_receiver(desk: Desk, receiver: Receiver) -> None:
    _, webhook, _ = await hook(desk, receiver.url())
    await happen(desk, "execution_completed")
    await desk.consume()
    arrived, slow, taking = threading.Event(), threading.Event(), receiver._take

    def hold(posted: Any) -> int:
        arrived.set()
        slow.wait(30)
        return taking(posted)

    receiver._take = hold  # type: ignore[method-assign]
    stop = asyncio.Event()
    impatient = desk.settings.model_copy(update={"shutdown_seconds": 0.05})
    courier = Courier(system=desk.system, app=desk.app, settings=impatient, box=desk.box, clock=desk.clock)
    running = asyncio.create_task(courier.run(stop))
    assert await asyncio.to_thread(arrived.wait, 30)
    stop.set()
    async with asyncio.timeout(10):
        await running
    slow.set()
    (told,) = await shown(desk, webhook)
    assert told["state"] == "pending"
    desk.clock.pass_by(LEASE)
    receiver._take = taking  # type: ignore[method-assign]
    assert await desk.deliver() == 1
    assert [one["state"] for one in await shown(desk, webhook)] == ["sent"]


async def test_a_receiver_that_does_not_answer_keeps_nobody_else_waiting(desk: Desk, receiver: Receiver) -> None:
    await hook(desk, receiver.url("/slow"))
    await happen(desk, "execution_completed")
    await desk.consume()
    arrived, slow, served, taking = threading.Event(), threading.Event(), threading.Event(), receiver._take

    def hold(posted: Any) -> int:
        if posted.path == "/quick":
            served.set()
        else:
            arrived.set()
            slow.wait(30)
        return taking(posted)

    receiver._take = hold  # type: ignore[method-assign]
    stop = asyncio.Event()
    courier = Courier(system=desk.system, app=desk.app, settings=desk.settings, box=desk.box, clock=desk.clock)
    running = asyncio.create_task(courier.run(stop))
    assert await asyncio.to_thread(arrived.wait, 30)
    await hook(desk, receiver.url("/quick"))
    await happen(desk, "execution_completed", first=2)
    await desk.consume()
    assert await asyncio.to_thread(served.wait, 10)
    slow.set()
    stop.set()
    await running
