"""Delegation of one answer in one stage of one request, and who could still answer a stage."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.store.evidence import Sealing
from models.store.reading import fetch, fetch_one
from models.store.stages import Answer, Stage
from models.tables import ApprovalDelegation

_DELEGATIONS = text(
    """
    SELECT d.request_id, d.stage, d.user_id, d.delegate_id, d.reason, d.source, d.at, u.username,
           g.username AS delegate_username, g.is_active AS delegate_is_active
    FROM approval_delegation d
    JOIN user_account u ON (u.tenant_id, u.id) = (d.tenant_id, d.user_id)
    JOIN user_account g ON (g.tenant_id, g.id) = (d.tenant_id, d.delegate_id)
    WHERE d.tenant_id = :tenant AND d.request_id = ANY(:requests) ORDER BY d.at, d.id
    """
)
_WITH_ROLES = """
    SELECT u.id, u.username, u.full_name,
           array(SELECT r.role FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id)) AS roles
    FROM user_account u WHERE u.tenant_id = :tenant AND u.is_active AND NOT u.is_service
"""
_PERSON = text(f"{_WITH_ROLES} AND (u.username = :named OR u.id::text = lower(:named))")
_PEOPLE = text(
    f"""
    {_WITH_ROLES} AND (u.username = ANY(:users) OR u.id::text = ANY(:users) OR EXISTS (
        SELECT FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id) AND r.role = ANY(:roles)))
    """
)


async def delegations_of(
    session: AsyncSession, tenant_id: UUID, requests: Sequence[UUID]
) -> dict[UUID, list[RowMapping]]:
    """What was delegated in each request, all stages, in order."""
    found: dict[UUID, list[RowMapping]] = {}
    for row in await fetch(session, _DELEGATIONS, tenant=tenant_id, requests=list(requests)):
        found.setdefault(row["request_id"], []).append(row)
    return found


async def add_delegation(session: AsyncSession, link: Sealing, row: Mapping[str, Any]) -> None:
    """Keep a delegation; it names all columns but tenant and execution."""
    await link.add(session, ApprovalDelegation, [row])


async def active_person(session: AsyncSession, tenant_id: UUID, named: str) -> RowMapping | None:
    """An active user by id or username, with the roles held now."""
    return await fetch_one(session, _PERSON, tenant=tenant_id, named=named)


async def possible_answers(
    session: AsyncSession, tenant_id: UUID, stage: Stage, *, but: Collection[str]
) -> list[Answer]:
    """Active people who are asked to agree in a stage, without those in `but` (user ids as text)."""
    rows = await fetch(session, _PEOPLE, tenant=tenant_id, users=list(stage.users), roles=list(stage.roles))
    return [
        Answer(names=(str(row["id"]), row["username"]), roles=tuple(row["roles"]))
        for row in rows
        if str(row["id"]) not in but
    ]
