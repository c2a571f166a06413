"""The calls of an instance's database activities: local, short, idempotent, retried until the database answers.

Backoff beyond a few seconds happens on a timer, so that a workflow task never hangs on a dead database (ADR 0004).
What no retry can mend comes back as `Poison`.
"""

from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from activities import contract
from activities.contract import AdvanceRequest, BareCommand, InstanceKey, Loaded, Recorded, RecordRequest, Work

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100), backoff_coefficient=2, maximum_interval=timedelta(seconds=10)
)

Answer = TypeVar("Answer")


PATIENCE = timedelta(minutes=2)
"""The release of a batch of 10,000 is one transaction: some 5 s, and many times that on a machine that is busy."""


class Poison(Exception):  # noqa: N818 - it names the input, not a fault of ours
    """An input that the database side cannot bear, however often it is tried."""


async def load_instance(request: contract.LoadRequest) -> Loaded:
    """The graph of the instance and, unless the run brought its own, the state folded from the journal."""
    return await _local(contract.LOAD_INSTANCE, request, Loaded)


async def advance(request: AdvanceRequest) -> Recorded:
    """Decide a batch and write it down, in one transaction, if the journal is where the run's state is."""
    return await _local(contract.ADVANCE, request, Recorded, summary=told(request.work))


async def record(request: RecordRequest) -> Recorded:
    """Write what the run itself has to say, if the journal is where the run knows it."""
    return await _local(contract.RECORD, request, Recorded)


async def accept_bare(key: InstanceKey, commands: tuple[BareCommand, ...]) -> tuple[str, ...]:
    """Make command rows of bare signals; the ids of the rows."""
    request = contract.BareRequest(key=key, commands=commands)
    return await _local(contract.ACCEPT_BARE, request, tuple[str, ...])


async def refuse_leftovers(key: InstanceKey, command_ids: tuple[str, ...]) -> int:
    """Settle what came too late as `instance_closed`; how many."""
    request = contract.LeftoverRequest(key=key, command_ids=command_ids)
    return await _local(contract.REFUSE_LEFTOVERS, request, int)


def told(work: Work) -> str:
    """What a batch is about, for Temporal's Web UI: `2 commands, 40 looks`; what came of it is in the journal."""
    counts = (
        (work.subjects, "subject to begin", "subjects to begin"),
        (len(work.commands), "command", "commands"),
        (len(work.rechecks), "look", "looks"),
        (len(work.started), "child started", "children started"),
        (len(work.children), "child ended", "children ended"),
    )
    words = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
    return ", ".join([*words, *(["deadlines"] if work.deadlines else [])])


async def _local(name: str, request: object, result_type: type[Answer], *, summary: str | None = None) -> Answer:
    try:
        answer: Answer = await workflow.execute_local_activity(
            name,
            request,
            result_type=result_type,
            start_to_close_timeout=PATIENCE,
            local_retry_threshold=timedelta(seconds=2),
            retry_policy=RETRY,
            summary=summary,
        )
    except FailureError as error:
        # A local activity's own error comes as it is, not inside an ActivityError.
        failure = error.cause if isinstance(error, ActivityError) else error
        if isinstance(failure, ApplicationError) and failure.non_retryable:
            raise Poison(failure.message) from error
        raise
    return answer
