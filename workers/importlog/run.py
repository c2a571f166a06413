"""A whole import: put the process into force, drive every case, read back, compare."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workers.importlog.client import Api, ApiProblem
from workers.importlog.compare import Mismatch, compare
from workers.importlog.drive import CaseOutcome, drive_cases
from workers.importlog.plan import ImportPlan
from workers.importlog.prepare import Target, check_sandbox, ensure_process, ensure_subject_type
from workers.importlog.readback import recorded_executions
from workers.importlog.report import ImportReport, report_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who wants to know how far the import is."""

    on_step: Callable[[], None] = lambda: None
    on_case: Callable[[], None] = lambda: None
    on_compared: Callable[[], None] = lambda: None


async def run_import(
    api: Api, plan: ImportPlan, target: Target, *, concurrency: int, speed: float | None, watch: Watch
) -> ImportReport:
    """Drive a plan through the API of a sandbox tenant and report how the record compares with the log.

    Raises:
        NotPossible: not_a_sandbox, not_an_importer, process_differs.
        ApiProblem: where not even the process can be put into force.
    """
    report = report_on(plan, log=target.log_name, process_key=target.process_key, run_id=str(target.run_id))
    await check_sandbox(api)
    await ensure_subject_type(api, target)
    process_id = await ensure_process(api, target, plan.graph)
    began = time.monotonic()
    outcomes = await drive_cases(
        api,
        target,
        process_id,
        plan.cases,
        concurrency=concurrency,
        speed=speed,
        on_step=watch.on_step,
        on_case=lambda _: watch.on_case(),
    )
    report.seconds = time.monotonic() - began
    report.completions = sum(one.completions for one in outcomes)
    report.problems = [f"{one.plan.case_id}: {one.problem}" for one in outcomes if one.problem]
    for found in await _compare_all(api, outcomes, concurrency, watch.on_compared):
        report.compared += 1
        report.mismatches.extend(found)
    return report


async def _compare_all(
    api: Api, outcomes: Sequence[CaseOutcome], concurrency: int, on_compared: Callable[[], None]
) -> list[list[Mismatch]]:
    room = asyncio.Semaphore(max(1, concurrency))

    async def one(outcome: CaseOutcome) -> list[Mismatch]:
        async with room:
            found = await _compared(api, outcome)
        on_compared()
        return found

    return await asyncio.gather(*(one(outcome) for outcome in outcomes if outcome.instance_id))


async def _compared(api: Api, outcome: CaseOutcome) -> list[Mismatch]:
    try:
        recorded = await recorded_executions(api, outcome.instance_id)
        status = (await api.get(f"/api/workflows/{outcome.instance_id}/"))["status"]
    except ApiProblem as problem:
        return [Mismatch(outcome.plan.case_id, 0, "a record that can be read", str(problem))]
    found = compare(outcome.plan, recorded)
    if status != "completed":
        found.append(Mismatch(outcome.plan.case_id, 0, "completed", str(status)))
    return found
