"""CAPAs: the quality facts beside a subject of type CAPA, and the one running workflow that a CAPA may have."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.status import INSTANCE_CLOSED
from models.store.errors import NotFoundError
from models.store.refusals import CapaRunningError
from models.tables import Capa, WorkflowInstance


async def capa_to_start(session: AsyncSession, tenant_id: UUID, capa_id: UUID, *, lock: bool = False) -> Capa:
    """A CAPA that has no running workflow; with `lock`, nobody else starts one meanwhile.

    Raises:
        StoreError: not_found, capa_running.
    """
    capa = await session.get(Capa, (tenant_id, capa_id), with_for_update=lock)
    if capa is None:
        raise NotFoundError(what="CAPA", id=str(capa_id))
    if capa.workflow_instance_id is not None:
        running = await session.get_one(WorkflowInstance, (tenant_id, capa.workflow_instance_id))
        if running.status not in INSTANCE_CLOSED:
            raise CapaRunningError(identifier=running.identifier, workflow=str(running.id))
    return capa
