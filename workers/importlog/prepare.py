"""Before the cases: see that this is a sandbox, and put the discovered process into force."""

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID, uuid5

from models.templates.shape import Json
from workers.importlog.client import Api, ApiProblem
from workers.importlog.naming import slug

NEEDED = ("importer.act_on_behalf", "audit.read")
"""Permissions of a replay: to write in the names of others, and to read back in whose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the cases go. `run_id` makes every key of a run its own; the same one resumes a run that was cut off."""

    run_id: UUID
    log_name: str
    process_key: str
    process_name: str
    category: str
    subject_type: str

    def key(self, *parts: object) -> str:
        """The idempotency key of one request of this run."""
        return str(uuid5(self.run_id, "/".join(map(str, parts))))


class NotPossible(Exception):  # noqa: N818 - it reads as what it says
    """The importer must not or cannot work here.

    `code` is stable: no_login, report_not_writable, not_a_sandbox, not_an_importer, process_differs.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def usual_process_key(log_name: str, graph: Json) -> str:
    """A key that names the log and its graph, so that the same graph is put into force once."""
    digest = hashlib.sha256(json.dumps(graph, sort_keys=True).encode()).hexdigest()
    return f"{slug(log_name)[:60]}-{digest[:8]}"


async def check_sandbox(api: Api) -> Json:
    """See that people's names may be used here.

    Raises:
        NotPossible: not_a_sandbox, not_an_importer.
        ApiProblem: with the server's code.
    """
    me = await api.get("/api/me/")
    tenant = me.get("tenant") or {}
    if not tenant.get("is_sandbox"):
        raise NotPossible(
            "not_a_sandbox",
            f"The tenant {tenant.get('key', '')!r} is no sandbox; a replay writes in other people's names.",
        )
    missing = [one for one in NEEDED if one not in me.get("permissions", ())]
    if missing:
        raise NotPossible("not_an_importer", f"This user lacks the permissions {', '.join(missing)}.")
    return me


async def ensure_subject_type(api: Api, target: Target) -> None:
    """Make the subject type of log cases where it is missing."""
    async for one in api.pages("/api/subject-types/"):
        if one["key"] == target.subject_type:
            return
    body = {
        "key": target.subject_type,
        "name": "Case of a log",
        "attributes_schema": {"type": "object", "additionalProperties": True},
        "identifier_pattern": "",
    }
    try:
        await api.post("/api/subject-types/", body, target.key("subject-type"))
    except ApiProblem as problem:
        if problem.code != "subject_type_taken":
            raise


async def ensure_process(api: Api, target: Target, graph: Json) -> str:
    """Put the graph into force under the target's key, or find that it is; return the process id.

    Raises:
        NotPossible: process_differs, where the key belongs to another graph or subject type.
        ApiProblem: with the server's code.
    """
    known = await _find_process(api, target.process_key)
    if known is None:
        known = await _made(api, target, graph)
    else:
        shown = await api.get(f"/api/processes/{known['id']}/")
        if _ways(shown["graph"]) != _ways(graph) or shown["subject_type"] != target.subject_type:
            raise NotPossible(
                "process_differs",
                f"The process {target.process_key!r} has another graph or subject type; choose another --process-key.",
            )
    if known["status"] != "approved":
        await _approve(api, target, known["id"])
    return str(known["id"])


async def _made(api: Api, target: Target, graph: Json) -> Json:
    body = {
        "key": target.process_key,
        "name": target.process_name,
        "description": f"Discovered from the log {target.log_name}.",
        "category": target.category,
        "subject_type": target.subject_type,
        "graph": graph,
    }
    try:
        return await api.post("/api/processes/", body, target.key("process"))
    except ApiProblem as problem:
        # The answer to an earlier try may have been lost.
        made = await _find_process(api, target.process_key) if problem.code == "process_key_taken" else None
        if made is None:
            raise
        return made


async def _approve(api: Api, target: Target, process_id: str) -> None:
    path = f"/api/processes/{process_id}/"
    await api.post(f"{path}validate/", {}, target.key("process", "validate", process_id))
    try:
        await api.post(f"{path}approve/", {}, target.key("process", "approve", process_id))
    except ApiProblem:
        if (await api.get(path))["status"] != "approved":
            raise


async def _find_process(api: Api, key: str) -> Json | None:
    """The latest approved version of a process, else its draft."""
    found = [one async for one in api.pages("/api/processes/", {"key": key}) if one["key"] == key]
    usable = [one for one in found if one["status"] in ("approved", "draft")]
    return max(usable, key=lambda one: (one["status"] == "approved", one["version_no"]), default=None)


def _ways(graph: Json) -> set[tuple[str, str, str]]:
    return {(one["from_step"], one["to_step"], one.get("condition") or "") for one in graph["edges"]}
