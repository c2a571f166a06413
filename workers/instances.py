"""What dispatcher and sweep must know of an instance to start its workflow."""

from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from workflows.starting import NewInstance

_READ = text(
    """
    SELECT i.identifier, i.name, p.name AS process_name
    FROM workflow_instance i JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    WHERE i.tenant_id = :tenant AND i.id = :instance
    """
)


async def new_instance(session: AsyncSession, tenant_id: UUID, instance_id: UUID) -> NewInstance:
    """Read it.

    Raises:
        LookupError: the tenant has no such instance.
    """
    connection = await session.connection()
    row = (await connection.execute(_READ, {"tenant": tenant_id, "instance": instance_id})).one_or_none()
    if row is None:
        raise LookupError(f"no instance {instance_id}")
    return NewInstance(
        tenant_id=str(tenant_id),
        instance_id=str(instance_id),
        identifier=row.identifier,
        process_name=row.process_name,
        name=row.name,
    )
