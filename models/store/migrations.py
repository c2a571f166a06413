"""Which instances a migration concerns, and whether one version may follow another at all. The plan itself is pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.effectivity import IN_FORCE
from models.store.process_lookup import check_effective, get_process
from models.store.reading import fetch
from models.store.refusals import MigrationOtherProcessError, MigrationStepUnknownError, ProcessNotApprovedError
from models.tables import Process

LARGEST: Final = 1_000
"""Instances of one request."""

_INSTANCES = text(
    """
    SELECT id, identifier, name, process_id, status FROM workflow_instance
    WHERE tenant_id = :tenant AND (CASE WHEN CAST(:ids AS uuid[]) IS NULL
                                        THEN process_id = :process AND completed_at IS NULL
                                        ELSE id = ANY(CAST(:ids AS uuid[])) END)
    ORDER BY created_at, id LIMIT :limit
    """
)
_SUBJECTS = text(
    """
    SELECT w.subject_no, u.id, u.identifier FROM workflow_subject w
    JOIN subject u ON (u.tenant_id, u.id) = (w.tenant_id, w.subject_id)
    WHERE w.tenant_id = :tenant AND w.instance_id = :instance
    """
)
_CHILDREN = text("SELECT id, identifier, name FROM workflow_instance WHERE tenant_id = :tenant AND id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class Versions:
    """The version that instances run on, and the one that they are to go to."""

    old: Process
    new: Process


async def versions_to_migrate(
    session: AsyncSession, tenant_id: UUID, new_id: UUID, old_id: UUID, steps: Mapping[str, str | None]
) -> Versions:
    """Both versions: of one process, the new one in force, and with the steps that the mapping names.

    Raises:
        StoreError: not_found, process_not_approved, process_not_effective, migration_other_process,
            migration_step_unknown.
    """
    new = await get_process(session, tenant_id, new_id)
    old = await get_process(session, tenant_id, old_id)
    for process in (old, new):
        if process.graph_hash is None:
            raise ProcessNotApprovedError(status=process.status)
    if new.status not in IN_FORCE:
        raise ProcessNotApprovedError(status=new.status)
    await check_effective(session, new)
    if old.id == new.id or old.key != new.key or old.subject_type_id != new.subject_type_id:
        raise MigrationOtherProcessError(old=f"{old.key} {old.version}", new=f"{new.key} {new.version}")
    for process, named in ((old, steps), (new, [key for key in steps.values() if key is not None])):
        known = {step["key"] for step in process.graph["steps"]}
        if unknown := [key for key in named if key not in known]:
            raise MigrationStepUnknownError(step=unknown[0], version=process.version)
    return Versions(old, new)


async def instances_to_migrate(
    session: AsyncSession, tenant_id: UUID, process_id: UUID, ids: Collection[UUID] | None
) -> tuple[Sequence[RowMapping], bool]:
    """The instances named, or (None) all open ones of a version; at most `LARGEST`, and whether there are more."""
    found = await fetch(
        session,
        _INSTANCES,
        tenant=tenant_id,
        process=process_id,
        ids=None if ids is None else list(ids),
        limit=LARGEST + 1,
    )
    return found[:LARGEST], len(found) > LARGEST


async def subjects_of(session: AsyncSession, tenant_id: UUID, instance_id: UUID) -> dict[int, dict[str, Any]]:
    """Number within the instance → id and identifier."""
    rows = await fetch(session, _SUBJECTS, tenant=tenant_id, instance=instance_id)
    return {row["subject_no"]: {"id": str(row["id"]), "identifier": row["identifier"]} for row in rows}


async def children_named(session: AsyncSession, tenant_id: UUID, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Nested instances by id."""
    if not ids:
        return {}
    rows = await fetch(session, _CHILDREN, tenant=tenant_id, ids=[UUID(one) for one in ids])
    return {
        str(row["id"]): {"id": str(row["id"]), "identifier": row["identifier"], "name": row["name"]} for row in rows
    }
