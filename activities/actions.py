"""Automatic actions: what a step asks of another system, carried out with what the database says at that moment.

A request is made up in a transaction that is over before anything is sent; no connection waits for a receiver. What
came back is said to the instance, which alone writes (`models.flow.engine_steps`). What a plant's worker is to do is
made up here, too, and carried out there (`activities.site`), for it has no database.
"""

import json
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
from activities.http_actions import Target, answer_of
from activities.process_actions import ProcessStarter
from models.db import tenant_session
from models.decisions.world import worlds_of
from models.flow.state import execution_id
from models.json_values import encoded
from models.notices.targets import TargetRefusedError, below
from models.requirements.expressions import ExpressionError, evaluate
from models.secret_box import SecretBox
from models.store.connectors import auth_headers, connector_in_use
from models.tables import StepExecution, WorkflowInstance

LONGEST_SITE: Final = 100
"""Characters of a site's key."""

Json = dict[str, Any]


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
            asked = await self._asked(session, call)
            target = await self._target(session, call, asked)
        if target is None:
            return await self._starter.start(call, asked)
        return await answer_of(call.call_id, asked, target, private_allowed=self._private_allowed)

    @activity.defn(name=PREPARE_ACTION)
    @retried_where_it_helps
    async def prepare_action(self, call: ActionCall) -> SiteOrder:
        """What a site's worker is to do, and which site's.

        Raises:
            ApplicationError: `action_refused`: its arguments cannot be worked out, the context names no site, or nobody
                waits for it any more.
        """
        async with tenant_session(self._engine, UUID(call.key.tenant_id)) as session:
            asked = await self._asked(session, call)
        settings, variables = asked.settings, asked.variables
        try:
            args = _args(settings["args"], variables) if settings.get("args") else {}
        except (ExpressionError, ValueError) as error:
            raise refused(f"its arguments cannot be worked out: {error}") from None
        site = settings.get("site") or variables["context"].get("site") or self._site
        if not isinstance(site, str) or len(site) > LONGEST_SITE:
            # It names a queue; one that cannot be would fail the workflow's task for ever.
            raise refused("what 'context.site' says is no key of a site")
        told = SiteCall(
            action=settings["activity"],
            call_id=call.call_id,
            args=args,
            step=asked.step.key,
            **asked.whose,
        )
        return SiteOrder(site=site, call=told)

    async def _asked(self, session: AsyncSession, call: ActionCall) -> Asked:
        """The step's settings, and the variables of its expressions.

        Raises:
            ApplicationError: the execution is over.
        """
        tenant, instance = UUID(call.key.tenant_id), UUID(call.key.instance_id)
        row = await session.get_one(WorkflowInstance, (tenant, instance))
        graph = (await self._definitions.version(session, tenant, row.process_id)).graph
        execution = await session.get_one(StepExecution, (tenant, execution_id(instance, call.ref)))
        step = graph.steps.get(call.ref.step)
        if execution.exited_at is not None or step is None:
            raise refused("nobody waits for it any more")
        worlds = await worlds_of(session, tenant, [execution], graph.steps, datetime.now(UTC))
        return Asked(step=step, settings=step.config["action"], variables=worlds[execution.id].variables)

    async def _target(self, session: AsyncSession, call: ActionCall, asked: Asked) -> Target | None:
        """Where the request goes; None where the action is none.

        Raises:
            ApplicationError: there is no such connector, or the path leads out of it.
        """
        settings = asked.settings
        match settings["type"]:
            case "webhook":
                return Target(url=settings["url"])
            case "erp":
                return await self._through(session, UUID(call.key.tenant_id), settings["connector"], asked)
            case "start_process":
                return None
            case other:
                raise refused(f"'{other}' is no action that can be carried out here")

    async def _through(self, session: AsyncSession, tenant: UUID, key: str, asked: Asked) -> Target:
        connector = await connector_in_use(session, tenant, key)
        if connector is None:
            raise refused(f"there is no connector '{key}'")
        path = asked.settings.get("path")
        try:
            url = below(connector["base_url"], evaluate(path, asked.variables) if path else "")
        except (ExpressionError, TargetRefusedError) as error:
            raise refused(f"its path cannot be used: {error}") from None
        return Target(url=url, headers=auth_headers(connector, self._box))


def _args(expression: str, variables: Json) -> Any:
    """What an action of a site is told.

    Raises:
        ExpressionError, ValueError: as the message says.
    """
    text = encoded(evaluate(expression, variables))
    if len(text.encode()) > SITE_BYTES:
        raise ValueError(f"they are longer than {SITE_BYTES} bytes")
    return json.loads(text)
