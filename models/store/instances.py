"""Instances: how one comes into being.

An instance is created here for the API and, as a child, for the record activity; both commit themselves.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.store.reading import RING
from models.tables import Outbox, Process, WorkflowInstance

START_TOPIC = "start_instance"
OUTBOX_CHANNEL = "gatework_outbox"
RECORD_CHANNEL = "gatework"
"""Record notifies it with `<instance id> <seq>`; the API wakes whoever waits for an outcome."""

_ADD_SUBJECTS = text(
    "INSERT INTO workflow_subject (tenant_id, instance_id, subject_no, subject_id)"
    " SELECT :tenant, :instance, number - 1, subject"
    " FROM unnest(CAST(:subjects AS uuid[])) WITH ORDINALITY AS given (subject, number)"
)


async def create_instance(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    instance_id: UUID,
    process: Process,
    identifier: str,
    subjects: Sequence[UUID],
    name: str = "",
    context: Mapping[str, Any] | None = None,
    owner_id: UUID | None = None,
    due_date: date | None = None,
    created_by: UUID | None = None,
    parent_instance_id: UUID | None = None,
    triggered_by: UUID | None = None,
    triggered_requirement_id: UUID | None = None,
    child_no: int | None = None,
    start_after: timedelta = timedelta(),
) -> WorkflowInstance:
    """Write a pending instance, its subjects 0 … n-1 in the order given, and the outbox row that starts its workflow.

    Args:
        session: Tenant-scoped; not committed here.
        tenant_id: The tenant of everything named.
        instance_id: Also the id of the Temporal workflow.
        process: An approved version.
        identifier: From `models.store.identifiers`; unique in the tenant.
        subjects: Ids of existing subjects of the process's type, no duplicates, at most 10,000.
        start_after: How long the outbox leaves the start to others (a parent's workflow starts its children).
    """
    instance = WorkflowInstance(
        tenant_id=tenant_id,
        id=instance_id,
        process_id=process.id,
        identifier=identifier,
        name=name,
        context=dict(context or {}),
        owner_id=owner_id,
        due_date=due_date,
        created_by=created_by,
        parent_instance_id=parent_instance_id,
        triggered_by=triggered_by,
        triggered_requirement_id=triggered_requirement_id,
        child_no=child_no,
    )
    session.add(instance)
    await session.flush()
    connection = await session.connection()
    await connection.execute(_ADD_SUBJECTS, {"tenant": tenant_id, "instance": instance_id, "subjects": list(subjects)})
    payload = {"instance_id": str(instance_id)}
    await put_in_outbox(session, tenant_id, START_TOPIC, str(instance_id), payload, after=start_after)
    return instance


async def put_in_outbox(
    session: AsyncSession,
    tenant_id: UUID,
    topic: str,
    key: str,
    payload: Mapping[str, Any],
    *,
    after: timedelta = timedelta(),
) -> None:
    """Leave something for the dispatcher, to be taken no earlier than `after` from now, and wake it at commit."""
    connection = await session.connection()
    row = {"tenant_id": tenant_id, "topic": topic, "key": key, "payload": dict(payload)}
    await connection.execute(insert(Outbox).values(next_attempt_at=func.now() + after), row)
    await connection.execute(RING, {"channel": OUTBOX_CHANNEL})
