"""What a run needs before its first decision: the pinned graph, and the journal's fold if it carries no state."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.contract import LOAD_INSTANCE, InstanceInfo, Loaded, LoadRequest
from activities.definitions import Definitions
from activities.guard import retried_where_it_helps
from activities.journal import fold_journal
from models.db import tenant_session
from models.flow.carry import carry
from models.flow.graph import Step
from models.flow.state import Ref, State
from models.flow.status import DONE_BUT_OPEN

_INSTANCE = text(
    """
    SELECT i.process_id, i.identifier, i.name, i.parent_instance_id, left(i.context ->> 'site', 200) AS site,
           (SELECT count(*) FROM workflow_subject w
            WHERE (w.tenant_id, w.instance_id) = (i.tenant_id, i.id)) AS subjects
    FROM workflow_instance i WHERE i.tenant_id = :tenant AND i.id = :instance
    """
)
_UNSETTLED = text(
    "SELECT id FROM command WHERE tenant_id = :tenant AND workflow_instance_id = :instance AND outcome IS NULL"
    " ORDER BY accepted_at, id"
)
_CHILDREN_ENDED = text(
    "SELECT id, status FROM workflow_instance"
    " WHERE tenant_id = :tenant AND parent_instance_id = :instance AND completed_at IS NOT NULL"
)


class Loader:
    """Reads instances with the application role."""

    def __init__(self, engine: AsyncEngine, definitions: Definitions, site: str) -> None:
        """Take what the composition root wired; `site` is that of instances whose context names none."""
        self._engine = engine
        self._definitions = definitions
        self._site = site

    @activity.defn(name=LOAD_INSTANCE)
    @retried_where_it_helps
    async def load_instance(self, request: LoadRequest) -> Loaded:
        """Graph and fixed facts; with `with_state` also the fold and what a run that came back must look at again."""
        tenant, instance = UUID(request.key.tenant_id), UUID(request.key.instance_id)
        async with tenant_session(self._engine, tenant) as session:
            connection = await session.connection()
            keys = {"tenant": tenant, "instance": instance}
            row = (await connection.execute(_INSTANCE, keys)).mappings().one_or_none()
            if row is None:
                raise LookupError(f"no instance {instance}")
            definition = await self._definitions.version(session, tenant, row["process_id"])
            info = InstanceInfo(
                identifier=row["identifier"],
                name=row["name"],
                process_key=definition.key,
                process_name=definition.name,
                category=definition.category,
                tenant_key=definition.tenant_key,
                site=row["site"] or self._site,
                parent_instance_id=None if row["parent_instance_id"] is None else str(row["parent_instance_id"]),
            )
            if not request.with_state:
                return Loaded(
                    info=info,
                    process_id=str(definition.process_id),
                    graph=definition.json,
                    subjects=row["subjects"],
                    state=None,
                ).slim()
            state = await fold_journal(connection, tenant, instance)
            return Loaded(
                info=info,
                process_id=str(definition.process_id),
                graph=definition.json,
                subjects=row["subjects"],
                state=carry(state),
                rechecks=_to_look_at(definition.graph.steps, state),
                unsettled=await _unsettled(connection, keys),
                children_ended=await _children_ended(connection, keys, state),
            ).slim()


def _to_look_at(steps: Mapping[str, Step], state: State) -> tuple[Ref, ...]:
    found = []
    for ref, token in state.tokens.items():
        step = steps[ref.step]
        if step.moves_by_itself or step.sends_back or token.status in DONE_BUT_OPEN:
            found.append(ref)
    return tuple(found)


async def _unsettled(connection: AsyncConnection, keys: dict[str, UUID]) -> tuple[str, ...]:
    return tuple(str(one) for one in (await connection.execute(_UNSETTLED, keys)).scalars())


async def _children_ended(
    connection: AsyncConnection, keys: dict[str, UUID], state: State
) -> tuple[tuple[str, str], ...]:
    rows = (await connection.execute(_CHILDREN_ENDED, keys)).all()
    return tuple((str(row.id), row.status) for row in rows if str(row.id) in state.children)
