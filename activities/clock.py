"""Facts of time: when what is entered now is due, by the working calendar of the instance's site.

Calendars change seldom and are read often: a worker keeps those of a tenant for a few seconds.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.flow.facts import Deadlines, Done
from models.flow.graph import Graph, Step, counts_working_time, timer_of
from models.flow.policies import escalation_of
from models.flow.state import Ref, State, execution_id
from models.store.calendars import DEFAULT_KEY, calendars_of
from models.store.reading import fetch, fetch_one
from models.working_time import NeverOpenError, WorkingCalendar, before, due_after, moved_by_hold

KEPT: Final = 5.0
"""Seconds until a changed calendar is seen by every worker."""

_SITE = text("SELECT context ->> 'site' AS site FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance")

_BEHIND = text(
    """
    SELECT DISTINCT ON (e.id) e.id,
           CASE WHEN j.kind IN ('reminder_sent', 'execution_escalated') THEN CAST(j.data ->> 'mark' AS int) + 1
                WHEN j.kind = 'execution_restored' THEN COALESCE(CAST(j.data ->> 'mark' AS int), 0)
                ELSE 0 END AS mark
    FROM step_execution e JOIN journal j
      ON (j.tenant_id, j.instance_id) = (e.tenant_id, e.workflow_instance_id)
     AND j.kind IN ('reminder_sent', 'execution_escalated', 'execution_restored', 'due_changed')
     AND e.subject_no = ANY(j.subjects) AND j.data #>> '{ref,1}' = e.step_key
     AND CAST(j.data #>> '{ref,2}' AS int) = e.visit_number AND j.data #>> '{ref,3}' = e.branch
    WHERE e.tenant_id = :tenant AND e.id = ANY(:ids)
    ORDER BY e.id, j.seq DESC
    """
)
"""How many reminders and levels of an execution were told, by the last event that says so; without one, none."""


class Calendars:
    """The calendars of tenants, as this worker saw them last."""

    def __init__(self) -> None:
        """Start empty."""
        self._known: dict[UUID, tuple[float, dict[str, WorkingCalendar]]] = {}

    async def of_instance(self, session: AsyncSession, tenant: UUID, instance: UUID) -> WorkingCalendar | None:
        """The calendar of the instance's site, else the tenant's default; None where all time is working time."""
        found = await self._of_tenant(session, tenant)
        if not found:
            return None
        row = await fetch_one(session, _SITE, tenant=tenant, instance=instance)
        site = row["site"] if row is not None else None
        return found.get(site or DEFAULT_KEY) or found.get(DEFAULT_KEY)

    async def _of_tenant(self, session: AsyncSession, tenant: UUID) -> dict[str, WorkingCalendar]:
        read_at, found = self._known.get(tenant, (float("-inf"), {}))
        now = time.monotonic()
        if now - read_at > KEPT:
            found = await calendars_of(session, tenant)
            self._known[tenant] = now, found
        return found


@dataclass(frozen=True, slots=True)
class Clock:
    """What a batch asks of time; calendars are read only where a step has a due time."""

    calendars: Calendars
    session: AsyncSession
    tenant: UUID
    instance: UUID

    async def deadlines(self, graph: Graph, steps: Sequence[str], now: datetime) -> dict[str, Deadlines]:
        """Step key → deadlines of an execution that is entered now; only of steps that have any."""
        timed = [step for step in map(graph.steps.__getitem__, steps) if _is_timed(step)]
        if not timed:
            return {}
        calendar = await self._calendar()
        return {step.key: deadlines_of(step, calendar, now) for step in timed}

    async def snoozed(self, step: Step, until: datetime) -> Deadlines:
        """What becomes of reminders and levels when an execution is due at another moment."""
        return Deadlines(due_at=until, marks=marks_of(step, await self._calendar(), until))

    async def with_marks(self, graph: Graph, done: Mapping[Ref, Done]) -> dict[Ref, Done]:
        """Completed executions with the reminders and levels that they had, and how many of these were behind."""
        timed = {
            execution_id(self.instance, ref): (ref, one.due_at)
            for ref, one in done.items()
            if one.due_at is not None and escalation_of(graph.steps[ref.step]).has_moments
        }
        if not timed:
            return dict(done)
        calendar = await self._calendar()
        rows = await fetch(self.session, _BEHIND, tenant=self.tenant, ids=list(timed))
        behind = {row["id"]: row["mark"] for row in rows}
        found = dict(done)
        for identity, (ref, due) in timed.items():
            marks = marks_of(graph.steps[ref.step], calendar, due)
            found[ref] = replace(found[ref], marks=marks, mark=behind.get(identity, 0))
        return found

    async def moved(self, graph: Graph, state: State, now: datetime) -> dict[datetime, datetime]:
        """Deadlines of a state on hold → where they lie when it goes on now; empty where all moves by the time held.

        A timer that does not count working time is none of them: it moves by the time held.
        """
        if state.held_at is None:
            return {}
        calendar = await self._calendar()
        if calendar is None:
            return {}
        ahead = {moment for token in state.tokens.values() for moment in (token.due_at, token.limit_at)}
        counted = {key for key, step in graph.steps.items() if counts_working_time(step)}
        ahead |= {token.wake_at for ref, token in state.tokens.items() if ref.step in counted}
        marks = {mark for marks in {token.marks for token in state.tokens.values()} for mark in marks}
        deadlines = tuple(sorted({one for one in ahead if one is not None} | marks))
        try:
            return moved_by_hold(calendar, deadlines, state.held_at, now)
        except NeverOpenError:
            return {}

    async def _calendar(self) -> WorkingCalendar | None:
        return await self.calendars.of_instance(self.session, self.tenant, self.instance)


def _is_timed(step: Step) -> bool:
    return bool(step.expected_duration or step.max_duration or timer_of(step))


def deadlines_of(step: Step, calendar: WorkingCalendar | None, now: datetime) -> Deadlines:
    """Due time, hard limit, reminders and levels of an execution of `step` that is entered now."""
    due = _after(calendar, now, step.expected_duration)
    return Deadlines(
        due_at=due,
        limit_at=_after(calendar, now, step.max_duration),
        marks=() if due is None else marks_of(step, calendar, due),
        wake_at=_rings(step, calendar, now),
    )


def _rings(step: Step, calendar: WorkingCalendar | None, now: datetime) -> datetime | None:
    """When its timer rings."""
    return _after(calendar if counts_working_time(step) else None, now, timer_of(step))


def marks_of(step: Step, calendar: WorkingCalendar | None, due: datetime) -> tuple[datetime, ...]:
    """When reminders and levels are due, in their order: none is before the one before it."""
    policy = escalation_of(step)
    reminders = (_before(calendar, due, one) for one in policy.remind_before)
    levels = (_after(calendar, due, level.after) or due for level in policy.levels)
    return tuple(accumulate((*reminders, *levels), max))


def _after(calendar: WorkingCalendar | None, moment: datetime, duration: timedelta | None) -> datetime | None:
    """A calendar that never opens again counts as if all time were working time: work must become due."""
    if duration is None:
        return None
    if not duration:
        return moment
    try:
        return due_after(calendar, moment, duration)
    except NeverOpenError:
        return moment + duration


def _before(calendar: WorkingCalendar | None, moment: datetime, duration: timedelta) -> datetime:
    try:
        return before(calendar, moment, duration)
    except NeverOpenError:
        return moment - duration
