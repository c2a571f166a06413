"""The sweep as Temporal shows it: a Schedule starts this workflow, and it asks one worker to look once.

So every look, what it found, and that there was one at all stand in Temporal's Web UI; and of several workers only one
is asked.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.contract import SWEEP, Swept

SWEEP_WORKFLOW = "GateworkSweep"


@workflow.defn(name=SWEEP_WORKFLOW)
class SweepOnce:
    """One look for whatever was left behind."""

    @workflow.run
    async def run(self) -> Swept:
        """Ask a worker. A look that fails is not repeated: the Schedule's next one comes soon."""
        swept: Swept = await workflow.execute_activity(
            SWEEP,
            result_type=Swept,
            start_to_close_timeout=timedelta(minutes=5),
            schedule_to_close_timeout=timedelta(minutes=10),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        return swept
