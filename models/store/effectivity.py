"""When a process version is in force (ISO 9001 7.5.3): effective dates, and versions that a newer one replaces.

A version is chosen for new workflows from `effective_from` to `effective_until`, unless a newer version of its key
became effective. Running workflows stay on the version that they were started with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.store.audit import AuditDraft, audit_tenant, engine_actor
from models.store.reading import fetch
from models.store.refusals import EffectiveDatesInvalidError

IN_FORCE: Final = frozenset({ProcessStatus.APPROVED, ProcessStatus.DEPRECATED})
"""What running workflows, and steps that start it as a nested process, may use."""

_OVER = """
    p.status = 'approved' AND (p.effective_until <= :now OR EXISTS (
        SELECT FROM process n WHERE n.tenant_id = p.tenant_id AND n.key = p.key AND n.version_no > p.version_no
                                AND n.status IN ('approved', 'deprecated') AND n.effective_from <= :now))
"""
_TENANTS = text(f"SELECT DISTINCT p.tenant_id FROM process p WHERE {_OVER} ORDER BY 1")  # noqa: S608 - a constant
_SUPERSEDE = text(
    f"""
    UPDATE process SET status = 'deprecated' WHERE (tenant_id, id) IN (
        SELECT p.tenant_id, p.id FROM process p
        WHERE p.tenant_id = :tenant AND (CAST(:key AS text) IS NULL OR p.key = :key) AND {_OVER} FOR UPDATE)
    RETURNING id, version
    """  # noqa: S608 - a constant
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """From when (None: from the approval on) and until when (None: until a newer version) a version is in force."""

    since: datetime | None = None
    until: datetime | None = None

    def checked(self, now: datetime) -> tuple[datetime, datetime | None]:
        """Both moments; nothing comes into force before it was approved.

        Raises:
            EffectiveDatesInvalidError: effective_dates_invalid.
        """
        since = now if self.since is None else self.since.astimezone(UTC)
        if since < now or (self.until is not None and self.until <= since):
            raise EffectiveDatesInvalidError(now=now.isoformat())
        return since, None if self.until is None else self.until.astimezone(UTC)


async def supersede(
    session: AsyncSession, tenant_id: UUID, now: datetime, *, key: str | None = None
) -> list[AuditDraft]:
    """Deprecate what is over: replaced by a newer version in force, or past its last day.

    Returns:
        What the audit trail has to say about it; the caller writes it.
    """
    rows = await fetch(session, _SUPERSEDE, tenant=tenant_id, now=now, key=key)
    return [
        AuditDraft(
            action="process.deprecated",
            object_type="process",
            object_id=row["id"],
            old={"status": ProcessStatus.APPROVED},
            new={"status": ProcessStatus.DEPRECATED, "version": row["version"]},
        )
        for row in sorted(rows, key=lambda row: str(row["id"]))
    ]


async def tenants_with_versions_over(connection: AsyncConnection, now: datetime) -> Sequence[UUID]:
    """Where something is to be deprecated; asked with the system role."""
    return (await connection.execute(_TENANTS, {"now": now})).scalars().all()


async def supersede_due(session: AsyncSession, tenant_id: UUID, now: datetime) -> None:
    """Deprecate what is over in one tenant, as the engine; what is approved for later comes into force by this."""
    drafts = await supersede(session, tenant_id, now)
    if drafts:
        await audit_tenant(session, engine_actor(tenant_id), *drafts)
