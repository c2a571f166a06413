"""Events for other systems, in the envelope of CloudEvents 1.0 (structured JSON), read from the journal.

`id` is the instance and the journal's position (and the part, where one event concerns many subjects), so a receiver
knows a repeat; `subject` is the instance's identifier. Positions of an instance ascend without gaps: `data.seq` orders
events that arrive in another order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.state import Ref, execution_id
from models.notices.event_types import event_type
from models.store.notice_facts import NoticeFacts
from models.store.reading import fetch, fetch_one

PART: Final = 500
"""Subjects that one message names; an event of more is sent in parts."""

_JOURNAL = text(
    "SELECT seq, kind, at, subjects, data FROM journal"
    " WHERE tenant_id = :tenant AND instance_id = :instance AND seq = ANY(:seqs) ORDER BY seq"
)
_INSTANCE = text(
    """
    SELECT i.id, i.identifier, i.name, p.id AS process_id, p.key, p.name AS process_name, p.version, t.key AS tenant
    FROM workflow_instance i
    JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    JOIN tenant t ON t.id = i.tenant_id
    WHERE i.tenant_id = :tenant AND i.id = :instance
    """
)
_SUBJECTS = text(
    """
    SELECT w.subject_no, u.id, u.identifier FROM workflow_subject w
    JOIN subject u ON (u.tenant_id, u.id) = (w.tenant_id, w.subject_id)
    WHERE w.tenant_id = :tenant AND w.instance_id = :instance AND w.subject_no = ANY(:numbers)
    """
)


async def events_of_journal(
    session: AsyncSession, tenant_id: UUID, instance: UUID, seqs: Sequence[int], base_url: str
) -> list[dict[str, Any]]:
    """The events at these positions of an instance's journal."""
    rows = await fetch(session, _JOURNAL, tenant=tenant_id, instance=instance, seqs=list(seqs))
    about = await fetch_one(session, _INSTANCE, tenant=tenant_id, instance=instance)
    if about is None:
        return []
    numbers = sorted({number for row in rows for number in row["subjects"]})
    found = await fetch(session, _SUBJECTS, tenant=tenant_id, instance=instance, numbers=numbers)
    subjects = {row["subject_no"]: row for row in found}
    return [event for row in rows for event in _parts(row, about, subjects, base_url)]


def _parts(
    row: RowMapping, about: RowMapping, subjects: Mapping[int, RowMapping], base_url: str
) -> list[dict[str, Any]]:
    data = dict(row["data"])
    ref = data.pop("ref", None)
    numbers = row["subjects"] if ref is not None else []
    chunks = [numbers[n : n + PART] for n in range(0, len(numbers), PART)] or [[]]
    return [
        _envelope(
            identity=f"{about['id']}/{row['seq']}" + (f"/{number}" if len(chunks) > 1 else ""),
            kind=event_type(row["kind"]),
            source=f"{base_url}/api/workflows/{about['id']}/",
            at=row["at"],
            subject=about["identifier"],
            data={
                "tenant": about["tenant"],
                "seq": row["seq"],
                "workflow": {"id": str(about["id"]), "identifier": about["identifier"], "name": about["name"]},
                "process": {
                    "id": str(about["process_id"]),
                    "key": about["key"],
                    "name": about["process_name"],
                    "version": about["version"],
                },
                "event": {name: value for name, value in data.items() if name not in {"at", "hop"}},
                **({} if ref is None else _at(about["id"], ref, chunk, subjects)),
                **({} if len(chunks) == 1 else {"part": number, "parts": len(chunks)}),
            },
        )
        for number, chunk in enumerate(chunks, start=1)
    ]


def _at(
    instance: UUID, ref: Sequence[Any], numbers: Sequence[int], subjects: Mapping[int, RowMapping]
) -> dict[str, Any]:
    """Step, visit and executions of an event that concerns some."""
    place = Ref(*ref)
    return {
        "step": place.step,
        "visit_number": place.visit,
        "executions": [
            {
                "id": str(execution_id(instance, place._replace(subject=number))),
                "subject": {"id": str(subjects[number]["id"]), "identifier": subjects[number]["identifier"]},
            }
            for number in numbers
            if number in subjects
        ],
    }


def event_of_notice(identity: str, kind: str, facts: NoticeFacts, base_url: str, at: datetime) -> dict[str, Any]:
    """A notice that no event of the journal stands behind, for other systems."""
    values = facts.values_for(None)
    return _envelope(
        identity=identity,
        kind=kind,
        source=base_url + facts.link,
        at=at,
        subject=str(values.get("workflow") or values.get("process") or facts.object_id),
        data={
            "workflow": None if facts.instance is None else {"id": str(facts.instance)},
            "object": {"type": facts.object_type, "id": facts.object_id},
            "executions": [{"id": str(one.id), "subject": {"identifier": one.subject}} for one in facts.executions],
            "event": {name: value for name, value in facts.values.items() if name != "kind"},
        },
    )


def trial_event(identity: str, kind: str, webhook: UUID, base_url: str, at: datetime) -> dict[str, Any]:
    """What `POST /api/webhooks/{id}/test/` sends."""
    source = f"{base_url}/api/webhooks/{webhook}/"
    return _envelope(identity=identity, kind=kind, source=source, at=at, subject="test", data={"event": {}})


def _envelope(
    *, identity: str, kind: str, source: str, at: datetime, subject: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": identity,
        "source": source,
        "type": kind,
        "time": at.isoformat().replace("+00:00", "Z"),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": dict(data),
    }
