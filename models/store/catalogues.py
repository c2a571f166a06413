"""The catalogues that requirements refer to: document types, approval templates, measurement definitions.

A key never changes and nothing is deleted; each change is audited. Approved versions keep the copies they were approved
with (`models.store.freezing`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, text
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.durations import format_duration
from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows, update_rows
from models.store.gate_errors import (
    CatalogueKeyTakenError,
    CatalogueUnknownError,
    LimitsInvalidError,
    StagesInvalidError,
)
from models.store.named_people import active_users
from models.store.people import Person
from models.store.reading import fetch, fetch_one
from models.store.references import slug
from models.store.stages import parse_escalation, parse_stages
from models.store.views import moment
from models.tables import ApprovalTemplate, DocumentType, MeasurementDefinition

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """One of the three tables, and its columns besides id, key and created_at."""

    what: str
    table: type[SQLModel]
    columns: tuple[str, ...]


DOCUMENT_TYPES: Final = Catalogue(what="document type", table=DocumentType, columns=("name",))
APPROVAL_TEMPLATES: Final = Catalogue(
    what="approval template",
    table=ApprovalTemplate,
    columns=("name", "stages", "due_in", "remind_before", "escalate_to", "allow_self_approval", "allow_delegation"),
)
MEASUREMENT_DEFINITIONS: Final = Catalogue(
    what="measurement definition",
    table=MeasurementDefinition,
    columns=(
        "name",
        "unit",
        "nominal",
        "upper_tol",
        "lower_tol",
        "lower_limit",
        "upper_limit",
        "sample_size",
        "gauge_required",
    ),
)


async def list_entries(
    session: AsyncSession, tenant_id: UUID, catalogue: Catalogue, *, after: str = "", search: str = "", limit: int
) -> Sequence[RowMapping]:
    """Entries by key, those after the key `after`, at most `limit`."""
    statement = text(
        f"SELECT * FROM {catalogue.table.__tablename__} WHERE tenant_id = :tenant AND key > :after"  # noqa: S608 - names from the code
        " AND (:search = '' OR strpos(lower(key), lower(:search)) > 0 OR strpos(lower(name), lower(:search)) > 0)"
        " ORDER BY key LIMIT :limit"
    )
    return await fetch(session, statement, tenant=tenant_id, after=after, search=search, limit=limit)


async def entry_of(session: AsyncSession, tenant_id: UUID, catalogue: Catalogue, entry_id: UUID) -> RowMapping:
    """One entry.

    Raises:
        CatalogueUnknownError: catalogue_unknown.
    """
    statement = text(f"SELECT * FROM {catalogue.table.__tablename__} WHERE tenant_id = :tenant AND id = :id")  # noqa: S608
    row = await fetch_one(session, statement, tenant=tenant_id, id=entry_id)
    if row is None:
        raise CatalogueUnknownError(what=catalogue.what, id=str(entry_id))
    return row


async def add_entry(
    session: AsyncSession, person: Person, catalogue: Catalogue, key: str, values: Mapping[str, Any]
) -> RowMapping:
    """Add an entry; without a key it gets one made from its name.

    Raises:
        StoreError: catalogue_key_taken, stages_invalid.
    """
    await _check(session, person.tenant_id, values)
    named = key or await _free_key(session, person.tenant_id, catalogue, slug(values["name"]))
    if key and await _by_key(session, person.tenant_id, catalogue, key) is not None:
        raise CatalogueKeyTakenError(key=key)
    row = {"tenant_id": person.tenant_id, "id": uuid4(), "key": named, **values}
    await insert_rows(session, catalogue.table, [row])
    await _audit(session, person, catalogue, row["id"], "created", None, {"key": named, **_plain(values)})
    return await entry_of(session, person.tenant_id, catalogue, row["id"])


async def change_entry(
    session: AsyncSession,
    person: Person,
    catalogue: Catalogue,
    entry_id: UUID,
    values: Mapping[str, Any],
    reason: str = "",
) -> RowMapping:
    """Change named columns; the key stays.

    Raises:
        StoreError: catalogue_unknown, stages_invalid, limits_invalid.
    """
    await _check(session, person.tenant_id, values)
    before = await entry_of(session, person.tenant_id, catalogue, entry_id)
    _check_limits({**before, **values})
    changed = {name: value for name, value in values.items() if _plain({name: value}) != _plain({name: before[name]})}
    if changed:
        await update_rows(session, catalogue.table, [{"tenant_id": person.tenant_id, "id": entry_id, **changed}])
        old = _plain({name: before[name] for name in changed})
        await _audit(session, person, catalogue, entry_id, "changed", old, _plain(changed), reason)
    return await entry_of(session, person.tenant_id, catalogue, entry_id)


def entry_json(catalogue: Catalogue, row: RowMapping) -> Json:
    """An entry as the API shows it: decimals as text, durations in ISO 8601."""
    values = _plain({name: row[name] for name in catalogue.columns})
    return {"id": str(row["id"]), "key": row["key"], **values, "created_at": moment(row["created_at"])}


async def _free_key(session: AsyncSession, tenant_id: UUID, catalogue: Catalogue, wanted: str) -> str:
    """The wanted key, or the first of `wanted-2`, `wanted-3`, … that is free."""
    named, number = wanted, 1
    while await _by_key(session, tenant_id, catalogue, named) is not None:
        number += 1
        named = f"{wanted}-{number}"
    return named


async def _by_key(session: AsyncSession, tenant_id: UUID, catalogue: Catalogue, key: str) -> RowMapping | None:
    statement = text(f"SELECT id FROM {catalogue.table.__tablename__} WHERE tenant_id = :tenant AND key = :key")  # noqa: S608
    return await fetch_one(session, statement, tenant=tenant_id, key=key)


async def _check(session: AsyncSession, tenant_id: UUID, values: Mapping[str, Any]) -> None:
    """Stages hold together, and the users they name are here and active."""
    try:
        stages = parse_stages(values["stages"]) if "stages" in values else ()
        escalation = parse_escalation(values.get("escalate_to") or {})
    except ValueError as error:
        raise StagesInvalidError(detail=str(error)) from error
    of_stages = {user for stage in stages for user in (*stage.users, *stage.veto_users)}
    named = of_stages | set(escalation.get("users", ()))
    if missing := sorted(named - await active_users(session, tenant_id, named)):
        raise StagesInvalidError(detail=f"there is no active user {', '.join(missing)}")


def _check_limits(values: Mapping[str, Any]) -> None:
    least, most = values.get("lower_limit"), values.get("upper_limit")
    if least is not None and most is not None and least > most:
        raise LimitsInvalidError


async def _audit(
    session: AsyncSession, person: Person, catalogue: Catalogue, entry_id: UUID, verb: str,
    old: Json | None, new: Json, reason: str = "",
) -> None:  # fmt: skip
    name = str(catalogue.table.__tablename__)
    draft = AuditDraft(action=f"{name}.{verb}", object_type=name, object_id=entry_id, old=old, new=new, reason=reason)
    await audit_tenant(session, person.actor, draft)


def _plain(values: Mapping[str, Any]) -> Json:
    shown: Json = {}
    for name, value in values.items():
        match value:
            case Decimal():
                shown[name] = f"{value:f}"
            case timedelta():
                shown[name] = format_duration(value)
            case _:
                shown[name] = value
    return shown
