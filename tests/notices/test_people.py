"""Who gets a notice, what it says, when the e-mail goes out: real database, real SMTP server."""

from datetime import time, timedelta

import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr
from sqlmodel import select

from models.db import system_session, tenant_session
from models.flow.graph import ProcessCategory
from models.notices.kinds import NoticeKind
from models.notices.schedule import Choice, Pace, Preferences
from models.notices.shipped import Wording
from models.store.definitions import NewProcess, approve_process, create_process
from models.store.instances import put_in_outbox
from models.store.notice_errors import NotificationUnknownError
from models.store.notice_templates import keep_template, template_json, template_row
from models.store.notices import About, Recipients, put_notice
from models.store.notifications import list_notifications, prefer, read_all, read_notification, watch
from models.store.people import Person
from models.store.process_life import submit_process
from models.store.sessions import SECURITY_TOPIC
from models.tables import Outbox
from tests.notices.conftest import BASE, Desk
from tests.store.scene import as_superuser
from tests.support.mailbox import Mailbox

OVERDUE = NoticeKind.EXECUTION_OVERDUE


async def titles(desk: Desk, person: Person, *, unread: bool | None = None) -> list[str]:
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        return [row["title"] for row in await list_notifications(session, person, limit=50, unread=unread)]


async def wants(desk: Desk, person: Person, wanted: Preferences) -> None:
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await prefer(session, person, wanted)


async def test_a_notice_reaches_the_list_and_the_mailbox_of_whoever_is_meant(desk: Desk, mailbox: Mailbox) -> None:
    bob, eve = await desk.hire("bob"), await desk.hire("eve")
    await desk.put(OVERDUE, bob)
    assert await desk.consume() == 1
    assert await titles(desk, bob) == ["Overdue: Weld, SN-1"]
    assert await titles(desk, eve) == []
    assert await desk.deliver() == 1
    (mail,) = mailbox.mails
    assert mailbox.recipients == [["bob@example.com"]]
    assert (mail["Subject"], mail["To"]) == ("Overdue: Weld, SN-1", "Bob <bob@example.com>")
    plain, html = mailbox.parts()
    assert "Weld of WO-2026-0001 is overdue for SN-1." in plain
    assert f"{BASE}/workflows/{desk.scene.instance}" in plain
    assert f'<a href="{BASE}/workflows/{desk.scene.instance}">' in html
    assert await desk.states() == [("email", "sent", 1, "")]
    assert await desk.consume() == await desk.deliver() == 0


async def test_work_to_be_taken_is_told_to_those_only_who_chose_to_hear_of_it(desk: Desk) -> None:
    bob, eve = await desk.hire("bob", "operator"), await desk.hire("eve", "operator")
    await wants(desk, eve, Preferences(choices={NoticeKind.EXECUTION_AVAILABLE: Choice(email=Pace.OFF)}))
    await desk.put(NoticeKind.EXECUTION_AVAILABLE, roles=("operator",))
    assert await desk.consume() == 1
    assert await titles(desk, eve) == ["To be taken: Weld, SN-1"]
    assert await desk.rows("SELECT user_id FROM notification") == [{"user_id": eve.id}]
    assert (await titles(desk, bob), await desk.states()) == ([], [])


async def test_who_is_meant_in_several_ways_is_told_once_and_who_did_it_not_at_all(desk: Desk) -> None:
    bob, ann = await desk.hire("bob", "approver", "engineer"), await desk.hire("ann", "approver")
    gone = await desk.hire("gone", "approver", is_active=False)
    machine = await desk.hire("machine", "approver", is_service=True)
    await desk.put(NoticeKind.APPROVAL_REQUESTED, bob, gone, roles=("approver", "engineer"), but=(ann.id,))
    await desk.consume()
    told = await desk.rows("SELECT user_id FROM notification")
    assert [row["user_id"] for row in told] == [bob.id]
    assert machine.id != gone.id


async def test_holders_owner_watchers_and_candidates_are_found(desk: Desk, database: str) -> None:
    scene = desk.scene
    people = {name: await desk.hire(name) for name in ("holder", "owner", "watcher", "named", "other")}
    operator = await desk.hire("operator", "operator")
    assignment = {"assignment": {"roles": ["operator"], "users": [people["named"].username]}}
    as_superuser(database, "UPDATE step SET config = %s", Jsonb(assignment))
    as_superuser(database, "UPDATE workflow_instance SET owner_id = %s", people["owner"].id)
    async with tenant_session(desk.app, scene.tenant) as session:
        await watch(session, people["watcher"], scene.instance, watching=True)
        await watch(session, people["watcher"], scene.instance, watching=True)

    async def told(holder: Person | None) -> set[object]:
        as_superuser(database, "UPDATE step_execution SET assigned_to = %s", holder and holder.id)
        as_superuser(database, "DELETE FROM notification_delivery")
        as_superuser(database, "DELETE FROM notification")
        async with tenant_session(desk.app, scene.tenant) as session:
            recipients = Recipients(assignees=True, candidates=True, owner=True, watchers=True)
            about = About(instance=scene.instance, executions=[scene.execution])
            await put_notice(session, scene.tenant, OVERDUE, recipients, about)
        await desk.consume()
        return {row["user_id"] for row in await desk.rows("SELECT user_id FROM notification")}

    always = {people["owner"].id, people["watcher"].id}
    assert await told(people["holder"]) == always | {people["holder"].id}
    assert await told(None) == always | {people["named"].id, operator.id}
    async with tenant_session(desk.app, scene.tenant) as session:
        await watch(session, people["watcher"], scene.instance, watching=False)
    assert await told(people["holder"]) == {people["owner"].id, people["holder"].id}


async def test_taken_twice_it_tells_once(desk: Desk, database: str) -> None:
    bob = await desk.hire("bob")
    await desk.put(OVERDUE, bob)
    as_superuser(database, "CREATE TABLE kept AS SELECT * FROM outbox")
    await desk.consume()
    # A worker died before it could delete the row: it is there again, with its id.
    as_superuser(database, "INSERT INTO outbox OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    assert await desk.consume() == 1
    assert len(await titles(desk, bob)) == len(await desk.states()) == 1


async def test_one_broken_notice_holds_up_no_other_and_says_why(desk: Desk, database: str) -> None:
    bob = await desk.hire("bob")
    await desk.put(OVERDUE, bob)
    as_superuser(database, "UPDATE outbox SET payload = jsonb_set(payload, '{kind}', '\"no_such_kind\"')")
    await desk.put(OVERDUE, bob)
    assert await desk.consume() == 2
    assert len(await titles(desk, bob)) == 1
    async with system_session(desk.system) as session:
        (kept,) = (await session.exec(select(Outbox))).all()
    assert kept.attempts == 1
    assert "no_such_kind" in kept.last_error


async def test_what_is_read_stays_read_and_belongs_to_its_reader(desk: Desk) -> None:
    bob, eve = await desk.hire("bob"), await desk.hire("eve")
    await desk.put(OVERDUE, bob)
    await desk.put(NoticeKind.ESCALATION, bob, level=2)
    await desk.consume()
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        newest, oldest = await list_notifications(session, bob, limit=50)
        with pytest.raises(NotificationUnknownError):
            await read_notification(session, eve, newest["id"])
        first = await read_notification(session, bob, newest["id"])
        again = await read_notification(session, bob, newest["id"])
        assert first["read_at"] == again["read_at"]
        assert [row["id"] for row in await list_notifications(session, bob, limit=50, unread=True)] == [oldest["id"]]
        assert await read_all(session, eve) == 0
        assert await read_all(session, bob) == 1
        assert await list_notifications(session, bob, limit=50, unread=True) == []


async def test_a_digest_waits_for_its_hour_and_is_one_mail(desk: Desk, mailbox: Mailbox) -> None:
    bob, eve = await desk.hire("bob"), await desk.hire("eve")
    await wants(desk, bob, Preferences(choices={OVERDUE: Choice(email=Pace.HOURLY)}))
    for _ in range(3):
        await desk.put(OVERDUE, bob, eve)
        await desk.consume()
        desk.clock.pass_by(timedelta(minutes=10))
    await desk.deliver()
    assert mailbox.recipients == [["eve@example.com"]] * 3
    desk.clock.pass_by(timedelta(minutes=9))
    assert await desk.deliver() == 0
    desk.clock.pass_by(timedelta(minutes=1))
    assert await desk.deliver() == 3
    assert mailbox.recipients[3:] == [["bob@example.com"]]
    assert mailbox.mails[-1]["Subject"] == "Gatework: 3 notices"
    assert mailbox.parts()[0].count("Overdue: Weld, SN-1") == 3
    assert {state[1] for state in await desk.states()} == {"sent"}


async def test_quiet_hours_keep_a_mailbox_quiet_and_in_app_shows_at_once(desk: Desk, mailbox: Mailbox) -> None:
    bob = await desk.hire("bob")
    await wants(desk, bob, Preferences(quiet=(time(9), time(12)), zone="Europe/Vienna"))
    desk.clock.now = desk.clock.now.replace(hour=7, minute=30)
    await desk.put(OVERDUE, bob)
    await desk.put(NoticeKind.ESCALATION, bob)
    await desk.put(NoticeKind.SECURITY_NOTICE, bob, message="The account was locked.")
    await desk.consume()
    assert len(await titles(desk, bob)) == 3
    await desk.deliver()
    assert [mail["Subject"] for mail in mailbox.mails] == ["Security notice: The account was locked."]
    desk.clock.now = desk.clock.now.replace(hour=10, minute=0)
    await desk.deliver()
    assert mailbox.mails[-1]["Subject"] == "Gatework: 2 notices"


async def test_who_wants_no_mail_or_has_none_gets_none_and_in_app_can_be_off(desk: Desk) -> None:
    bob, eve = await desk.hire("bob"), await desk.hire("eve", email=" ")
    await wants(desk, bob, Preferences(choices={OVERDUE: Choice(in_app=False, email=Pace.OFF)}))
    await desk.put(OVERDUE, bob, eve)
    await desk.consume()
    assert await titles(desk, bob) == []
    assert await titles(desk, eve) == ["Overdue: Weld, SN-1"]
    assert await desk.states() == []


async def test_without_a_mail_server_nothing_is_left_lying_about(desk: Desk) -> None:
    bob = await desk.hire("bob")
    desk.settings = desk.settings.model_copy(update={"smtp_host": None})
    await desk.put(OVERDUE, bob)
    await desk.consume()
    assert await titles(desk, bob) == ["Overdue: Weld, SN-1"]
    assert await desk.states() == []


async def test_a_mail_that_is_not_taken_is_tried_again_and_then_dead(desk: Desk, mailbox: Mailbox) -> None:
    bob = await desk.hire("bob")
    await desk.put(OVERDUE, bob)
    await desk.consume()
    mailbox.answers = ["451 later"] * 3
    await desk.deliver()
    ((_, state, attempts, error),) = await desk.states()
    assert (state, attempts) == ("failed", 1)
    assert "451" in str(error)
    assert await desk.deliver() == 0
    for span, expected in ((12, "failed"), (70, "dead")):
        desk.clock.pass_by(timedelta(seconds=span))
        await desk.deliver()
        assert [one[1] for one in await desk.states()] == [expected]
    assert mailbox.mails == []


async def test_a_mail_that_is_refused_for_good_is_dead_at_once(desk: Desk, mailbox: Mailbox) -> None:
    await desk.put(OVERDUE, await desk.hire("bob"))
    await desk.consume()
    mailbox.answers = ["550 no such person"]
    await desk.deliver()
    assert [one[1] for one in await desk.states()] == ["dead"]


@pytest.mark.parametrize("address", ["not an address", "a@b@c", "x\r\nBcc: y@example.com"])
async def test_an_address_to_which_no_mail_can_be_written_is_dead_at_once(
    desk: Desk, database: str, mailbox: Mailbox, address: str
) -> None:
    bob = await desk.hire("bob")
    as_superuser(database, "UPDATE user_account SET email = %s WHERE id = %s", address, bob.id)
    await desk.put(OVERDUE, bob)
    await desk.consume()
    await desk.deliver()
    assert [one[1] for one in await desk.states()] == ["dead"]
    assert mailbox.mails == []


async def test_names_cannot_smuggle_headers_or_html_into_a_mail(desk: Desk, mailbox: Mailbox, database: str) -> None:
    evil = "x\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>"
    bob = await desk.hire("bob")
    as_superuser(database, "UPDATE user_account SET full_name = %s WHERE id = %s", evil, bob.id)
    as_superuser(database, "UPDATE subject SET identifier = %s", evil)
    await desk.put(OVERDUE, bob, reason=evil)
    await desk.consume()
    await desk.deliver()
    (mail,) = mailbox.mails
    assert mailbox.recipients == [["bob@example.com"]]
    assert mail["Bcc"] is None
    assert set(mail.keys()) == {
        "Subject", "From", "To", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version",
        "Content-Type",
    }  # fmt: skip
    plain, html = mailbox.parts()
    assert "<script>" in plain
    assert "<script" not in html
    assert "&lt;script&gt;" in html


async def test_a_tenants_wording_goes_out_and_a_failing_one_falls_back_visibly(
    desk: Desk, mailbox: Mailbox, database: str
) -> None:
    bob = await desk.hire("bob")
    own = Wording(subject="Late: {{ subject }}", body="Dear {{ recipient }}!", body_html="<b>{{ recipient }}</b>")
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        await keep_template(session, bob, OVERDUE, own)
    await desk.put(OVERDUE, bob)
    await desk.consume()
    await desk.deliver()
    assert mailbox.mails[-1]["Subject"] == "Late: SN-1"
    assert "Dear Bob!" in mailbox.parts()[0]
    assert "<b>Bob</b>" in mailbox.parts()[1]
    desk.clock.pass_by(timedelta(minutes=1))
    as_superuser(database, "UPDATE notification_template SET body = '{{ no_such_thing }}'")
    await desk.put(OVERDUE, bob)
    await desk.consume()
    assert (await titles(desk, bob))[0] == "Overdue: Weld, SN-1"
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        shown = template_json(OVERDUE, await template_row(session, desk.scene.tenant, OVERDUE))
    assert "no_such_thing" in shown["last_error"]
    assert shown["last_error_at"] is not None


async def test_a_process_in_review_is_told_to_those_who_may_approve_and_in_force_to_its_author(desk: Desk) -> None:
    author, boss = await desk.hire("author", "engineer"), await desk.hire("boss", "quality_manager")
    graph = {"steps": [{"key": "one", "name": "One"}, {"key": "end", "name": "End", "is_terminal": True}], "edges": []}
    new = NewProcess(name="Paint", category=ProcessCategory.QUALITY, subject_type="Part", graph=graph)
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        draft = await create_process(session, author.actor, new)
        await submit_process(session, author.actor, draft.id, note="Please have a look.")
    await desk.consume()
    assert await titles(desk, boss) == ["Process to approve: Paint 1.0"]
    assert await titles(desk, author) == []
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        (told,) = await list_notifications(session, boss, limit=5)
        assert (
            told["body"] == "Paint 1.0 was submitted by Author and waits for approval.\n\nReason: Please have a look."
        )
        assert told["link"] == f"/processes/{draft.id}"
        await approve_process(session, boss.actor, draft.id)
    await desk.consume()
    assert await titles(desk, author) == ["Process approved: Paint 1.0"]
    assert len(await titles(desk, boss)) == 1


async def test_a_wrong_login_at_the_mail_server_is_ours_to_mend_so_the_mail_waits(desk: Desk) -> None:
    await desk.put(OVERDUE, await desk.hire("bob"))
    await desk.consume()
    with Mailbox(login=("gatework", "right")) as mailbox:
        asked = {"smtp_port": mailbox.port, "smtp_user": "gatework"}
        desk.settings = desk.settings.model_copy(update={**asked, "smtp_password": SecretStr("wrong")})
        await desk.deliver()
        assert [one[1] for one in await desk.states()] == ["failed"]
        assert "wrong" not in str(await desk.states())
        desk.settings = desk.settings.model_copy(update={**asked, "smtp_password": SecretStr("right")})
        desk.clock.pass_by(timedelta(seconds=12))
        await desk.deliver()
        assert [one[1] for one in await desk.states()] == ["sent"]
        assert len(mailbox.mails) == 1


async def test_a_locked_account_is_told_to_its_owner_and_to_those_who_manage_users(desk: Desk) -> None:
    bob, admin, eve = await desk.hire("bob"), await desk.hire("admin", "admin"), await desk.hire("eve", "operator")
    async with tenant_session(desk.app, desk.scene.tenant) as session:
        notice = {"code": "account_locked", "user_id": str(bob.id), "username": bob.username, "source": "kiosk"}
        await put_in_outbox(session, desk.scene.tenant, SECURITY_TOPIC, str(bob.id), notice)
    await desk.consume()
    said = f"Security notice: The account {bob.username} was locked after too many failed logins."
    assert await titles(desk, bob) == await titles(desk, admin) == [said]
    assert await titles(desk, eve) == []
