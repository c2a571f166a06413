"""Running workflows go on under another version of their process: planned, then carried out one by one."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from sqlalchemy import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from api import commanding
from api.auth import Principal
from api.commanding import How, Manner
from api.deps import Caller, Held, needs, snapshot, transaction
from api.migrating import Planner, version_json
from api.problems import Problem, document, responses
from api.schemas import migrations as shapes
from api.services import Services
from models.flow.authority import MINIMUM_REASON
from models.flow.status import INSTANCE_CLOSED
from models.store.commands import Wanted, read_commands
from models.store.errors import NotFoundError
from models.store.migrations import instances_to_migrate, versions_to_migrate

router = APIRouter(tags=["processes"])


@router.post(
    "/api/processes/{process_id}/migrations/",
    response_model=shapes.Plan | shapes.Result,
    dependencies=[Depends(needs("instance.migrate"))],
    responses={
        202: {"model": shapes.Result, "description": "Accepted; some are not settled yet."},
        207: {"model": shapes.Result, "description": "They came out differently."},
        **responses(
            "forbidden",
            "not_found",
            "process_not_approved",
            "process_not_effective",
            "migration_other_process",
            "migration_other_version",
            "migration_step_unknown",
            "migration_no_image",
            "reason_required",
            "idempotency_conflict",
        ),
    },
)
async def migrate_workflows(
    process_id: UUID, caller: Caller, held: Held, how: How, body: shapes.Migration
) -> JSONResponse:
    """Take workflows to this version: as a dry run what would become of each subject, else each as one journaled act.

    An execution at a step of the same key stays, with its visit and its evidence as far as the requirements are the
    same; at a step that is mapped to another one it closes, and that one is entered. A workflow with an execution that
    has no image stays as it is, as a whole.
    """
    if body.dry_run:
        return JSONResponse(await _planned(held, caller, process_id, body))
    if len(body.reason.strip()) < MINIMUM_REASON:
        raise Problem("reason_required", minimum=MINIMUM_REASON)
    return await _carried_out(held, caller, process_id, how, body)


async def _planned(held: Services, caller: Principal, process_id: UUID, body: shapes.Migration) -> dict[str, Any]:
    steps = body.mapping.steps
    async with snapshot(held, caller) as session:
        versions = await versions_to_migrate(session, caller.tenant_id, process_id, body.from_process, steps)
        rows, more = await _instances(session, caller, body)
        planner = Planner(session, versions, steps)
        items = [await planner.of_instance(row) for row in rows]
    return {
        "dry_run": True,
        "process": version_json(versions.new),
        "from_process": version_json(versions.old),
        "possible": all(item["possible"] for item in items),
        "steps": planner.of_steps(),
        "items": items,
        "more": more,
    }


async def _carried_out(
    held: Services, caller: Principal, process_id: UUID, how: Manner, body: shapes.Migration
) -> JSONResponse:
    """One command for each workflow; the engine looks again at all that the plan said."""
    steps, more = body.mapping.steps, False
    closed: list[dict[str, Any]] = []

    async def plan(session: AsyncSession) -> list[Wanted]:
        nonlocal more
        await versions_to_migrate(session, caller.tenant_id, process_id, body.from_process, steps)
        rows, more = await _instances(session, caller, body)
        args = {
            "process_id": str(process_id),
            "from_process_id": str(body.from_process),
            "steps": steps,
            "reason": body.reason.strip(),
        }
        closed.extend(_closed(row) for row in rows if row["status"] in INSTANCE_CLOSED)
        going = [row["id"] for row in rows if row["status"] not in INSTANCE_CLOSED]
        return [Wanted(kind="migrate", instance_id=one, args=args) for one in going]

    mark = commanding.fingerprint(f"migrations/{process_id}", body.model_dump(mode="json"))
    sent = await commanding.send(held, caller, caller.person, plan, how, mark)
    async with transaction(held, caller) as session:
        commands = await read_commands(session, caller.tenant_id, sent.ids)
    items = [_item(one, commands[one]) for one in sent.ids]
    known = {one["instance_id"] for one in items}
    items += [one for one in closed if one["instance_id"] not in known]
    answer = {"dry_run": False, "items": items, "more": more}
    if not all(commands[one]["outcome"] for one in sent.ids):
        return commanding.later(sent, answer)
    return JSONResponse(answer, 200 if all(item["status"] == 200 for item in items) else 207)


async def _instances(session: AsyncSession, caller: Principal, body: shapes.Migration) -> tuple[list[RowMapping], bool]:
    """Those that were named, in their order, or all.

    Raises:
        NotFoundError: not_found.
    """
    named = None if body.instances == "all" else list(dict.fromkeys(body.instances))
    rows, more = await instances_to_migrate(session, caller.tenant_id, body.from_process, named)
    if named is None:
        return list(rows), more
    found = {row["id"]: row for row in rows}
    for one in named:
        if one not in found:
            raise NotFoundError(what="workflow", id=str(one))
    return [found[one] for one in named], more


def _closed(row: RowMapping) -> dict[str, Any]:
    """Nobody is there to take a command."""
    problem = document("instance_closed", {"status": row["status"]})
    return {"instance_id": str(row["id"]), "command_id": None, "status": problem["status"], "problem": problem}


def _item(command_id: UUID, row: RowMapping) -> dict[str, Any]:
    shown = {"instance_id": str(row["workflow_instance_id"]), "command_id": str(command_id)}
    response = row["response"] or {}
    if row["outcome"] is None:
        return {**shown, "status": 202, "outcome": "accepted"}
    if "code" not in response:
        return {**shown, "status": 200, "outcome": response.get("outcome")}
    problem = document(str(response["code"]), response.get("params"))
    return {**shown, "status": problem["status"], "problem": problem}
