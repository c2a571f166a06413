"""People at their work on real servers: claim, start, release, sign-off, batches."""

from models.flow.state import Ref
from tests.support.plant import Plant, edge, end, line, step


async def test_what_another_person_holds_is_refused_with_their_name(plant: Plant) -> None:
    instance = await plant.begin(line(step("work"), end()))
    assert (await plant.act(instance, "claim", Ref(0, "work"), by="ann"))["outcome"] == "claimed"
    assert (await plant.act(instance, "claim", Ref(0, "work"), by="ann"))["outcome"] == "claimed"
    for kind in ("claim", "start", "complete", "release"):
        refused = await plant.act(instance, kind, Ref(0, "work"), by="bob")
        assert refused["code"] == "already_claimed", kind
        assert refused["params"]["assignee_name"].startswith("ann:")
    (row,) = await plant.rows("SELECT assigned_to FROM step_execution WHERE workflow_instance_id = :id", id=instance)
    assert row["assigned_to"] == plant.people["ann"]


async def test_released_work_is_anybodys_again_and_the_reason_stays_in_the_notes(plant: Plant) -> None:
    instance = await plant.begin(line(step("work"), end()))
    await plant.act(instance, "start", Ref(0, "work"), by="ann")
    released = await plant.act(instance, "release", Ref(0, "work"), by="ann", reason="shift is over")
    assert released["outcome"] == "released"
    assert released["execution"]["assigned_to"] is None
    assert "shift is over" in released["execution"]["notes"]
    assert (await plant.act(instance, "release", Ref(0, "work"), by="ann"))["code"] == "not_claimed"
    assert (await plant.act(instance, "complete", Ref(0, "work"), by="bob"))["outcome"] == "completed"


async def test_a_step_with_explicit_start_must_be_started(plant: Plant) -> None:
    instance = await plant.begin(line(step("work", requires_explicit_start=True), end()))
    assert (await plant.act(instance, "complete", Ref(0, "work")))["code"] == "not_started"
    await plant.act(instance, "claim", Ref(0, "work"))
    assert (await plant.act(instance, "complete", Ref(0, "work")))["code"] == "not_started"
    started = await plant.act(instance, "start", Ref(0, "work"))
    assert started["outcome"] == "started"
    assert started["execution"]["started_at"] is not None
    assert (await plant.act(instance, "complete", Ref(0, "work")))["outcome"] == "completed"


async def test_who_did_the_work_cannot_sign_it_off_and_another_with_the_permission_can(plant: Plant) -> None:
    instance = await plant.begin(line(step("work", requires_qa_signoff=True), end()))
    done = await plant.act(instance, "complete", Ref(0, "work"), by="quinn")
    assert done["outcome"] == "awaiting_signoff"
    assert (await plant.act(instance, "complete", Ref(0, "work"), by="quinn"))["code"] == "already_done"
    assert (await plant.act(instance, "signoff", Ref(0, "work"), by="quinn"))["code"] == "self_signoff"
    assert (await plant.act(instance, "signoff", Ref(0, "work"), by="bob"))["code"] == "forbidden"
    await plant.hire("qadir", "quality_manager")
    signed = await plant.act(instance, "signoff", Ref(0, "work"), by="qadir", comment="as drawn")
    assert signed["outcome"] == "completed"
    (entry,) = await plant.audited(instance, "execution_signed_off")
    assert (entry["actor_id"], entry["reason"]) == (plant.people["qadir"], "as drawn")


async def test_a_person_who_once_held_the_work_cannot_sign_it_off_either(plant: Plant) -> None:
    instance = await plant.begin(line(step("work", requires_qa_signoff=True), end()))
    await plant.act(instance, "start", Ref(0, "work"), by="quinn")
    await plant.act(instance, "release", Ref(0, "work"), by="quinn", reason="called away")
    await plant.act(instance, "complete", Ref(0, "work"), by="bob")
    assert (await plant.act(instance, "signoff", Ref(0, "work"), by="quinn"))["code"] == "self_signoff"


async def test_a_batch_waits_for_its_last_and_then_each_goes_its_own_way(plant: Plant) -> None:
    graph = line(
        step("prepare"),
        step("test", is_decision_point=True, requires_batch_completion=True),
        step("repair"),
        end("stock"),
        end("scrap", "scrapped"),
        edges=[
            edge("prepare", "test"),
            edge("test", "stock"),
            edge("test", "repair", "alternate"),
            edge("test", "scrap", "alternate", "scrap"),
        ],
    )
    instance = await plant.begin(graph, subjects=5)
    for subject in range(4):
        await plant.act(instance, "complete", Ref(subject, "prepare"))
    results = ["pass", "fail", "scrap"]
    for subject, result in enumerate(results):
        waiting = await plant.act(instance, "complete", Ref(subject, "test"), decision_result=result)
        assert waiting["outcome"] == "waiting"
    last = await plant.act(instance, "complete", Ref(3, "test"), decision_result="yes")
    assert last["outcome"] == "completed"
    places = {row[0]: row[1] for row in await plant.executions(instance)}
    assert places == {0: "stock", 1: "repair", 2: "scrap", 3: "stock", 4: "prepare"}


async def test_one_sign_off_accepts_a_whole_batch(plant: Plant) -> None:
    graph = line(step("test", requires_batch_completion=True, requires_qa_signoff=True), end())
    instance = await plant.begin(graph, subjects=3)
    for subject in range(3):
        done = await plant.act(instance, "complete", Ref(subject, "test"))
        assert done["outcome"] == "awaiting_signoff"
    signed = await plant.act(instance, "signoff", Ref(1, "test"), by="quinn")
    assert signed["outcome"] == "completed"
    assert await plant.status(instance, "completed") == "completed"
    assert len(await plant.audited(instance, "execution_signed_off")) == 3
