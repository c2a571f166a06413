"""The way of a command: accepted and committed, signalled, waited for, answered.

The one place where the API commits before it acts: a signal may fail without loss, because the row is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Header
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import Principal
from api.deps import transaction
from api.problems import Problem, document
from api.services import Services
from api.waiter import Settled
from models.enums import CommandOutcome
from models.store.canonical import content_hash
from models.store.commands import Wanted, accept, read_commands
from models.store.people import Person
from models.store.proposals import AWAITING

ASYNC: Final = "respond-async"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the client wants a command to be handled.

    Attributes:
        key: the `Idempotency-Key`.
        wait: False: answer 202 at once.
    """

    key: str | None
    wait: bool


async def manner(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="Names this request: repeating it with the same body gets the same answer.",
        ),
    ] = None,
    prefer: Annotated[
        str | None, Header(alias="Prefer", description="`respond-async`: answer 202 without waiting.")
    ] = None,
) -> Manner:
    """Read the two headers."""
    return Manner(key=idempotency_key, wait=ASYNC not in (prefer or "").lower())


How = Annotated[Manner, Depends(manner)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Commands on their way or settled.

    Attributes:
        ids: of the request's commands, in order.
        executions: command id → the executions that it was sent for.
        settled: the outcomes that are there.
    """

    ids: tuple[UUID, ...]
    executions: Mapping[UUID, Sequence[str]]
    settled: Mapping[UUID, Settled]

    @property
    def complete(self) -> bool:
        """Whether every command has its outcome."""
        return len(self.settled) == len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """Commands of a request that are committed.

    Attributes:
        executions: command id → the executions that it is for, in order.
        unsettled: those to signal, with their instances.
        look: whether some may be settled already.
    """

    executions: Mapping[UUID, Sequence[str]]
    unsettled: Sequence[tuple[UUID, UUID]]
    look: bool = False


Plan = Callable[[AsyncSession], Awaitable[Sequence[Wanted]]]
"""Which commands a request comes to; raises where it cannot be, and then nothing is written."""


def person_of(caller: Principal, on_behalf_of: str | None) -> Person:
    """The caller, or, for an importer in a sandbox tenant, the caller in the name of somebody else.

    Raises:
        Problem: impersonation_forbidden.
    """
    if not on_behalf_of:
        return caller.person
    if not (caller.is_sandbox and "importer.act_on_behalf" in caller.permissions):
        raise Problem("impersonation_forbidden")
    return caller.acting_for(on_behalf_of)


def fingerprint(target: str, body: Any) -> str:
    """What an Idempotency-Key is bound to."""
    return content_hash({"target": target, "body": body})


async def send(held: Services, caller: Principal, person: Person, plan: Plan, how: Manner, mark: str) -> Sent:
    """Accept commands, signal them, and wait for their outcomes as long as the client likes.

    Args:
        held: The process's services.
        caller: Who asks.
        person: The caller, or the caller in the name of somebody else.
        plan: Says which commands, within the transaction that writes them.
        how: The request's key, and whether to wait.
        mark: From `fingerprint`.

    Raises:
        StoreError: idempotency_conflict, and what `plan` raises.
    """
    return await follow(held, caller, await _hand_in(held, caller, person, plan, how, mark), how)


async def _hand_in(held: Services, caller: Principal, person: Person, plan: Plan, how: Manner, mark: str) -> Handed:
    async with transaction(held, caller) as session:
        wanted = await plan(session)
        accepted = await accept(session, person, wanted, key=how.key, fingerprint=mark)
        rows = await read_commands(session, caller.tenant_id, accepted.ids) if accepted.repeated else {}
    executions: dict[UUID, Sequence[str]]
    if accepted.repeated:
        executions = {one: rows[one]["body"]["execution_ids"] for one in accepted.ids}
        unsettled = [(one, rows[one]["workflow_instance_id"]) for one in accepted.ids if rows[one]["outcome"] is None]
    else:
        executions = dict(zip(accepted.ids, (one.body()["execution_ids"] for one in wanted), strict=True))
        told = zip(accepted.ids, (one.instance_id for one in wanted), strict=True)
        unsettled = [(one, instance) for one, instance in told if one not in accepted.proposed]
    return Handed(executions=executions, unsettled=unsettled, look=bool(accepted.repeated or accepted.proposed))


async def follow(held: Services, caller: Principal, handed: Handed, how: Manner) -> Sent:
    """Signal commands that are committed, and wait for their outcomes as long as the client likes.

    Raises:
        Problem: unavailable: a command without an outcome was forgotten by a database that died (ADR 9).
    """
    ids = tuple(handed.executions)
    with held.waiter.commands(caller.tenant_id, {**dict.fromkeys(ids), **dict(handed.unsettled)}) as ticket:
        await _signal(held, handed.unsettled)
        if handed.look:
            held.waiter.look()
        if how.wait:
            await ticket.wait(held.settings.command_wait_seconds)
        settled = {one: found for one, found in ticket.found.items() if found is not None}
    open_ones = [one for one in ids if one not in settled]
    if open_ones and not await held.acceptance.keep(caller.tenant_id, open_ones):
        raise Problem("unavailable")
    return Sent(ids=ids, executions=handed.executions, settled=settled)


async def _signal(held: Services, commands: Sequence[tuple[UUID, UUID]]) -> None:
    """One signal per instance, all at once."""
    by_instance: dict[UUID, list[UUID]] = {}
    for one, instance in commands:
        by_instance.setdefault(instance, []).append(one)
    await asyncio.gather(*(held.gateway.signal(instance, ids) for instance, ids in by_instance.items()))


def answer(sent: Sent) -> JSONResponse:
    """The answer to a request of one command.

    Raises:
        Problem: the refusal.
    """
    command_id = sent.ids[0]
    settled = sent.settled.get(command_id)
    if settled is None:
        return later(sent)
    if settled.outcome == CommandOutcome.PROPOSED:
        return proposed(command_id)
    if settled.outcome == "refused":
        raise refusal(settled.response, command_id=str(command_id))
    shown = {name: settled.response.get(name) for name in ("outcome", "execution", "next")}
    return JSONResponse({"command_id": str(command_id), **shown})


async def resend(held: Services, caller: Principal, command_id: UUID, instance_id: UUID, how: Manner) -> Settled | None:
    """Signal a command that another request wrote, and wait for its outcome."""
    with held.waiter.commands(caller.tenant_id, {command_id: instance_id}) as ticket:
        await _signal(held, [(command_id, instance_id)])
        if how.wait:
            await ticket.wait(held.settings.command_wait_seconds)
        return ticket.found.get(command_id)


def proposed(command_id: UUID) -> JSONResponse:
    """202: it waits for a second person."""
    shown = {"command_id": str(command_id), "outcome": AWAITING}
    return JSONResponse(shown, 202, headers={"Location": f"/api/commands/{command_id}/"})


def later(sent: Sent, body: Mapping[str, Any] | None = None) -> JSONResponse:
    """202: accepted, not settled yet, with the place to look."""
    first = next((one for one in sent.ids if one not in sent.settled), sent.ids[0])
    shown = body or {"command_id": str(first), "outcome": "accepted"}
    return JSONResponse(shown, 202, headers={"Location": f"/api/commands/{first}/"})


def refusal(response: Mapping[str, Any], **more: Any) -> Problem:
    """The problem that record stored as `{"code", "params"}`."""
    code = str(response.get("code", "internal_error"))
    return Problem(code, **refusal_params(code, response), **more)


def refusal_params(code: str, response: Mapping[str, Any]) -> dict[str, Any]:
    """Members of the problem; unmet requirements are DESIGN §4's `outcome: blocked`."""
    params = dict(response.get("params") or {})
    return {"outcome": "blocked", **params} if code == "requirements_unmet" else params


def items(sent: Sent) -> list[dict[str, Any]]:
    """What became of each execution of a bulk request."""
    found: list[dict[str, Any]] = []
    for command_id, executions in sent.executions.items():
        settled = sent.settled.get(command_id)
        if settled is None:
            found += [{"execution_id": one, "status": 202, "outcome": "accepted"} for one in executions]
        elif settled.outcome == CommandOutcome.PROPOSED:
            found += [{"execution_id": one, "status": 202, "outcome": AWAITING} for one in executions]
        elif "items" in settled.response:
            results = {str(one.get("execution_id", "")): one for one in settled.response["items"]}
            found += [_item(one, results.get(one) or results.get("") or {}) for one in executions]
        else:
            found += [_item(one, settled.response) for one in executions]
    return found


def _item(execution_id: str, result: Mapping[str, Any]) -> dict[str, Any]:
    if "code" not in result:
        return {"execution_id": execution_id, "status": 200, "outcome": result.get("outcome")}
    problem = document(str(result["code"]), refusal_params(str(result["code"]), result))
    return {"execution_id": execution_id, "status": problem["status"], "problem": problem}
