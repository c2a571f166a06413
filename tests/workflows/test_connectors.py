"""ERP calls through connectors, with a real server on the other side: where they go, and how they say who we are."""

import asyncio
import base64
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from models.db import tenant_session
from models.enums import ConnectorAuth
from models.flow.state import Ref
from models.secret_box import secret_box
from models.store.connector_errors import ConnectorSecretNeededError
from models.store.connectors import (
    ConnectorRules,
    Credentials,
    change_connector,
    create_connector,
    delete_connector,
)
from models.store.refusals import ProcessInvalidError
from tests.support.plant import Plant, end, line, step
from tests.support.receiver import Posted, Receiver
from tests.workflows.conftest import working

Json = dict[str, Any]
pytestmark = pytest.mark.private_targets
AT = Ref(0, "book")
BEARER = Credentials(auth=ConnectorAuth.BEARER, secret="token-of-the-plant")


@pytest.fixture
def erp() -> Iterator[Receiver]:
    with Receiver() as receiver:
        receiver.says = b'{"document": {"number": 4711}}'
        yield receiver


def rules(plant: Plant) -> ConnectorRules:
    return ConnectorRules(box=secret_box(plant.settings), private_allowed=True)


async def connect(plant: Plant, url: str, credentials: Credentials = BEARER) -> UUID:
    """The connector `sap`."""
    async with tenant_session(plant.app, plant.tenant) as session:
        person = plant.person("quinn")
        row = await create_connector(
            session, person, rules(plant), key="sap", name="SAP", base_url=url, credentials=credentials
        )
    found: UUID = row["id"]
    return found


def booking(**action: Any) -> Json:
    """A step that books something in the ERP, then a person."""
    config = {"type": "erp", "connector": "sap", "context": {"erp.document": "body.document.number"}, **action}
    return line(step("book", step_type="automatic", config={"action": config}), step("look"), end())


async def test_a_request_goes_below_the_base_and_says_who_we_are(plant: Plant, erp: Receiver) -> None:
    await connect(plant, erp.url("/api/v1/"))
    headers = {"X-Plant": "A", "authorization": "Bearer of-the-step"}
    path = '"orders/" + subject.identifier + "/goods?full=true"'
    instance = await plant.begin(booking(path=path, body='{"quantity": 5}', headers=headers))
    await plant.at(instance, "look")
    (asked,) = erp.posted
    (subject,) = await plant.rows("SELECT identifier FROM subject")
    assert asked.path == f"/api/v1/orders/{subject['identifier']}/goods?full=true"
    assert asked.json == {"quantity": 5}
    assert asked.headers["authorization"] == "Bearer token-of-the-plant", "a step cannot pass for somebody else"
    assert asked.headers["x-plant"] == "A"
    (requested,) = await plant.audited(instance, "action_requested")
    assert asked.headers["idempotency-key"] == requested["new"]["call_id"]
    assert await plant.context(instance) == {"erp": {"document": 4711}}


@pytest.mark.parametrize(
    ("credentials", "header", "value"),
    [
        (Credentials(auth=ConnectorAuth.NONE), "authorization", None),
        (BEARER, "authorization", "Bearer token-of-the-plant"),
        (
            Credentials(auth=ConnectorAuth.BASIC, login="gatework", secret="pä:ss"),
            "authorization",
            "Basic " + base64.b64encode("gatework:pä:ss".encode()).decode(),
        ),
        (Credentials(auth=ConnectorAuth.HEADER, login="X-API-Key", secret="k-1"), "x-api-key", "k-1"),
    ],
)
async def test_each_way_of_saying_who_we_are(
    plant: Plant, erp: Receiver, credentials: Credentials, header: str, value: str | None
) -> None:
    await connect(plant, erp.url(), credentials)
    instance = await plant.begin(booking())
    await plant.at(instance, "look")
    (asked,) = erp.posted
    assert (asked.path, asked.headers.get(header)) == ("/hook", value)
    assert (asked.json["step"], asked.json["instance"]["id"]) == ("book", str(instance)), "what is told without a body"
    (kept,) = await plant.rows("SELECT secret FROM connector")
    assert credentials.secret.encode() not in kept["secret"] or not credentials.secret


async def test_a_secret_is_nowhere_but_in_the_request(plant: Plant, erp: Receiver) -> None:
    await connect(plant, erp.url())
    erp.answers = [403]
    instance = await plant.begin(booking())
    await plant.open_incident(instance)
    for table in ("journal", "audit_entry", "incident", "outbox", "connector", "action_request"):
        found = await plant.rows(f"SELECT 1 FROM {table} one WHERE one::text LIKE '%token-of-the-plant%'")  # noqa: S608
        assert found == []
    history = await plant.history(instance)
    assert "token-of-the-plant" not in history.to_json()


@pytest.mark.parametrize(
    "path",
    ['"../admin"', '"%2e%2e/admin"', '"a/%252E%252e/b"', '"..;/admin"', '"a\\\\..\\\\b"', "4711", '"a b"', '"a#b"'],
)
async def test_a_path_does_not_lead_out_of_the_base(plant: Plant, erp: Receiver, path: str) -> None:
    await connect(plant, erp.url("/api/v1"))
    instance = await plant.begin(booking(path=path))
    assert "its path cannot be used" in (await plant.open_incident(instance))["message"]
    assert erp.posted == []


async def test_a_path_stays_what_it_was_at_the_first_try(plant: Plant, erp: Receiver) -> None:
    await connect(plant, erp.url("/api"))
    erp.answers = [503]
    erp.gate.clear()
    graph = booking(path='"orders/" + context.order', body='{"order": context.order}')
    graph["steps"].insert(0, step("first"))
    instance = await plant.begin(graph)
    await plant.act(instance, "amend", by="quinn", changes={"context": {"order": "A-1"}}, reason="as it was ordered")
    await plant.act(instance, "complete", Ref(0, "first"))
    await asyncio.to_thread(erp.wait, 1)
    await plant.act(instance, "amend", by="quinn", changes={"context": {"order": "B-2"}}, reason="ordered anew")
    erp.gate.set()
    await plant.at(instance, "look")
    first, second = erp.posted
    assert (first.path, first.body) == (second.path, second.body) == ("/api/orders/A-1", b'{"order": "A-1"}')
    (ended,) = await plant.audited(instance, "action_ended")
    assert ended["new"]["request_sha256"] == sha256(b'orders/A-1\n{"order": "A-1"}').hexdigest()


async def test_a_connector_that_was_taken_away_stops_the_step_until_there_is_one_again(
    plant: Plant, erp: Receiver
) -> None:
    connector = await connect(plant, erp.url())
    process = await plant.approve(booking())
    async with tenant_session(plant.app, plant.tenant) as session:
        await delete_connector(session, plant.person("quinn"), connector)
    (gone,) = await plant.rows("SELECT secret, deleted_at FROM connector")
    assert (gone["secret"], gone["deleted_at"] is None) == (b"", False)
    instance = await plant.start(process)
    assert "there is no connector 'sap'" in (await plant.open_incident(instance))["message"]
    await connect(plant, erp.url("/new"))
    await plant.retry(instance, AT)
    await plant.at(instance, "look")
    assert [one.path for one in erp.posted] == ["/new"]


async def test_a_change_holds_from_the_next_request_on(plant: Plant, erp: Receiver) -> None:
    connector = await connect(plant, erp.url("/old"))
    erp.answers = [403]
    instance = await plant.begin(booking())
    await plant.open_incident(instance)
    renewed = Credentials(auth=ConnectorAuth.BEARER, secret="renewed")
    async with tenant_session(plant.app, plant.tenant) as session:
        changes = {"base_url": erp.url("/new")}
        await change_connector(session, plant.person("quinn"), rules(plant), connector, changes, renewed)
    await plant.retry(instance, AT)
    await plant.at(instance, "look")
    assert [seen(one) for one in erp.posted] == [
        ("/old", "Bearer token-of-the-plant"), ("/new", "Bearer renewed"),
    ]  # fmt: skip


async def test_a_step_whose_connector_is_not_there_is_not_approved(plant: Plant) -> None:
    with pytest.raises(ProcessInvalidError) as refused:
        await plant.approve(booking())
    (problem,) = refused.value.params["problems"]
    assert (problem["code"], problem["path"]) == ("connector_unknown", "steps[0].config.action.connector")


async def test_another_tenants_connector_is_not_there(plant: Plant, erp: Receiver) -> None:
    await connect(plant, erp.url())
    other = Plant(settings=plant.settings, client=plant.client)
    await other.open()
    try:
        with pytest.raises(ProcessInvalidError):
            await other.approve(booking())
    finally:
        await other.app.dispose()
        await other.system.dispose()


async def test_nothing_is_sent_into_the_own_network_unless_the_deployment_allows_it(
    idle_plant: Plant, erp: Receiver
) -> None:
    await connect(idle_plant, erp.url().replace("http:", "https:"))
    async with working(idle_plant):
        instance = await idle_plant.begin(booking())
        assert "private network" in (await idle_plant.open_incident(instance))["message"]
    assert erp.posted == []


def seen(posted: Posted) -> tuple[str, str]:
    return posted.path, posted.headers["authorization"]


async def test_of_two_changes_at_once_neither_sends_the_secret_of_the_other_elsewhere(idle_plant: Plant) -> None:
    plant, person = idle_plant, idle_plant.person("quinn")
    old, new = "https://old.example.com/api", "https://new.example.com/api"
    connector = await connect(plant, old)

    async def put_below_another_path() -> None:
        async with tenant_session(plant.app, plant.tenant) as session:
            await change_connector(session, person, rules(plant), connector, {"base_url": f"{old}/v2"}, None)

    async with tenant_session(plant.app, plant.tenant) as session:
        moved = Credentials(auth=ConnectorAuth.BEARER, secret="of-the-new-host")
        await change_connector(session, person, rules(plant), connector, {"base_url": new}, moved)
        other = asyncio.create_task(put_below_another_path())
        await plant.until("SELECT 1 FROM pg_locks WHERE NOT granted")
    with pytest.raises(ConnectorSecretNeededError):
        await other
    (row,) = await plant.rows("SELECT base_url, secret FROM connector")
    assert (row["base_url"], secret_box(plant.settings).open(row["secret"])) == (new, "of-the-new-host")
