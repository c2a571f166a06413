"""Take cases through the API: start the instance, then claim, start and complete step by step, as the log says."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from models.templates.shape import Json
from workers.importlog.client import Api, ApiProblem
from workers.importlog.naming import ARTIFICIAL, START
from workers.importlog.plan import CasePlan, PlannedStep
from workers.importlog.prepare import Target
from workers.importlog.subjects import Known, KnownSubjects, apart, new_subject


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """How a case went; `problem` is empty where it was driven to its end."""

    plan: CasePlan
    instance_id: str
    completions: int
    problem: str = ""


@dataclass(slots=True)
class Pace:
    """Recorded time at a speed: 1 is as recorded, 60 a minute per second, None as fast as it goes."""

    speed: float | None
    began: float = 0.0
    first: datetime | None = None

    async def until(self, moment: datetime | None) -> None:
        """Wait until a recorded moment; the first one of a case is now."""
        if self.speed is None or moment is None:
            return
        if self.first is None:
            self.began, self.first = time.monotonic(), moment
        ahead = self.began + (moment - self.first).total_seconds() / self.speed - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)


async def drive_cases(
    api: Api,
    target: Target,
    process_id: str,
    plans: Iterable[CasePlan],
    *,
    concurrency: int,
    speed: float | None,
    on_step: Callable[[], None],
    on_case: Callable[[CaseOutcome], None],
) -> list[CaseOutcome]:
    """Drive every case, `concurrency` of them at a time, and return how each went, in the order of the plans."""
    waiting: Iterator[tuple[int, CasePlan]] = iter(enumerate(plans))
    done: dict[int, CaseOutcome] = {}
    subjects = KnownSubjects(api, target.subject_type)

    async def work() -> None:
        for number, plan in waiting:
            drive = _Drive(api, target, process_id, subjects, plan, Pace(speed), on_step)
            done[number] = await drive.to_the_end()
            on_case(done[number])

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, concurrency)):
            group.create_task(work())
    return [done[number] for number in sorted(done)]


@dataclass(slots=True)
class _Drive:
    """One case on its way."""

    api: Api
    target: Target
    process_id: str
    subjects: KnownSubjects
    plan: CasePlan
    pace: Pace
    on_step: Callable[[], None]
    instance_id: str = ""
    completions: int = 0

    async def to_the_end(self) -> CaseOutcome:
        """Start the case and take it through its plan; a refusal ends it and is told."""
        problem = ""
        try:
            await self._start()
            execution = await self._first_execution()
            for number, planned in enumerate(self.plan.steps):
                if execution is None or execution["step"]["key"] != planned.step:
                    at = execution["step"]["key"] if execution else "no open step"
                    problem = f"at {at}, where the log has {planned.step}"
                    break
                answer = await self._work(execution["id"], number, planned)
                execution = next(iter(answer.get("next") or ()), None)
        except ApiProblem as refused:
            problem = str(refused)
        return CaseOutcome(self.plan, self.instance_id, self.completions, problem)

    async def _start(self) -> None:
        """Start the instance with the case as a new subject, or with the one that is there from an earlier import.

        Another log may have a case of the same id; its subject is another one.
        """
        case, subject = self.plan.case_id, new_subject(self.plan, self.target.subject_type)
        try:
            instance = await self._begin(subject, self.target.key(case, "begin"))
        except ApiProblem as problem:
            known = await self._holder(subject, problem)
            if known.is_same(subject):
                instance = await self._begin({"subject_id": known.id}, self.target.key(case, "begin", "again"))
            else:
                instance = await self._begin_apart(apart(subject))
        self.instance_id = instance["id"]

    async def _begin_apart(self, subject: Json) -> Json:
        try:
            return await self._begin(subject, self.target.key(self.plan.case_id, "begin", "apart"))
        except ApiProblem as problem:
            known = await self._holder(subject, problem)
            return await self._begin({"subject_id": known.id}, self.target.key(self.plan.case_id, "begin", "again"))

    async def _holder(self, subject: Json, problem: ApiProblem) -> Known:
        """The subject that has the identifier already; the problem again where it is about something else."""
        known = await self.subjects.find(subject["identifier"]) if problem.code == "subject_identifier_taken" else None
        if known is None:
            raise problem
        return known

    async def _begin(self, subject: Json, key: str) -> Json:
        case = self.plan.case_id
        body = {
            "process": self.process_id,
            "subjects": [subject],
            "name": f"{self.target.log_name}: {case}"[:200],
            "context": {"log": self.target.log_name, "case": case, "run": str(self.target.run_id)},
        }
        return await self.api.post("/api/workflows/", body, key)

    async def _first_execution(self) -> Json | None:
        """The case's first execution, also where a resumed run finds later ones; waits where it is just being made."""
        for turn in range(100):
            async for one in self.api.pages(f"/api/workflows/{self.instance_id}/executions/"):
                if one["step"]["key"] == START:
                    return one
            await asyncio.sleep(min(0.1 * (turn + 1), 2))
        return None

    async def _work(self, execution_id: str, number: int, planned: PlannedStep) -> Json:
        if planned.starts:
            await self.pace.until(planned.started_at)
            await self._command(execution_id, number, "start", planned.starter, {})
        await self.pace.until(planned.ended_at)
        body = {"decision_result": planned.decision_result} if planned.decision_result else {}
        if planned.note:
            body["notes"] = planned.note
        answer = await self._command(execution_id, number, "complete", planned.completer, body)
        if planned.step not in ARTIFICIAL:
            self.completions += 1
            self.on_step()
        return answer

    async def _command(self, execution_id: str, number: int, action: str, person: str, body: Json) -> Json:
        behalf = {"on_behalf_of": person} if person else {}
        key = self.target.key(self.plan.case_id, number, action)
        return await self.api.post(f"/api/executions/{execution_id}/{action}/", {**body, **behalf}, key)
