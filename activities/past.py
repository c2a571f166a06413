"""An instance as it was at a moment of the past, told from its journal; never from what its rows say today.

The rows of then stand in scratch tables (`activities.rebuild`), where the same queries find them that show the present.
What an instance is (its identifier, its subjects, who created it) comes from its row: that never changes.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.rebuild import Rebuilt, open_scratch, rebuild
from models.store.errors import NotFoundError
from models.store.refusals import AsOfBeforeStartError, AsOfInFutureError
from models.store.views import moment as shown

_RELATED = text(
    """
    SELECT parent_instance_id AS id FROM public.workflow_instance
    WHERE tenant_id = :tenant AND id = :instance AND parent_instance_id IS NOT NULL
    UNION
    (SELECT CAST(data ->> 'child_id' AS uuid) FROM journal
     WHERE tenant_id = :tenant AND instance_id = :instance AND kind = 'child_requested' AND seq <= :seq LIMIT :most)
    UNION
    (SELECT id FROM public.workflow_instance
     WHERE tenant_id = :tenant AND parent_instance_id = :instance AND triggered_requirement_id IS NULL
       AND created_at <= :until LIMIT :most)
    """
)
"""The parent, the children that the journal asked for, and those which a person had started by then."""
RELATED: Final = 200
"""As many children as the present shows with their parent."""


async def recall(
    session: AsyncSession, tenant: UUID, instance: UUID, until: datetime, *, related: bool = False
) -> Rebuilt:
    """Rebuild an instance as of a moment; read it within `activities.rebuild.in_scratch`.

    Args:
        session: A transaction of its own; its scratch tables end with it.
        tenant: The tenant.
        instance: Which instance.
        until: The moment, with its time zone; what happened at that very moment is in.
        related: Also how parent and children stood then, as far as they are shown with the instance.

    Raises:
        StoreError: not_found, as_of_before_start, as_of_in_future.
    """
    if until > datetime.now(UTC):
        raise AsOfInFutureError(as_of=shown(until))
    connection = await session.connection()
    await open_scratch(connection)
    try:
        told = await rebuild(connection, tenant, instance, until=until)
    except LookupError as error:
        raise NotFoundError(what="workflow", id=str(instance)) from error
    if told.began_at is None:
        raise AsOfBeforeStartError(as_of=shown(until))
    if related:
        for one in await _related(connection, tenant, instance, until, told.seq):
            await rebuild(connection, tenant, one, until=until, brief=True)
    return told


async def _related(connection: AsyncConnection, tenant: UUID, instance: UUID, until: datetime, seq: int) -> list[UUID]:
    keys = {"tenant": tenant, "instance": instance, "until": until, "seq": seq, "most": RELATED}
    return sorted((await connection.execute(_RELATED, keys)).scalars())
