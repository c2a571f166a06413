"""Automatic actions: what a step asks of another system, carried out with what the database says at that moment.

The request is made up in a transaction that is over before anything is sent; no connection waits for a receiver. What
came back is said to the instance, which alone writes (`models.flow.engine_steps`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contract import RUN_ACTION, ActionCall
from activities.definitions import Definitions
from activities.guard import retried_where_it_helps
from models.db import tenant_session
from models.decisions.world import worlds_of
from models.flow.durations import parse_duration
from models.flow.graph import Step
from models.flow.state import execution_id
from models.notices.targets import TargetRefusedError
from models.outgoing import AnswerTooLongError, ask
from models.requirements.expressions import ExpressionError, evaluate
from models.tables import StepExecution, WorkflowInstance

MOST_READ: Final = 64 * 1024
"""Bytes of an answer."""
MOST_TOLD: Final = 300
"""Characters of a refusal that an incident repeats."""
TIMEOUT: Final = 30.0
"""Seconds of one try, unless the step says otherwise."""
PASSING: Final = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS})
"""Refusals that say themselves that a later try may go through; all others below 500 are final."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A step's settings, and the variables of its expressions."""

    step: Step
    settings: Mapping[str, Any]
    variables: Json


class Actions:
    """Reads with the application role."""

    def __init__(self, engine: AsyncEngine, definitions: Definitions, *, private_allowed: bool) -> None:
        """Take what the composition root wired; `private_allowed` as in the settings."""
        self._engine = engine
        self._definitions = definitions
        self._private_allowed = private_allowed

    @activity.defn(name=RUN_ACTION)
    @retried_where_it_helps
    async def run_action(self, call: ActionCall) -> Json:
        """Carry out one automatic action.

        Returns:
            `status` and, where the step keeps anything of the answer, `body`: JSON, or text where it is none.

        Raises:
            ApplicationError: it failed; `final` ones are not tried again.
        """
        asked = await self._asked(call)
        if asked is None:
            raise _final("nobody waits for it any more")
        return await self._webhook(call, asked)

    async def _asked(self, call: ActionCall) -> Asked | None:
        """None where the execution is over."""
        tenant, instance = UUID(call.key.tenant_id), UUID(call.key.instance_id)
        async with tenant_session(self._engine, tenant) as session:
            row = await session.get_one(WorkflowInstance, (tenant, instance))
            graph = (await self._definitions.version(session, tenant, row.process_id)).graph
            execution = await session.get_one(StepExecution, (tenant, execution_id(instance, call.ref)))
            step = graph.steps.get(call.ref.step)
            if execution.exited_at is not None or step is None:
                return None
            worlds = await worlds_of(session, tenant, [execution], graph.steps, datetime.now(UTC))
            return Asked(step=step, settings=step.config["action"], variables=worlds[execution.id].variables)

    async def _webhook(self, call: ActionCall, asked: Asked) -> Json:
        settings = asked.settings
        method = settings.get("method", "POST")
        content = b"" if method == "GET" else _body(asked)
        headers = {str(name).lower(): str(value) for name, value in (settings.get("headers") or {}).items()}
        if content:
            headers["content-type"] = "application/json"
        headers |= {"idempotency-key": call.call_id, "user-agent": "Gatework-Actions"}
        seconds = parse_duration(settings["timeout"]).total_seconds() if settings.get("timeout") else TIMEOUT
        try:
            status, said = await ask(
                method,
                settings["url"],
                content,
                headers,
                private_allowed=self._private_allowed,
                seconds=seconds,
                most_read=MOST_READ,
            )
        except (TargetRefusedError, AnswerTooLongError) as error:
            raise _final(str(error)) from None
        except (OSError, httpx.HTTPError) as error:
            raise _passing(f"{type(error).__name__}: {error}") from None
        if not httpx.codes.is_success(status):
            told = f"HTTP {status}: {said[:MOST_TOLD].decode(errors='replace')}".strip(": ")
            raise _passing(told) if status >= 500 or status in PASSING else _final(told)
        # What nobody wants is not kept: the journal is for ever.
        return {"status": status, "body": _read(said)} if settings.get("context") else {"status": status}


def _body(asked: Asked) -> bytes:
    """What the step's expression makes of it; without one, which execution asks."""
    variables = asked.variables
    try:
        if asked.settings.get("body"):
            value = evaluate(asked.settings["body"], variables)
        else:
            value = {
                "instance": {name: variables["instance"][name] for name in ("id", "identifier")},
                "subject": {name: variables["subject"][name] for name in ("id", "identifier")},
                "step": asked.step.key,
            }
        return json.dumps(value, default=str, ensure_ascii=False, allow_nan=False).encode()
    except (ExpressionError, ValueError) as error:
        raise _final(f"its body cannot be made: {error}") from None


def _read(said: bytes) -> Any:
    """JSON, or the text where it is none; without what PostgreSQL's JSON cannot hold."""
    text = said.decode(errors="replace").replace("\\u0000", "").replace("\x00", "")
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text


def _final(told: str) -> ApplicationError:
    return ApplicationError(told, type="action_refused", non_retryable=True)


def _passing(told: str) -> ApplicationError:
    return ApplicationError(told, type="action_not_answered")
