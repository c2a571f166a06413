"""Outcomes of commands, with the body that the API answers: settled once, with the record that decided them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from activities.contract import Cohort
from activities.projection import Place
from activities.showing import Showing
from models.enums import CommandOutcome
from models.flow import events as ev
from models.flow.batch import Outcome
from models.flow.state import Ref
from models.store.bulk import change
from models.store.views import execution_json, shown_executions
from models.tables import Command
from models.wire import Wire


async def settle(
    wire: Wire,
    place: Place,
    cohorts: Sequence[Cohort],
    outcomes: Sequence[Outcome],
    seq: int,
    showing: Showing | None = None,
) -> None:
    """Write outcome, answer and journal position of every command of this record.

    Args:
        showing: what is known of the executions concerned; without it, or where it cannot tell, they are read.
    """
    by_command: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_command.setdefault(outcome.command_id, []).append(outcome)
    if not by_command:
        return
    entered = _entered(place, cohorts)
    wanted = _shown(place, by_command, entered)
    views = await _views(wire, place, cohorts, wanted, showing) if wanted else {}
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


def _shown(
    place: Place, by_command: Mapping[str, Sequence[Outcome]], entered: Mapping[int, list[UUID]]
) -> dict[UUID, None]:
    """Executions that answers show whole: of commands to a single one, that one and those that its subject entered."""
    wanted: dict[UUID, None] = {}
    for outcomes in by_command.values():
        ref = outcomes[0].ref
        if len(outcomes) == 1 and ref is not None and ref.subject >= 0:
            wanted |= dict.fromkeys((place.id(ref), *entered.get(ref.subject, ())))
    return wanted


async def _views(
    wire: Wire, place: Place, cohorts: Sequence[Cohort], wanted: Mapping[UUID, None], showing: Showing | None
) -> dict[UUID, dict[str, Any]]:
    """What these executions show after the record."""
    told = None if showing is None else showing.after(place, cohorts, wanted.keys())
    if told is not None:
        return told
    (rows,) = await wire.fetch(shown_executions(place.tenant, list(wanted)))
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
