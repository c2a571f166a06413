"""Finding process versions: by id, by key, by the template they came from."""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.store.errors import NotFoundError
from models.store.refusals import ProcessNotApprovedError
from models.tables import Process


async def get_process(session: AsyncSession, tenant_id: UUID, process_id: UUID, *, lock: bool = False) -> Process:
    """One version.

    Raises:
        NotFoundError: not_found.
    """
    process = await session.get(Process, (tenant_id, process_id), with_for_update=lock)
    if process is None:
        raise NotFoundError(what="process", id=str(process_id))
    return process


async def process_to_start(session: AsyncSession, tenant_id: UUID, process_id: UUID) -> Process:
    """An approved version.

    Raises:
        StoreError: not_found, process_not_approved.
    """
    process = await get_process(session, tenant_id, process_id)
    if process.status != ProcessStatus.APPROVED:
        raise ProcessNotApprovedError(status=process.status)
    return process


async def latest_approved(
    session: AsyncSession, tenant_id: UUID, *, key: str | None = None, template_source: str | None = None
) -> Process:
    """The latest approved version of a key, or of the processes made from a template.

    Raises:
        StoreError: not_found (nothing of that key), process_not_approved.
    """
    condition = col(Process.key) == key if key is not None else col(Process.template_source) == template_source
    versions = select(Process).where(col(Process.tenant_id) == tenant_id, condition)
    newest = versions.order_by(col(Process.approved_at).desc().nulls_last(), col(Process.version_no).desc())
    found = await session.exec(newest.where(col(Process.status) == ProcessStatus.APPROVED).limit(1))
    process = found.one_or_none()
    if process is not None:
        return process
    if key is not None and (await session.exec(versions.limit(1))).one_or_none() is None:
        raise NotFoundError(what="process", id=key)
    raise ProcessNotApprovedError(key=key or template_source)


async def free_key(session: AsyncSession, tenant_id: UUID, wanted: str) -> str:
    """The key, or with a number behind it where it is taken."""
    key, number = wanted, 1
    while await key_is_taken(session, tenant_id, key):
        number += 1
        key = f"{wanted}-{number}"
    return key


async def key_is_taken(session: AsyncSession, tenant_id: UUID, key: str) -> bool:
    """Whether any version has this key."""
    statement = select(Process.id).where(col(Process.tenant_id) == tenant_id, col(Process.key) == key).limit(1)
    return (await session.exec(statement)).one_or_none() is not None
