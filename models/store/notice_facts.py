"""What the consumer of notices reads about one: who is meant, and the names that its wording needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.notices.kinds import NoticeKind
from models.notices.schedule import Choice, Pace, Preferences
from models.store.reading import fetch, fetch_one

MOST_NAMED: Final = 20
"""Subjects that a notice names; of more it gives the number."""

_INSTANCE = text(
    """
    SELECT i.identifier, i.name, p.name || ' ' || p.version AS process, coalesce(i.owner_id, i.created_by) AS owner
    FROM workflow_instance i JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    WHERE i.tenant_id = :tenant AND i.id = :instance
    """
)
_EXECUTIONS = text(
    """
    SELECT e.id, e.assigned_to, e.due_at, s.name AS step, s.config -> 'assignment' AS assignment, u.identifier
    FROM step_execution e
    JOIN step s ON (s.tenant_id, s.id) = (e.tenant_id, e.step_id)
    JOIN subject u ON (u.tenant_id, u.id) = (e.tenant_id, e.subject_id)
    WHERE e.tenant_id = :tenant AND e.id = ANY(:ids) ORDER BY e.subject_no
    """
)
_HOLDERS = text(
    "SELECT DISTINCT assigned_to FROM step_execution"
    " WHERE tenant_id = :tenant AND workflow_instance_id = :instance AND exited_at IS NULL AND assigned_to IS NOT NULL"
)
_WATCHERS = text("SELECT user_id FROM instance_watch WHERE tenant_id = :tenant AND instance_id = :instance")
_PROCESS = text("SELECT name || ' ' || version AS process FROM process WHERE tenant_id = :tenant AND id = :id")
_NAME = text(
    "SELECT coalesce(NULLIF(full_name, ''), username) AS name FROM user_account"
    " WHERE tenant_id = :tenant AND (id::text = :id OR username = :id)"
)
_PEOPLE = text(
    """
    SELECT u.id, u.username, u.full_name, u.email,
           n.choices, n.quiet_from, n.quiet_until, n.time_zone, n.daily_at
    FROM user_account u
    LEFT JOIN notification_preference n ON (n.tenant_id, n.user_id) = (u.tenant_id, u.id)
    WHERE u.tenant_id = :tenant AND u.is_active AND NOT u.is_service
      AND NOT (u.id::text = ANY(:but) OR u.username = ANY(:but))
      AND (u.id::text = ANY(:users) OR lower(u.username) = ANY(:lowered)
           OR EXISTS (SELECT FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id)
                      AND r.role = ANY(:roles)))
    ORDER BY u.id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A person who gets a notice, and how they want it; `executions` are those of the notice that they hold."""

    id: UUID
    name: str
    email: str
    wanted: Preferences
    executions: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One execution of a notice, in words."""

    id: UUID
    step: str
    subject: str
    due_at: datetime | None
    assigned_to: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """A notice with everything that its wording and its way out need."""

    kind: NoticeKind
    instance: UUID | None
    object_type: str
    object_id: str
    values: Mapping[str, Any]
    executions: Sequence[Shown] = ()
    readers: Sequence[Reader] = field(default_factory=list)

    @property
    def link(self) -> str:
        """The path of what it is about, below the app's address."""
        if self.object_type == "approval_request":
            return f"/approvals/{self.object_id}"
        if self.instance is not None:
            return f"/workflows/{self.instance}"
        folder = {"process": "processes"}.get(self.object_type, "")
        return f"/{folder}/{self.object_id}" if folder else ""

    def values_for(self, reader: Reader | None) -> dict[str, Any]:
        """What the wording may name; of several executions only those that the reader holds, where they hold any."""
        held = reader.executions if reader is not None else frozenset()
        mine = [one for one in self.executions if one.id in held] or list(self.executions)
        due = min((one.due_at for one in mine if one.due_at is not None), default=None)
        found = {
            "step": mine[0].step if mine else "",
            "subject": mine[0].subject if mine else "",
            "subjects": [one.subject for one in mine[:MOST_NAMED]],
            "count": max(1, len(mine)),
            "due_at": "" if due is None else _in_words(due, "UTC" if reader is None else reader.wanted.zone),
            "recipient": "" if reader is None else reader.name,
        }
        return {**found, **self.values}


async def notice_facts(session: AsyncSession, tenant_id: UUID, payload: Mapping[str, Any]) -> NoticeFacts:
    """Everything about one notice of the outbox (`models.store.notices`)."""
    about, meant = payload["about"], payload["recipients"]
    instance = None if about["instance"] is None else UUID(about["instance"])
    ids = [UUID(one) for one in about["executions"]]
    executions = await fetch(session, _EXECUTIONS, tenant=tenant_id, ids=ids) if ids else []
    row = await fetch_one(session, _INSTANCE, tenant=tenant_id, instance=instance) if instance else None
    return NoticeFacts(
        kind=NoticeKind(payload["kind"]),
        instance=instance,
        object_type=about["object_type"],
        object_id=about["object_id"],
        values=await _values(session, tenant_id, payload, row),
        executions=[
            Shown(
                id=one["id"], step=one["step"], subject=one["identifier"], due_at=one["due_at"],
                assigned_to=one["assigned_to"],
            )
            for one in executions
        ],
        readers=await _readers(session, tenant_id, meant, instance, row, executions),
    )  # fmt: skip


async def _values(
    session: AsyncSession, tenant_id: UUID, payload: Mapping[str, Any], instance: RowMapping | None
) -> dict[str, Any]:
    values: dict[str, Any] = {"kind": payload["kind"]}
    if instance is not None:
        values |= {"workflow": instance["identifier"], "workflow_name": instance["name"]}
        values["process"] = instance["process"]
    elif payload["about"]["object_type"] == "process":
        process = await fetch_one(session, _PROCESS, tenant=tenant_id, id=UUID(payload["about"]["object_id"]))
        values["process"] = "" if process is None else process["process"]
    values |= {name: value for name, value in payload["params"].items() if value not in (None, "")}
    if "actor" in values:
        actor = await fetch_one(session, _NAME, tenant=tenant_id, id=str(values["actor"]))
        values["actor"] = values["actor"] if actor is None else actor["name"]
    if "due_at" in values:
        values["due_at"] = _due_in_words(str(values["due_at"]))
    return values


async def _readers(
    session: AsyncSession, tenant_id: UUID, meant: Mapping[str, Any], instance: UUID | None,
    row: RowMapping | None, executions: Sequence[RowMapping],
) -> list[Reader]:  # fmt: skip
    users, roles = {str(one) for one in meant["users"]}, set(meant["roles"])
    held: dict[UUID, set[UUID]] = {}
    if meant["assignees"]:
        for one in executions:
            if one["assigned_to"] is not None:
                held.setdefault(one["assigned_to"], set()).add(one["id"])
        if not executions and instance is not None:
            holders = await fetch(session, _HOLDERS, tenant=tenant_id, instance=instance)
            users |= {str(one["assigned_to"]) for one in holders}
    if meant.get("candidates"):
        for one in executions:
            if one["assigned_to"] is None and one["assignment"]:
                users |= {str(name) for name in one["assignment"].get("users") or ()}
                roles |= {str(name) for name in one["assignment"].get("roles") or ()}
    if meant["owner"] and row is not None and row["owner"] is not None:
        users.add(str(row["owner"]))
    if meant["watchers"] and instance is not None:
        users |= {str(one["user_id"]) for one in await fetch(session, _WATCHERS, tenant=tenant_id, instance=instance)}
    users |= {str(one) for one in held}
    people = await fetch(
        session, _PEOPLE, tenant=tenant_id, users=sorted(users), lowered=sorted(one.lower() for one in users),
        roles=sorted(roles), but=[str(one) for one in meant["but"]],
    )  # fmt: skip
    return [
        Reader(
            id=one["id"],
            name=one["full_name"] or one["username"],
            email=one["email"],
            wanted=preferences_of(dict(one)),
            executions=frozenset(held.get(one["id"], ())),
        )
        for one in people
    ]


def preferences_of(row: Mapping[str, Any]) -> Preferences:
    """A person's preferences from their row, or as shipped where there is none. A kind that is no more is left out."""
    if row["choices"] is None:
        return Preferences()
    known = {kind.value for kind in NoticeKind}
    return Preferences(
        choices={
            NoticeKind(kind): Choice(in_app=bool(one["in_app"]), email=Pace(one["email"]))
            for kind, one in row["choices"].items()
            if kind in known
        },
        quiet=None if row["quiet_from"] is None else (row["quiet_from"], row["quiet_until"]),
        zone=row["time_zone"],
        daily_at=row["daily_at"] or time(7),
    )


def _in_words(moment: datetime, zone: str) -> str:
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M} {zone}"


def _due_in_words(given: str) -> str:
    """A moment of the cause's own, in UTC; what is none is shown as it is."""
    try:
        return f"{datetime.fromisoformat(given).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return given
