"""Named checks on a site's queue: carried out there, tried again, their verdicts kept as evidence of the execution."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from activities import site
from activities.contract import CheckCall, CheckVerdict
from models.db import tenant_session
from models.flow.state import Ref, execution_id
from models.permissions import permissions_of
from models.requirements.giving import give_evidence, withdraw_evidence
from models.requirements.showing import show_requirements
from models.store.people import Person
from tests.support.plant import Plant, end, line, step

Json = dict[str, Any]
Checks = dict[str, Callable[[CheckCall], Any]]
ONE = Ref(0, "one")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Checks:
    """What the site has; a test adds its checks."""
    found: Checks = {}
    monkeypatch.setattr(site, "checks", lambda: found)
    return found


async def begin(plant: Plant, check: str, **config: Any) -> UUID:
    """An instance whose first step goes on by itself once the check has passed."""
    requirement = {"key": "check", "name": "Check", "requirement_type": "custom",
                   "config": {"check": check, "timeout": "PT5S", **config}}  # fmt: skip
    return await plant.begin(line(step("one", requirements=[requirement], requires_operator_completion=False), end()))


async def ask(plant: Plant, instance: UUID, evidence: Json | None = None) -> Json:
    """Complete the requirement; how it stands then."""
    return await act(plant, instance, give_evidence, evidence or {})


async def act(plant: Plant, instance: UUID, work: Any, said: Any) -> Json:
    bob = Person(
        tenant_id=plant.tenant, id=plant.people["bob"], username="bob", permissions=permissions_of(["operator"])
    )
    execution = execution_id(instance, ONE)
    async with tenant_session(plant.app, plant.tenant) as session:
        [shown] = (await show_requirements(session, plant.tenant, execution))["items"]
        given = await work(session, bob, execution, UUID(shown["id"]), said, datetime.now(UTC))
    return {"reason": given.reason, **given.evidence}


async def state(plant: Plant, instance: UUID, wanted: str) -> Json:
    """The evidence, once it says so."""
    rows = await plant.until(
        "SELECT evidence FROM step_requirement_completion WHERE execution_id = :e AND evidence ->> 'state' = :wanted",
        e=execution_id(instance, ONE), wanted=wanted,
    )  # fmt: skip
    return dict(rows[0]["evidence"])


async def unmet(plant: Plant, instance: UUID) -> Any:
    async with tenant_session(plant.app, plant.tenant) as session:
        [shown] = (await show_requirements(session, plant.tenant, execution_id(instance, ONE)))["items"]
    return shown["reason"]


async def test_a_check_that_passes_moves_the_step_by_itself(plant: Plant, installed: Checks) -> None:
    told: list[CheckCall] = []

    async def leak_test(call: CheckCall) -> Json:
        told.append(call)
        return {"passed": True, "reason": "tight", "data": {"bar": 2.5}}

    installed["leak_test"] = leak_test
    instance = await begin(plant, "leak_test", parameters={"bar": 2})
    assert await unmet(plant, instance) == "the check 'leak_test' has not been run"
    asked = await ask(plant, instance, {"serial": "S-1"})
    assert asked["reason"] == "the check 'leak_test' is running"
    assert await plant.status(instance, "completed") == "completed"
    [call] = told
    assert (call.parameters, call.evidence, call.world["execution"]["step"]) == ({"bar": 2}, {"serial": "S-1"}, "one")
    kept = await state(plant, instance, "passed")
    assert (kept["data"], kept["reason"], kept["run"]) == ({"bar": 2.5}, "tight", call.run)
    entries = await plant.audited(instance, "evidence.given")
    assert [entry["actor_name"] for entry in entries] == ["bob", "check:leak_test"]


async def test_a_check_that_fails_says_why_and_can_be_run_again(plant: Plant, installed: Checks) -> None:
    answers = [CheckVerdict(passed=False, reason="0.4 bar lost"), True]
    installed["leak_test"] = lambda _: answers.pop(0)
    instance = await begin(plant, "leak_test")
    await ask(plant, instance)
    await state(plant, instance, "failed")
    assert await unmet(plant, instance) == "the check 'leak_test' is not passed: 0.4 bar lost"
    await ask(plant, instance)
    assert await plant.status(instance, "completed") == "completed"


async def test_a_check_that_breaks_is_tried_again_so_many_times(plant: Plant, installed: Checks) -> None:
    tries: list[str] = []

    def flaky(call: CheckCall) -> bool:
        tries.append(call.run)
        if len(tries) < 3:
            raise ConnectionError("gauge not reachable")
        return True

    def broken(call: CheckCall) -> bool:
        raise ConnectionError("gauge not reachable")

    installed |= {"flaky": flaky, "broken": broken}
    instance = await begin(plant, "flaky", retries=2)
    await ask(plant, instance)
    assert await plant.status(instance, "completed") == "completed"
    assert len(tries) == 3
    assert len(set(tries)) == 1
    other = await begin(plant, "broken", retries=0)
    await ask(plant, other)
    await state(plant, other, "error")
    told = "the check 'broken' could not be carried out: gauge not reachable; run it again"
    assert await unmet(plant, other) == told


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"check": "gone"}, "has no check 'gone'; it has: slow, strange, vast"),
        ({"check": "slow", "timeout": "PT0.2S", "retries": 0}, "it took longer than 0.2 s, 1 times"),
        ({"check": "slow", "queue": "site-nowhere", "wait": "PT0.2S"}, "no worker of site-nowhere took it"),
        ({"check": "strange"}, "the check answered int, which is no verdict"),
        ({"check": "vast"}, "its verdict cannot be stored"),
    ],
)
async def test_what_nobody_can_say_is_told(plant: Plant, installed: Checks, config: Json, says: str) -> None:
    never = asyncio.Event()

    async def slow(call: CheckCall) -> bool:
        return await never.wait()

    installed |= {"slow": slow, "strange": lambda _: 7}
    installed["vast"] = lambda _: {"passed": True, "data": {"x": "y" * 70_000}}
    instance = await begin(plant, **config)
    await ask(plant, instance)
    assert says in (await state(plant, instance, "error"))["reason"]
    assert "run it again" in await unmet(plant, instance)


async def test_the_verdict_of_a_run_that_was_taken_back_is_dropped(plant: Plant, installed: Checks) -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def slow(call: CheckCall) -> bool:
        await go.wait()
        done.set()
        return True

    installed["slow"] = slow
    instance = await begin(plant, "slow")
    first = await ask(plant, instance)
    assert (await ask(plant, instance))["run"] == first["run"], "the same run, asked for twice"
    await act(plant, instance, withdraw_evidence, "wrong part on the bench")
    go.set()
    result = await plant.client.get_workflow_handle(f"check-{first['run']}").result()
    assert result["passed"] is True
    assert await unmet(plant, instance) == "the check 'slow' has not been run"


async def test_a_verdict_waits_while_the_instance_is_on_hold(plant: Plant, installed: Checks) -> None:
    go = asyncio.Event()

    async def slow(call: CheckCall) -> bool:
        return await go.wait()

    installed["slow"] = slow
    instance = await begin(plant, "slow")
    await ask(plant, instance)
    await plant.act(instance, "hold", by="quinn", reason="audit of the line")
    go.set()
    await plant.eventually(lambda: refused_once(plant, instance))
    assert await unmet(plant, instance) == "the check 'slow' is running"
    await plant.act(instance, "resume", by="quinn", reason="audit is over")
    assert await plant.status(instance, "completed") == "completed"


async def refused_once(plant: Plant, instance: UUID) -> bool:
    """Whether the verdict has come and was not taken."""
    kept = await state(plant, instance, "running")
    described = await plant.client.get_workflow_handle(f"check-{kept['run']}").describe()
    return any(one.last_failure.message for one in described.raw_description.pending_activities)
