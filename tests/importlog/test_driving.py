"""A replay through the HTTP contract: every case once, in the right names, whatever gets lost on the way."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.importlog.fake_api import FakeApi
from workers.importlog.client import Api, ApiProblem
from workers.importlog.drive import Pace
from workers.importlog.log import Case, Event, Oddities
from workers.importlog.plan import ImportPlan, make_plan
from workers.importlog.prepare import NotPossible, Target
from workers.importlog.report import ImportReport
from workers.importlog.run import Watch, run_import

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
TARGET = Target(
    run_id=UUID(int=1),
    log_name="repair.xes",
    process_key="repair",
    process_name="Repair",
    category="quality",
    subject_type="LogCase",
)


def at(minute: int, activity: str, transition: str = "", resource: str = "") -> Event:
    return Event(activity, transition, EPOCH + timedelta(minutes=minute), resource)


def plan() -> ImportPlan:
    cases = [
        Case("1", (at(0, "Weld", "start", "Ann"), at(5, "Weld", "complete", "Bo"), at(6, "Test", "", "Åsa"))),
        Case("2", (at(0, "Test"), at(1, "Weld", "complete", "Cy"), at(2, "Test", "", "Bo"), at(3, "Test", "", "Bo"))),
        Case("3"),
        Case("4", tuple(at(n, "Weld", "complete", "Di") for n in range(9))),
    ]
    return make_plan(cases, Oddities())


async def run(fake: FakeApi, what: ImportPlan | None = None, target: Target = TARGET) -> ImportReport:
    async with Api("http://fake", transport=fake.transport()) as api:
        await api.log_in("imp", "secret")
        return await run_import(api, what or plan(), target, concurrency=3, speed=None, watch=Watch())


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.sleep
    monkeypatch.setattr("workers.importlog.client.asyncio.sleep", lambda _: real(0))


@pytest.mark.parametrize(("lose_every", "defer_every"), [(0, 0), (2, 0), (3, 0), (0, 2), (4, 3)])
async def test_every_case_is_recorded_once_and_as_the_log_says(lose_every: int, defer_every: int) -> None:
    fake = FakeApi(lose_every=lose_every, defer_every=defer_every)
    report = await run(fake)
    assert report.is_clean
    assert (report.cases, report.planned, report.completions, report.compared) == (4, 15, 15, 4)
    assert len(fake.instances) == 4
    assert len(fake.executions) == 15 + 4
    assert list(fake.subject_types) == ["LogCase"]


async def test_a_run_that_outlasts_its_token_logs_in_again() -> None:
    fake = FakeApi(token_lasts=7)
    report = await run(fake)
    assert report.is_clean
    assert (report.completions, report.compared) == (15, 4)
    assert fake.logins > 3


async def test_a_run_that_is_repeated_changes_nothing() -> None:
    fake = FakeApi()
    await run(fake)
    told = len(fake.audit)
    assert (await run(fake)).is_clean
    assert (len(fake.instances), len(fake.audit)) == (4, told)


async def test_another_run_uses_the_process_that_is_in_force() -> None:
    fake = FakeApi()
    await run(fake)
    assert (await run(fake, target=replace(TARGET, run_id=UUID(int=2)))).is_clean
    assert (len(fake.processes), len(fake.instances), len(fake.subjects)) == (1, 8, 4)


async def test_cases_of_other_logs_with_the_same_ids_are_other_subjects() -> None:
    fake = FakeApi()
    for number, amount in enumerate(("10", "20", "20"), start=1):
        what = make_plan([Case("1", (at(0, "Weld"),), {"amount": amount})], Oddities())
        assert (await run(fake, what, replace(TARGET, run_id=UUID(int=number)))).is_clean
    assert sorted(one["attributes"]["amount"] for one in fake.subjects.values()) == ["10", "20"]
    assert [one["identifier"].partition("~")[0] for one in fake.subjects.values()] == ["1", "1"]
    used = [fake.subjects[one["subject"]]["attributes"]["amount"] for one in fake.instances.values()]
    assert used == ["10", "20", "20"]


async def test_a_case_id_that_is_too_long_is_cut_and_stays_itself() -> None:
    fake = FakeApi()
    long = [Case("x" * 300 + end, (at(0, "Weld"),)) for end in "ab"]
    assert (await run(fake, make_plan(long, Oddities()))).is_clean
    assert {len(one["identifier"]) for one in fake.subjects.values()} == {200}
    assert len(fake.subjects) == 2


async def test_a_draft_that_was_left_behind_is_put_into_force() -> None:
    fake = FakeApi()
    await run(fake)
    for process in fake.processes.values():
        process["status"] = "draft"
    assert (await run(fake, target=replace(TARGET, run_id=UUID(int=2)))).is_clean


async def test_a_key_of_another_graph_is_refused() -> None:
    fake = FakeApi()
    await run(fake)
    with pytest.raises(NotPossible, match="process_differs"):
        await run(fake, make_plan([Case("9", (at(0, "Paint"),))], Oddities()))


async def test_a_key_of_another_subject_type_is_refused_before_any_case() -> None:
    fake = FakeApi()
    await run(fake)
    with pytest.raises(NotPossible, match="process_differs"):
        await run(fake, target=replace(TARGET, run_id=UUID(int=2), subject_type="Part"))


async def test_a_wrong_person_in_the_record_is_a_mismatch() -> None:
    fake = FakeApi()
    await run(fake)
    for entry in fake.audit:
        if entry["on_behalf_of"] == "Åsa":
            entry["on_behalf_of"] = "Bo"
    report = await run(fake)
    assert [str(one) for one in report.mismatches] == ["1, step 2: expected test by Åsa, found test by Bo"]
    assert not report.is_clean


async def test_a_refusal_ends_the_case_and_shows() -> None:
    report = await run(FakeApi(refuse_at="test"))
    assert [line.partition(":")[0] for line in report.problems] == ["1", "2"]
    assert all("requirements_unmet (409)" in line for line in report.problems)
    assert {one.case_id for one in report.mismatches} == {"1", "2"}
    assert not report.is_clean


@pytest.mark.parametrize(
    ("fake", "code"),
    [(FakeApi(sandbox=False), "not_a_sandbox"), (FakeApi(permissions=("execution.work",)), "not_an_importer")],
)
async def test_only_an_importer_in_a_sandbox_may_replay(fake: FakeApi, code: str) -> None:
    with pytest.raises(NotPossible) as refused:
        await run(fake)
    assert refused.value.code == code
    assert not fake.processes


async def test_a_wrong_password_and_a_dead_server_are_told_apart() -> None:
    async with Api("http://fake", transport=FakeApi().transport()) as api:
        with pytest.raises(ApiProblem) as refused:
            await api.log_in("imp", "wrong")
    assert refused.value.code == "login_failed"
    async with Api("http://fake", transport=FakeApi(lose_every=1).transport(), token="T") as api:
        with pytest.raises(ApiProblem) as dead:
            await api.post("/api/subject-types/", {"key": "x"}, "k")
    assert dead.value.code == "no_connection"


async def test_the_pace_follows_recorded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("workers.importlog.drive.asyncio.sleep", note)
    pace = Pace(60.0)
    for minute in (0, 10, 5):
        await pace.until(EPOCH + timedelta(minutes=minute))
    await pace.until(None)
    assert waited == [pytest.approx(10, abs=0.5), pytest.approx(5, abs=0.5)]
