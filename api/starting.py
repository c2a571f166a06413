"""The way of a new workflow: checked, numbered, committed, started in Temporal, waited for until it has begun."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import Principal
from api.commanding import Manner
from api.deps import snapshot, transaction
from api.gateway import NewInstance
from api.services import Services
from models.store.capas import capa_to_start
from models.store.commands import repeated, take_key
from models.store.identifiers import next_identifier
from models.store.instance_lists import instance_detail
from models.store.starting import Plan, Start, plan_start, start


async def begin(
    held: Services, caller: Principal, asked: Start, how: Manner, mark: str, *, capa_id: UUID | None = None
) -> dict[str, Any]:
    """Start a workflow, and wait for its first record as long as the client likes.

    Args:
        held: The process's services.
        caller: Who asks.
        asked: What to start.
        how: The request's key, and whether to wait.
        mark: From `commanding.fingerprint`.
        capa_id: The CAPA to link it to; refused where that has a running one.

    Returns:
        The instance as the API shows it; the one of the earlier request where the key was used before.

    Raises:
        StoreError: those of `plan_start` and `start`, idempotency_conflict, capa_running.
    """
    async with transaction(held, caller) as session:
        earlier = await repeated(session, caller.person, how.key, mark)
        if earlier is not None:
            return await instance_detail(session, caller.tenant_id, UUID(earlier["response"]["id"]))
        plan = await plan_start(session, caller.tenant_id, asked)
    identifier = await next_identifier(held.app, caller.tenant_id, plan.process.category, datetime.now(UTC).year)
    instance_id = uuid4() if how.key is None else uuid5(caller.user_id, f"workflow/{how.key}")
    with held.waiter.instance(caller.tenant_id, instance_id) as ticket:
        async with transaction(held, caller) as session:
            is_new = await _taken(session, caller, how, mark, instance_id)
            if is_new:
                await _write(session, caller, plan, asked, identifier, instance_id, capa_id)
        if is_new:
            await held.gateway.start(_start_of(caller, plan, asked, identifier, instance_id))
        if how.wait:
            await ticket.wait(held.settings.command_wait_seconds)
    async with snapshot(held, caller) as session:
        return await instance_detail(session, caller.tenant_id, instance_id)


async def _taken(session: AsyncSession, caller: Principal, how: Manner, mark: str, instance_id: UUID) -> bool:
    """Whether the key is ours; another request with it may have been faster."""
    if how.key is None:
        return True
    response = f'{{"id": "{instance_id}"}}'
    return await take_key(session, caller.person, how.key, mark, status=201, response=response) is None


async def _write(
    session: AsyncSession,
    caller: Principal,
    plan: Plan,
    asked: Start,
    identifier: str,
    instance_id: UUID,
    capa_id: UUID | None,
) -> None:
    capa = None if capa_id is None else await capa_to_start(session, caller.tenant_id, capa_id, lock=True)
    await start(session, caller.actor, plan, asked, identifier, instance_id=instance_id)
    if capa is not None:
        capa.workflow_instance_id = instance_id
        await session.flush()


def _start_of(caller: Principal, plan: Plan, asked: Start, identifier: str, instance_id: UUID) -> NewInstance:
    return NewInstance(
        tenant_id=str(caller.tenant_id),
        instance_id=str(instance_id),
        identifier=identifier,
        process_name=plan.process.name,
        name=asked.name,
    )
