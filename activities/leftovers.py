"""Commands outside the loop: bare signals that become command rows, and commands that reached an instance too late."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.children import ENGINE_SOURCE
from activities.contract import ACCEPT_BARE, REFUSE_LEFTOVERS, BareCommand, BareRequest, LeftoverRequest
from activities.guard import retried_where_it_helps
from models.db import tenant_session
from models.enums import Chain
from models.flow.status import INSTANCE_CLOSED
from models.store.audit import Actor, AuditDraft, engine_actor, write_audit
from models.store.canonical import content_hash
from models.store.chain import lock_chain
from models.store.instances import RECORD_CHANNEL
from models.tables import Command

BARE_SOURCE = "temporal-signal"
NO_EXECUTION = UUID(int=0)

_ACCOUNT = text(
    "SELECT id FROM user_account WHERE tenant_id = :tenant AND is_service AND username LIKE :prefix || '%'"
    " ORDER BY username LIMIT 1"
)
_STATUS = text("SELECT status, seq FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance")
_REFUSE = text(
    """
    UPDATE command c SET outcome = 'refused', settled_at = now(), settled_seq = :seq, response = :response
    FROM user_account u
    WHERE c.tenant_id = :tenant AND c.workflow_instance_id = :instance AND c.id = ANY(:ids) AND c.outcome IS NULL
      AND (u.tenant_id, u.id) = (c.tenant_id, c.actor_id)
    RETURNING c.id, c.kind, c.on_behalf_of, c.source, u.id AS actor_id, u.username
    """
).bindparams(bindparam("response", type_=JSONB))
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


class Leftovers:
    """Accepts and refuses commands outside of a record; application role."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take what the composition root wired."""
        self._engine = engine

    @activity.defn(name=ACCEPT_BARE)
    @retried_where_it_helps
    async def accept_bare(self, request: BareRequest) -> tuple[str, ...]:
        """Make command rows; an id that is known already stays as it is, so a Reset repeats nothing."""
        tenant, instance = UUID(request.key.tenant_id), UUID(request.key.instance_id)
        async with tenant_session(self._engine, tenant) as session:
            rows = [await _row(session, tenant, instance, bare) for bare in request.commands]
            connection = await session.connection()
            await connection.execute(insert(Command).on_conflict_do_nothing(), rows)
        return tuple(str(row["id"]) for row in rows)

    @activity.defn(name=REFUSE_LEFTOVERS)
    @retried_where_it_helps
    async def refuse_leftovers(self, request: LeftoverRequest) -> int:
        """Settle as `instance_closed` what nobody will decide any more."""
        tenant, instance = UUID(request.key.tenant_id), UUID(request.key.instance_id)
        async with tenant_session(self._engine, tenant) as session:
            return await refuse_closed(session, tenant, instance, [UUID(one) for one in request.command_ids])


async def _row(session: AsyncSession, tenant: UUID, instance: UUID, bare: BareCommand) -> dict[str, Any]:
    body = _body(bare)
    return {
        "tenant_id": tenant,
        "id": uuid5(instance, f"bare/{bare.id}"),
        "actor_id": await _account(session, tenant, bare.actor),
        "kind": bare.kind,
        "workflow_instance_id": instance,
        "body": body,
        "body_hash": content_hash(body),
        "source": ENGINE_SOURCE if bare.kind == "cancel" else BARE_SOURCE,
    }


def _body(bare: BareCommand) -> dict[str, Any]:
    if bare.kind == "cancel":
        return {"args": {"reason": bare.reason}}
    args = {
        "complete": {"decision_result": bare.decision_result, "notes": bare.notes},
        "release": {"reason": bare.reason},
    }.get(bare.kind, {})
    return {"execution_ids": [str(_execution(bare.execution_id))], "args": args}


def _execution(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        return NO_EXECUTION


async def _account(session: AsyncSession, tenant: UUID, prefix: str) -> UUID:
    connection = await session.connection()
    found: UUID | None = (await connection.execute(_ACCOUNT, {"tenant": tenant, "prefix": prefix})).scalar()
    if found is None:
        raise LookupError(f"the tenant has no service account '{prefix}'")
    return found


async def refuse_closed(session: AsyncSession, tenant: UUID, instance: UUID, ids: Sequence[UUID]) -> int:
    """Settle unsettled commands of a closed instance, with their audit entries; none where it is still open."""
    head = await lock_chain(session, tenant, Chain.INSTANCE, instance)
    connection = await session.connection()
    keys = {"tenant": tenant, "instance": instance}
    closed = (await connection.execute(_STATUS, keys)).one()
    if closed.status not in INSTANCE_CLOSED:
        return 0
    params = {"status": closed.status}
    response = {"code": "instance_closed", "params": params}
    refused = (
        await connection.execute(_REFUSE, {**keys, "ids": list(ids), "seq": closed.seq, "response": response})
    ).all()
    if not refused:
        return 0
    drafts = [
        AuditDraft(
            action="command_refused",
            object_type="instance",
            object_id=instance,
            new={"command": row.kind, "code": "instance_closed", "params": params},
            instance_id=instance,
            actor=Actor(
                tenant_id=tenant,
                user_id=row.actor_id,
                name=row.username,
                on_behalf_of=row.on_behalf_of or "",
                source=row.source,
            ),
        )
        for row in refused
    ]
    await write_audit(session, engine_actor(tenant), drafts, head=head)
    await connection.execute(_NOTIFY, {"channel": RECORD_CHANNEL, "payload": f"{instance} {closed.seq}"})
    return len(refused)
