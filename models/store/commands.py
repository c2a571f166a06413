"""Commands: accepted here with who asked and from where, settled once by record, read back for whoever waits.

The API commits before it signals, so a command outlives any crash in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.bulk import insert_rows
from models.store.canonical import content_hash
from models.store.errors import NotFoundError
from models.store.gate_errors import ExecutionUnknownError
from models.store.people import Person
from models.store.proposals import AWAITING, demands_second_person, note_proposal
from models.store.reading import fetch, fetch_one
from models.store.refusals import ExecutionsRequiredError, IdempotencyConflictError
from models.store.views import moment
from models.tables import Command

Json = dict[str, Any]

LARGEST_SLICE: Final = 1_000
"""Executions of one command."""
LARGEST_BULK: Final = 10_000
"""Executions of one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One command of a request: to one instance, for some of its executions (or for the instance as a whole)."""

    kind: str
    instance_id: UUID
    executions: tuple[UUID, ...] = ()
    subjects: tuple[UUID, ...] = ()
    args: Mapping[str, Any]

    def body(self) -> Json:
        """As the engine reads it."""
        named = {"subject_ids": [str(one) for one in self.subjects]} if self.subjects else {}
        return {"execution_ids": [str(one) for one in self.executions], **named, "args": dict(self.args)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Commands that are written, or were written by an earlier request with the same key."""

    ids: tuple[UUID, ...]
    repeated: bool = False
    proposed: tuple[UUID, ...] = ()
    """Those that wait for a second person."""


_LOCATE = text(
    "SELECT e.id, e.workflow_instance_id, i.status FROM step_execution e"
    " JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)"
    " WHERE e.tenant_id = :tenant AND e.id = ANY(:ids)"
)
_TAKE_KEY = text(
    "INSERT INTO request (tenant_id, actor_id, key, body_hash, command_ids, response_status, response)"
    " VALUES (:tenant, :actor, :key, :hash, :commands, :status, CAST(:response AS jsonb))"
    " ON CONFLICT (tenant_id, actor_id, key) DO NOTHING RETURNING key"
)
_KEY = text(
    "SELECT body_hash, command_ids, response_status, response FROM request"
    " WHERE tenant_id = :tenant AND actor_id = :actor AND key = :key"
)
_PROPOSE = text(
    "UPDATE command SET outcome = 'proposed', settled_at = accepted_at, response = CAST(:response AS jsonb)"
    " WHERE tenant_id = :tenant AND id = :id RETURNING id"
)
_AWAITING = f'{{"outcome": "{AWAITING}"}}'
_READ = text(
    "SELECT c.*, u.username, v.username AS confirmer FROM command c"
    " JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.actor_id)"
    " LEFT JOIN user_account v ON (v.tenant_id, v.id) = (c.tenant_id, c.confirmed_by)"
    " WHERE c.tenant_id = :tenant AND c.id = ANY(:ids)"
)


async def locate(session: AsyncSession, tenant_id: UUID, executions: Iterable[UUID]) -> dict[UUID, tuple[UUID, str]]:
    """Execution id → its instance and the instance's status; unknown executions are left out."""
    rows = await fetch(session, _LOCATE, tenant=tenant_id, ids=list(executions))
    return {row["id"]: (row["workflow_instance_id"], row["status"]) for row in rows}


async def instance_of(session: AsyncSession, tenant_id: UUID, execution_id: UUID) -> tuple[UUID, str]:
    """The instance of one execution and the instance's status.

    Raises:
        ExecutionUnknownError: execution_unknown.
    """
    found = await locate(session, tenant_id, [execution_id])
    if execution_id not in found:
        raise ExecutionUnknownError(execution_id=str(execution_id))
    return found[execution_id]


def slices(kind: str, args: Mapping[str, Any], by_instance: Mapping[UUID, Sequence[UUID]]) -> list[Wanted]:
    """One command per instance and `LARGEST_SLICE` executions, in the order given."""
    return [
        Wanted(kind=kind, instance_id=instance, executions=tuple(ids[start : start + LARGEST_SLICE]), args=args)
        for instance, ids in by_instance.items()
        for start in range(0, len(ids), LARGEST_SLICE)
    ]


def check_bulk(executions: Sequence[UUID]) -> None:
    """At least one execution, not too many, none twice.

    Raises:
        ExecutionsRequiredError: executions_invalid.
    """
    if not executions or len(executions) > LARGEST_BULK or len(set(executions)) != len(executions):
        raise ExecutionsRequiredError(maximum=LARGEST_BULK)


async def repeated(session: AsyncSession, person: Person, key: str | None, fingerprint: str) -> RowMapping | None:
    """What an earlier request with this key left: `command_ids`, `response_status`, `response`; None for a new key.

    Raises:
        IdempotencyConflictError: idempotency_conflict.
    """
    if key is None:
        return None
    row = await fetch_one(session, _KEY, tenant=person.tenant_id, actor=person.id, key=key)
    if row is not None and row["body_hash"] != fingerprint:
        raise IdempotencyConflictError
    return row


async def take_key(
    session: AsyncSession,
    person: Person,
    key: str,
    fingerprint: str,
    *,
    commands: Sequence[UUID] = (),
    status: int | None = None,
    response: str | None = None,
) -> RowMapping | None:
    """Keep a key; where another request was faster, wait for it and return what it left.

    Raises:
        IdempotencyConflictError: idempotency_conflict.
    """
    taken = await fetch_one(
        session,
        _TAKE_KEY,
        tenant=person.tenant_id,
        actor=person.id,
        key=key,
        hash=fingerprint,
        commands=list(commands),
        status=status,
        response=response,
    )
    return None if taken is not None else await repeated(session, person, key, fingerprint)


async def accept(
    session: AsyncSession, person: Person, wanted: Sequence[Wanted], *, key: str | None, fingerprint: str
) -> Accepted:
    """Write the commands of one request, unless its key was used before for the same.

    A deviation for which a step demands a second person is written as proposed.

    Raises:
        IdempotencyConflictError: idempotency_conflict.
    """
    ids = tuple(command_id(person.id, key, number) for number in range(len(wanted)))
    if key is not None:
        earlier = await take_key(session, person, key, fingerprint, commands=ids)
        if earlier is not None:
            return Accepted(ids=tuple(earlier["command_ids"]), repeated=True)
    bodies = [one.body() for one in wanted]
    waiting = {
        one_id
        for one_id, one, body in zip(ids, wanted, bodies, strict=True)
        if await demands_second_person(session, person.tenant_id, one.instance_id, one.kind, body)
    }
    await insert_rows(
        session,
        Command,
        [
            {
                "tenant_id": person.tenant_id,
                "id": one_id,
                "request_key": key,
                "actor_id": person.id,
                "on_behalf_of": person.on_behalf_of or None,
                "kind": one.kind,
                "workflow_instance_id": one.instance_id,
                "body": body,
                "body_hash": content_hash(body),
                "source": person.source,
            }
            for one_id, one, body in zip(ids, wanted, bodies, strict=True)
        ],
    )
    for one_id, one in zip(ids, wanted, strict=True):
        if one_id in waiting:
            await fetch_one(session, _PROPOSE, tenant=person.tenant_id, id=one_id, response=_AWAITING)
            await note_proposal(session, person, one.instance_id, one_id, one.kind, one.args)
    return Accepted(ids=ids, proposed=tuple(one for one in ids if one in waiting))


def command_id(actor_id: UUID, key: str | None, number: int) -> UUID:
    """Deterministic under an Idempotency-Key, scoped to the actor; else a new one."""
    return uuid4() if key is None else uuid5(actor_id, f"{key}/{number}")


async def read_commands(session: AsyncSession, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """Command rows by id, with the actor's `username`."""
    return {row["id"]: row for row in await fetch(session, _READ, tenant=tenant_id, ids=list(ids))}


async def command_view(session: AsyncSession, tenant_id: UUID, command_id: UUID) -> Json:
    """A command as the API shows it.

    Raises:
        NotFoundError: not_found.
    """
    row = (await read_commands(session, tenant_id, [command_id])).get(command_id)
    if row is None:
        raise NotFoundError(what="command", id=str(command_id))
    second = row["confirmed_by"]
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "args": row["body"].get("args", {}),
        "confirmed_by": None if second is None else {"id": str(second), "username": row["confirmer"]},
        "workflow": None if row["workflow_instance_id"] is None else str(row["workflow_instance_id"]),
        "execution_ids": row["body"].get("execution_ids", []),
        "subject_ids": row["body"].get("subject_ids", []),
        "actor": {"id": str(row["actor_id"]), "username": row["username"]},
        "on_behalf_of": row["on_behalf_of"],
        "accepted_at": moment(row["accepted_at"]),
        "settled_at": moment(row["settled_at"]),
        "outcome": row["outcome"],
        "response_status": row["response_status"],
        "response": row["response"],
    }
