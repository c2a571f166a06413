"""A plant for engine tests: one tenant on a real database, a real worker on a real Temporal, no HTTP between.

`Plant` plays the API: it commits rows, signals, and reads outcomes back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError

from activities.agreement import differences
from models.db import app_engine, owner_engine, system_engine, tenant_session
from models.flow.graph import ProcessCategory
from models.flow.state import Ref, execution_id
from models.permissions import permissions_of
from models.settings import Settings
from models.store.audit import Actor
from models.store.definitions import NewProcess, approve_process, create_process
from models.store.identifiers import next_identifier
from models.store.instances import PendingInstance, create_instances
from models.store.people import Person
from models.store.verify import verify_tenant
from models.tables import Command, Process, Subject, SubjectType, UserAccount, UserRole
from workers.sweep_schedule import schedule_id
from workflows.contract import WORKFLOW, InstanceInput, Limits
from workflows.starting import NewInstance, signal_commands, start_instance

PATIENCE = 30.0

Row = Mapping[str, Any]

_MEET = text(
    """
    INSERT INTO step_requirement_completion
        (tenant_id, id, execution_id, requirement_id, is_complete, completed_at, evidence)
    SELECT e.tenant_id, gen_random_uuid(), e.id, r.id, true, now(), '{}'
    FROM step_execution e JOIN step_requirement r ON (r.tenant_id, r.step_id) = (e.tenant_id, e.step_id)
    WHERE e.id = ANY(:ids)
    ON CONFLICT (tenant_id, execution_id, requirement_id) DO UPDATE SET is_complete = true, completed_at = now()
    """
)
_BUMP = text("UPDATE step_execution SET evidence_rev = evidence_rev + 1 WHERE id = ANY(:ids)")


@dataclass(slots=True)
class Plant:
    """One tenant and its people."""

    settings: Settings
    client: Client
    tenant: UUID = field(default_factory=uuid4)
    people: dict[str, UUID] = field(default_factory=dict)
    subject_type: UUID = field(default_factory=uuid4)
    app: AsyncEngine = field(init=False)
    system: AsyncEngine = field(init=False)

    def __post_init__(self) -> None:
        """Open the engines."""
        self.app = app_engine(self.settings)
        self.system = system_engine(self.settings)

    async def open(self) -> None:
        """Tenant, service accounts, a person per role, and a subject type."""
        owner = owner_engine(self.settings)
        async with tenant_session(owner, self.tenant) as session:
            connection = await session.connection()
            await connection.execute(
                text("INSERT INTO tenant (id, key, name) VALUES (:id, :key, 'Plant')"),
                {"id": self.tenant, "key": f"plant-{self.tenant.hex[:8]}"},
            )
        await owner.dispose()
        for name, role in (("ann", "engineer"), ("bob", "operator"), ("quinn", "quality_manager")):
            await self.hire(name, role)
        for name in ("svc", "ops:temporal"):
            await self.hire(name, "service", service=True)
        async with tenant_session(self.app, self.tenant) as session:
            session.add(SubjectType(tenant_id=self.tenant, id=self.subject_type, key="Part", name="Part"))

    async def hire(self, name: str, role: str, *, service: bool = False) -> UUID:
        """A user of this tenant; usernames are unique per deployment."""
        person = uuid4()
        async with tenant_session(self.app, self.tenant) as session:
            unique = f"{name}:{self.tenant.hex[:8]}"
            session.add(UserAccount(tenant_id=self.tenant, id=person, username=unique, is_service=service))
            await session.flush()
            session.add(UserRole(tenant_id=self.tenant, user_id=person, role=role))
        self.people[name] = person
        return person

    @property
    def actor(self) -> Actor:
        """The quality manager."""
        return Actor(tenant_id=self.tenant, user_id=self.people["quinn"], name="quinn", source="test")

    def person(self, name: str, role: str = "operator") -> Person:
        """Somebody who was hired, as the API knows them."""
        return Person(
            tenant_id=self.tenant,
            id=self.people[name],
            username=name,
            roles=(role,),
            permissions=permissions_of([role]),
        )

    async def approve(self, graph: Mapping[str, Any], name: str = "Process") -> Process:
        """An approved process of this graph."""
        async with tenant_session(self.app, self.tenant) as session:
            new = NewProcess(name=name, category=ProcessCategory.MANUFACTURING, subject_type="Part", graph=dict(graph))
            draft = await create_process(session, self.actor, new)
            return await approve_process(session, self.actor, draft.id)

    async def start(
        self, process: Process, subjects: int = 1, *, signal: bool = True, limits: Limits | None = None
    ) -> UUID:
        """A new instance with new subjects; `signal=False` leaves the start to the dispatcher."""
        instance = uuid4()
        identifier = await next_identifier(self.app, self.tenant, "manufacturing", 2026)
        async with tenant_session(self.app, self.tenant) as session:
            made = [
                Subject(
                    tenant_id=self.tenant, id=uuid4(), subject_type_id=self.subject_type, identifier=f"{identifier}/{n}"
                )
                for n in range(subjects)
            ]
            session.add_all(made)
            await session.flush()
            pending = PendingInstance(
                id=instance,
                process_id=process.id,
                identifier=identifier,
                subjects=[one.id for one in made],
                created_by=self.people["quinn"],
            )
            later = timedelta() if limits is None else timedelta(minutes=1)
            await create_instances(session, self.tenant, [pending], start_after=later)
        if limits is not None:
            await self.client.start_workflow(
                WORKFLOW,
                InstanceInput(tenant_id=str(self.tenant), instance_id=str(instance), limits=limits),
                id=str(instance),
                task_queue=self.settings.core_task_queue,
            )
        elif signal:
            new = NewInstance(
                tenant_id=str(self.tenant), instance_id=str(instance), identifier=identifier, process_name=process.name
            )
            await start_instance(self.client, new, task_queue=self.settings.core_task_queue)
        return instance

    async def begin(self, graph: Mapping[str, Any], subjects: int = 1) -> UUID:
        """A new process and an instance of it that has begun."""
        instance = await self.start(await self.approve(graph), subjects)
        await self.begun(instance)
        return instance

    async def begun(self, instance: UUID) -> None:
        """Wait for the first record."""
        await self.until("SELECT 1 FROM workflow_instance WHERE id = :id AND seq > 0", id=instance)

    async def accept(
        self,
        instance: UUID,
        kind: str,
        refs: Sequence[Ref] = (),
        *,
        by: str = "bob",
        executions_of: UUID | None = None,
        subjects: Sequence[str] = (),
        **args: Any,
    ) -> UUID:
        """Commit a command row, as the API does before it signals."""
        command = uuid4()
        named = [str(execution_id(executions_of or instance, ref)) for ref in refs]
        body: dict[str, Any] = {"execution_ids": named, "args": args}
        if subjects:
            body["subject_ids"] = list(subjects)
        async with tenant_session(self.app, self.tenant) as session:
            session.add(
                Command(
                    tenant_id=self.tenant,
                    id=command,
                    actor_id=self.people[by],
                    kind=kind,
                    workflow_instance_id=instance,
                    body=body,
                    body_hash="-",
                    source="test",
                )
            )
        return command

    async def signal(self, instance: UUID, *commands: UUID) -> None:
        """Tell the workflow."""
        await signal_commands(self.client, str(instance), [str(one) for one in commands])

    async def act(self, instance: UUID, kind: str, *refs: Ref, by: str = "bob", **args: Any) -> dict[str, Any]:
        """A command from beginning to end: its stored response."""
        command = await self.accept(instance, kind, refs, by=by, **args)
        await self.signal(instance, command)
        return await self.outcome(command)

    async def outcome(self, command: UUID) -> dict[str, Any]:
        """The response of a command, once it is settled."""
        rows = await self.until(
            "SELECT outcome, response FROM command WHERE id = :id AND outcome IS NOT NULL", id=command
        )
        return dict(rows[0]["response"])

    async def rows(self, query: str, **parameters: Any) -> Sequence[Row]:
        """What the database says to this tenant."""
        async with tenant_session(self.app, self.tenant) as session:
            connection = await session.connection()
            return [dict(row) for row in (await connection.execute(text(query), parameters)).mappings()]

    async def run(self, statement: str, **parameters: Any) -> None:
        """Change what the engine only reads."""
        async with tenant_session(self.app, self.tenant) as session:
            await (await session.connection()).execute(text(statement), parameters)

    async def until(self, query: str, **parameters: Any) -> Sequence[Row]:
        """The first non-empty answer of a query."""
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.rows(query, **parameters)):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        return found

    async def eventually(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something holds of which nobody tells."""
        async with asyncio.timeout(PATIENCE):
            while not await holds():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    async def executions(self, instance: UUID) -> list[tuple[int, str, int, str]]:
        """(subject, step, visit, status) of all executions, in order."""
        rows = await self.rows(
            "SELECT subject_no, step_key, visit_number, status FROM step_execution WHERE workflow_instance_id = :id"
            " ORDER BY subject_no, entered_at, visit_number, step_key",
            id=instance,
        )
        return [(row["subject_no"], row["step_key"], row["visit_number"], row["status"]) for row in rows]

    async def at(self, instance: UUID, key: str, count: int = 1) -> None:
        """Wait until so many subjects of an instance have come to a step."""
        await self.until(
            "SELECT 1 FROM step_execution WHERE workflow_instance_id = :id AND step_key = :key HAVING count(*) >= :n",
            id=instance,
            key=key,
            n=count,
        )

    async def context(self, instance: UUID) -> dict[str, Any]:
        """What an instance has in its context."""
        (row,) = await self.rows("SELECT context FROM workflow_instance WHERE id = :id", id=instance)
        found: dict[str, Any] = row["context"]
        return found

    async def open_incident(self, instance: UUID) -> Row:
        """The only open incident of an instance, once there is one."""
        (row,) = await self.until("SELECT * FROM incident WHERE instance_id = :id AND resolved_at IS NULL", id=instance)
        return row

    async def retry(self, instance: UUID, at: Ref, by: str = "quinn") -> str:
        """Try the only open incident of an instance again; what becomes of it, a word or a code."""
        incident = await self.open_incident(instance)
        arguments = {"incident_id": str(incident["id"]), "code": incident["code"]}
        answer = await self.act(instance, "retry_incident", at, by=by, **arguments)
        return str(answer.get("code") or answer["outcome"])

    async def settled(self, commands: Sequence[UUID]) -> list[str]:
        """What became of many commands, once all are settled: the word or the code of each, in their order."""
        rows = await self.until(
            "SELECT id, response FROM command WHERE id = ANY(:ids) AND outcome IS NOT NULL"
            " AND (SELECT count(*) FROM command WHERE id = ANY(:ids) AND outcome IS NULL) = 0",
            ids=list(commands),
        )
        found = {row["id"]: row["response"] for row in rows}
        return [found[one].get("code") or found[one]["outcome"] for one in commands]

    async def meet(self, instance: UUID, *refs: Ref) -> None:
        """Complete every requirement of executions, as evidence does it, but without telling the engine."""
        ids = [execution_id(instance, ref) for ref in refs]
        async with tenant_session(self.app, self.tenant) as session:
            connection = await session.connection()
            await connection.execute(_MEET, {"ids": ids})
            await connection.execute(_BUMP, {"ids": ids})

    async def kinds(self, instance: UUID) -> list[str]:
        """The journal in words."""
        rows = await self.rows("SELECT kind FROM journal WHERE instance_id = :id ORDER BY seq", id=instance)
        return [row["kind"] for row in rows]

    async def audited(self, instance: UUID, action: str) -> Sequence[Row]:
        """Audit entries of one action, in order."""
        return await self.rows(
            "SELECT * FROM audit_entry WHERE instance_id = :id AND action = :action ORDER BY chain_n, at",
            id=instance,
            action=action,
        )

    async def status(self, instance: UUID, *wanted: str) -> str:
        """The instance's status, once it is one of those wanted."""
        rows = await self.until(
            "SELECT status FROM workflow_instance WHERE id = :id AND status = ANY(:wanted)",
            id=instance,
            wanted=list(wanted),
        )
        return str(rows[0]["status"])

    async def history(self, instance: UUID, run: str | None = None) -> WorkflowHistory:
        """What Temporal remembers of a run, the newest unless told."""
        return await self.client.get_workflow_handle(str(instance), run_id=run).fetch_history()

    async def histories(self, instance: UUID) -> list[WorkflowHistory]:
        """Of every run in a chain of continue-as-new, the newest first."""
        found = [await self.history(instance)]
        while before := found[-1].events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
            found.append(await self.history(instance, before))
        return found

    async def prove(self) -> None:
        """Every instance: rows are the fold of the journal, chains verify, no workflow task ever failed."""
        instances = [row["id"] for row in await self.rows("SELECT id FROM workflow_instance")]
        async with tenant_session(self.app, self.tenant) as session:
            connection = await session.connection()
            for instance in instances:
                assert await differences(connection, self.tenant, instance) == []
            assert await verify_tenant(session, self.tenant) == []
        for instance in instances:
            try:
                histories = await self.histories(instance)
            except RPCError:
                continue
            assert [fault for history in histories for fault in faults(history)] == []

    async def close(self) -> None:
        """Give the connections back, and have Temporal sweep here no more."""
        with suppress(RPCError):
            await self.client.get_schedule_handle(schedule_id(self.settings.core_task_queue)).delete()
        await self.app.dispose()
        await self.system.dispose()


HARMLESS = {
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
}
"""A signal came in while the run continued as new, or somebody reset it: Temporal's own business."""


def faults(history: WorkflowHistory) -> list[str]:
    """Workflow tasks that failed by a fault of ours."""
    failed = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED]
    told = [event.workflow_task_failed_event_attributes for event in failed]
    return [str(one) for one in told if one.cause not in HARMLESS]


def settings_for(url: str, queue: str) -> Settings:
    """Settings of a test: this database, and a queue and a site that no other worker of this server serves."""
    return Settings(
        database_url=SecretStr(url), core_task_queue=queue, site=queue, shutdown_seconds=2, sweep_seconds=15
    )


def step(key: str, **fields: Any) -> dict[str, Any]:
    """A step's JSON."""
    return {"key": key, "name": key.title(), **fields}


def end(key: str = "end", status: str = "", **fields: Any) -> dict[str, Any]:
    """A terminal step's JSON."""
    return step(key, is_terminal=True, terminal_status=status, **fields)


def edge(from_step: str, to_step: str, edge_type: str = "default", condition: str = "") -> dict[str, Any]:
    """An edge's JSON."""
    return {"from_step": from_step, "to_step": to_step, "edge_type": edge_type, "condition": condition}


def line(*steps: dict[str, Any], edges: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A graph whose steps follow each other, with drawn edges besides."""
    return {"steps": list(steps), "edges": list(edges)}
