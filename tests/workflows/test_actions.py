"""Automatic actions on a real Temporal, with a real server on the other side."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

import pytest

from activities.actions import Actions
from activities.contract import ActionCall, InstanceKey
from activities.definitions import Definitions
from models.flow.state import Ref
from models.secret_box import secret_box
from tests.support.plant import Plant, edge, end, line, step
from tests.support.receiver import Receiver
from tests.workflows.conftest import working
from workflows.contract import Limits

Json = dict[str, Any]
pytestmark = pytest.mark.private_targets


@pytest.fixture
def erp() -> Iterator[Receiver]:
    with Receiver() as receiver:
        receiver.says = b'{"order": {"number": "PO-7"}}'
        yield receiver


def ordering(url: str, **action: Any) -> Json:
    """A step that orders something from another system, then a person."""
    config = {"type": "webhook", "url": url, "context": {"erp.order": "body.order.number"}, **action}
    return line(step("order", step_type="automatic", config={"action": config}), step("look"), end())


MADE = '{"at": timestamp("2026-03-29T01:30:00+02:00"), "wait": duration("90m"), "late": duration("-1s"), "raw": b"ab"}'
TOLD = {"at": "2026-03-28T23:30:00Z", "wait": "PT1H30M", "late": "-PT1S", "raw": "YWI="}


async def test_moments_and_durations_are_told_and_kept_as_everywhere_else(plant: Plant, erp: Receiver) -> None:
    kept = {"action": {"type": "expression", "set": {"made": MADE, "done.at": "now", "again": "execution.entered_at"}}}
    told = {"action": {"type": "webhook", "url": erp.url("/"), "body": '{"made": context.made, "new": ' + MADE + "}"}}
    steps = [step(key, step_type="automatic", config=one) for key, one in (("keep", kept), ("tell", told))]
    instance = await plant.begin(line(*steps, step("look"), end()))
    await plant.at(instance, "look")
    context = await plant.context(instance)
    assert context["made"] == TOLD
    assert [one.endswith("Z") for one in (context["done"]["at"], context["again"])] == [True, True]
    assert datetime.fromisoformat(context["done"]["at"]) >= datetime.fromisoformat(context["again"])
    (asked,) = await asyncio.to_thread(erp.wait, 1)
    assert asked.json == {"made": TOLD, "new": TOLD}


async def test_what_json_has_no_number_for_is_an_incident_that_says_so(plant: Plant) -> None:
    action = {"action": {"type": "expression", "set": {"share": "1.0 / 0.0"}}}
    instance = await plant.begin(line(step("share", step_type="automatic", config=action), end()))
    [incident] = await plant.until("SELECT code, message FROM incident WHERE instance_id = :id", id=instance)
    assert incident["code"] == "expression_failed"
    assert "not JSON compliant" in incident["message"]


async def test_what_grows_at_every_round_is_stopped_before_it_is_large(plant: Plant) -> None:
    longer = "has(context.log) ? context.log + context.log : 'round;'"
    action = {"action": {"type": "expression", "set": {"log": longer}}}
    by_expression = {"decision_type": "expression", "requires_operator_completion": False}
    graph = line(
        step("grow", step_type="automatic", config=action),
        step("again", is_decision_point=True, **by_expression),
        end(),
        edges=[edge("grow", "again"), edge("again", "grow") | {"condition": "true"}, edge("again", "end", "alternate")],
    )
    instance = await plant.begin(graph)
    [incident] = await plant.until("SELECT code, message FROM incident WHERE instance_id = :id", id=instance)
    assert incident["code"] == "expression_failed"
    assert "its values have more than 65536 bytes as JSON" in incident["message"]
    assert len((await plant.context(instance))["log"]) == 6 * 2**13


async def test_a_receiver_that_fails_twice_is_asked_again_under_the_same_key(plant: Plant, erp: Receiver) -> None:
    erp.answers = [503, 500]
    body = '{"part": subject.identifier, "for": instance.identifier}'
    instance = await plant.begin(ordering(erp.url("/orders"), body=body, headers={"X-Plant": "A"}))
    await plant.at(instance, "look")
    asked = await asyncio.to_thread(erp.wait, 3)
    assert len(asked) == 3
    assert len({one.headers["idempotency-key"] for one in asked}) == 1
    [subject] = await plant.rows("SELECT s.identifier FROM subject s")
    [own] = await plant.rows("SELECT identifier FROM workflow_instance WHERE id = :id", id=instance)
    assert asked[0].json == {"part": subject["identifier"], "for": own["identifier"]}
    assert (asked[0].path, asked[0].headers["x-plant"]) == ("/orders", "A")
    assert await plant.context(instance) == {"erp": {"order": "PO-7"}}
    [entry] = await plant.audited(instance, "action_ended")
    assert entry["new"]["step"] == "Order"


async def test_what_fails_for_good_is_an_incident_and_a_retry_asks_under_a_new_key(plant: Plant, erp: Receiver) -> None:
    erp.answers = [422]
    instance = await plant.begin(ordering(erp.url(), retries=5))
    [incident] = await plant.until("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert incident["code"] == "action_failed"
    assert incident["params"]["error"].startswith("HTTP 422")
    assert len(erp.posted) == 1, "a refusal is final"
    arguments = {"incident_id": str(incident["id"]), "code": "action_failed", "note": ""}
    await plant.act(instance, "retry_incident", Ref(0, "order"), by="quinn", **arguments)
    await plant.at(instance, "look")
    first, second = erp.posted
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert await plant.context(instance) == {"erp": {"order": "PO-7"}}


QUANTITY = '{"quantity": context.quantity, "at": string(now), "for": subject.identifier, "a": 1, "z": 2, "m": 3}'
"""A body that comes out otherwise at every moment."""


def counted(url: str, **action: Any) -> Json:
    """A person finds how many; each subject writes that over what the one before it found, and orders so many."""
    graph = ordering(url, body=QUANTITY, **action)
    amount = {"action": {"type": "expression", "set": {"quantity": "subject.identifier"}}}
    graph["steps"][:0] = [step("count"), step("note", step_type="automatic", config=amount)]
    return graph


async def test_a_second_try_repeats_the_first_to_the_byte_whatever_another_subject_did_meanwhile(
    plant: Plant, erp: Receiver
) -> None:
    erp.answers = [500]
    erp.gate.clear()
    instance = await plant.begin(counted(erp.url()), subjects=2)
    await plant.act(instance, "complete", Ref(0, "count"))
    await asyncio.to_thread(erp.wait, 1)
    await plant.act(instance, "complete", Ref(1, "count"))
    await asyncio.to_thread(erp.wait, 2)
    erp.gate.set()
    await plant.at(instance, "look", 2)
    first, other, again = erp.posted
    assert (again.body, again.headers["idempotency-key"]) == (first.body, first.headers["idempotency-key"])
    assert first.json["quantity"] == first.json["for"] != other.json["quantity"], "the context is the other's by now"
    assert other.json["quantity"] == (await plant.context(instance))["quantity"]
    told = {
        one["new"]["call_id"]: one["new"]["request_sha256"] for one in await plant.audited(instance, "action_ended")
    }
    assert told == {one.headers["idempotency-key"]: sha256(one.body).hexdigest() for one in (first, other)}


async def test_a_call_after_an_incident_asks_what_is_true_by_then(plant: Plant, erp: Receiver) -> None:
    erp.answers = [422]
    instance = await plant.begin(counted(erp.url()))
    await plant.act(instance, "complete", Ref(0, "count"))
    [incident] = await plant.until("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    await plant.act(instance, "amend", by="quinn", changes={"context": {"quantity": 7}}, reason="counted once more")
    arguments = {"incident_id": str(incident["id"]), "code": "action_failed", "note": ""}
    await plant.act(instance, "retry_incident", Ref(0, "order"), by="quinn", **arguments)
    await plant.at(instance, "look")
    first, second = erp.posted
    assert first.json["quantity"] != second.json["quantity"] == 7
    ended = await plant.audited(instance, "action_ended")
    assert [one["new"]["request_sha256"] for one in ended] == [sha256(one.body).hexdigest() for one in erp.posted]


async def test_two_tries_at_once_on_two_workers_send_the_same(plant: Plant, erp: Receiver) -> None:
    erp.gate.clear()
    instance = await plant.begin(counted(erp.url()))
    await plant.act(instance, "complete", Ref(0, "count"))
    [first] = await asyncio.to_thread(erp.wait, 1)
    await plant.act(instance, "amend", by="quinn", changes={"context": {"quantity": 7}}, reason="counted once more")
    box = secret_box(plant.settings)
    elsewhere = Actions(plant.app, Definitions(), site="main", box=box, private_allowed=True)
    key = InstanceKey(tenant_id=str(plant.tenant), instance_id=str(instance))
    call = ActionCall(key=key, ref=Ref(0, "order"), call_id=first.headers["idempotency-key"])
    beside = asyncio.ensure_future(elsewhere.run_action(call))
    await asyncio.to_thread(erp.wait, 2)
    erp.gate.set()
    assert (await beside)["status"] == 200
    await plant.at(instance, "look")
    assert [one.body for one in erp.posted] == [first.body] * 2


async def test_retries_end_as_the_step_says(plant: Plant, erp: Receiver) -> None:
    erp.answers = [503] * 10
    instance = await plant.begin(ordering(erp.url(), retries=1))
    [incident] = await plant.until("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert incident["params"]["error"].startswith("HTTP 503")
    assert len(erp.posted) == 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"[" * 250 + b"]" * 250, "nested more than 100 levels deep"),
        (b'{"order": {"number": NaN}}', "Out of range float values"),
        (b'{"order": {"number": "\\ud800"}}', "half a surrogate pair"),
        (b"\x01" * 60_000, "longer than 65536 bytes as JSON"),
    ],
)
async def test_an_answer_that_no_journal_can_keep_is_an_incident(
    plant: Plant, erp: Receiver, said: bytes, reason: str
) -> None:
    erp.says = said
    instance = await plant.begin(ordering(erp.url()))
    [incident] = await plant.until("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert incident["params"]["error"].startswith("its answer")
    assert reason in incident["params"]["error"]
    assert len(erp.posted) == 1, "it would say the same again"


async def test_a_run_that_goes_on_asks_for_open_calls_again_under_the_same_key(plant: Plant, erp: Receiver) -> None:
    erp.gate.clear()
    graph = ordering(erp.url())
    process = await plant.approve(graph)
    instance = await plant.start(process, 2, limits=Limits(events=1))
    await plant.begun(instance)
    await asyncio.to_thread(erp.wait, 2)
    await plant.act(instance, "amend", by="quinn", changes={"name": "Rush"}, reason="it is urgent")
    await asyncio.to_thread(erp.wait, 4)
    erp.gate.set()
    await plant.at(instance, "look", 2)
    assert len({one.headers["idempotency-key"] for one in erp.posted}) == 2
    assert len(await plant.audited(instance, "action_requested")) == 2
    assert len(await plant.audited(instance, "action_ended")) == 2
    assert len(await plant.histories(instance)) >= 2


async def test_an_answer_during_a_hold_is_kept_and_the_subject_goes_on_afterwards(plant: Plant, erp: Receiver) -> None:
    erp.gate.clear()
    instance = await plant.begin(ordering(erp.url()))
    await asyncio.to_thread(erp.wait, 1)
    await plant.act(instance, "hold", by="quinn", reason="the customer called")
    erp.gate.set()
    await plant.until("SELECT 1 FROM journal WHERE instance_id = :id AND kind = 'action_ended'", id=instance)
    assert [one[1] for one in await plant.executions(instance)] == ["order"]
    await plant.act(instance, "resume", by="quinn", reason="all is well")
    await plant.at(instance, "look")
    assert len(erp.posted) == 1


async def test_a_subject_that_was_taken_elsewhere_hears_no_answer(plant: Plant, erp: Receiver) -> None:
    erp.gate.clear()
    instance = await plant.begin(ordering(erp.url()))
    await asyncio.to_thread(erp.wait, 1)
    await plant.act(instance, "complete", Ref(0, "order"), by="quinn", force="ordered by telephone")
    await plant.at(instance, "look")
    erp.gate.set()
    await plant.act(instance, "complete", Ref(0, "look"))
    assert await plant.status(instance, "completed") == "completed"
    assert await plant.context(instance) == {}


async def test_nothing_is_sent_into_the_own_network_unless_the_deployment_allows_it(
    idle_plant: Plant, erp: Receiver
) -> None:
    async with working(idle_plant):
        instance = await idle_plant.begin(ordering(erp.url().replace("http:", "https:")))
        [incident] = await idle_plant.until("SELECT * FROM incident WHERE instance_id = :id", id=instance)
    assert "private network" in incident["params"]["error"]
    assert erp.posted == []


async def test_an_expression_reckons_without_anybody(plant: Plant) -> None:
    config = {"action": {"type": "expression", "set": {"lot.name": '"L-" + subject.identifier'}}}
    instance = await plant.begin(line(step("a"), step("name", step_type="automatic", config=config), end()))
    await plant.act(instance, "complete", Ref(0, "a"))
    await plant.status(instance, "completed")
    [subject] = await plant.rows("SELECT identifier FROM subject")
    assert await plant.context(instance) == {"lot": {"name": f"L-{subject['identifier']}"}}


async def test_many_subjects_ask_at_once_and_each_is_answered_once(plant: Plant, erp: Receiver) -> None:
    instance = await plant.begin(ordering(erp.url()), subjects=130)
    await plant.at(instance, "look", 130)
    assert len({one.headers["idempotency-key"] for one in erp.posted}) == 130
