"""Stands in for Temporal behind the gateway: begins instances and settles commands, as a test tells it to.

Only for the routes; the real engine is covered by the walks of `tests/e2e`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from models.db import app_engine, tenant_session
from models.flow.graph import parse_graph
from models.flow.ids import step_id
from models.flow.state import Ref, execution_id
from models.requirements.registry import open_gates
from models.settings import Settings
from models.store.views import execution_views
from models.tables import Command, Process, StepExecution, WorkflowInstance
from workflows.starting import NewInstance

OUTCOMES = {
    "claim": ("claimed", "claimed"),
    "start": ("started", "in_progress"),
    "complete": ("advanced", "completed"),
    "release": ("released", "pending"),
    "signoff": ("advanced", "completed"),
    "skip": ("skipped", "skipped"),
    "move": ("moved", "cancelled"),
    "rewind": ("rewound", "rolled_back"),
    "undo": ("undone", "in_progress"),
}
"""Kind → outcome, status of the execution afterwards."""


class EngineDouble:
    """Does at once what the workflow would do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: AsyncEngine | None = None
        self.tenants: dict[UUID, UUID] = {}
        self.reset()

    def reset(self) -> None:
        """Hear everything, refuse nothing."""
        self.hears = True
        self.refusals: list[tuple[str, Mapping[str, Any]]] = []
        self.signals: list[tuple[UUID, tuple[UUID, ...]]] = []

    def refuse(self, code: str, **params: Any) -> None:
        """The next execution or command is refused."""
        self.refusals.append((code, params))

    @property
    def engine(self) -> AsyncEngine:
        """Made on first use, in the loop of the app."""
        if self._engine is None:
            self._engine = app_engine(self._settings)
        return self._engine

    async def healthy(self) -> bool:
        return self.hears

    async def start(self, start: NewInstance) -> bool:
        tenant, instance_id = UUID(start.tenant_id), UUID(start.instance_id)
        self.tenants[instance_id] = tenant
        if not self.hears:
            return False
        async with tenant_session(self.engine, tenant) as session:
            await self._begin(session, tenant, instance_id)
        return True

    async def signal(self, instance_id: UUID, command_ids: Sequence[UUID]) -> bool:
        self.signals.append((instance_id, tuple(command_ids)))
        if not self.hears:
            return False
        tenant = self.tenants[instance_id]
        async with tenant_session(self.engine, tenant) as session:
            for one in command_ids:
                await self._settle(session, tenant, await session.get_one(Command, (tenant, one)))
            await _notify(session, instance_id)
        return True

    async def _begin(self, session: AsyncSession, tenant: UUID, instance_id: UUID) -> None:
        instance = await session.get_one(WorkflowInstance, (tenant, instance_id))
        process = await session.get_one(Process, (tenant, instance.process_id))
        graph = parse_graph(process.graph)
        first = graph.first
        connection = await session.connection()
        rows = await connection.execute(
            text("SELECT subject_no, subject_id FROM workflow_subject WHERE instance_id = :id"), {"id": instance_id}
        )
        entered = [
            StepExecution(
                tenant_id=tenant,
                id=execution_id(instance_id, Ref(subject=number, step=first.key)),
                workflow_instance_id=instance_id,
                step_id=step_id(process.id, first.key),
                step_key=first.key,
                subject_type_id=process.subject_type_id,
                subject_id=subject,
                subject_no=number,
            )
            for number, subject in rows.all()
        ]
        session.add_all(entered)
        await session.flush()
        await open_gates(session, tenant, process.id, graph, entered, datetime.now(UTC))
        change = text("UPDATE workflow_instance SET status = 'in_progress', started_at = now() WHERE id = :id")
        await connection.execute(change, {"id": instance_id})
        await _notify(session, instance_id)

    async def _settle(self, session: AsyncSession, tenant: UUID, command: Command) -> None:
        executions = [UUID(one) for one in command.body["execution_ids"]]
        results = [await self._result(session, tenant, command, one) for one in self._each(executions)]
        refused = ["code" in one for one in results]
        outcome = "refused" if all(refused) else "partial" if any(refused) else "accepted"
        lone = len(results) == 1
        response = results[0] if lone else {"items": results}
        await session.flush()
        connection = await session.connection()
        await connection.execute(
            text(
                "UPDATE command SET outcome = :outcome, settled_at = now(), response_status = 200,"
                " response = CAST(:response AS jsonb) WHERE id = :id"
            ),
            {"outcome": outcome, "response": json.dumps(response), "id": command.id},
        )

    @staticmethod
    def _each(executions: Sequence[UUID]) -> Sequence[UUID | None]:
        """A command without executions is one to the instance."""
        return executions or (None,)

    async def _result(
        self, session: AsyncSession, tenant: UUID, command: Command, execution: UUID | None
    ) -> dict[str, Any]:
        named = {} if execution is None else {"execution_id": str(execution)}
        if self.refusals:
            code, params = self.refusals.pop(0)
            return {**named, "code": code, "params": dict(params)}
        if execution is None:
            return await self._change_instance(session, tenant, command)
        outcome, status = OUTCOMES[command.kind]
        row = await session.get_one(StepExecution, (tenant, execution))
        holder = None if command.kind == "release" else command.actor_id
        closed = ", exited_at = now()" if status in {"completed", "skipped", "cancelled", "rolled_back"} else ""
        connection = await session.connection()
        await connection.execute(
            text(f"UPDATE step_execution SET status = :status, assigned_to = :holder{closed} WHERE id = :id"),  # noqa: S608
            {"status": status, "holder": holder, "id": row.id},
        )
        shown = (await execution_views(session, tenant, [execution]))[execution]
        return {**named, "outcome": outcome, "execution": shown, "next": []}

    async def _change_instance(self, session: AsyncSession, tenant: UUID, command: Command) -> dict[str, Any]:
        assert command.workflow_instance_id is not None
        connection = await session.connection()
        changes = {
            "hold": "status = 'on_hold', held_at = now(), reason = :reason",
            "resume": "status = 'in_progress', held_at = NULL, reason = :reason",
            "cancel": "status = 'cancelled', completed_at = now(), held_at = NULL, reason = :reason",
            "amend": "reason = :reason",
            "add_subjects": "reason = ''",
            "remove_subjects": "reason = ''",
            "split": "reason = ''",
            "merge": "reason = ''",
        }
        await connection.execute(
            text(f"UPDATE workflow_instance SET {changes[command.kind]} WHERE id = :id"),  # noqa: S608
            {"reason": command.body["args"].get("reason", ""), "id": command.workflow_instance_id},
        )
        for name, value in command.body["args"].get("changes", {}).items():
            instance = await session.get_one(WorkflowInstance, (tenant, command.workflow_instance_id))
            setattr(instance, "owner_id" if name == "owner" else name, value)
        return {"outcome": command.kind}


async def _notify(session: AsyncSession, instance_id: UUID) -> None:
    connection = await session.connection()
    await connection.execute(text("SELECT pg_notify('gatework', :payload)"), {"payload": f"{instance_id} 1"})
