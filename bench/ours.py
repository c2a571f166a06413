"""Our engine as a contender: by signal (worker and caller in one process, as the rows) and over HTTP (as installed).

Both complete by the product's own functions or endpoints: a command row, a signal, the outcome that record stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from temporalio.client import Client

from api.acceptance import Acceptance
from api.waiter import Settled, Waiter
from bench.contenders import CHECKLIST, STEPS, NotCompletedError
from bench.lean_http import LeanHttp
from bench.measure import history_length
from models.db import tenant_session
from models.flow.graph import ProcessCategory
from models.flow.ids import requirement_id
from models.flow.state import Ref, execution_id
from models.store.acceptance import lone
from models.store.commands import accept, slices
from models.store.definitions import NewProcess, approve_process, create_process
from models.store.evidence import Projected, project
from models.store.identifiers import next_identifier
from models.store.people import Person
from models.store.starting import NamedSubject, Start, plan_start, start
from models.tables import Process, UserAccount
from workflows.starting import NewInstance, Signals, start_instance

PATIENCE = 60.0
"""Seconds after which an outcome counts as lost."""
SUBJECT_TYPE = "WorkOrder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One installation with one approved process: `STEPS` steps, each behind one checklist, then the end."""

    app: AsyncEngine
    client: Client
    signals: Signals
    acceptance: Acceptance
    queue: str
    person: Person
    process: Process

    async def make_ready(self, instance: str, subjects: Sequence[int], step: int) -> None:
        """Tick the checklist of these executions, in bulk; not part of what is measured."""
        gate = requirement_id(self.process.id, _key(step), "checklist")
        now = datetime.now(UTC)
        evidence = {"checked_items": [{"item": 0, "label": CHECKLIST[0], "by": str(self.person.id)}]}
        rows = [
            Projected(
                execution_id=_execution(instance, subject, step),
                requirement_id=gate,
                complete=True,
                evidence=evidence,
                at=now,
                by=self.person.id,
            )
            for subject in subjects
        ]
        async with tenant_session(self.app, self.person.tenant_id) as session:
            await project(session, self.person.tenant_id, rows)


@dataclass(frozen=True, slots=True)
class BySignal:
    """Command row, signal, outcome; nothing of HTTP."""

    site: Site
    waiter: Waiter

    async def start(self, subjects: int) -> str:
        site, person = self.site, self.site.person
        asked = Start(process_id=site.process.id, subjects=_new_subjects(subjects))
        identifier = await next_identifier(site.app, person.tenant_id, site.process.category, datetime.now(UTC).year)
        async with tenant_session(site.app, person.tenant_id) as session:
            plan = await plan_start(session, person.tenant_id, asked)
            instance = await start(session, person.actor, plan, asked, identifier)
        new = NewInstance(
            tenant_id=str(person.tenant_id),
            instance_id=str(instance.id),
            identifier=identifier,
            process_name=site.process.name,
        )
        with self.waiter.instance(person.tenant_id, instance.id) as begun:
            await start_instance(site.client, new, task_queue=site.queue)
            if not await begun.wait(PATIENCE):
                raise NotCompletedError(f"instance {instance.id} did not begin")
        return str(instance.id)

    async def make_ready(self, instance: str, subjects: Sequence[int], step: int) -> None:
        await self.site.make_ready(instance, subjects, step)

    async def complete(self, instance: str, subject: int, step: int) -> None:
        _check_one((await self.command("complete", instance, [subject], step)).response)

    async def complete_many(self, instance: str, subjects: Sequence[int], step: int) -> None:
        """One request, cut into commands as the API cuts it."""
        settled = await self.commands("complete", instance, subjects, step)
        _check_all([item for one in settled for item in one.response["items"]], len(subjects))

    async def command(self, kind: str, instance: str, subjects: Sequence[int], step: int) -> Settled:
        """Any command to executions of one step, until it is settled."""
        (settled,) = await self.commands(kind, instance, subjects, step)
        return settled

    async def commands(self, kind: str, instance: str, subjects: Sequence[int], step: int) -> list[Settled]:
        """A bulk request until all its commands are settled."""
        ids = await self._accept(kind, instance, [_execution(instance, subject, step) for subject in subjects])
        with self.waiter.commands(self.site.person.tenant_id, dict.fromkeys(ids, UUID(instance))) as ticket:
            await self.site.signals.send(instance, [str(one) for one in ids])
            await ticket.wait(PATIENCE)
        settled = [ticket.found.get(one) for one in ids]
        if any(one is None or one.outcome != "accepted" for one in settled):
            raise NotCompletedError(str(settled)[:500])
        return [one for one in settled if one is not None]

    async def _accept(self, kind: str, instance: str, executions: Sequence[UUID]) -> Sequence[UUID]:
        """As the API does: a command to one execution together with those of the same moment."""
        person = self.site.person
        if len(executions) == 1:
            plain = lone(person, kind, executions[0], {}, key=None, fingerprint="")
            if plain is None or await self.site.acceptance.take(plain) is None:
                raise NotCompletedError(f"{kind} was not accepted")
            return [plain.id]
        async with tenant_session(self.site.app, person.tenant_id) as session:
            wanted = slices(kind, {}, {UUID(instance): executions})
            return (await accept(session, person, wanted, key=None, fingerprint="")).ids

    async def history(self, instance: str) -> int:
        return await history_length(self.site.client, instance)


@dataclass(frozen=True, slots=True)
class OverHttp:
    """The API as its clients see it; API and worker are processes of their own."""

    site: Site
    http: LeanHttp

    async def start(self, subjects: int) -> str:
        given = [{"subject_type": SUBJECT_TYPE, "identifier": one.identifier} for one in _new_subjects(subjects)]
        body = {"process": str(self.site.process.id), "subjects": given}
        answer = await self.http.post("/api/workflows/", body)
        if answer.status != HTTPStatus.CREATED or answer.json()["status"] != "in_progress":
            raise NotCompletedError(str(answer.text[:500]))
        return str(answer.json()["id"])

    async def make_ready(self, instance: str, subjects: Sequence[int], step: int) -> None:
        await self.site.make_ready(instance, subjects, step)

    async def complete(self, instance: str, subject: int, step: int) -> None:
        answer = await self.http.post(f"/api/executions/{_execution(instance, subject, step)}/complete/", {})
        if answer.status != HTTPStatus.OK:
            raise NotCompletedError(str(answer.text[:500]))
        _check_one(answer.json())

    async def complete_many(self, instance: str, subjects: Sequence[int], step: int) -> None:
        ids = [str(_execution(instance, subject, step)) for subject in subjects]
        answer = await self.http.post("/api/executions/bulk/", {"action": "complete", "execution_ids": ids})
        if answer.status != HTTPStatus.OK:
            raise NotCompletedError(str(answer.text[:500]))
        _check_all(answer.json()["items"], len(subjects))

    async def history(self, instance: str) -> int:
        return await history_length(self.site.client, instance)


async def make_process(app: AsyncEngine, person: Person) -> Process:
    """The process that is measured, approved."""
    checklist = {
        "key": "checklist", "requirement_type": "checklist", "name": "Checklist", "config": {"items": list(CHECKLIST)},
    }  # fmt: skip
    steps: list[dict[str, Any]] = [
        {"key": _key(number), "name": f"Step {number + 1}", "requirements": [checklist]} for number in range(STEPS)
    ]
    steps.append({"key": "end", "name": "End", "is_terminal": True, "terminal_status": "done"})
    new = NewProcess(
        name="Benchmark",
        category=ProcessCategory.MANUFACTURING,
        subject_type=SUBJECT_TYPE,
        graph={"steps": steps, "edges": []},
    )
    async with tenant_session(app, person.tenant_id) as session:
        draft = await create_process(session, person.actor, new)
        return await approve_process(session, person.actor, draft.id)


async def administrator(app: AsyncEngine, tenant_id: UUID, username: str) -> Person:
    """The first administrator, who does all the work here."""
    async with tenant_session(app, tenant_id) as session:
        query = select(UserAccount.id).where(UserAccount.tenant_id == tenant_id, col(UserAccount.username) == username)
        found = (await session.exec(query)).one()
    return Person(tenant_id=tenant_id, id=found, username=username, source="bench")


def _key(step: int) -> str:
    return f"step-{step + 1}"


def _execution(instance: str, subject: int, step: int) -> UUID:
    return execution_id(UUID(instance), Ref(subject, _key(step)))


def _new_subjects(count: int) -> list[NamedSubject]:
    order = uuid4().hex[:12]
    return [NamedSubject(identifier=f"{order}-{number}") for number in range(count)]


def _check_one(response: Mapping[str, Any]) -> None:
    if response.get("outcome") != "advanced":
        raise NotCompletedError(str(response)[:500])


def _check_all(items: Sequence[Mapping[str, Any]], count: int) -> None:
    if len(items) != count or any(one.get("outcome") != "advanced" for one in items):
        raise NotCompletedError(f"{len(items)} of {count}: {str(items)[:500]}")
