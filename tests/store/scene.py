"""The smallest world for store tests: tenants, people, and one open execution with a requirement."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from models.db import enter_tenant, normalised, tenant_session
from models.enums import ProcessStatus
from models.store.audit import Actor
from models.tables import (
    Process,
    ProcessStep,
    Step,
    StepExecution,
    StepRequirement,
    Subject,
    SubjectType,
    UserAccount,
    WorkflowInstance,
    WorkflowSubject,
)

NOW = datetime(2026, 5, 4, 3, 2, 1, 654321, tzinfo=UTC)
HASH = "0" * 64


@dataclass(slots=True, kw_only=True)
class Scene:
    """Ids of everything in it; `user` is somebody without a password."""

    tenant: UUID = field(default_factory=uuid4)
    user: UUID = field(default_factory=uuid4)
    subject_type: UUID = field(default_factory=uuid4)
    subject: UUID = field(default_factory=uuid4)
    process: UUID = field(default_factory=uuid4)
    step: UUID = field(default_factory=uuid4)
    requirement: UUID = field(default_factory=uuid4)
    instance: UUID = field(default_factory=uuid4)
    execution: UUID = field(default_factory=uuid4)

    @property
    def actor(self) -> Actor:
        """The user, at a test bench."""
        return Actor(tenant_id=self.tenant, user_id=self.user, name="ann", source="bench")

    def evidence(self, **other: Any) -> dict[str, Any]:
        """A first revision of evidence for the requirement."""
        return {
            "tenant_id": self.tenant,
            "id": uuid4(),
            "execution_id": self.execution,
            "requirement_id": self.requirement,
            "revision": 1,
            "action": "given",
            "data": {"checked_items": [0, 1], "ratio": 1.50, "big": 1e22},
            "given_by": self.user,
            "given_at": NOW,
            "source": "bench",
            "reason": "",
        } | other

    def event(self, seq: int, **other: Any) -> dict[str, Any]:
        """A journal event."""
        return {
            "tenant_id": self.tenant,
            "instance_id": self.instance,
            "seq": seq,
            "record_no": 1,
            "kind": "execution_entered",
            "at": NOW,
            "subjects": [0, 1, 2],
            "data": {"step": "weld", "visit": 1},
            "command_id": None,
        } | other


async def add_tenant(owner: AsyncEngine, tenant_id: UUID, key: str, *, is_sandbox: bool = False) -> None:
    """A tenant, as only the owner may make one."""
    async with tenant_session(owner, tenant_id) as session:
        connection = await session.connection()
        await connection.execute(
            text("INSERT INTO tenant (id, key, name, is_sandbox) VALUES (:id, :key, :key, :sandbox)"),
            {"id": tenant_id, "key": key, "sandbox": is_sandbox},
        )


async def build(owner: AsyncEngine, key: str) -> Scene:
    """A tenant with one open execution."""
    scene = Scene()
    await add_tenant(owner, scene.tenant, key)
    async with tenant_session(owner, scene.tenant) as session:
        await enter_tenant(session, scene.tenant)
        for rows in _rows(scene, key):
            session.add_all(rows)
            await session.flush()
    return scene


def _rows(scene: Scene, key: str) -> list[list[SQLModel]]:
    """Rows in the order in which they refer to each other."""
    tenant = scene.tenant
    return [
        [
            UserAccount(tenant_id=tenant, id=scene.user, username=f"ann-{key}", full_name="Ann"),
            SubjectType(tenant_id=tenant, id=scene.subject_type, key="Part", name="Part"),
        ],
        [
            Subject(
                tenant_id=tenant, id=scene.subject, subject_type_id=scene.subject_type, identifier="SN-1", title="Rod"
            ),
            Process(
                tenant_id=tenant,
                id=scene.process,
                key="weld",
                name="Weld",
                subject_type_id=scene.subject_type,
                status=ProcessStatus.APPROVED,
                graph={"steps": []},
                graph_hash=HASH,
                approved_at=NOW,
                effective_from=NOW,
            ),
        ],
        [Step(tenant_id=tenant, id=scene.step, process_id=scene.process, key="weld", name="Weld")],
        [
            ProcessStep(tenant_id=tenant, id=uuid4(), process_id=scene.process, step_id=scene.step, order=1),
            StepRequirement(
                tenant_id=tenant,
                id=scene.requirement,
                step_id=scene.step,
                key="look",
                requirement_type="checklist",
                name="Look",
            ),
            WorkflowInstance(tenant_id=tenant, id=scene.instance, process_id=scene.process, identifier="WO-2026-0001"),
        ],
        [WorkflowSubject(tenant_id=tenant, instance_id=scene.instance, subject_no=0, subject_id=scene.subject)],
        [
            StepExecution(
                tenant_id=tenant,
                id=scene.execution,
                workflow_instance_id=scene.instance,
                step_id=scene.step,
                step_key="weld",
                subject_type_id=scene.subject_type,
                subject_id=scene.subject,
                subject_no=0,
            )
        ],
    ]


def as_superuser(url: str, statement: str, *values: object) -> None:
    """What somebody with the database's master key does by hand, past every rule."""
    address = normalised(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode(), values or None)
