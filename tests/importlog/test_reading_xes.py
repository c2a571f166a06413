"""XES documents of any usual make are read; broken ones are refused with a stable code."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.importlog.writing import read, write
from workers.importlog.log import Fields, LogError, Oddities
from workers.importlog.reader import read_cases

NAMED = '<trace><string key="concept:name" value="1"/>{}</trace>'


def event(activity: str, *more: str) -> str:
    return f'<event><string key="concept:name" value="{activity}"/>{"".join(more)}</event>'


def log(inside: str, head: str = "") -> str:
    return f'<?xml version="1.0"?><log xes.version="2.0" xmlns="http://www.xes-standard.org/">{head}{inside}</log>'


def test_an_event_has_its_time_in_utc_and_its_attributes(tmp_path: Path) -> None:
    more = (
        '<date key="time:timestamp" value="2026-03-01T01:30:00.250+02:00"/>',
        '<string key="org:resource" value="Åsa"/><int key="cost" value="3"><string key="unit" value="EUR"/></int>',
        '<list key="parts"><values><string key="part" value="P-1"/></values></list>',
    )
    (case,) = read(write(tmp_path / "l.xes", log(NAMED.format(event("Weld", *more)))))
    (one,) = case.events
    assert one.timestamp == datetime(2026, 2, 28, 23, 30, 0, 250000, tzinfo=UTC)
    assert one.resource == "Åsa"
    assert one.attributes["cost"] == "3"
    assert one.attributes["cost.unit"] == "EUR"
    assert one.attributes["parts.part"] == "P-1"


def test_a_number_that_is_none_and_a_time_that_is_none_are_nothing(tmp_path: Path) -> None:
    more = (
        '<float key="org:resource" value="nan"/><string key="start_timestamp" value="NaT"/>',
        '<date key="time:timestamp" value="2026-01-01T10:00:00+00:00"/>',
    )
    oddities = Oddities()
    (case,) = read(write(tmp_path / "l.xes", log(NAMED.format(event("Weld", *more)))), oddities=oddities)
    assert [(one.lifecycle, one.resource) for one in case.events] == [("", "")]
    assert not oddities.counts
    (case,) = read(write(tmp_path / "m.xes", log(NAMED.format(event("Weld", more[0].replace("float", "string"))))))
    assert case.events[0].resource == "nan"  # a person may be called so


@pytest.mark.parametrize(
    "namespace", ["", ' xmlns="http://www.xes-standard.org/"', ' xmlns="http://code.deckfour.org/xes"']
)
def test_any_namespace_will_do(namespace: str, tmp_path: Path) -> None:
    text = f"<log{namespace}>{NAMED.format(event('Weld'))}</log>"
    assert read(write(tmp_path / "l.xes", text))[0].events[0].activity == "Weld"


def test_a_prefixed_namespace_and_utf_16_will_do(tmp_path: Path) -> None:
    text = (
        '<?xml version="1.0" encoding="UTF-16"?><x:log xmlns:x="http://www.xes-standard.org/"><x:trace>'
        '<x:event><x:string key="concept:name" value="焊接"/></x:event></x:trace></x:log>'
    )
    assert read(write(tmp_path / "l.xes", text, "utf-16"))[0].events[0].activity == "焊接"


def test_an_extension_may_have_another_prefix(tmp_path: Path) -> None:
    head = '<extension name="Concept" prefix="c" uri="http://www.xes-standard.org/concept.xesext"/>'
    text = log(
        '<trace><string key="c:name" value="7"/><event><string key="c:name" value="Weld"/></event></trace>', head
    )
    (case,) = read(write(tmp_path / "l.xes", text))
    assert (case.id, case.events[0].activity) == ("7", "Weld")


def test_a_classifier_names_the_activity_where_nothing_else_does(tmp_path: Path) -> None:
    head = '<classifier name="A" keys="\'work center\' op lifecycle:transition"/>'
    inside = '<trace><event><string key="work center" value="W1"/><int key="op" value="10"/></event></trace>'
    oddities = Oddities()
    (case,) = read(write(tmp_path / "l.xes", log(inside, head)), oddities=oddities)
    assert case.events[0].activity == "W1+10"
    assert oddities.counts["activities named by a classifier"] == 1


def test_a_real_default_of_the_log_fills_in_and_a_placeholder_does_not(tmp_path: Path) -> None:
    values = '<string key="concept:name" value="{}"/><string key="lifecycle:transition" value="start"/>'
    head = f'<global scope="event">{values}</global>'
    bare = NAMED.format("<event/>" + event("Weld"))
    oddities = Oddities()
    (case,) = read(write(tmp_path / "a.xes", log(bare, head.format("Inspect"))), oddities=oddities)
    assert [(one.activity, one.lifecycle) for one in case.events] == [("Inspect", "start"), ("Weld", "start")]
    (case,) = read(write(tmp_path / "b.xes", log(bare, head.format("__INVALID__"))), oddities=oddities)
    assert [one.activity for one in case.events] == ["Weld"]
    assert oddities.counts["skipped: events without an activity"] == 1


def test_other_attributes_can_be_named(tmp_path: Path) -> None:
    inside = (
        '<trace><string key="nr" value="7"/><event><string key="op" value="Weld"/><string key="by" value="Bo"/>'
        '<string key="at" value="03.04.2026 10:00"/><string key="phase" value="start"/></event></trace>'
    )
    fields = Fields("nr", "op", "at", resource="by", lifecycle="phase", timestamp_format="%d.%m.%Y %H:%M")
    (case,) = read(write(tmp_path / "l.xes", log(inside)), fields)
    (one,) = case.events
    assert (case.id, one.activity, one.resource, one.lifecycle) == ("7", "Weld", "Bo", "start")
    assert one.timestamp == datetime(2026, 4, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize("option", ["case_id", "activity", "timestamp", "start_timestamp", "resource", "lifecycle"])
def test_an_attribute_that_is_named_and_nowhere_is_refused(option: str, tmp_path: Path) -> None:
    head = '<classifier name="Activity" keys="concept:name"/>'
    path = write(tmp_path / "l.xes", log(NAMED.format(event("Weld")) * 3, head))
    fields: dict[str, Any] = {option: "nope"}
    for limit in (None, 2):
        with pytest.raises(LogError, match=r"log_column_unknown: .*'nope'"):
            list(read_cases(path, Fields(**fields), Oddities(), limit))
    assert read(path, Fields(resource="org:resource", lifecycle="lifecycle:transition"))  # usual, and not there


def test_where_the_activity_is_named_no_classifier_takes_its_place(tmp_path: Path) -> None:
    head = '<classifier name="Activity" keys="concept:name"/>'
    inside = NAMED.format(event("Weld", '<string key="op" value="10"/>') + event("Note"))
    oddities = Oddities()
    (case,) = read(write(tmp_path / "l.xes", log(inside, head)), Fields(activity="op"), oddities)
    assert [one.activity for one in case.events] == ["10"]
    assert oddities.skipped == 1


def test_a_start_beside_the_time_of_an_event_makes_it_two(tmp_path: Path) -> None:
    times = (
        '<date key="start_timestamp" value="2026-01-01T10:00:00Z"/><date key="time:timestamp" value="{}"/>',
        '<string key="org:resource" value="Ann"/>',
    )
    begun = event("Weld", times[0].format("2026-01-01T11:00:00Z"), times[1])
    (case,) = read(write(tmp_path / "l.xes", log(NAMED.format(begun + event("Test")))))
    assert [(one.activity, one.lifecycle) for one in case.events] == [
        ("Weld", "start"),
        ("Weld", "complete"),
        ("Test", ""),
    ]
    assert case.events[0].instance == case.events[1].instance != ""


def test_cases_without_or_with_the_same_id_or_without_events_are_kept(tmp_path: Path) -> None:
    inside = f"<trace>{event('A')}</trace>{NAMED.format(event('B'))}{NAMED.format('')}{NAMED.format(event('C'))}"
    oddities = Oddities()
    cases = read(write(tmp_path / "l.xes", log(inside)), oddities=oddities)
    assert [case.id for case in cases] == ["case 1", "1", "1 (2)", "1 (3)"]
    assert [len(case.events) for case in cases] == [1, 1, 0, 1]
    assert oddities.counts == {
        "cases without an id": 1,
        "case ids that repeat": 2,
        "cases without events": 1,
        "events without a timestamp": 3,
    }


def test_disorder_and_missing_times_are_put_right_and_counted(tmp_path: Path) -> None:
    def at(minute: str) -> str:
        return f'<date key="time:timestamp" value="2026-01-01T00:{minute}:00Z"/>'

    bad = '<date key="time:timestamp" value="yesterday"/>'
    inside = NAMED.format(
        event("E", at("05")) + event("F") + event("C", at("03")) + event("D", bad) + event("G", at("05"))
    )
    oddities = Oddities()
    (case,) = read(write(tmp_path / "l.xes", log(inside)), oddities=oddities)
    assert [one.activity for one in case.events] == ["C", "D", "E", "F", "G"]
    assert oddities.counts == {
        "events without a timestamp": 2,
        "timestamps that cannot be read": 1,
        "events out of order in the file": 1,
    }


def test_events_outside_a_trace_are_counted_as_skipped(tmp_path: Path) -> None:
    oddities = Oddities()
    read(write(tmp_path / "l.xes", log(event("A") + NAMED.format(event("B")))), oddities=oddities)
    assert oddities.skipped == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<log><trace><event>", "log_malformed"),
        ("<log><trace></event></log>", "log_malformed"),
        ("<log><trace>" + "<list key='a'>" * 5000 + "</list>" * 5000 + "</trace></log>", "log_malformed"),
        ('<!DOCTYPE l [<!ENTITY a "b">]><log>&a;</log>', "log_malformed"),
        ('<?xml version="1.0" encoding="nonsense"?><log/>', "log_malformed"),
        ("<html><body/></html>", "log_format_unknown"),
        ("<WorkflowLog/>", "log_format_unknown"),
        ("<log/>", "log_empty"),
        ("<log><trace><event><string key='x' value='y'/></event></trace></log>", "log_no_activity"),
    ],
)
def test_a_broken_document_is_refused_with_its_code(text: str, code: str, tmp_path: Path) -> None:
    path = write(tmp_path / "l.xes", text)
    with pytest.raises(LogError) as refused:
        read(path)
    assert refused.value.code == code
    assert refused.value.detail


def test_a_cut_off_archive_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "l.xes.gz", log(NAMED.format("".join(event(f"A{n * 7919}") for n in range(3000)))))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(LogError, match="log_malformed"):
        read(path)


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    path = write(tmp_path / "l.xes", f"<log>{NAMED.format(event('A'))}" + "<trace/>" * 40_000 + "<broken")
    assert len(list(read_cases(path, Fields(), Oddities(), 5))) == 5
