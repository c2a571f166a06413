"""What a process names in its tenant, and could never use: people, processes it starts, connectors it speaks through.

Looked up where a version is validated, submitted and approved; what goes away later stops a subject in an incident.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.canonical import canonical
from models.flow.packing import LARGEST_PROCESS, pack
from models.flow.policies import LevelAction
from models.store.connectors import connector_in_use
from models.store.effectivity import IN_FORCE
from models.store.errors import NotFoundError, StoreError
from models.store.freezing import with_definitions
from models.store.named_people import unknown_people
from models.store.process_lookup import get_process, latest_approved
from models.store.references import as_uuid
from models.tables import Process, SubjectType

Json = dict[str, Any]


async def unusable_references(session: AsyncSession, process: Process) -> list[Json]:
    """A problem for each thing that a version names in vain.

    These are roles and users that there are not, processes that it could never start, being not in force or for other
    subjects, and connectors that are not there. And one where it is too large for a workflow.
    """
    own = await session.get_one(SubjectType, (process.tenant_id, process.subject_type_id))
    problems = await _too_large(session, process)
    problems += await unknown_people(session, process.tenant_id, process.graph)
    for number, step in enumerate(process.graph.get("steps") or ()):
        for place, requirement in enumerate(step.get("requirements") or ()):
            config = requirement.get("config") or {}
            if requirement.get("requirement_type") == "child_workflow" and config.get("process_id") is not None:
                child = await get_process(session, process.tenant_id, UUID(str(config["process_id"])))
                path = f"steps[{number}].requirements[{place}].config"
                problems += await _not_startable(session, child, config.get("subjects"), own.key, path, "process_id")
        if step.get("step_type") == "automatic":
            action = (step.get("config") or {}).get("action") or {}
            problems += await _of_action(session, process, own.key, action, f"steps[{number}].config.action")
        problems += await _of_levels(session, process, own.key, step.get("config") or {}, f"steps[{number}].config")
    return problems


async def _too_large(session: AsyncSession, process: Process) -> list[Json]:
    """A version is handed to every workflow of it whole, with the catalogues' entries that it names."""
    text = canonical(await with_definitions(session, process.tenant_id, process.graph)).encode()
    size = len(pack(text))
    if size <= LARGEST_PROCESS:
        return []
    message = (
        f"The process has {len(text)} bytes, {size} once compressed; a workflow can be handed {LARGEST_PROCESS}. "
        "Shorten its instructions and forms, keep pictures as documents, or split it; one process may start another."
    )
    return [{"code": "process_too_large", "path": "", "message": message}]


async def _of_levels(
    session: AsyncSession, process: Process, own: str, config: Mapping[str, Any], path: str
) -> list[Json]:
    """What a level of escalation starts is given the subjects that are late."""
    problems = []
    for number, level in enumerate((config.get("escalation") or {}).get("levels") or ()):
        if level.get("action") == LevelAction.START_PROCESS:
            place = f"{path}.escalation.levels[{number}]"
            problems += await _of_start(session, process, own, {"process": level["process_key"]}, place, "process_key")
    return problems


async def _of_action(
    session: AsyncSession, process: Process, own: str, action: Mapping[str, Any], path: str
) -> list[Json]:
    if action.get("type") == "start_process":
        field = "process_id" if action.get("process_id") else "process"
        return await _of_start(session, process, own, action, path, field)
    key = action.get("connector")
    if key is None or await connector_in_use(session, process.tenant_id, str(key)) is not None:
        return []
    message = f"There is no connector '{key}'. Have an administrator add it, or name another one."
    return [{"code": "connector_unknown", "path": f"{path}.connector", "message": message}]


async def _of_start(
    session: AsyncSession, process: Process, own: str, asked: Mapping[str, Any], path: str, field: str
) -> list[Json]:
    try:
        started = await _started(session, process, asked)
    except StoreError as error:
        return [{"code": "process_unusable", "path": f"{path}.{field}", "message": error.message}]
    return await _not_startable(session, started, asked.get("subjects"), own, path, field)


async def _started(session: AsyncSession, process: Process, action: Mapping[str, Any]) -> Process:
    """The process that an action starts; one that starts its own key starts itself, once it is in force.

    Raises:
        StoreError: not_found, process_not_approved, process_not_effective.
    """
    if action.get("process_id"):
        found = as_uuid(action["process_id"])
        if found is None:
            raise NotFoundError(what="process", id=str(action["process_id"]))
        return await get_process(session, process.tenant_id, found)
    if action["process"] == process.key:
        return process
    return await latest_approved(session, process.tenant_id, key=action["process"])


async def _not_startable(
    session: AsyncSession, started: Process, subjects: Any, own: str, path: str, field: str
) -> list[Json]:
    """What keeps a process from being started with these subjects; one named by its key is in force, or will be."""
    kind = await session.get_one(SubjectType, (started.tenant_id, started.subject_type_id))
    given = _given_type(subjects, own)
    if field == "process_id" and started.status not in IN_FORCE:
        message = f"'{started.name}' is {started.status}. Have it approved first."
        return [{"code": "child_not_approved", "path": f"{path}.{field}", "message": message}]
    if given != kind.key:
        message = f"'{started.name}' takes subjects of type {kind.key}, not {given}."
        where = field if field == "process_key" else "subjects"
        return [{"code": "child_subject_mismatch", "path": f"{path}.{where}", "message": message}]
    return []


def _given_type(subjects: Any, own: str) -> str:
    """The key of the type of subjects that are given to what is started."""
    if not isinstance(subjects, dict):
        return own
    rule = subjects.get("new") or subjects.get("rule") or {}
    return str(rule.get("type"))
