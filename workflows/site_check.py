"""One run of a named check: asked of a site's queue, its verdict kept as evidence by the core queue.

A workflow of its own, so that an instance never waits for a plant, and a run survives both.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError, TimeoutType
from temporalio.exceptions import TimeoutError as OutOfTime

from activities.contract import NAMED_CHECK, RECORD_CHECK, CheckRequest, CheckResult, CheckVerdict

SITE_CHECK: Final = "SiteCheck"
_RECORDING: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""For ever: an instance on hold takes the verdict once it is resumed."""


@workflow.defn(name=SITE_CHECK)
class SiteCheck:
    """Ends when the verdict is kept."""

    @workflow.run
    async def run(self, asked: CheckRequest) -> CheckVerdict:
        """Carry the check out, whatever becomes of it."""
        try:
            verdict: CheckVerdict = await workflow.execute_activity(
                NAMED_CHECK,
                asked.call,
                result_type=CheckVerdict,
                task_queue=asked.queue,
                schedule_to_start_timeout=timedelta(seconds=asked.wait_seconds),
                start_to_close_timeout=timedelta(seconds=asked.timeout_seconds),
                retry_policy=RetryPolicy(maximum_attempts=asked.retries + 1),
                summary=asked.call.check,
            )
        except ActivityError as error:
            verdict = CheckVerdict(passed=False, carried_out=False, reason=_told(asked, error.cause))
        await workflow.execute_activity(
            RECORD_CHECK,
            CheckResult(
                tenant_id=asked.tenant_id,
                execution_id=asked.execution_id,
                requirement_id=asked.requirement_id,
                run=asked.call.run,
                verdict=verdict,
            ),
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=_RECORDING,
        )
        return verdict


def _told(asked: CheckRequest, cause: BaseException | None) -> str:
    """Why nobody could say, for a person."""
    if isinstance(cause, OutOfTime):
        if cause.type == TimeoutType.SCHEDULE_TO_START:
            return f"no worker of {asked.queue} took it within {asked.wait_seconds:g} s"
        return f"it took longer than {asked.timeout_seconds:g} s, {asked.retries + 1} times"
    told = cause.message if isinstance(cause, FailureError) else str(cause)
    return told[:500] or type(cause).__name__
