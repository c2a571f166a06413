"""A shop floor for gate tests: a tenant, its people, and executions placed at a step by hand; no engine runs.

Each call is a transaction of its own, as a request is.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import app_engine, owner_engine, tenant_session
from models.enums import ApprovalDecision
from models.flow.errors import FlowError
from models.flow.graph import Graph, ProcessCategory, parse_graph
from models.flow.ids import requirement_id, step_id
from models.flow.state import Ref, execution_id
from models.permissions import permissions_of
from models.requirements.amending import amend_evidence
from models.requirements.asking import delegate_request, recall_request, request_again
from models.requirements.deciding import Decision, decide_approval
from models.requirements.giving import Given, give_evidence, withdraw_evidence
from models.requirements.registry import close_gates, open_gates, unmet_of
from models.requirements.showing import show_requirements
from models.settings import Settings
from models.store.audit import Actor
from models.store.definitions import NewProcess, approve_process, create_process
from models.store.document_life import release_document
from models.store.documents import add_document
from models.store.errors import StoreError
from models.store.instances import PendingInstance, create_instances
from models.store.people import Person
from models.tables import DocumentType, Process, StepExecution, Subject, SubjectType, UserAccount, UserRole

Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ROLES = {
    "ann": ("engineer",), "bob": ("operator",), "cleo": ("operator",), "quinn": ("quality_manager",),
    "quentin": ("quality_manager",), "ava": ("approver",), "audrey": ("auditor",),
}  # fmt: skip


@dataclass(slots=True)
class Floor:
    """One tenant."""

    settings: Settings
    tenant: UUID = field(default_factory=uuid4)
    people: dict[str, Person] = field(default_factory=dict)
    subject_type: UUID = field(default_factory=uuid4)
    process: Process = field(init=False)
    graph: Graph = field(init=False)
    engine: Any = field(init=False)
    clock: datetime = NOW

    async def open(self) -> None:
        """Tenant, people, a subject type and a document type."""
        self.engine = app_engine(self.settings)
        owner = owner_engine(self.settings)
        async with tenant_session(owner, self.tenant) as session:
            connection = await session.connection()
            await connection.execute(
                text("INSERT INTO tenant (id, key, name) VALUES (:id, :key, 'Floor')"),
                {"id": self.tenant, "key": f"floor-{self.tenant.hex[:8]}"},
            )
        await owner.dispose()
        for name, roles in ROLES.items():
            await self.hire(name, *roles)
        async with tenant_session(self.engine, self.tenant) as session:
            session.add(SubjectType(tenant_id=self.tenant, id=self.subject_type, key="Part", name="Part"))
            for key in ("report", "drawing"):
                session.add(DocumentType(tenant_id=self.tenant, id=uuid4(), key=key, name=key.title()))

    async def close(self) -> None:
        """Give the connections back."""
        await self.engine.dispose()

    async def hire(self, name: str, *roles: str) -> Person:
        """A user with roles."""
        user = uuid4()
        username = f"{name}:{self.tenant.hex[:8]}"
        async with tenant_session(self.engine, self.tenant) as session:
            session.add(UserAccount(tenant_id=self.tenant, id=user, username=username, full_name=name.title()))
            await session.flush()
            session.add_all(UserRole(tenant_id=self.tenant, user_id=user, role=role) for role in roles)
        self.people[name] = Person(
            tenant_id=self.tenant, id=user, username=username, name=name.title(), roles=roles,
            permissions=permissions_of(roles), source="test",
        )  # fmt: skip
        return self.people[name]

    async def approve(self, *requirements: Json, **fields: Any) -> None:
        """The approved process of this floor: a step `work` with these requirements, then an end."""
        listed = [{"name": one["key"].title(), **one} for one in requirements]
        graph = {
            "steps": [
                {"key": "work", "name": "Work", "requirements": listed, **fields},
                {"key": "end", "name": "End", "step_type": "terminal", "is_terminal": True},
            ],
            "edges": [{"from_step": "work", "to_step": "end"}],
        }
        quinn = self.people["quinn"]
        actor = Actor(tenant_id=self.tenant, user_id=quinn.id, name="quinn", source="test")
        async with tenant_session(self.engine, self.tenant) as session:
            new = NewProcess(
                name=f"Process {uuid4().hex[:6]}", category=ProcessCategory.MANUFACTURING, subject_type="Part",
                graph=graph,
            )  # fmt: skip
            draft = await create_process(session, actor, new)
            self.process = await approve_process(session, actor, draft.id)
        self.graph = parse_graph(self.process.graph)

    async def start(self, subjects: int = 1, **attributes: Any) -> list[UUID]:
        """An instance whose subjects are all at `work`, on their first visit; the ids of the executions."""
        instance = uuid4()
        async with tenant_session(self.engine, self.tenant) as session:
            made = [
                Subject(
                    tenant_id=self.tenant, id=uuid4(), subject_type_id=self.subject_type,
                    identifier=uuid4().hex, attributes=attributes,
                )
                for _ in range(subjects)
            ]  # fmt: skip
            session.add_all(made)
            await session.flush()
            pending = PendingInstance(
                id=instance, process_id=self.process.id, identifier=f"WO-{instance.hex[:8]}",
                subjects=[one.id for one in made],
            )  # fmt: skip
            await create_instances(session, self.tenant, [pending])
            await self.sql("UPDATE workflow_instance SET status = 'in_progress'", session)
        return [await self.enter(instance, number, one.id) for number, one in enumerate(made)]

    async def enter(self, instance: UUID, number: int, subject: UUID, visit: int = 1) -> UUID:
        """A subject comes to `work`."""
        found = execution_id(instance, Ref(number, "work", visit))
        async with tenant_session(self.engine, self.tenant) as session:
            execution = StepExecution(
                tenant_id=self.tenant, id=found, workflow_instance_id=instance,
                step_id=step_id(self.process.id, "work"), step_key="work", subject_type_id=self.subject_type,
                subject_id=subject, subject_no=number, visit_number=visit, entered_at=self.clock,
            )  # fmt: skip
            session.add(execution)
            await session.flush()
            await open_gates(session, self.tenant, self.process.id, self.graph, [execution], self.clock)
        return found

    async def again(self, execution: UUID) -> UUID:
        """The subject leaves and comes back on its next visit."""
        rows = await self.rows("SELECT * FROM step_execution WHERE id = :id", id=execution)
        await self.complete(execution)
        row = rows[0]
        return await self.enter(
            row["workflow_instance_id"], row["subject_no"], row["subject_id"], row["visit_number"] + 1
        )

    async def complete(self, execution: UUID) -> None:
        """As record does it."""
        async with tenant_session(self.engine, self.tenant) as session:
            await self.sql(
                "UPDATE step_execution SET status = 'completed', exited_at = now() WHERE id = :id",
                session,
                id=execution,
            )
            await close_gates(session, self.tenant, [execution], self.clock)

    def requirement(self, key: str) -> UUID:
        """The id of a requirement of `work`."""
        return requirement_id(self.process.id, "work", key)

    async def do(
        self, work: Callable[Concatenate[AsyncSession, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One transaction of the application role."""
        async with tenant_session(self.engine, self.tenant) as session:
            return await work(session, *args, **kwargs)

    async def give(self, execution: UUID, key: str, evidence: Mapping[str, Any], by: str = "bob", **more: Any) -> Given:
        """Evidence for a requirement."""
        return await self.do(
            give_evidence, self.people[by], execution, self.requirement(key), evidence, self.clock, **more
        )

    async def sign(self, execution: UUID, key: str, by: str = "quinn", **said: Any) -> Given:
        """A signature by somebody who has proven who they are."""
        return await self.give(execution, key, {"meaning": "approved", **said}, by, proven=True)

    async def withdraw(self, execution: UUID, key: str, by: str = "bob", reason: str = "wrong part") -> Given:
        """Take evidence back."""
        return await self.do(withdraw_evidence, self.people[by], execution, self.requirement(key), reason, self.clock)

    async def amend(self, execution: UUID, key: str, evidence: Mapping[str, Any], by: str = "quinn",
                    reason: str = "The lot number was misread.") -> Given:  # fmt: skip
        """Other evidence for completed work."""
        requirement = self.requirement(key)
        return await self.do(amend_evidence, self.people[by], execution, requirement, evidence, reason, self.clock)

    async def decide(self, execution: UUID, key: str, by: str, decision: str = "approved", comment: str = "checked",
                     content_hash: str | None = None) -> UUID:  # fmt: skip
        """Answer the newest round of an approval."""
        said = Decision(decision=ApprovalDecision(decision), comment=comment, content_hash=content_hash)
        request = (await self.approval(execution, key))["id"]
        return await self.do(decide_approval, self.people[by], UUID(request), said, self.clock)

    async def request_again(self, execution: UUID, key: str, by: str = "bob") -> UUID:
        """Ask anew."""
        request = UUID((await self.approval(execution, key))["id"])
        return await self.do(request_again, self.people[by], request, "corrected", self.clock)

    async def recall(self, execution: UUID, key: str, by: str = "bob", reason: str = "wrong drawing") -> UUID:
        """Take a request back."""
        request = UUID((await self.approval(execution, key))["id"])
        return await self.do(recall_request, self.people[by], request, reason, self.clock)

    async def delegate(self, execution: UUID, key: str, by: str, to: str, reason: str = "on leave") -> UUID:
        """Hand an answer on."""
        request = UUID((await self.approval(execution, key))["id"])
        return await self.do(delegate_request, self.people[by], request, self.people[to].username, reason, self.clock)

    async def approval(self, execution: UUID, key: str) -> Json:
        """The newest round of an approval as shown."""
        found: Json = (await self.shown(execution, key))["approval"]
        return found

    async def shown(self, execution: UUID, key: str) -> Json:
        """One requirement as the API shows it."""
        everything = await self.everything(execution)
        return next(one for one in everything["items"] if one["key"] == key)

    async def everything(self, execution: UUID) -> Json:
        """All requirements as the API shows them."""
        return await self.do(show_requirements, self.tenant, execution)

    async def unmet(self, *executions: UUID) -> dict[str, str]:
        """Key → reason of what blocks the one execution, as the engine sees it."""
        found = await self.all_unmet(executions)
        return found.get(executions[0], {})

    async def all_unmet(self, executions: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
        """What blocks each of the executions."""
        async with tenant_session(self.engine, self.tenant) as session:
            rows = [await session.get_one(StepExecution, (self.tenant, one)) for one in executions]
            found = await unmet_of(session, self.tenant, self.process.id, self.graph, rows)
        return {one: {unmet.key: unmet.reason for unmet in listed} for one, listed in found.items()}

    async def upload(self, by: str = "bob", document_type: str = "report", *, release: bool = True,
                     number: str = "", revision: str = "A") -> str:  # fmt: skip
        """A document; its id."""
        number = number or f"D-{uuid4().hex[:8]}"
        found = await self.do(
            add_document, self.people[by], document_type=document_type, number=number, title=number, revision=revision,
            filename="a.txt", media_type="text/plain", sha256=uuid4().hex * 2, size_bytes=1, now=self.clock,
        )  # fmt: skip
        if release:
            await self.do(release_document, self.people["quinn"], found, self.clock)
        return str(found)

    async def sql(self, statement: str, session: AsyncSession | None = None, **params: Any) -> None:
        """Change rows directly."""
        if session is None:
            async with tenant_session(self.engine, self.tenant) as own:
                return await self.sql(statement, own, **params)
        await session.flush()
        await (await session.connection()).execute(text(statement), params)
        return None

    async def tamper(self, statement: str) -> None:
        """What a superuser could do to rows that the application may only add."""
        owner = owner_engine(self.settings)
        async with tenant_session(owner, self.tenant) as session:
            await (await session.connection()).execute(text(statement))
        await owner.dispose()

    async def rows(self, query: str, **params: Any) -> list[Mapping[str, Any]]:
        """What the database says to this tenant."""
        async with tenant_session(self.engine, self.tenant) as session:
            return [dict(row) for row in (await (await session.connection()).execute(text(query), params)).mappings()]


def gate(key: str, requirement_type: str, /, **config: Any) -> Json:
    """A requirement's JSON; `is_mandatory` and `order` are its own fields, the rest is config."""
    own: Json = {name: config.pop(name) for name in ("is_mandatory", "order") if name in config}
    return {"key": key, "requirement_type": requirement_type, "config": config, **own}


async def refused(work: Awaitable[Any]) -> StoreError | FlowError:
    """The error with which something is refused."""
    try:
        await work
    except (StoreError, FlowError) as error:
        return error
    raise AssertionError("it was not refused")
