"""The automatic action `start_process`: an instance of another process, below the one that asks; the subject goes on.

Its id is made from the execution's, and it is written under the lock of the instance that asks. So one visit starts one
instance, however often a try, a run or an incident's retry asks for it; and the answer is the same each time.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.acting import Asked, refused
from activities.children import cascade
from activities.contract import ActionCall
from activities.creating import below, make_subjects
from activities.definitions import Definitions
from activities.nesting import ChildProcessUnusableError, Nesting, in_force
from activities.projection import Place
from models.db import tenant_session
from models.decisions.actions import StartProcess
from models.enums import Chain
from models.flow.paths import placed
from models.flow.state import execution_id
from models.flow.status import INSTANCE_CLOSED, InstanceStatus
from models.json_values import plain
from models.requirements.child_workflow import SubjectsFound, SubjectsMade
from models.requirements.expressions import ExpressionError, Prepared
from models.store.audit import AuditDraft, engine_actor, write_audit
from models.store.chain import lock_chain
from models.store.identifiers import next_identifier
from models.store.instances import create_instance
from models.tables import Process, StepExecution, WorkflowInstance, WorkflowSubject

STARTED: Final = "start_process"
"""With the execution's id it names the instance."""

Json = dict[str, Any]


class ProcessStarter:
    """Starts one at a time: a number takes a second connection, and many at once would wait for each other's."""

    def __init__(self, engine: AsyncEngine, definitions: Definitions) -> None:
        """Take what the composition root wired."""
        self._engine = engine
        self._definitions = definitions
        self._one_at_a_time = asyncio.Semaphore(1)

    async def start(self, call: ActionCall, asked: Asked) -> Json:
        """Start what the step says, or find it started.

        Returns:
            `instance` (id, identifier, name), `process` (key, version) and how many `subjects`.

        Raises:
            ApplicationError: it cannot be started; the message says why.
        """
        tenant, instance = UUID(call.key.tenant_id), UUID(call.key.instance_id)
        async with self._one_at_a_time, tenant_session(self._engine, tenant) as session:
            head = await lock_chain(session, tenant, Chain.INSTANCE, instance)
            asking = await session.get_one(StepExecution, (tenant, execution_id(instance, call.ref)))
            identity = uuid5(asking.id, STARTED)
            known = await session.get(WorkflowInstance, (tenant, identity))
            if known is not None:
                return await _told(session, known)
            parent = await session.get_one(WorkflowInstance, (tenant, instance))
            if asking.exited_at is not None or parent.status in INSTANCE_CLOSED:
                raise refused("nobody waits for it any more")
            try:
                made, drafts = await self._write(session, parent, asking, identity, asked)
            except (ChildProcessUnusableError, ExpressionError, ValueError) as error:
                raise refused(str(error)) from None
            told = await _told(session, made)
            started = AuditDraft(
                action="process_started",
                object_type="workflow_instance",
                object_id=made.id,
                instance_id=instance,
                execution_id=asking.id,
                new={**told, "step": asked.step.name},
            )
            await write_audit(session, engine_actor(tenant), [*drafts, started], head=head)
            if parent.status == InstanceStatus.ON_HOLD:
                # It was held after this was asked for, and what lies below it has been held already.
                place = Place(tenant, instance, parent.process_id)
                await cascade(session, place, "hold", None, parent.reason, parent.seq, of=[asking.id])
            return told

    async def _write(
        self, session: AsyncSession, parent: WorkflowInstance, asking: StepExecution, identity: UUID, asked: Asked
    ) -> tuple[WorkflowInstance, list[AuditDraft]]:
        """The pending rows, and audit entries of subjects made for it.

        Raises:
            ChildProcessUnusableError, ExpressionError, ValueError: as the message says.
        """
        tenant, settings = parent.tenant_id, asked.settings
        place = Place(tenant, parent.id, parent.process_id)
        definition = await self._definitions.version(session, tenant, parent.process_id)
        reading = Nesting(session, tenant, parent.id, definition)
        subjects = StartProcess.of(settings).subjects
        process = await reading.usable(await _version(session, tenant, settings), subjects)
        context = _values(settings.get("values") or {}, asked.variables)
        year = datetime.now(UTC).year
        identifier = await next_identifier(self._engine, tenant, process["category"], year)
        ids: Sequence[UUID] = [asking.subject_id]
        drafts: list[AuditDraft] = []
        match subjects:
            case SubjectsMade(new=new):
                (ids,), drafts = await make_subjects(session, self._engine, place, new, [(asking.id, identifier)], year)
            case SubjectsFound(rule=rule):
                ids = await reading.found(rule, process, asking.subject_no)
            case _:
                pass
        pending = below(
            parent,
            asking.id,
            id=identity,
            process_id=process["id"],
            identifier=identifier,
            name=settings.get("name") or f"{asked.step.name} · {parent.identifier}",
            context=context,
            subjects=ids,
        )
        return await create_instance(session, tenant, pending), drafts


async def _version(session: AsyncSession, tenant: UUID, settings: Mapping[str, Any]) -> UUID:
    """The version that the step names, or the one of its key that is in force now."""
    if settings.get("process_id"):
        return UUID(settings["process_id"])
    return (await in_force(session, tenant, settings["process"])).id


def _values(wanted: Mapping[str, str], variables: Mapping[str, Any]) -> Json:
    """The context of the new instance: path → value of an expression over this one."""
    prepared, context = Prepared(variables), Json()
    for path, expression in wanted.items():
        context = placed(context, path, plain(prepared.evaluate(expression)))
    return context


async def _told(session: AsyncSession, made: WorkflowInstance) -> Json:
    """What the step may keep of it."""
    process = await session.get_one(Process, (made.tenant_id, made.process_id))
    counted = select(func.count()).where(
        col(WorkflowSubject.tenant_id) == made.tenant_id, col(WorkflowSubject.instance_id) == made.id
    )
    return {
        "instance": {"id": str(made.id), "identifier": made.identifier, "name": made.name},
        "process": {"key": process.key, "version": process.version},
        "subjects": (await session.exec(counted)).one(),
    }
