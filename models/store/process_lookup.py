"""Finding process versions: by id, by key, by the template they came from."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists, func
from sqlalchemy.orm import aliased
from sqlmodel import col, not_, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.store.errors import NotFoundError
from models.store.refusals import ProcessNotApprovedError, ProcessNotEffectiveError
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
    """A version that is in force now.

    Raises:
        StoreError: not_found, process_not_approved, process_not_effective.
    """
    process = await get_process(session, tenant_id, process_id)
    if process.status != ProcessStatus.APPROVED:
        raise ProcessNotApprovedError(status=process.status)
    in_force = select(Process.id).where(
        col(Process.tenant_id) == tenant_id, col(Process.id) == process_id, *_effective_now()
    )
    if (await session.exec(in_force)).one_or_none() is None:
        raise _not_effective(process)
    return process


async def check_effective(session: AsyncSession, process: Process) -> None:
    """A version that may be in use: it came into force once, whatever became of it.

    Raises:
        ProcessNotEffectiveError: process_not_effective.
    """
    now = (await session.exec(select(func.now()))).one()
    if process.effective_from is None or process.effective_from > now:
        raise _not_effective(process)


async def latest_approved(
    session: AsyncSession, tenant_id: UUID, *, key: str | None = None, template_source: str | None = None
) -> Process:
    """The version of a key, or of the processes made from a template, that is in force now.

    Raises:
        StoreError: not_found (nothing of that key), process_not_approved, process_not_effective.
    """
    condition = col(Process.key) == key if key is not None else col(Process.template_source) == template_source
    versions = select(Process).where(col(Process.tenant_id) == tenant_id, condition)
    newest = versions.order_by(col(Process.effective_from).desc().nulls_last(), col(Process.version_no).desc())
    approved = newest.where(col(Process.status) == ProcessStatus.APPROVED)
    process = (await session.exec(approved.where(*_effective_now()).limit(1))).one_or_none()
    if process is not None:
        return process
    if key is not None and (await session.exec(versions.limit(1))).one_or_none() is None:
        raise NotFoundError(what="process", id=key)
    coming = (await session.exec(approved.limit(1))).one_or_none()
    if coming is not None:
        raise _not_effective(coming)
    raise ProcessNotApprovedError(key=key or template_source)


def _effective_now() -> tuple[ColumnElement[bool], ...]:
    """In force by the database's clock, also where the sweep has not yet deprecated what is over."""
    newer = aliased(Process)
    replaced = exists().where(
        col(newer.tenant_id) == col(Process.tenant_id),
        col(newer.key) == col(Process.key),
        col(newer.version_no) > col(Process.version_no),
        col(newer.status).in_((ProcessStatus.APPROVED, ProcessStatus.DEPRECATED)),
        col(newer.effective_from) <= func.now(),
    )
    return (
        col(Process.effective_from) <= func.now(),
        or_(col(Process.effective_until).is_(None), col(Process.effective_until) > func.now()),
        not_(replaced),
    )


def _not_effective(process: Process) -> ProcessNotEffectiveError:
    moment = process.effective_from
    return ProcessNotEffectiveError(effective_from=None if moment is None else moment.isoformat())


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
