"""Characteristics to measure, and measured values; values are only ever added."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.evidence import Sealing
from models.store.reading import fetch
from models.tables import Measurement

_DEFINITIONS = text(
    """
    SELECT id, key, name, unit, nominal, upper_tol, lower_tol, lower_limit, upper_limit, sample_size, gauge_required
    FROM measurement_definition
    WHERE tenant_id = :tenant AND (id = ANY(:ids) OR key = ANY(:keys))
    """
)

_GAUGES = text(
    """
    SELECT s.id, s.identifier, s.attributes ->> 'calibration_due' AS calibration_due,
           s.attributes ->> 'status' AS status
    FROM subject s JOIN subject_type t ON (t.tenant_id, t.id) = (s.tenant_id, s.subject_type_id)
    WHERE s.tenant_id = :tenant AND t.key = :type AND (s.identifier = ANY(:named) OR s.id::text = ANY(:named))
    """
)
EQUIPMENT: Final = "Equipment"
"""Subject type of gauges; `calibration_due` and `status` are attributes that ship with it."""


async def gauges_of(session: AsyncSession, tenant_id: UUID, named: Collection[str]) -> dict[str, RowMapping]:
    """Equipment by what it was named: identifier or id."""
    rows = await fetch(session, _GAUGES, tenant=tenant_id, type=EQUIPMENT, named=list(named))
    return {name: row for row in rows for name in (row["identifier"], str(row["id"])) if name in named}


async def definitions_of(
    session: AsyncSession, tenant_id: UUID, wanted: Collection[UUID | str | None]
) -> Mapping[UUID | str | None, RowMapping]:
    """Measurement definitions, each under its id and under its key."""
    ids = [one for one in wanted if isinstance(one, UUID)]
    keys = [one for one in wanted if isinstance(one, str)]
    rows = await fetch(session, _DEFINITIONS, tenant=tenant_id, ids=ids, keys=keys)
    return {name: row for row in rows for name in (row["id"], row["key"])}


async def add_measurements(session: AsyncSession, link: Sealing, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add measured values; each row names all columns but tenant and execution."""
    await link.add(session, Measurement, rows)
