"""The notices of a record: which of its events people or other systems hear of, and who.

One outbox row per kind and step, whatever the number of subjects, and one for all events that webhooks want; a record
that tells nobody anything costs no statement.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from activities.contract import Cohort
from activities.projection import Place
from activities.subscriptions import Wanted
from models.flow import events as ev
from models.flow.errors import describe
from models.flow.graph import Graph
from models.flow.policies import assignment_of, escalation_of
from models.notices.kinds import NoticeKind
from models.permissions import roles_with
from models.store.notices import About, Notice, Recipients, put_notices
from models.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What one event tells: its kind, to whom, with what. Equal ones of a record are one notice."""

    kind: NoticeKind
    recipients: Recipients
    params: tuple[tuple[str, Any], ...] = ()


def _entered(event: ev.ExecutionEntered) -> _Told | None:
    if event.assignee is None:
        return None
    return _Told(kind=NoticeKind.EXECUTION_ASSIGNED, recipients=Recipients(users=(event.assignee,)))


def _reassigned(event: ev.ExecutionReassigned) -> _Told | None:
    if event.to is None:
        return None
    recipients = Recipients(users=(event.to,), but=_nobody_or(event.by))
    return _Told(
        kind=NoticeKind.EXECUTION_ASSIGNED, recipients=recipients, params=_given(actor=event.by, reason=event.reason)
    )


def _due_soon(_: ev.ReminderSent) -> _Told:
    return _Told(kind=NoticeKind.EXECUTION_DUE_SOON, recipients=Recipients(assignees=True, candidates=True))


def _overdue(_: ev.ExecutionOverdue) -> _Told:
    recipients = Recipients(assignees=True, candidates=True, owner=True, watchers=True)
    return _Told(kind=NoticeKind.EXECUTION_OVERDUE, recipients=recipients)


def _escalated(event: ev.ExecutionEscalated) -> _Told:
    named = [one.partition(":") for one in event.to]
    recipients = Recipients(
        users=tuple(name for what, _, name in named if what == "user"),
        roles=tuple(name for what, _, name in named if what == "role"),
        owner=not event.to,
    )
    return _Told(kind=NoticeKind.ESCALATION, recipients=recipients, params=_given(level=event.level))


def _left_to_the_owner() -> _Told:
    """It is to be escalated, and no level says to whom."""
    return _Told(kind=NoticeKind.ESCALATION, recipients=Recipients(owner=True))


def _incident(event: ev.IncidentOpened) -> _Told:
    recipients = Recipients(roles=roles_with("ops.incident_resolve"), assignees=True, owner=True, watchers=True)
    said = _given(code=event.code, message=describe(event.code, event.params))
    return _Told(kind=NoticeKind.INCIDENT_OPENED, recipients=recipients, params=said)


def _signoff(event: ev.SignoffAwaited) -> _Told:
    recipients = Recipients(roles=roles_with("execution.signoff"), but=_nobody_or(event.by))
    return _Told(kind=NoticeKind.SIGNOFF_AWAITED, recipients=recipients, params=_given(actor=event.by))


def _stopped(event: ev.InstanceHeld | ev.InstanceResumed | ev.InstanceCancelled) -> _Told:
    recipients = Recipients(owner=True, watchers=True, assignees=True, but=_nobody_or(event.by))
    return _Told(kind=NoticeKind(event.kind), recipients=recipients, params=_given(actor=event.by, reason=event.reason))


def _completed(_: ev.InstanceCompleted) -> _Told:
    return _Told(kind=NoticeKind.INSTANCE_COMPLETED, recipients=Recipients(owner=True, watchers=True))


_TELLS: Final[Mapping[str, Callable[[Any], _Told | None]]] = {
    "execution_entered": _entered,
    "execution_reassigned": _reassigned,
    "reminder_sent": _due_soon,
    "execution_overdue": _overdue,
    "execution_escalated": _escalated,
    "incident_opened": _incident,
    "signoff_awaited": _signoff,
    "instance_held": _stopped,
    "instance_resumed": _stopped,
    "instance_cancelled": _stopped,
    "instance_completed": _completed,
}
"""Event → what it tells; all others tell people nothing."""


async def tell(wire: Wire, place: Place, cohorts: Sequence[Cohort], first: int, wanted: Wanted, graph: Graph) -> None:
    """Leave the notices of a record in the outbox.

    Args:
        wire: The record's transaction.
        place: The instance.
        cohorts: What was recorded.
        first: Journal position of the first of them.
        wanted: What anybody of the tenant wants to hear of besides.
        graph: Of the instance's version.
    """
    seqs = [seq for seq, cohort in enumerate(cohorts, start=first) if cohort.event.kind in wanted.events]
    notices = notices_of(place, cohorts, graph, wanted.notices)
    if notices or seqs:
        events = {"instance": str(place.instance), "seqs": seqs} if seqs else None
        await put_notices(await wire.session(), place.tenant, notices, events)


def notices_of(
    place: Place,
    cohorts: Sequence[Cohort],
    graph: Graph | None = None,
    chosen: frozenset[NoticeKind] = frozenset(),
) -> list[Notice]:
    """One notice for each kind, step and wording; its executions are those of all cohorts together.

    `chosen` are kinds that are off as shipped, and which somebody wants.
    """
    gathered: dict[tuple[_Told, str], list[UUID]] = {}
    for cohort in cohorts:
        ref = getattr(cohort.event, "ref", None)
        for told in _told_by(cohort.event, graph, chosen):
            at = gathered.setdefault((told, "" if ref is None else ref.step), [])
            if ref is not None and ref.step:
                at.extend(place.ids(ref, cohort.subjects))
    return [
        Notice(
            kind=told.kind,
            recipients=told.recipients,
            about=About(instance=place.instance, executions=executions),
            params=dict(told.params),
        )
        for (told, _), executions in gathered.items()
    ]


def _told_by(event: ev.Event, graph: Graph | None, chosen: frozenset[NoticeKind]) -> Iterator[_Told]:
    tells = _TELLS.get(event.kind)
    told = None if tells is None else tells(event)
    if told is not None:
        yield told
    if NoticeKind.EXECUTION_AVAILABLE in chosen and graph is not None and _is_to_be_taken(event, graph):
        yield _Told(kind=NoticeKind.EXECUTION_AVAILABLE, recipients=Recipients(candidates=True))
    if isinstance(event, ev.ExecutionOverdue) and event.escalate and graph is not None:
        step = graph.steps.get(event.ref.step)
        if step is not None and not escalation_of(step).levels:
            yield _left_to_the_owner()


def _is_to_be_taken(event: ev.Event, graph: Graph) -> bool:
    """Work that nobody holds came to a step whose assignment names who may take it, or was given back there."""
    match event:
        case ev.ExecutionEntered(assignee=None, ref=ref) | ev.ExecutionReleased(ref=ref):
            step = graph.steps.get(ref.step)
        case ev.ExecutionReassigned(to=None, ref=ref):
            step = graph.steps.get(ref.step)
        case _:
            return False
    if step is None or step.is_engines or step.ends_on_entry:
        return False
    rule = assignment_of(step)
    return bool(rule.roles or rule.users)


def _given(**params: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in params.items() if value)


def _nobody_or(by: str | None) -> tuple[str, ...]:
    return () if by is None else (by,)
