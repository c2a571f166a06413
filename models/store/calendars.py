"""Working calendars of a tenant: kept by people who plan, read by the engine wherever a step has a due time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows, update_rows
from models.store.people import Person
from models.store.planning_errors import (
    CalendarInUseError,
    CalendarInvalidError,
    CalendarKeyTakenError,
    CalendarUnknownError,
)
from models.store.reading import fetch, fetch_one
from models.store.views import moment
from models.tables import Calendar
from models.working_time import Shift, WorkingCalendar, unknown_holidays

Json = dict[str, Any]

DEFAULT_KEY: Final = "default"
"""The calendar of sites that have none of their own."""
SHOWN: Final = ("name", "time_zone", "week", "country", "subdivision", "exceptions")
"""What can be changed of a calendar."""
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_ALL = text("SELECT * FROM calendar WHERE tenant_id = :tenant AND key > :after ORDER BY key LIMIT :limit")
_ONE = text("SELECT * FROM calendar WHERE tenant_id = :tenant AND id = :id")
_BY_KEY = text("SELECT * FROM calendar WHERE tenant_id = :tenant AND key = :key")
_LOCKED = text("SELECT * FROM calendar WHERE tenant_id = :tenant AND id = :id FOR UPDATE")
_DELETE = text("DELETE FROM calendar WHERE tenant_id = :tenant AND id = :id")
_INSTANCES = text(
    """
    SELECT i.identifier, count(*) OVER () AS total FROM workflow_instance i
    WHERE i.tenant_id = :tenant AND i.status IN ('pending', 'in_progress', 'on_hold')
      AND (i.context ->> 'site' = :key
           OR CAST(:key AS text) = CAST(:default AS text)
              AND NOT EXISTS (SELECT FROM calendar c WHERE c.tenant_id = :tenant AND c.key = i.context ->> 'site'))
    ORDER BY i.created_at, i.id LIMIT 3
    """
)
"""Open workflows that go by the calendar; the default one is that of all sites without one of their own."""
_PROCESSES = text(
    """
    SELECT DISTINCT key FROM process
    WHERE tenant_id = :tenant AND status IN ('draft', 'in_review', 'approved')
      AND jsonb_path_exists(graph, '$.steps[*].config.action.site ? (@ == $key)',
                            jsonb_build_object('key', CAST(:key AS text)))
    ORDER BY key LIMIT 3
    """
)
"""Processes whose steps act at the site."""


async def list_calendars(session: AsyncSession, tenant_id: UUID, *, after: str, limit: int) -> Sequence[RowMapping]:
    """Calendars by key."""
    return await fetch(session, _ALL, tenant=tenant_id, after=after, limit=limit)


async def calendar_row(session: AsyncSession, tenant_id: UUID, calendar_id: UUID) -> RowMapping:
    """One calendar.

    Raises:
        CalendarUnknownError: calendar_unknown.
    """
    row = await fetch_one(session, _ONE, tenant=tenant_id, id=calendar_id)
    if row is None:
        raise CalendarUnknownError(id=str(calendar_id))
    return row


async def add_calendar(session: AsyncSession, person: Person, key: str, values: Mapping[str, Any]) -> RowMapping:
    """Add the calendar of a site.

    Raises:
        StoreError: calendar_key_taken, calendar_invalid.
    """
    _check(values)
    if await fetch_one(session, _BY_KEY, tenant=person.tenant_id, key=key) is not None:
        raise CalendarKeyTakenError(key=key)
    row = {"tenant_id": person.tenant_id, "id": uuid4(), "key": key, **values}
    await insert_rows(session, Calendar, [row])
    await _audit(session, person, row["id"], "calendar_created", None, {"key": key, **values})
    return await calendar_row(session, person.tenant_id, row["id"])


async def change_calendar(
    session: AsyncSession, person: Person, calendar_id: UUID, values: Mapping[str, Any]
) -> RowMapping:
    """Change a calendar; deadlines that are set already stay where they are.

    Raises:
        StoreError: calendar_unknown, calendar_invalid.
    """
    before = await calendar_row(session, person.tenant_id, calendar_id)
    changed = {name: value for name, value in values.items() if before[name] != value}
    _check({**before, **changed})
    if changed:
        await update_rows(session, Calendar, [{"tenant_id": person.tenant_id, "id": calendar_id, **changed}])
        old = {name: before[name] for name in changed}
        await _audit(session, person, calendar_id, "calendar_changed", old, changed)
    return await calendar_row(session, person.tenant_id, calendar_id)


async def delete_calendar(session: AsyncSession, person: Person, calendar_id: UUID) -> None:
    """Take a calendar away; its site goes by the default one then, else all time is working time.

    Raises:
        StoreError: calendar_unknown, calendar_in_use.
    """
    before = await fetch_one(session, _LOCKED, tenant=person.tenant_id, id=calendar_id)
    if before is None:
        raise CalendarUnknownError(id=str(calendar_id))
    if used_by := await _users(session, person.tenant_id, before["key"]):
        raise CalendarInUseError(key=before["key"], used_by=used_by)
    await session.execute(_DELETE, {"tenant": person.tenant_id, "id": calendar_id})
    told = {name: before[name] for name in (*SHOWN, "key")}
    await _audit(session, person, calendar_id, "calendar_deleted", told, None)


async def _users(session: AsyncSession, tenant_id: UUID, key: str) -> str:
    """What goes by the calendar, in words; empty where nothing does."""
    instances = await fetch(session, _INSTANCES, tenant=tenant_id, key=key, default=DEFAULT_KEY)
    processes = await fetch(session, _PROCESSES, tenant=tenant_id, key=key)
    told = []
    if instances:
        total = instances[0]["total"]
        named = ", ".join(row["identifier"] for row in instances)
        told.append(
            f"{total} open workflow{'s' if total > 1 else ''} ({named}{', …' if total > len(instances) else ''})"
        )
    if processes:
        told.append("processes with steps at this site (" + ", ".join(row["key"] for row in processes) + ")")
    return " and ".join(told)


async def calendars_of(session: AsyncSession, tenant_id: UUID) -> dict[str, WorkingCalendar]:
    """All calendars of a tenant, by the key of their site."""
    rows = await fetch(session, _ALL, tenant=tenant_id, after="", limit=10_000)
    return {row["key"]: parse_calendar(dict(row)) for row in rows}


def calendar_json(row: RowMapping) -> Json:
    """A calendar as the API shows it."""
    shown = {name: row[name] for name in SHOWN}
    return {"id": str(row["id"]), "key": row["key"], **shown, "created_at": moment(row["created_at"])}


def parse_calendar(values: Mapping[str, Any]) -> WorkingCalendar:
    """The calendar that a row keeps.

    Raises:
        ValueError, KeyError, TypeError: it was not checked before.
    """
    week = values["week"] or {}
    return WorkingCalendar(
        zone=values["time_zone"],
        week=tuple(_shifts(week.get(day, ())) for day in WEEKDAYS),
        country=values.get("country") or "",
        subdivision=values.get("subdivision") or "",
        exceptions={
            date.fromisoformat(one["date"]): _shifts(one.get("shifts", ())) for one in values.get("exceptions") or ()
        },
    )


def _shifts(rows: Iterable[Mapping[str, str]]) -> tuple[Shift, ...]:
    return tuple(Shift(time.fromisoformat(row["start"]), time.fromisoformat(row["end"])) for row in rows)


def _check(values: Mapping[str, Any]) -> None:
    """Nobody may save a calendar with which the engine cannot compute."""
    try:
        ZoneInfo(values["time_zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CalendarInvalidError(why=f"there is no time zone '{values['time_zone']}'") from error
    if wrong := unknown_holidays(values.get("country") or "", values.get("subdivision") or ""):
        raise CalendarInvalidError(why=wrong)
    calendar = parse_calendar(values)
    dates = [one["date"] for one in values.get("exceptions") or ()]
    if twice := next((one for one in dates if dates.count(one) > 1), None):
        raise CalendarInvalidError(why=f"its exceptions name {twice} twice")
    if not any(calendar.week):
        raise CalendarInvalidError(why="it has no shift on any day of the week")


async def _audit(
    session: AsyncSession, person: Person, calendar_id: UUID, action: str, old: Json | None, new: Json | None
) -> None:
    draft = AuditDraft(action=action, object_type="calendar", object_id=calendar_id, old=old, new=new)
    await audit_tenant(session, person.actor, draft)
