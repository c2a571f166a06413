"""Lifecycle events become executions: paired, put in order, and with nothing hidden."""

from datetime import UTC, datetime, timedelta

from workers.importlog.executions import executions_of, overlaps
from workers.importlog.lifecycle import find_lifecycle
from workers.importlog.log import Case, Event, Oddities
from workers.importlog.plan import make_plan

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)

Told = tuple[str, str, str]


def case(*lines: str) -> Case:
    """Events written as `minute activity transition resource instance`, `-` for a missing one."""
    return Case("1", tuple(_event(line.split()) for line in lines))


def _event(parts: list[str]) -> Event:
    minute, activity, *rest = parts
    transition, resource, instance = ["" if one == "-" else one for one in [*rest, "-", "-", "-"][:3]]
    return Event(activity, transition.replace("_", " "), EPOCH + timedelta(minutes=int(minute)), resource, instance)


def told(*lines: str) -> list[Told]:
    one = case(*lines)
    return [
        ("/".join(filter(None, done.step)), done.starter, done.completer)
        for done in executions_of(one, find_lifecycle([one]))
    ]


def oddities_of(*lines: str) -> dict[str, int]:
    oddities = Oddities()
    make_plan([case(*lines)], oddities)
    return dict(oddities.counts)


def test_a_start_and_a_complete_are_one_execution() -> None:
    assert told("0 A start Ann", "5 A complete Bo", "6 B complete Cy") == [("A", "Ann", "Bo"), ("B", "", "Cy")]


def test_all_standard_transitions_of_a_piece_of_work_are_one_execution() -> None:
    lines = ("0 A schedule", "1 A assign", "2 A start Ann", "3 A suspend Ann", "4 A resume Ann", "5 A complete Ann")
    assert told(*lines) == [("A", "Ann", "Ann")]
    assert oddities_of(*lines) == {}


def test_transitions_that_are_states_are_steps() -> None:
    assert told("0 Accepted In_Progress Ann", "1 Accepted Wait Ann", "2 Done Closed Bo") == [
        ("Accepted/In Progress", "", "Ann"),
        ("Accepted/Wait", "", "Ann"),
        ("Done/Closed", "", "Bo"),
    ]


def test_synonyms_hold_only_where_every_transition_is_one() -> None:
    assert told("0 A Started Ann", "1 A Finished Ann") == [("A", "Ann", "Ann")]
    assert told("0 A Started Ann", "1 B In_Review Bo") == [("A/Started", "", "Ann"), ("B/In Review", "", "Bo")]


def test_case_does_not_matter() -> None:
    assert told("0 A START Ann", "1 A COMPLETE Ann") == [("A", "Ann", "Ann")]


def test_parallel_executions_of_one_activity_are_told_apart_by_instance_then_person_then_age() -> None:
    assert told("0 A start Ann 1", "1 A start Bo 2", "2 A complete Cy 2", "3 A complete Di 1") == [
        ("A", "Bo", "Cy"),
        ("A", "Ann", "Di"),
    ]
    assert told("0 A start Ann", "1 A start Bo", "2 A complete Bo", "3 A complete Ann") == [
        ("A", "Bo", "Bo"),
        ("A", "Ann", "Ann"),
    ]
    assert told("0 A start Ann", "1 A start Bo", "2 A complete", "3 A complete") == [("A", "Ann", ""), ("A", "Bo", "")]


def test_an_activity_that_only_ever_starts_is_done_when_it_starts() -> None:
    assert oddities_of("0 A start Ann", "1 A start Bo", "2 B complete") == {}
    assert told("0 A start Ann", "1 A start Bo") == [("A", "", "Ann"), ("A", "", "Bo")]


def test_a_start_without_an_end_is_kept_and_counted() -> None:
    lines = ("0 A start Ann", "1 A complete Ann", "2 A start Bo", "3 B complete Cy")
    assert told(*lines) == [("A", "Ann", "Ann"), ("A", "Bo", "Bo"), ("B", "", "Cy")]
    assert oddities_of(*lines) == {"executions without an end in the log": 1}


def test_an_end_without_a_start_is_kept_and_counted() -> None:
    lines = ("0 A start Ann", "1 A complete Ann", "2 A complete Bo")
    assert told(*lines) == [("A", "Ann", "Ann"), ("A", "", "Bo")]
    assert oddities_of(*lines) == {"ends without a start, of activities that have starts": 1}


def test_overlapping_work_is_put_in_the_order_of_its_ends_and_counted() -> None:
    lines = ("0 A start Ann", "1 B start Bo", "2 I complete Cy", "3 A complete Ann", "4 B complete Bo")
    assert [step for step, *_ in told(*lines)] == ["I", "A", "B"]
    assert oddities_of(*lines) == {
        "overlapping executions (pairs), put in the order of their ends": 3,
        "cases with overlapping executions": 1,
    }


def test_work_that_only_touches_does_not_overlap() -> None:
    one = case("0 A start", "5 A complete", "5 B start", "5 C complete", "9 B complete", "9 D complete")
    assert overlaps(executions_of(one, find_lifecycle([one]))) == 0


def test_another_person_may_end_the_work() -> None:
    assert oddities_of("0 A start Ann", "1 A complete Bo") == {
        "executions ended by another person than started them": 1
    }


def test_what_the_record_cannot_say_is_in_the_note() -> None:
    lines = ("0 A start Ann", "1 A withdraw Ann", "2 A complete Bo", "3 A start Cy")
    plan = make_plan([case(*lines)], Oddities())
    notes = [one.note for one in plan.cases[0].recorded]
    assert "Transition: withdraw." in notes[0]
    assert notes[1] == "Recorded at 2026-01-05T00:02:00+00:00."
    assert "no end" in notes[2]


def test_people_are_named_as_the_api_keeps_them() -> None:
    log = [Case("1", (Event("A", resource="  Ann "), Event("A", resource="x" * 201)))]
    oddities = Oddities()
    plan = make_plan(log, oddities)
    assert [one.completer for one in plan.cases[0].recorded] == ["Ann", "x" * 200]
    assert oddities.counts["names of people cut at 200 characters"] == 1
