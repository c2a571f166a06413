"""Named checks of a site: asked for through the outbox by whoever completes the requirement.

`workflows.site_check` carries a run out, `models.requirements.verdicts` keeps what it said. Evidence: `{"check", "run",
"state": running | passed | failed | error, "input", "reason", "data", "requested_at", "finished_at"}`.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import uuid4

from models.requirements.base import Giving, Json
from models.store.instances import put_in_outbox
from models.store.views import moment

RUN_CHECK_TOPIC: Final = "run_check"
RUNNING: Final = "running"


class CheckConfig(Protocol):
    """What a requirement says of its check."""

    check: str
    queue: str
    parameters: dict[str, Any]
    timeout: timedelta
    retries: int
    wait: timedelta


def still_missing(check: str, evidence: Json) -> str | None:
    """Why a check does not let the work pass; None where it has passed."""
    reason = evidence.get("reason", "")
    told = f": {reason}" if reason else ""
    match evidence.get("state"):
        case "passed":
            return None
        case "failed":
            return f"the check '{check}' is not passed{told}"
        case "error":
            return f"the check '{check}' could not be carried out{told}; run it again"
        case "running":
            return f"the check '{check}' is running"
        case _:
            return f"the check '{check}' has not been run"


async def ask_site(giving: Giving, config: CheckConfig, world: Mapping[str, Any]) -> Json | None:
    """Ask for a run; None where the same one is running already. Another input runs it anew.

    The verdict of a run that was superseded or withdrawn is dropped when it comes.
    """
    if giving.before.get("state") == RUNNING and giving.before.get("input") == giving.evidence:
        return None
    run = str(uuid4())
    told = {name: value for name, value in world.items() if name != "evidence"}
    payload = {
        "execution_id": str(giving.execution.id),
        "requirement_id": str(giving.gate.id),
        "queue": config.queue,
        "wait_seconds": config.wait.total_seconds(),
        "timeout_seconds": config.timeout.total_seconds(),
        "retries": config.retries,
        "call": {
            "check": config.check, "run": run, "parameters": config.parameters, "evidence": giving.evidence,
            "world": json.loads(json.dumps(told, default=_plain)),
        },
    }  # fmt: skip
    await put_in_outbox(giving.session, giving.tenant_id, RUN_CHECK_TOPIC, run, payload)
    return {
        "check": config.check, "run": run, "state": RUNNING, "input": giving.evidence,
        "requested_at": moment(giving.now),
    }  # fmt: skip


def _plain(value: Any) -> str:
    return moment(value) or "" if isinstance(value, datetime) else str(value)
