"""What a command answers of executions is what the database shows of them, though it was not asked."""

from typing import Any
from uuid import UUID

import pytest

from models.db import tenant_session
from models.flow.state import Ref
from models.store.views import execution_views, shown_executions
from tests.support.plant import Plant, end, line, step

ONE, TWO = Ref(0, "one"), Ref(0, "two")


async def shown(plant: Plant, answer: dict[str, Any]) -> None:
    """The answer's executions are as the database has them now."""
    given = {one["id"]: one for one in (answer["execution"], *answer["next"])}
    async with tenant_session(plant.app, plant.tenant) as session:
        found = await execution_views(session, plant.tenant, [UUID(one) for one in given])
    assert given == {str(one): view for one, view in found.items()}


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many executions each answer had to ask the database for."""
    asked: list[int] = []

    def counting(tenant: UUID, ids: Any) -> Any:
        asked.append(len(ids))
        return shown_executions(tenant, ids)

    monkeypatch.setattr("activities.answers.shown_executions", counting)
    return asked


async def test_plain_commands_answer_what_is_so_without_asking(plant: Plant, untold: list[int]) -> None:
    steps = step("one", expected_duration="PT8H"), step("two", requires_qa_signoff=True), step("three"), end()
    instance = await plant.begin(line(*steps), subjects=2)
    untold.clear()
    for kind, ref, by, args in (
        ("claim", ONE, "ann", {}),
        ("claim", ONE, "ann", {}),
        ("release", ONE, "ann", {"reason": "shift is over"}),
        ("start", ONE, "bob", {}),
        ("complete", ONE, "bob", {"notes": "as drawn"}),
        ("complete", TWO, "bob", {}),
        ("signoff", TWO, "quinn", {"comment": "good"}),
        ("complete", Ref(0, "three"), "bob", {}),
        ("complete", Ref(1, "one"), "ann", {}),
    ):
        answer = await plant.act(instance, kind, ref, by=by, **args)
        await shown(plant, answer)
    assert untold == [2]  # the sign-off, which is no plain command


async def test_several_at_once_answer_what_is_so(plant: Plant, untold: list[int]) -> None:
    batch = line(step("one", requires_batch_completion=True), step("two"), end())
    instance = await plant.begin(batch, subjects=3)
    untold.clear()
    commands = [await plant.accept(instance, "complete", [Ref(number, "one")]) for number in range(3)]
    await plant.signal(instance, *commands)
    await plant.settled(commands)
    *_, last = [await plant.outcome(one) for one in commands]
    assert (last["outcome"], len(last["next"])) == ("advanced", 1)
    await shown(plant, last)


async def test_what_is_not_plain_is_asked_for(plant: Plant, untold: list[int]) -> None:
    instance = await plant.begin(line(step("one"), step("two"), end()))
    untold.clear()
    answer = await plant.act(instance, "move", ONE, by="quinn", to_step="two", reason="it was done elsewhere")
    await shown(plant, answer)
    assert untold == [2]
