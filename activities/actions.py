"""Automatic actions: what a step asks of another system, worked out by the first try of a call, the same in all others.

A request is made up and kept in a transaction that is over before anything is sent; no connection waits for a receiver.
What came back is said to the instance, which alone writes (`models.flow.engine_steps`). What a plant's worker is to do
is made up here, too, and carried out there (`activities.site`), for it has no database.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.acting import Asked, refused
from activities.contract import PREPARE_ACTION, RUN_ACTION, SITE_BYTES, ActionCall, SiteCall, SiteOrder
from activities.definitions import Definitions
from activities.guard import retried_where_it_helps
from activities.http_actions import Outgoing, answer_of, http_request
from activities.process_actions import ProcessStarter
from models.db import tenant_session
from models.decisions.world import worlds_of
from models.flow.graph import Graph, Step
from models.flow.state import execution_id
from models.json_values import measured, spelled
from models.notices.targets import below
from models.requirements.expressions import ExpressionError, evaluate
from models.secret_box import SecretBox
from models.store.action_requests import Request, keep_request, kept_request
from models.store.connectors import auth_headers, connector_in_use
from models.tables import StepExecution, WorkflowInstance

LONGEST_SITE: Final = 100
"""Characters of a site's key."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An execution that waits for its action, and its process."""

    execution: StepExecution
    graph: Graph

    @property
    def step(self) -> Step:
        """Where it waits."""
        return self.graph.steps[self.execution.step_key]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is to be done there."""
        found: Mapping[str, Any] = self.step.config["action"]
        return found


class Actions:
    """Reads with the application role, and starts processes with it."""

    def __init__(
        self, engine: AsyncEngine, definitions: Definitions, *, site: str, box: SecretBox, private_allowed: bool
    ) -> None:
        """Take what the composition root wired: `site` is for instances that name none, `box` opens connectors."""
        self._engine = engine
        self._definitions = definitions
        self._site = site
        self._box = box
        self._private_allowed = private_allowed
        self._starter = ProcessStarter(engine, definitions)

    @activity.defn(name=RUN_ACTION)
    @retried_where_it_helps
    async def run_action(self, call: ActionCall) -> Json:
        """Carry out one automatic action.

        Returns:
            What it says, as `config.action.context` looks at it.

        Raises:
            ApplicationError: it failed; `action_refused` is not tried again.
        """
        async with tenant_session(self._engine, UUID(call.key.tenant_id)) as session:
            told = await self._told(session, call)
        if isinstance(told, Asked):
            return await self._starter.start(call, told)
        return await answer_of(call.call_id, told, private_allowed=self._private_allowed)

    @activity.defn(name=PREPARE_ACTION)
    @retried_where_it_helps
    async def prepare_action(self, call: ActionCall) -> SiteOrder:
        """What a site's worker is to do, and which site's.

        Raises:
            ApplicationError: `action_refused`: its arguments cannot be worked out, the context names no site, or nobody
                waits for it any more.
        """
        async with tenant_session(self._engine, UUID(call.key.tenant_id)) as session:
            waiting = await self._waiting(session, call)
            request = await _once(session, call, waiting, self._site_request)
        return SiteOrder(site=request.target, call=SiteCall(call_id=call.call_id, **json.loads(request.content)))

    async def _waiting(self, session: AsyncSession, call: ActionCall) -> Waiting:
        """Who waits for the call.

        Raises:
            ApplicationError: the execution is over.
        """
        tenant, instance = UUID(call.key.tenant_id), UUID(call.key.instance_id)
        row = await session.get_one(WorkflowInstance, (tenant, instance))
        graph = (await self._definitions.version(session, tenant, row.process_id)).graph
        execution = await session.get_one(StepExecution, (tenant, execution_id(instance, call.ref)))
        if execution.exited_at is not None or execution.step_key not in graph.steps:
            raise refused("nobody waits for it any more")
        return Waiting(execution=execution, graph=graph)

    async def _told(self, session: AsyncSession, call: ActionCall) -> Outgoing | Asked:
        """The request that is to be sent; where a process is to be started, with what.

        Raises:
            ApplicationError: it cannot be worked out, or there is no such connector.
        """
        waiting = await self._waiting(session, call)
        settings = waiting.settings
        match settings["type"]:
            case "webhook":
                request = await _once(session, call, waiting, http_request)
                return Outgoing(settings=settings, url=settings["url"], content=request.content)
            case "erp":
                request = await _once(session, call, waiting, http_request)
                return await self._through(session, UUID(call.key.tenant_id), settings, request)
            case "start_process":
                return await _asked(session, waiting)
            case other:
                raise refused(f"'{other}' is no action that can be carried out here")

    async def _through(
        self, session: AsyncSession, tenant: UUID, settings: Mapping[str, Any], request: Request
    ) -> Outgoing:
        """By the connector as it is now: a new address or secret holds from the next try on."""
        connector = await connector_in_use(session, tenant, settings["connector"])
        if connector is None:
            raise refused(f"there is no connector '{settings['connector']}'")
        url = below(connector["base_url"], request.target)
        headers = auth_headers(connector, self._box)
        return Outgoing(settings=settings, url=url, headers=headers, content=request.content)

    def _site_request(self, asked: Asked) -> Request:
        """What a site's worker is told, all but the id of the call; the target is the key of the site."""
        settings, variables = asked.settings, asked.variables
        try:
            args = _args(settings["args"], variables) if settings.get("args") else {}
        except (ExpressionError, ValueError) as error:
            raise refused(f"its arguments cannot be worked out: {error}") from None
        site = settings.get("site") or variables["context"].get("site") or self._site
        if not isinstance(site, str) or len(site) > LONGEST_SITE:
            # It names a queue; one that cannot be would fail the workflow's task for ever.
            raise refused("what 'context.site' says is no key of a site")
        told = {"action": settings["activity"], "args": args, "step": asked.step.key, **asked.whose}
        return Request(target=site, content=spelled(told))


async def _once(
    session: AsyncSession, call: ActionCall, waiting: Waiting, work_out: Callable[[Asked], Request]
) -> Request:
    """What a call asks: what an earlier try of it worked out, or else what is worked out now, for all that follow.

    By the next try the context may be another, and so is the clock; the receiver knows both tries by one key, and must
    not be told two things under it.
    """
    tenant, identity = UUID(call.key.tenant_id), UUID(call.call_id)
    kept = await kept_request(session, tenant, identity)
    if kept is not None:
        return kept
    request = work_out(await _asked(session, waiting))
    return await keep_request(session, tenant, identity, waiting.execution.id, request)


async def _asked(session: AsyncSession, waiting: Waiting) -> Asked:
    """The step's settings, and the variables of its expressions as they are now."""
    execution = waiting.execution
    worlds = await worlds_of(session, execution.tenant_id, [execution], waiting.graph.steps, datetime.now(UTC))
    return Asked(step=waiting.step, settings=waiting.settings, variables=worlds[execution.id].variables)


def _args(expression: str, variables: Json) -> Any:
    """What an action of a site is told.

    Raises:
        ExpressionError, ValueError: as the message says.
    """
    args, size = measured(evaluate(expression, variables))
    if size > SITE_BYTES:
        raise ValueError(f"they are longer than {SITE_BYTES} bytes")
    return args
