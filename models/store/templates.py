"""Shipped templates become processes of a tenant, with the catalogues and child processes that they refer to."""

from collections.abc import Mapping
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ProcessStatus
from models.flow.graph import ProcessCategory
from models.store.audit import Actor, audit_tenant
from models.store.definitions import NewProcess, approve_process, create_process
from models.store.errors import NotFoundError
from models.store.process_lookup import free_key
from models.store.references import Resolver
from models.tables import Process
from models.templates import ProcessTemplate


async def instantiate(
    session: AsyncSession,
    actor: Actor,
    templates: Mapping[str, ProcessTemplate],
    template_key: str,
    *,
    approve: bool,
    key: str = "",
    name: str = "",
) -> Process:
    """Make a process of a template.

    Args:
        session: Not committed here.
        actor: Who does it.
        templates: All shipped templates by key.
        template_key: The one that is wanted.
        approve: Put it, and children made on the way, into force at once.
        key: Of the process; the template's (with a number where that is taken) unless given.
        name: Of the process; the template's unless given.

    Raises:
        StoreError: not_found, process_key_taken, and those of `create_process`.
    """
    template = templates.get(template_key)
    if template is None:
        raise NotFoundError(what="template", id=template_key)
    resolver = Resolver(session=session, tenant_id=actor.tenant_id, reuse=True)
    await resolver.ensure_catalogue("document", template.document_types)
    await resolver.ensure_catalogue("approval", template.approval_templates)
    await resolver.ensure_catalogue("measurement", template.measurement_definitions)
    if resolver.created:
        await audit_tenant(session, actor, *resolver.created)
    children: dict[str, UUID] = {}
    for child in template.child_templates:
        known = await _made_from(session, actor.tenant_id, child, approved=approve)
        made = known or await instantiate(session, actor, templates, child, approve=approve)
        children[child] = made.id
    process = await create_process(
        session,
        actor,
        NewProcess(
            key=key or await free_key(session, actor.tenant_id, template.key),
            name=name or template.name,
            description=template.description,
            category=ProcessCategory(template.category),
            subject_type=template.subject_type,
            template_source=template.key,
            graph=template.graph,
            children=children,
            reuse=True,
        ),
    )
    return await approve_process(session, actor, process.id) if approve else process


async def _made_from(session: AsyncSession, tenant_id: UUID, template: str, *, approved: bool) -> Process | None:
    """The newest process made from a template: an approved one, else (where a draft will do) a draft."""
    wanted = [ProcessStatus.APPROVED] if approved else [ProcessStatus.APPROVED, ProcessStatus.DRAFT]
    query = (
        select(Process)
        .where(
            col(Process.tenant_id) == tenant_id,
            col(Process.template_source) == template,
            col(Process.status).in_(wanted),
        )
        .order_by(col(Process.approved_at).desc().nulls_last(), col(Process.created_at).desc())
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()
