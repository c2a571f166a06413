"""Outcomes of commands, with the body that the API answers: settled once, with the record that decided them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from activities.contract import Cohort
from activities.projection import Place
from models.enums import CommandOutcome
from models.flow import events as ev
from models.flow.batch import Outcome
from models.flow.state import Ref
from models.store.bulk import change
from models.store.views import execution_json, shown_executions
from models.tables import Command
from models.wire import Wire

SHOWN = 20
"""Executions whose whole view is stored with the answer; beyond that ids and words suffice."""


async def settle(wire: Wire, place: Place, cohorts: Sequence[Cohort], outcomes: Sequence[Outcome], seq: int) -> None:
    """Write outcome, answer and journal position of every command of this record."""
    by_command: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_command.setdefault(outcome.command_id, []).append(outcome)
    if not by_command:
        return
    entered = _entered(place, cohorts)
    views = await _views(wire, place, by_command, entered)
    at = cohorts[0].event.at
    rows = [_settled(place, at, seq, command, found, entered, views) for command, found in by_command.items()]
    wire.later(change(Command, rows))


def _entered(place: Place, cohorts: Sequence[Cohort]) -> dict[int, list[UUID]]:
    """Subject → the executions that it entered in this record, in order."""
    found: dict[int, list[UUID]] = {}
    for cohort in cohorts:
        if isinstance(cohort.event, ev.ExecutionEntered):
            for subject, entered in zip(cohort.subjects, place.ids(cohort.event.ref, cohort.subjects), strict=True):
                found.setdefault(subject, []).append(entered)
    return found


async def _views(
    wire: Wire, place: Place, by_command: Mapping[str, Sequence[Outcome]], entered: Mapping[int, list[UUID]]
) -> dict[UUID, dict[str, Any]]:
    wanted: list[UUID] = []
    for outcomes in by_command.values():
        refs = [outcome.ref for outcome in outcomes if outcome.ref is not None and outcome.ref.subject >= 0]
        if len(refs) <= SHOWN:
            wanted += [place.id(ref) for ref in refs]
            wanted += [one for ref in refs for one in entered.get(ref.subject, ())]
    if not wanted:
        return {}
    (rows,) = await wire.fetch(shown_executions(place.tenant, list(dict.fromkeys(wanted))))
    return {row.id: execution_json(row._asdict()) for row in rows}


def _settled(
    place: Place,
    at: datetime,
    seq: int,
    command: str,
    outcomes: Sequence[Outcome],
    entered: Mapping[int, list[UUID]],
    views: Mapping[UUID, dict[str, Any]],
) -> dict[str, Any]:
    refused = [outcome for outcome in outcomes if outcome.refused]
    word = CommandOutcome.ACCEPTED
    if refused:
        word = CommandOutcome.REFUSED if len(refused) == len(outcomes) else CommandOutcome.PARTIAL
    return {
        "tenant_id": place.tenant,
        "id": UUID(command),
        "outcome": word.value,
        "settled_at": at,
        "settled_seq": seq,
        "response": _answer(place, outcomes, entered, views),
    }


def _answer(
    place: Place,
    outcomes: Sequence[Outcome],
    entered: Mapping[int, list[UUID]],
    views: Mapping[UUID, dict[str, Any]],
) -> dict[str, Any]:
    """`items` for each execution; for a lone one (or the instance) the same at the top."""
    items = [_item(place, outcome) for outcome in outcomes]
    if len(outcomes) > 1:
        return {"items": items}
    outcome, item = outcomes[0], items[0]
    answer: dict[str, Any] = dict(item)
    if outcome.ref is not None and outcome.ref.subject >= 0:
        answer["execution"] = views.get(place.id(outcome.ref))
        answer["next"] = [views[one] for one in _following(outcome.ref, place, entered) if one in views]
        answer["items"] = items
    return answer


def _following(ref: Ref, place: Place, entered: Mapping[int, list[UUID]]) -> list[UUID]:
    return [one for one in entered.get(ref.subject, ()) if one != place.id(ref)]


def _item(place: Place, outcome: Outcome) -> dict[str, Any]:
    known = outcome.ref is not None and outcome.ref.subject >= 0
    item: dict[str, Any] = {}
    if outcome.ref is not None and known:
        item["execution_id"] = str(place.id(outcome.ref))
    if outcome.refused:
        return {**item, "code": outcome.outcome, "params": dict(outcome.params)}
    return {**item, "outcome": outcome.outcome}
