"""Instances: how they come into being.

Created here for the API and, as children, for the record activity; both commit themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.store.bulk import insert_rows
from models.store.reading import RING
from models.tables import Outbox, WorkflowInstance

START_TOPIC = "start_instance"
OUTBOX_CHANNEL = "gatework_outbox"
RECORD_CHANNEL = "gatework"
"""Record notifies it with `<instance id> <seq>`; the API wakes whoever waits for an outcome."""

_ADD_SUBJECTS = text(
    """
    INSERT INTO workflow_subject (tenant_id, instance_id, subject_no, subject_id)
    SELECT :tenant, given.instance, given.number, given.subject
    FROM unnest(CAST(:instances AS uuid[]), CAST(:numbers AS int[]), CAST(:subjects AS uuid[]))
         AS given (instance, number, subject)
    """
)
_LEAVE_STARTS = text(
    """
    INSERT INTO outbox (tenant_id, topic, key, payload, next_attempt_at)
    SELECT :tenant, :topic, CAST(given.id AS text), jsonb_build_object('instance_id', CAST(given.id AS text)),
           now() + :after
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS given (id, n) ORDER BY given.n
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInstance:
    """An instance that is to wait for its workflow.

    Attributes:
        id: Also of the Temporal workflow.
        process_id: Of an approved version.
        identifier: From `models.store.identifiers`; unique in the tenant.
        subjects: Ids of existing subjects of the process's type, no duplicates, at most 10,000; they get the numbers
            0 … n-1 in this order.
        triggered_requirement_id: The requirement that waits for it, of the execution `triggered_by`; `child_no` is its
            number within that.
    """

    id: UUID
    process_id: UUID
    identifier: str
    subjects: Sequence[UUID]
    name: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    owner_id: UUID | None = None
    due_date: date | None = None
    created_by: UUID | None = None
    parent_instance_id: UUID | None = None
    triggered_by: UUID | None = None
    triggered_requirement_id: UUID | None = None
    child_no: int | None = None


_COLUMNS: Final = tuple(one.name for one in fields(PendingInstance) if one.name != "subjects")


async def create_instance(session: AsyncSession, tenant_id: UUID, new: PendingInstance) -> WorkflowInstance:
    """Write one; see `create_instances`."""
    await create_instances(session, tenant_id, [new])
    return await session.get_one(WorkflowInstance, (tenant_id, new.id))


async def create_instances(
    session: AsyncSession, tenant_id: UUID, new: Sequence[PendingInstance], *, start_after: timedelta = timedelta()
) -> None:
    """Write pending instances, their subjects, and the outbox rows that start their workflows; not committed here.

    Args:
        session: Tenant-scoped.
        tenant_id: The tenant of everything named.
        new: One or a thousand: the same number of statements.
        start_after: How long the outbox leaves the starts to others (a parent's workflow starts its children).
    """
    if not new:
        return
    await session.flush()
    rows = [{"tenant_id": tenant_id, **{name: getattr(one, name) for name in _COLUMNS}} for one in new]
    await insert_rows(session, WorkflowInstance, rows)
    numbered = [(one.id, number, subject) for one in new for number, subject in enumerate(one.subjects)]
    connection = await session.connection()
    instances, numbers, subjects = (list(column) for column in zip(*numbered, strict=True)) if numbered else ([],) * 3
    places = {"instances": instances, "numbers": numbers, "subjects": subjects}
    await connection.execute(_ADD_SUBJECTS, {"tenant": tenant_id, **places})
    starts = {"topic": START_TOPIC, "ids": [one.id for one in new], "after": start_after}
    await connection.execute(_LEAVE_STARTS, {"tenant": tenant_id, **starts})
    await connection.execute(RING, {"channel": OUTBOX_CHANNEL})


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
