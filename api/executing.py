"""Commands to one execution or to one workflow: who may ask, that it exists, and what the route says about it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID

from fastapi import Response
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api import commanding
from api.auth import Principal
from api.commanding import Handed, Manner
from api.deps import require, transaction
from api.problems import Problem
from api.schemas import executions as shapes
from api.schemas.base import Body
from api.services import Services
from models.enums import CommandOutcome
from models.flow.authority import PERMISSIONS as DEVIATIONS
from models.flow.errors import FlowError
from models.flow.incidents import RESOLVING
from models.flow.nesting import RETRY_NEEDS
from models.flow.status import INSTANCE_CLOSED
from models.store.acceptance import lone
from models.store.commands import Wanted, command_view, instance_of, repeated
from models.store.identity import user_id_of
from models.store.instance_lists import require_instance
from models.store.people import Person

NEEDS: Final[Mapping[str, str]] = {
    "signoff": "execution.signoff",
    "reassign": "execution.reassign",
    "prioritise": "execution.reassign",
    **DEVIATIONS,
    "retry_child": RETRY_NEEDS,
    "undo": "execution.work",
    "retry_incident": RESOLVING,
    "resolve_incident": RESOLVING,
}
"""Kind → permission; all others are work. What an undo needs besides depends on who completed it."""
WORK: Final = "execution.work"

COMMON: Final = (
    "forbidden", "impersonation_forbidden", "execution_unknown", "instance_closed", "execution_closed", "on_hold",
    "not_begun", "idempotency_conflict", "internal_error",
)  # fmt: skip
"""Problems of every command to an execution."""
LATER: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": shapes.Later,
        "description": "Accepted; the outcome will be at `Location`.",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}


async def send_one(
    held: Services,
    caller: Principal,
    how: Manner,
    execution_id: UUID,
    kind: str,
    args: Mapping[str, Any],
    on_behalf_of: str | None,
) -> Response:
    """Send a command to one execution, and answer with what it came to."""
    authorise(caller, kind, args)
    person: Person = commanding.person_of(caller, on_behalf_of)
    mark = commanding.fingerprint(f"{kind}/{execution_id}", {**args, "on_behalf_of": on_behalf_of})
    plain = lone(person, kind, execution_id, args, key=how.key, fingerprint=mark)
    if plain is not None and (instance := await held.acceptance.take(plain)) is not None:
        handed = Handed(executions={plain.id: (str(execution_id),)}, unsettled=[(plain.id, instance)])
        return commanding.answer(await commanding.follow(held, caller, handed, how))

    async def plan(session: AsyncSession) -> list[Wanted]:
        instance_id, status = await instance_of(session, caller.tenant_id, execution_id)
        if status in INSTANCE_CLOSED and await repeated(session, person, how.key, mark) is None:
            raise Problem("instance_closed", status=status)
        return [Wanted(kind=kind, instance_id=instance_id, executions=(execution_id,), args=args)]

    return commanding.answer(await commanding.send(held, caller, person, plan, how, mark))


Build = Callable[[AsyncSession], Awaitable[Wanted]]
"""Makes the command of a request, within the transaction that writes it."""


async def send_to_workflow(
    held: Services, caller: Principal, how: Manner, workflow_id: UUID, kind: str, body: Body, build: Build
) -> Response:
    """Send a command to a workflow as a whole, and answer with its outcome and the subjects that it named."""
    authorise(caller, kind, {})
    person = commanding.person_of(caller, getattr(body, "on_behalf_of", None))
    mark = commanding.fingerprint(f"workflows/{workflow_id}/{kind}", body.model_dump(mode="json"))

    async def plan(session: AsyncSession) -> list[Wanted]:
        row = await require_instance(session, caller.tenant_id, workflow_id)
        if await repeated(session, person, how.key, mark) is not None:
            return []
        if row["status"] in INSTANCE_CLOSED:
            raise Problem("instance_closed", status=row["status"])
        return [await build(session)]

    sent = await commanding.send(held, caller, person, plan, how, mark)
    (command_id,) = sent.ids
    if command_id not in sent.settled:
        return commanding.later(sent)
    if sent.settled[command_id].outcome == CommandOutcome.PROPOSED:
        return commanding.proposed(command_id)
    if sent.settled[command_id].outcome == "refused":
        raise commanding.refusal(sent.settled[command_id].response, command_id=str(command_id))
    async with transaction(held, caller) as session:
        shown = await command_view(session, caller.tenant_id, command_id)
    outcome = sent.settled[command_id].response.get("outcome")
    return JSONResponse({"command_id": str(command_id), "outcome": outcome, "subject_ids": shown["subject_ids"]})


async def user_named(held: Services, caller: Principal, named: str) -> str:
    """The id of a person who is named by id or username.

    Raises:
        FlowError: unassignable.
    """
    async with transaction(held, caller) as session:
        found = await user_id_of(session, caller.tenant_id, named)
    if found is None:
        raise FlowError("unassignable", reason=f"there is no active person '{named}'")
    return str(found)


def authorise(caller: Principal, kind: str, args: Mapping[str, Any]) -> None:
    """Refuse early what the engine would refuse for want of a permission.

    Raises:
        Problem: forbidden.
    """
    require(caller, NEEDS.get(kind, WORK))
    if args.get("force") is not None:
        require(caller, DEVIATIONS["force"])
