"""What an activity answers: a local activity's answer of over 2 MiB would fail the workflow task for ever."""

from random import Random
from uuid import UUID

import pytest
from pydantic_core import to_json

from activities.contract import Cohort, Recorded, wire
from models.flow import commands as cmd
from models.flow import events as ev
from models.flow.batch import decide_all
from models.flow.cohorts import pack
from models.flow.errors import describe
from models.flow.facts import Facts
from models.flow.folding import fold_packed
from models.flow.state import Ref, State, incident_id
from models.flow.status import ExecutionStatus
from tests.flow.scene import INSTANCE, NOW, PERMISSIONS, graph, step

MANY = 10_000
LIMIT = 1024 * 1024
LETTERS = [chr(code) for code in range(0x4E00, 0x9FA0)]
"""Of three bytes each, and hard to compress."""


def uuid_of(number: int) -> str:
    return str(UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128)))


def recorded(cohorts: tuple[Cohort, ...]) -> Recorded:
    return Recorded(status="recorded", seq=len(cohorts), cohorts=cohorts)


def answer_of(given: Recorded) -> Recorded:
    """As it comes out at the other side, after it was found to fit."""
    sent = to_json(given.slim())
    assert len(sent) < LIMIT
    return given.slim()


def test_an_answer_of_a_few_stays_readable() -> None:
    few = recorded((Cohort(event=ev.ExecutionClaimed(ref=Ref(0, "a"), at=NOW, by="ann"), subjects=(1, 2)),))
    assert few.slim() is few
    assert few.happened() == tuple(cohort.core() for cohort in few.cohorts)


def test_ten_thousand_completed_by_as_many_people_fit() -> None:
    """A batch release after each was done by somebody else: no two events are alike."""
    cohorts = tuple(
        Cohort(
            event=ev.ExecutionCompleted(ref=Ref(0, "a"), at=NOW, by=uuid_of(n), next_step="b", route="default"),
            subjects=(n,),
        )
        for n in range(MANY)
    )
    assert answer_of(recorded(cohorts)).happened() == tuple(cohort.core() for cohort in cohorts)


def test_ten_thousand_incidents_fit() -> None:
    params = {"step": "Final assembly", "visits": 3, "maximum": 3}
    assert describe("visit_limit_reached", params)
    cohorts = tuple(
        Cohort(
            event=ev.IncidentOpened(
                ref=Ref(0, "a"),
                at=NOW,
                incident_id=str(incident_id(INSTANCE, Ref(n, "a"), 7)),
                code="visit_limit_reached",
                params=params,
            ),
            subjects=(n,),
        )
        for n in range(MANY)
    )
    assert answer_of(recorded(cohorts)).happened() == tuple(cohort.core() for cohort in cohorts)


@pytest.mark.parametrize("people", [1, MANY])
def test_the_sign_off_of_a_whole_batch_of_ten_thousand_fits_and_folds(people: int) -> None:
    """Each was worked on by one of so many people; a batch signed off as one goes on as one."""
    parts = (step("a", requires_batch_completion=True, requires_qa_signoff=True), step("b"))
    state = State(instance_id=INSTANCE)
    begun = decide_all(graph(*parts), state, [cmd.Begin(subjects=MANY)], Facts(permissions=PERMISSIONS), NOW)
    refs = [Ref(n, "a") for n in range(MANY)]
    awaited = tuple(
        Cohort(event=ev.SignoffAwaited(ref=Ref(0, "a"), at=NOW, by=uuid_of(n)), subjects=tuple(range(n, MANY, people)))
        for n in range(people)
    )
    ready = fold_packed(begun.state, (cohort.core() for cohort in awaited))
    assert {token.status for token in ready.tokens.values()} == {ExecutionStatus.AWAITING_SIGNOFF}
    workers = {ref: frozenset({ready.tokens[ref].done_by or ""}) for ref in refs}
    facts = Facts(permissions=PERMISSIONS, workers=workers)
    asked = [cmd.SignOff(command_id="c", actor="qa", ref=ref) for ref in refs]
    decision = decide_all(graph(*parts), ready, asked, facts, NOW)
    after = fold_packed(ready, answer_of(recorded(wire(pack(decision.happened)))).happened())
    assert after == decision.state
    assert {ref.step for ref in after.tokens} == {"b"}


def test_a_few_long_notes_are_compressed() -> None:
    notes = [f"{n}: {'as drawn, ' * 900}" for n in range(50)]
    few = recorded(tuple(noted(n, one) for n, one in enumerate(notes)))
    assert few.slim().fits
    assert answer_of(few).happened() == tuple(cohort.core() for cohort in few.cohorts)


def test_what_is_too_long_even_so_is_told_as_the_state_that_it_leads_to() -> None:
    dice = Random(7)
    many = recorded(tuple(noted(n, "".join(dice.choices(LETTERS, k=10_000))) for n in range(60)))
    assert not many.slim().fits
    told = many.slim().as_state({"v": 2})
    assert (told.fits, told.happened(), told.state, told.seq) == (True, (), {"v": 2}, many.seq)


def noted(number: int, notes: str) -> Cohort:
    event = ev.ExecutionCompleted(
        ref=Ref(0, "a"), at=NOW, by=uuid_of(number), next_step="b", route="default", notes=notes
    )
    return Cohort(event=event, subjects=(number,))
