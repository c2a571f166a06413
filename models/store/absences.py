"""Who is away, and who stands in: entered by oneself or by whoever manages people, ended but never deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.errors import FlowError
from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows, update_rows
from models.store.people import Person
from models.store.planning_errors import AbsenceInvalidError, AbsenceUnknownError
from models.store.reading import beyond, fetch, fetch_one
from models.store.views import moment
from models.tables import Absence

Json = dict[str, Any]

MANAGE = "user.manage"
"""Whoever holds it enters absences of others, too."""

_COLUMNS = """
    SELECT a.id, a.user_id, u.username, a.delegate_id, d.username AS delegate_name, a.starts_at, a.ends_at, a.reason,
           a.created_at
    FROM absence a JOIN user_account u ON (u.tenant_id, u.id) = (a.tenant_id, a.user_id)
    LEFT JOIN user_account d ON (d.tenant_id, d.id) = (a.tenant_id, a.delegate_id)
    WHERE a.tenant_id = :tenant
"""
_LIST = text(
    _COLUMNS + " AND (CAST(:user AS uuid) IS NULL OR a.user_id = :user OR a.delegate_id = :user)"
    " AND a.ends_at > :since AND (CAST(:after_id AS uuid) IS NULL OR (a.starts_at, a.id) > (:after_at, :after_id))"
    " ORDER BY a.starts_at, a.id LIMIT :limit"
)
_ONE = text(_COLUMNS + " AND a.id = :id")
_ACTIVE = text(
    "SELECT id FROM user_account WHERE tenant_id = :tenant AND id = ANY(:ids) AND is_active AND NOT is_service"
)
_OVERLAP = text(
    "SELECT EXISTS (SELECT FROM absence WHERE tenant_id = :tenant AND user_id = :user"
    " AND starts_at < :ends AND ends_at > :starts) AS found"
)
_AWAY = text(
    """
    SELECT DISTINCT ON (a.user_id) a.user_id, a.delegate_id, a.ends_at
    FROM absence a WHERE a.tenant_id = :tenant AND a.user_id = ANY(:users) AND :at >= a.starts_at AND :at < a.ends_at
    ORDER BY a.user_id, a.starts_at
    """
)
_STANDS_IN = text(
    "SELECT user_id FROM absence WHERE tenant_id = :tenant AND delegate_id = :delegate"
    " AND :at >= starts_at AND :at < ends_at"
)
_ABSENT = text(
    """
    SELECT u.id, u.username,
           ARRAY(SELECT r.role FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id)) AS roles
    FROM absence a JOIN user_account u ON (u.tenant_id, u.id) = (a.tenant_id, a.user_id)
    WHERE a.tenant_id = :tenant AND a.delegate_id = :delegate AND :at >= a.starts_at AND :at < a.ends_at AND u.is_active
    ORDER BY u.username
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """Somebody is away now; `delegate` stands in, where anybody was named."""

    user: UUID
    delegate: UUID | None
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAbsence:
    """What is entered."""

    user_id: UUID
    delegate_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    reason: str = ""


async def list_absences(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    user_id: UUID | None,
    since: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Absences that last beyond `since`, of one person (or with them standing in) or of all, by their beginning."""
    return await fetch(session, _LIST, tenant=tenant_id, user=user_id, since=since, limit=limit, **beyond(after))


async def add_absence(session: AsyncSession, person: Person, new: NewAbsence) -> RowMapping:
    """Enter one's own absence, or with `user.manage` that of another person.

    Raises:
        FlowError: forbidden.
        AbsenceInvalidError: absence_invalid.
    """
    if new.user_id != person.id and MANAGE not in person.permissions:
        raise FlowError("forbidden", permission=MANAGE)
    if new.ends_at <= new.starts_at:
        raise AbsenceInvalidError(why="it ends before it begins")
    if new.delegate_id == new.user_id:
        raise AbsenceInvalidError(why="nobody stands in for themselves")
    wanted = [one for one in (new.user_id, new.delegate_id) if one is not None]
    known = {row["id"] for row in await fetch(session, _ACTIVE, tenant=person.tenant_id, ids=wanted)}
    if missing := [str(one) for one in wanted if one not in known]:
        raise AbsenceInvalidError(why=f"no active person has the id {missing[0]}")
    overlap = await fetch_one(
        session, _OVERLAP, tenant=person.tenant_id, user=new.user_id, starts=new.starts_at, ends=new.ends_at
    )
    if overlap is not None and overlap["found"]:
        raise AbsenceInvalidError(why="it overlaps with another one of the same person; end that first")
    absence_id = uuid4()
    row = {
        "tenant_id": person.tenant_id,
        "id": absence_id,
        "user_id": new.user_id,
        "delegate_id": new.delegate_id,
        "starts_at": new.starts_at,
        "ends_at": new.ends_at,
        "reason": new.reason,
        "created_by": person.id,
    }
    await insert_rows(session, Absence, [row])
    shown = absence_json(await _row(session, person.tenant_id, absence_id))
    await _audit(session, person, absence_id, "absence_entered", None, shown)
    return await _row(session, person.tenant_id, absence_id)


async def end_absence(session: AsyncSession, person: Person, absence_id: UUID, now: datetime) -> RowMapping:
    """Back early: it ends now; one that has not begun never does.

    Raises:
        FlowError: forbidden.
        StoreError: absence_unknown, absence_invalid.
    """
    row = await _row(session, person.tenant_id, absence_id)
    if row["user_id"] != person.id and MANAGE not in person.permissions:
        raise FlowError("forbidden", permission=MANAGE)
    if row["ends_at"] <= now:
        raise AbsenceInvalidError(why="it has ended already")
    started = row["starts_at"] < now
    changed = {"ends_at": now} if started else {"starts_at": now, "ends_at": now + _MOMENT}
    await update_rows(session, Absence, [{"tenant_id": person.tenant_id, "id": absence_id, **changed}])
    after = await _row(session, person.tenant_id, absence_id)
    await _audit(session, person, absence_id, "absence_ended", absence_json(row), absence_json(after))
    return after


_MOMENT = datetime.resolution


async def away_of(session: AsyncSession, tenant_id: UUID, users: Collection[UUID], at: datetime) -> dict[UUID, Away]:
    """Those of `users` who are away at a moment."""
    rows = await fetch(session, _AWAY, tenant=tenant_id, users=sorted(users), at=at) if users else ()
    return {
        row["user_id"]: Away(user=row["user_id"], delegate=row["delegate_id"], until=row["ends_at"]) for row in rows
    }


async def represented_by(session: AsyncSession, tenant_id: UUID, delegate: UUID, at: datetime) -> frozenset[UUID]:
    """For whom a person stands in at a moment."""
    rows = await fetch(session, _STANDS_IN, tenant=tenant_id, delegate=delegate, at=at)
    return frozenset(row["user_id"] for row in rows)


async def absent_whom(session: AsyncSession, tenant_id: UUID, delegate: UUID, at: datetime) -> Sequence[RowMapping]:
    """Active people who are away and for whom somebody stands in, by username, with the roles that they hold now."""
    return await fetch(session, _ABSENT, tenant=tenant_id, delegate=delegate, at=at)


def absence_json(row: RowMapping) -> Json:
    """An absence as the API shows it."""
    delegate = row["delegate_id"]
    return {
        "id": str(row["id"]),
        "user": {"id": str(row["user_id"]), "username": row["username"]},
        "delegate": None if delegate is None else {"id": str(delegate), "username": row["delegate_name"]},
        "starts_at": moment(row["starts_at"]),
        "ends_at": moment(row["ends_at"]),
        "reason": row["reason"],
        "created_at": moment(row["created_at"]),
    }


async def _row(session: AsyncSession, tenant_id: UUID, absence_id: UUID) -> RowMapping:
    row = await fetch_one(session, _ONE, tenant=tenant_id, id=absence_id)
    if row is None:
        raise AbsenceUnknownError(id=str(absence_id))
    return row


async def _audit(
    session: AsyncSession, person: Person, absence_id: UUID, action: str, old: Json | None, new: Json
) -> None:
    draft = AuditDraft(action=action, object_type="absence", object_id=absence_id, old=old, new=new)
    await audit_tenant(session, person.actor, draft)
