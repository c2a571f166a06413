"""Automatic actions: each open call of the state runs as an activity, once in a run; its answer comes to the inbox.

A run that ends takes no activity with it: the next one starts the calls that are open again, under the same ids, so a
receiver may be asked twice and knows it by the id (`Idempotency-Key`, `SiteCall.call_id`).
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError, TimeoutType
from temporalio.exceptions import CancelledError as Cancelled
from temporalio.exceptions import TimeoutError as OutOfTime

from activities.contract import (
    NAMED_ACTION,
    PREPARE_ACTION,
    RUN_ACTION,
    SITE_PREFIX,
    ActionAnswer,
    ActionCall,
    InstanceKey,
    SiteOrder,
)
from models.flow.durations import parse_duration
from models.flow.state import Ref
from workflows.contract import shortened
from workflows.engine import Engine
from workflows.inbox import Inbox

Output = dict[str, Any]

AT_ONCE: Final = 100
"""Actions of one instance that run at the same time."""
RETRIES: Final = 3
"""After the first try, unless the step says otherwise."""
TIMEOUT: Final = timedelta(seconds=30)
"""Of one try, unless the step says otherwise."""
PATIENCE: Final = timedelta(hours=1)
"""With a site without a worker, unless the step says otherwise: a plant that was cut off catches up from its queue."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=5)
"""Before the first retry, and at most between two."""


class Actions:
    """The activities of this run, by the id of their call."""

    def __init__(self, key: InstanceKey, inbox: Inbox) -> None:
        """Take where answers go."""
        self._key = key
        self._inbox = inbox
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def keep_up(self, engine: Engine) -> None:
        """Start calls that are open; give up those that nobody waits for any more. On hold nothing new goes out."""
        calls = engine.state.calls
        if not calls and not self._tasks:
            return
        wanted = {call.call_id: ref for ref, call in calls.items() if not call.outcome}
        for call_id in [one for one in self._tasks if one not in wanted]:
            self._tasks.pop(call_id).cancel()
        running = sum(not task.done() for task in self._tasks.values())
        for call_id, ref in wanted.items():
            if engine.on_hold or running >= AT_ONCE:
                break
            if call_id not in self._tasks and call_id not in self._inbox.answers:
                self._tasks[call_id] = asyncio.create_task(self._run(engine, ref, call_id))
                running += 1

    def stop(self) -> None:
        """The instance is over."""
        for task in self._tasks.values():
            task.cancel()

    async def _run(self, engine: Engine, ref: Ref, call_id: str) -> None:
        """One call to its end, with the retries of its step."""
        settings = _settings(engine, ref)
        call = ActionCall(key=self._key, ref=ref, call_id=call_id)
        at_site = settings.get("activity") is not None
        try:
            output = await (_by_site(call, settings) if at_site else _here(call, settings))
        except _UntakenError as error:
            answer = ActionAnswer(ref=ref, call_id=call_id, succeeded=False, error=str(error))
        except ActivityError as error:
            if isinstance(error.cause, Cancelled):
                return
            answer = ActionAnswer(ref=ref, call_id=call_id, succeeded=False, error=_told(error.cause, settings))
        else:
            answer = ActionAnswer(ref=ref, call_id=call_id, succeeded=True, output=output)
        self._inbox.answers[call_id] = answer


class _UntakenError(Exception):
    """No worker of a site came for it; the message says of which."""


async def _here(call: ActionCall, settings: Mapping[str, Any]) -> Output:
    """By a worker of the core queue."""
    output: Output = await workflow.execute_activity(
        RUN_ACTION,
        call,
        result_type=dict[str, Any],
        start_to_close_timeout=_timeout(settings),
        retry_policy=_policy(tries=_tries(settings)),
        summary=_summary(call, settings),
    )
    return output


async def _by_site(call: ActionCall, settings: Mapping[str, Any]) -> Output:
    """By a worker of a site, which knows only what it is told; that is made up beside the database, however long."""
    order = await workflow.execute_activity(
        PREPARE_ACTION,
        call,
        result_type=SiteOrder,
        start_to_close_timeout=TIMEOUT,
        retry_policy=_policy(),
        summary=_summary(call, settings),
    )
    try:
        said: Output = await workflow.execute_activity(
            NAMED_ACTION,
            order.call,
            result_type=dict[str, Any],
            task_queue=SITE_PREFIX + order.site,
            schedule_to_start_timeout=_patience(settings),
            start_to_close_timeout=_timeout(settings),
            retry_policy=_policy(tries=_tries(settings)),
            summary=_summary(call, settings),
        )
    except ActivityError as error:
        if isinstance(error.cause, OutOfTime) and error.cause.type == TimeoutType.SCHEDULE_TO_START:
            waited = f"{_patience(settings).total_seconds():g} s"
            raise _UntakenError(f"no worker of the site '{order.site}' took it within {waited}") from error
        raise
    # What nobody wants is not kept: the journal is for ever.
    return said if settings.get("context") else {}


def _policy(*, tries: int = 0) -> RetryPolicy:
    """How often and how fast it is tried again; for ever where no number is given."""
    return RetryPolicy(initial_interval=FIRST_WAIT, maximum_interval=LONGEST_WAIT, maximum_attempts=tries)


def _summary(call: ActionCall, settings: Mapping[str, Any]) -> str:
    return shortened(f"{settings.get('type', 'action')} · {call.ref.step} · {call.ref.subject}")


def _settings(engine: Engine, ref: Ref) -> Mapping[str, Any]:
    """`config.action` of the step; nothing where a migration took the step away."""
    step = engine.graph.steps.get(ref.step)
    found: Mapping[str, Any] = {} if step is None else step.config.get("action") or {}
    return found


def _timeout(settings: Mapping[str, Any]) -> timedelta:
    return parse_duration(settings["timeout"]) if settings.get("timeout") else TIMEOUT


def _patience(settings: Mapping[str, Any]) -> timedelta:
    return parse_duration(settings["patience"]) if settings.get("patience") else PATIENCE


def _tries(settings: Mapping[str, Any]) -> int:
    return int(settings.get("retries", RETRIES)) + 1


def _told(cause: BaseException | None, settings: Mapping[str, Any]) -> str:
    """Why it failed, for a person."""
    if isinstance(cause, OutOfTime):
        return f"it took longer than {_timeout(settings).total_seconds():g} s, {_tries(settings)} times"
    told = cause.message if isinstance(cause, FailureError) else str(cause)
    return told[:500] or type(cause).__name__
