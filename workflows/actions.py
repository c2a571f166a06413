"""Automatic actions: each open call of the state runs as an activity, once in a run; its answer comes to the inbox.

A run that ends takes no activity with it: the next one starts the calls that are open again, under the same ids, so a
receiver may be asked twice and knows it by the id (`Idempotency-Key`).
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError
from temporalio.exceptions import CancelledError as Cancelled
from temporalio.exceptions import TimeoutError as OutOfTime

from activities.contract import RUN_ACTION, ActionAnswer, ActionCall, InstanceKey
from models.flow.durations import parse_duration
from models.flow.state import Ref
from workflows.contract import shortened
from workflows.engine import Engine
from workflows.inbox import Inbox

AT_ONCE: Final = 100
"""Actions of one instance that run at the same time."""
RETRIES: Final = 3
"""After the first try, unless the step says otherwise."""
TIMEOUT: Final = timedelta(seconds=30)
"""Of one try, unless the step says otherwise."""
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
        timeout = parse_duration(settings["timeout"]) if settings.get("timeout") else TIMEOUT
        tries = int(settings.get("retries", RETRIES)) + 1
        try:
            output: dict[str, Any] = await workflow.execute_activity(
                RUN_ACTION,
                ActionCall(key=self._key, ref=ref, call_id=call_id),
                result_type=dict[str, Any],
                start_to_close_timeout=timeout,
                retry_policy=RetryPolicy(
                    initial_interval=FIRST_WAIT, maximum_interval=LONGEST_WAIT, maximum_attempts=tries
                ),
                summary=shortened(f"{settings.get('type', 'action')} · {ref.step} · {ref.subject}"),
            )
        except ActivityError as error:
            if isinstance(error.cause, Cancelled):
                return
            answer = ActionAnswer(ref=ref, call_id=call_id, succeeded=False, error=_told(error.cause, timeout, tries))
        else:
            answer = ActionAnswer(ref=ref, call_id=call_id, succeeded=True, output=output)
        self._inbox.answers[call_id] = answer


def _settings(engine: Engine, ref: Ref) -> Mapping[str, Any]:
    """`config.action` of the step; nothing where a migration took the step away."""
    step = engine.graph.steps.get(ref.step)
    found: Mapping[str, Any] = {} if step is None else step.config.get("action") or {}
    return found


def _told(cause: BaseException | None, timeout: timedelta, tries: int) -> str:
    """Why it failed, for a person."""
    if isinstance(cause, OutOfTime):
        return f"it took longer than {timeout.total_seconds():g} s, {tries} times"
    told = cause.message if isinstance(cause, FailureError) else str(cause)
    return told[:500] or type(cause).__name__
