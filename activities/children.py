"""Nested instances in the database: what cascades to them, and the news of their end (DESIGN §3.8)."""

from collections.abc import Sequence
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.command_rows import COMMAND_KINDS
from activities.projection import Place
from models.store.canonical import content_hash
from models.store.instances import put_in_outbox
from models.tables import Command, WorkflowInstance

CHILD_ENDED_TOPIC = "child_ended"
COMMANDS_TOPIC = "signal_commands"
ENGINE_SOURCE = "engine"
"""Source of commands that the engine itself gives; the API never writes it (facts grant such commands control)."""

_OPEN_CHILDREN = text(
    "SELECT id FROM workflow_instance"
    " WHERE tenant_id = :tenant AND parent_instance_id = :instance AND completed_at IS NULL"
    " AND (CAST(:of AS uuid[]) IS NULL OR triggered_by = ANY(:of)) ORDER BY id"
)


async def cascade(
    session: AsyncSession,
    place: Place,
    kind: str,
    by: str | None,
    reason: str,
    seq: int,
    *,
    of: Sequence[UUID] | None = None,
) -> None:
    """Hold, resume or cancel open children (all, or those `of` some executions), as commands by the same actor.

    Where the engine itself ended the instance (`by` None), the parent's creator stands for it.

    Args:
        session: The transaction that holds the parent.
        place: The parent.
        kind: The command.
        by: Who caused it.
        reason: Why.
        seq: Position in the parent's journal, which names the commands.
        of: Only children of these executions; None: all.
    """
    assert kind in COMMAND_KINDS  # noqa: S101 - a misspelt kind would wait for ever
    keys = {"tenant": place.tenant, "instance": place.instance, "of": None if of is None else list(of)}
    children = list((await (await session.connection()).execute(_OPEN_CHILDREN, keys)).scalars())
    if not children:
        return
    actor = UUID(by) if by is not None else await _creator(session, place)
    body = {"args": {"reason": reason or f"{kind} of the parent"}}
    for child in children:
        command = Command(
            tenant_id=place.tenant,
            id=uuid5(child, f"{kind}/{place.instance}/{seq}"),
            actor_id=actor,
            kind=kind,
            workflow_instance_id=child,
            body=body,
            body_hash=content_hash(body),
            source=ENGINE_SOURCE,
        )
        session.add(command)
        payload = {"instance_id": str(child), "command_ids": [str(command.id)]}
        await put_in_outbox(session, place.tenant, COMMANDS_TOPIC, str(child), payload)
    await session.flush()


async def _creator(session: AsyncSession, place: Place) -> UUID:
    query = select(WorkflowInstance.created_by).where(
        WorkflowInstance.tenant_id == place.tenant, WorkflowInstance.id == place.instance
    )
    creator = (await session.exec(query)).one()
    if creator is None:
        raise LookupError(f"instance {place.instance} has no creator")
    return creator


async def tell_parent(session: AsyncSession, place: Place, parent: UUID | None, status: str) -> None:
    """Leave the news of this instance's end for its parent."""
    if parent is None:
        return
    payload = {"instance_id": str(parent), "child_id": str(place.instance), "status": status}
    await put_in_outbox(session, place.tenant, CHILD_ENDED_TOPIC, str(parent), payload)
