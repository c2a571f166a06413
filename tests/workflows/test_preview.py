"""A preview decides as the engine would, on the journal of the moment, and writes nothing."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from activities.batching import Stored
from activities.preview import Preview, preview
from models.flow import events as ev
from models.flow.branches import name_of
from models.flow.state import Ref, execution_id
from models.flow.wording import sentence
from tests.support.plant import Plant, edge, end, line, step

WHY = "agreed with the customer"
BATCH = line(step("wash", requires_batch_completion=True), step("pack"), end())


async def ask(
    plant: Plant, instance: UUID, kind: str, *refs: Ref, role: str = "quality_manager", **args: Any
) -> Preview:
    named = [str(execution_id(instance, ref)) for ref in refs]
    body = {"execution_ids": named, "args": args}
    command = Stored(uuid4(), kind, plant.people["quinn"], body, "test", None, "quinn", (role,))
    return await preview(plant.app, plant.tenant, instance, command, datetime.now(UTC))


def words(found: Preview) -> list[tuple[int, str]]:
    """Subject and sentence, in order."""
    refs = [(getattr(one.event, "ref", None), one.event) for one in found.decision.happened]
    return [(ref.subject, sentence(found.graph, event)) for ref, event in refs if ref is not None]


async def test_it_tells_who_is_carried_along_and_changes_nothing(plant: Plant) -> None:
    instance = await plant.begin(BATCH, subjects=2)
    await plant.act(instance, "move", Ref(0, "wash"), by="quinn", reason=WHY, to_step="pack")
    await plant.act(instance, "move", Ref(0, "pack"), by="quinn", reason=WHY, to_step="wash")
    await plant.act(instance, "complete", Ref(0, "wash", 2))
    before = await plant.kinds(instance)
    found = await ask(plant, instance, "skip", Ref(1, "wash"), reason=WHY)
    assert words(found) == [
        (1, "leaves 'Wash', which is skipped"),
        (1, "enters 'Pack'"),
        (0, "completes 'Wash'"),
        (0, "enters 'Pack', visit 2"),
    ]
    assert found.asked == {1}
    assert await plant.kinds(instance) == before
    answer = await plant.act(instance, "skip", Ref(1, "wash"), by="quinn", reason=WHY)
    assert answer["outcome"] == found.decision.outcomes[0].outcome == "skipped"


async def test_a_refusal_is_foretold_with_its_code(plant: Plant) -> None:
    instance = await plant.begin(BATCH)
    asked: list[tuple[str, dict[str, Any], str]] = [
        ("skip", {"role": "operator", "reason": WHY}, "forbidden"),
        ("rewind", {"reason": WHY, "to_step": "pack"}, "never_visited"),
        ("undo", {"reason": WHY}, "nothing_to_undo"),
    ]
    for kind, given, code in asked:
        found = await ask(plant, instance, kind, Ref(0, "wash"), **given)
        assert [one.outcome for one in found.decision.outcomes] == [code]


FORKED = line(
    step("prep"),
    step("both", step_type="fork"),
    step("left"),
    step("right"),
    step("met", step_type="join"),
    step("told", requires_operator_completion=False),
    step("sum", step_type="automatic", config={"action": {"type": "expression", "set": {"n": "1"}}}),
    end(),
    edges=[
        edge("prep", "both"),
        edge("both", "left"),
        edge("both", "right"),
        edge("left", "met"),
        edge("right", "met"),
        edge("met", "told"),
        edge("told", "sum"),
        edge("sum", "end"),
    ],
)


async def test_what_the_engine_does_by_itself_is_foretold(plant: Plant) -> None:
    instance = await plant.begin(FORKED)
    opened, closed = places(await ask(plant, instance, "move", Ref(0, "prep"), reason=WHY, to_step="both"))
    assert opened == [("both", 1), ("left", 1), ("right", 1)]
    assert closed == [("prep", 1), ("both", 1)]
    await plant.act(instance, "move", Ref(0, "prep"), by="quinn", reason=WHY, to_step="both")
    await plant.at(instance, "right")
    left = Ref(0, "left", 1, name_of("", "both", 1, 1))
    await plant.act(instance, "rewind", left, by="quinn", reason=WHY, to_step="both")
    await plant.at(instance, "right", 2)
    again = Ref(0, "left", 2, name_of("", "both", 2, 1))
    opened, _ = places(await ask(plant, instance, "rewind", again, reason=WHY, to_step="both"))
    assert opened == [("both", 3), ("left", 3), ("right", 3)], "visits that were rolled back are counted on"


async def test_a_preview_ends_where_an_action_decides_and_says_so(plant: Plant) -> None:
    instance = await plant.begin(FORKED)
    found = await ask(plant, instance, "move", Ref(0, "prep"), reason=WHY, to_step="met")
    opened, closed = places(found)
    assert (opened, closed[1:]) == ([("met", 1), ("told", 1), ("sum", 1)], [("met", 1), ("told", 1)])
    assert found.ahead == (Ref(0, "sum"),)


def places(found: Preview) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Steps and visits that would be entered, and that would be left."""
    events = [one.event for one in found.decision.happened]
    return (
        [(event.ref.step, event.ref.visit) for event in events if isinstance(event, ev.ExecutionEntered)],
        [
            (event.ref.step, event.ref.visit)
            for event in events
            if isinstance(event, ev.ExecutionCompleted | ev.ExecutionDiverted)
        ],
    )


async def test_the_end_of_the_workflow_is_foretold(plant: Plant) -> None:
    instance = await plant.begin(BATCH)
    found = await ask(plant, instance, "cancel", reason=WHY)
    told = [sentence(found.graph, one.event) for one in found.decision.happened]
    assert told == ["'Wash' is cancelled", "ends as cancelled", "the workflow is cancelled"]
    assert await plant.status(instance, "in_progress") == "in_progress"
