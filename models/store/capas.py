"""CAPAs: the quality facts beside a subject of type CAPA, and the one running workflow that a CAPA may have."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select
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
    await _refuse_second(session, capa)
    return capa


async def capas_to_start(session: AsyncSession, tenant_id: UUID, subjects: Sequence[UUID]) -> list[Capa]:
    """Those of the subjects that are CAPAs, locked; the caller links them to the instance it creates.

    Raises:
        StoreError: capa_running.
    """
    query = (
        select(Capa)
        .where(Capa.tenant_id == tenant_id, col(Capa.id).in_(subjects))
        .order_by(col(Capa.id))
        .with_for_update()
    )
    found = list((await session.exec(query)).all()) if subjects else []
    for capa in found:
        await _refuse_second(session, capa)
    return found


async def _refuse_second(session: AsyncSession, capa: Capa) -> None:
    if capa.workflow_instance_id is None:
        return
    running = await session.get_one(WorkflowInstance, (capa.tenant_id, capa.workflow_instance_id))
    if running.status not in INSTANCE_CLOSED:
        raise CapaRunningError(identifier=running.identifier, workflow=str(running.id))
