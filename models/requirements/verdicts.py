"""The verdict of a named check becomes a revision of the evidence, by the engine's own hand."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EvidenceAction
from models.flow.errors import FlowError
from models.flow.status import INSTANCE_CLOSED, OPEN, InstanceStatus
from models.requirements.base import Json
from models.requirements.giving import Change, gate_at, record_change
from models.requirements.named_checks import RUNNING
from models.store.audit import engine_actor
from models.store.evidence import last_evidence, lock_execution, sealing
from models.store.views import moment

LONGEST_REASON: Final = 1_000
LARGEST_DATA: Final = 64 * 1024
"""Bytes."""


async def record_verdict(
    session: AsyncSession,
    tenant_id: UUID,
    execution_id: UUID,
    requirement_id: UUID,
    *,
    run: str,
    passed: bool,
    carried_out: bool,
    reason: str,
    data: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Keep the verdict of a run as a revision of the evidence.

    Returns:
        Whether it was still wanted: the execution is open, and the run is the last one asked for.

    Raises:
        FlowError: on_hold; the verdict is kept once the instance is resumed.
    """
    locked = await lock_execution(session, tenant_id, execution_id)
    if locked.instance.status in INSTANCE_CLOSED or locked.execution.status not in OPEN:
        return False
    revision, before = await last_evidence(session, locked.execution, requirement_id)
    if before.get("run") != run or before.get("state") != RUNNING:
        return False
    if locked.instance.status is InstanceStatus.ON_HOLD:
        raise FlowError("on_hold")
    gate, _ = await gate_at(session, locked.execution, requirement_id)
    kept = _storable(reason, data)
    if kept is None:
        passed, carried_out, kept = False, False, ("its verdict cannot be stored", {})
    state = ("passed" if passed else "failed") if carried_out else "error"
    after = {**before, "state": state, "reason": kept[0], "data": kept[1], "finished_at": moment(now)}
    link = await sealing(session, locked)
    change = Change(EvidenceAction.GIVEN, revision + 1, before, after, kept[0])
    await record_change(session, engine_actor(tenant_id, f"check:{before['check']}"), locked, link, gate, change, now)
    return True


def _storable(reason: str, data: Mapping[str, Any]) -> tuple[str, Json] | None:
    """Reason and data as PostgreSQL keeps them; None where it cannot, or where they are too large."""
    try:
        written = json.dumps([reason, data], allow_nan=False)
        json.dumps([reason, data], ensure_ascii=False).encode()
    except (TypeError, ValueError):
        return None
    if "\\u0000" in written or len(written) > LARGEST_DATA:
        return None
    return reason[:LONGEST_REASON], dict(data)
