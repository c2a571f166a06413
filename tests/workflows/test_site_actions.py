"""Automatic actions on a site's queue: carried out there with what they are told, tried again, their answers kept."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from activities import site
from activities.contract import SiteCall
from models.flow.state import Ref
from models.settings import Settings
from tests.support.plant import Plant, end, line, step
from tests.workflows.conftest import working
from workers.run_worker import site_worker
from workflows.contract import Limits

Json = dict[str, Any]
Installed = dict[str, Callable[[SiteCall], Any]]
AT = Ref(0, "press")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """What the site has; a test adds its actions."""
    found: Installed = {}
    monkeypatch.setattr(site, "actions", lambda: found)
    return found


def pressing(**action: Any) -> Json:
    """A step at which a machine works, then a person."""
    config = {"type": "activity", "activity": "press", "timeout": "PT5S", "retries": 0, **action}
    return line(step("press", step_type="automatic", config={"action": config}), step("look"), end())


async def test_an_action_is_told_what_its_step_works_out_and_its_answer_is_kept(
    plant: Plant, installed: Installed
) -> None:
    told: list[SiteCall] = []

    async def press(call: SiteCall) -> Json:
        told.append(call)
        return {"force": {"peak": 12.5}, "log": "x" * 1_000}

    installed["press"] = press
    args = '{"part": subject.identifier, "force": 10.0 + 2.5}'
    instance = await plant.begin(pressing(args=args, context={"press.peak": "force.peak"}))
    await plant.at(instance, "look")
    (own,) = await plant.rows(
        "SELECT i.id, i.identifier, s.id AS sid, s.identifier AS part FROM workflow_instance i, subject s"
    )
    (call,) = told
    assert call.args == {"part": own["part"], "force": 12.5}
    assert (call.step, call.instance, call.subject) == (
        "press",
        {"id": str(own["id"]), "identifier": own["identifier"]},
        {"id": str(own["sid"]), "identifier": own["part"]},
    )
    assert await plant.context(instance) == {"press": {"peak": 12.5}}
    (entry,) = await plant.audited(instance, "action_ended")
    assert entry["new"]["call_id"] == call.call_id


async def test_what_nobody_keeps_of_an_answer_is_not_in_the_journal(plant: Plant, installed: Installed) -> None:
    installed["press"] = lambda _: {"log": "x" * 1_000}
    instance = await plant.begin(pressing())
    await plant.at(instance, "look")
    (row,) = await plant.rows("SELECT data FROM journal WHERE instance_id = :id AND kind = 'action_ended'", id=instance)
    assert row["data"].get("output", {}) == {}


async def test_a_machine_that_does_not_answer_is_asked_again_under_the_same_id(
    plant: Plant, installed: Installed
) -> None:
    tries: list[str] = []

    def press(call: SiteCall) -> None:
        tries.append(call.call_id)
        if len(tries) < 3:
            raise ConnectionError("press not reachable")

    installed["press"] = press
    instance = await plant.begin(pressing(retries=2))
    await plant.at(instance, "look")
    assert len(tries) == 3
    assert len(set(tries)) == 1


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ({"activity": "gone"}, "has no action 'gone'; it has: broken, deaf, deep, odd, slow, torn, vast"),
        ({"activity": "slow", "timeout": "PT0.2S"}, "it took longer than 0.2 s, 1 times"),
        ({"activity": "odd"}, "the action answered int, which is no object"),
        ({"activity": "vast"}, "the action answered more than 65536 bytes"),
        ({"activity": "deaf"}, "what the action answered is no JSON: it contains NUL"),
        ({"activity": "deep"}, "what the action answered is no JSON: it is nested more than 100 levels deep"),
        ({"activity": "torn"}, "what the action answered is no JSON: it contains half a surrogate pair"),
        ({"activity": "broken"}, "press not reachable"),
        ({"activity": "odd", "args": "context.missing"}, "its arguments cannot be worked out"),
        ({"activity": "odd", "site": "nowhere", "patience": "PT0.2S"}, "no worker of the site 'nowhere' took it"),
    ],
)
async def test_what_fails_for_good_is_an_incident_that_says_why(
    plant: Plant, installed: Installed, action: Json, says: str
) -> None:
    never = asyncio.Event()

    async def slow(call: SiteCall) -> bool:
        return await never.wait()

    def broken(call: SiteCall) -> None:
        raise ConnectionError("press not reachable")

    installed |= {"slow": slow, "broken": broken, "odd": lambda _: 7, "deaf": lambda _: {"a": "\x00"}}
    installed |= {"vast": lambda _: {"x": "y" * 70_000}, "torn": lambda _: {"a": "\ud800"}}
    installed["deep"] = lambda _: {"x": json.loads("[" * 250 + "]" * 250)}
    instance = await plant.begin(pressing(**action))
    incident = await plant.open_incident(instance)
    assert incident["code"] == "action_failed"
    assert says in incident["message"]


async def test_a_plant_that_was_cut_off_catches_up_from_its_queue(plant: Plant, installed: Installed) -> None:
    installed["press"] = lambda _: {"ok": True}
    instance = await plant.begin(pressing(site=f"{plant.settings.site}-b", context={"ok": "ok"}))
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'action_requested'", id=instance)
    async with site_worker(of_site(plant, f"{plant.settings.site}-b"), plant.client):
        await plant.at(instance, "look")
    assert await plant.context(instance) == {"ok": True}


async def test_a_run_that_goes_on_has_it_done_again_under_the_same_id(plant: Plant, installed: Installed) -> None:
    go, calls = asyncio.Event(), list[str]()

    async def press(call: SiteCall) -> Json:
        calls.append(call.call_id)
        await go.wait()
        return {"ok": True}

    async def was_called(times: int) -> bool:
        return len(calls) >= times

    installed["press"] = press
    process = await plant.approve(pressing(context={"ok": "ok"}, timeout="PT30S"))
    instance = await plant.start(process, limits=Limits(events=1))
    await plant.begun(instance)
    await plant.eventually(lambda: was_called(1))
    await plant.act(instance, "amend", by="quinn", changes={"name": "Rush"}, reason="it is urgent")
    await plant.eventually(lambda: was_called(2))
    go.set()
    await plant.at(instance, "look")
    assert len(set(calls)) == 1
    assert len(await plant.audited(instance, "action_ended")) == 1
    assert len(await plant.histories(instance)) >= 2


async def test_a_run_that_goes_on_tells_the_same_site_the_same(plant: Plant, installed: Installed) -> None:
    go, calls = asyncio.Event(), list[SiteCall]()

    async def press(call: SiteCall) -> Json:
        calls.append(call)
        await go.wait()
        return {}

    async def was_called(times: int) -> bool:
        return len(calls) >= times

    installed["press"] = press
    args = '{"lot": context.lot, "at": string(now), "z": 1, "a": 1.0}'
    graph = pressing(args=args, timeout="PT30S")
    graph["steps"].insert(0, step("first"))
    instance = await plant.start(await plant.approve(graph), limits=Limits(events=1))
    await plant.begun(instance)
    await plant.act(instance, "amend", by="quinn", changes={"context": {"lot": "L-1"}}, reason="as it came")
    await plant.act(instance, "complete", Ref(0, "first"))
    await plant.eventually(lambda: was_called(1))
    elsewhere = {"context": {"lot": "L-2", "site": "nowhere"}}
    await plant.act(instance, "amend", by="quinn", changes=elsewhere, reason="another subject's")
    await plant.eventually(lambda: was_called(2))
    go.set()
    await plant.at(instance, "look")
    assert calls[0].args["lot"] == "L-1"
    assert calls == [calls[0]] * len(calls)
    (kept,) = await plant.rows("SELECT target, sha256 FROM action_request")
    (ended,) = await plant.audited(instance, "action_ended")
    assert (kept["target"], kept["sha256"]) == (plant.settings.site, ended["new"]["request_sha256"])


async def test_the_site_that_the_context_names_does_it(idle_plant: Plant, installed: Installed) -> None:
    plant, other = idle_plant, f"{idle_plant.settings.site}-b"
    installed["press"] = lambda _: {}
    graph = pressing(patience="PT0.2S")
    graph["steps"].insert(0, step("first"))
    async with working(plant):
        instance = await plant.begin(graph)
        await plant.act(instance, "amend", by="quinn", changes={"context": {"site": other}}, reason="made elsewhere")
        await plant.act(instance, "complete", Ref(0, "first"))
        assert f"no worker of the site '{other}'" in (await plant.open_incident(instance))["message"]
        async with site_worker(of_site(plant, other), plant.client):
            await plant.retry(instance, AT)
            await plant.at(instance, "look")


@pytest.mark.parametrize("site", ["m" * 1_500, {"key": "munich"}])
async def test_a_context_that_names_no_site_is_an_incident_and_the_workflow_goes_on(
    plant: Plant, installed: Installed, site: Any
) -> None:
    graph = pressing()
    graph["steps"].insert(0, step("first"))
    instance = await plant.begin(graph)
    await plant.act(instance, "amend", by="quinn", changes={"context": {"site": site}}, reason="made elsewhere")
    await plant.act(instance, "complete", Ref(0, "first"))
    assert "what 'context.site' says is no key of a site" in (await plant.open_incident(instance))["message"]
    installed["press"] = lambda _: {}
    await plant.act(instance, "amend", by="quinn", changes={"context": {}}, reason="made here after all")
    await plant.retry(instance, AT)
    await plant.at(instance, "look")


async def test_more_than_a_history_can_keep_is_not_told(plant: Plant, installed: Installed) -> None:
    installed["press"] = lambda _: {}
    graph = pressing(args="context.log")
    graph["steps"].insert(0, step("first"))
    instance = await plant.begin(graph)
    large = {"context": {"log": "é" * 33_000}}
    await plant.act(instance, "amend", by="quinn", changes=large, reason="read from the machine")
    await plant.act(instance, "complete", Ref(0, "first"))
    message = (await plant.open_incident(instance))["message"]
    assert "its arguments cannot be worked out: they are longer than 65536 bytes" in message


async def test_an_erp_call_may_be_an_action_of_the_site(plant: Plant, installed: Installed) -> None:
    installed["book"] = lambda call: {"document": f"D-{call.args['quantity']}"}
    action = {"type": "erp", "activity": "book", "args": '{"quantity": 5}', "context": {"erp.document": "document"}}
    instance = await plant.begin(pressing(**action))
    await plant.at(instance, "look")
    assert await plant.context(instance) == {"erp": {"document": "D-5"}}


def of_site(plant: Plant, key: str) -> Settings:
    return plant.settings.model_copy(update={"site": key})
