"""Verdicts of named checks become evidence; the core queue's side of `workflows.site_check`."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.contract import RECORD_CHECK, CheckResult
from models.db import tenant_session
from models.requirements.verdicts import record_verdict


class SiteChecks:
    """With the application's connection."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take what the composition root wired."""
        self._engine = engine

    @activity.defn(name=RECORD_CHECK)
    async def record_check(self, result: CheckResult) -> bool:
        """Keep a verdict; whether it was still wanted.

        Raises:
            FlowError: on_hold; tried again until the instance is resumed.
        """
        verdict = result.verdict
        async with tenant_session(self._engine, UUID(result.tenant_id)) as session:
            return await record_verdict(
                session, UUID(result.tenant_id), UUID(result.execution_id), UUID(result.requirement_id),
                run=result.run, passed=verdict.passed, carried_out=verdict.carried_out, reason=verdict.reason,
                data=verdict.data, now=datetime.now(UTC),
            )  # fmt: skip
